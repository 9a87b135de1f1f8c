/** The Worker of `npm start`: three kinds of objects over HTTP, and one route that calls several by RPC. */
import { Object, serve } from "durable-base";
import { Counter } from "./counter/counter.ts";
import { Order } from "./order/order.ts";
import { TodoList } from "./todo-list/todo-list.ts";

export { Counter, Order, TodoList };

const app = serve(
  { "/counters/:name": Counter, "/lists/:name": TodoList, "/orders/:name": Order },
  // Everyone may open every object here. Yours would look at a token, before the object is woken.
  { authorize: () => true },
);

app.get("/total", async (c) => {
  const counters = Object.from(c.env.COUNTER);
  const names = (c.req.query("names") ?? "").split(",").filter((name) => name !== "");
  const states = await Promise.all(names.map((name) => counters.byName(name).read()));
  return c.json(states.reduce((total, { count }) => total + count, 0));
});

export default app;
