import { openapi } from "durable-base/openapi";
import app, { Counter } from "./routes.ts";

export { Counter };

/** The routes with a document of them. */
app.get("/openapi.json", (c) => c.json(openapi({ "/counters/:name": Counter })));

export default app;
