import { serve } from "durable-base";
import { Board } from "./board.ts";

export { Board };

// Everyone may open every board here. Yours would look at a token, before the object is woken.
export default serve({ "/boards/:name": Board }, { authorize: () => true });
