/** The Worker of `npm start`: five kinds of objects over HTTP, a page, and one route that calls several objects by RPC. */
import { Object, serve } from "durable-base";
import { Board } from "./board/board.ts";
import { Chat } from "./chat/chat.ts";
import page from "./chat/page.html";
import { Counter } from "./counter/counter.ts";
import { Order } from "./order/order.ts";
import { TodoList } from "./todo-list/todo-list.ts";

export { Board, Chat, Counter, Order, TodoList };

const app = serve(
  {
    "/boards/:name": Board,
    "/chats/:name": Chat,
    "/counters/:name": Counter,
    "/lists/:name": TodoList,
    "/orders/:name": Order,
  },
  // Everyone may open every object here. Yours would look at a token, before the object is woken.
  { authorize: () => true },
);

// Before the object, which is woken by its socket only.
app.get("/chats/:name", (c) => c.html(page));

app.get("/total", async (c) => {
  const counters = Object.from(c.env.COUNTER);
  const names = (c.req.query("names") ?? "").split(",").filter((name) => name !== "");
  const states = await Promise.all(names.map((name) => counters.byName(name).read()));
  return c.json(states.reduce((total, { count }) => total + count, 0));
});

export default app;
