/** What stands before the objects for requests from outside: one Worker of each contender's kind. */
import { serve, type ServeNamespace } from "durable-base";
import { Hono } from "hono/tiny";

type Env = Record<"HAND" | "HAND_ROUTES" | "HONO" | "HONO_ROUTES" | "OURS" | "OUR_ROUTES", ServeNamespace>;

type Front = (request: Request, env: Env, ctx: ExecutionContext) => Response | Promise<Response>;

/** `/hand/counters/alice/double` is `/double` of the object `alice`. */
const hand: Front = async (request, env) => {
  const url = new URL(request.url);
  const [, , kind, name, ...rest] = url.pathname.split("/");
  url.pathname = `/${rest.join("/")}`;
  if (name === undefined) return new Response(null, { status: 404 });
  const namespace = kind === "counters" ? env.HAND : env.HAND_ROUTES;
  return await namespace.getByName(decodeURIComponent(name)).fetch(new Request(url, request));
};

const hono = new Hono<{ Bindings: Env }>();
for (const kind of ["counters", "routes"] as const) {
  hono.all(`/hono/${kind}/:name/*`, async (c) => {
    const url = new URL(c.req.url);
    url.pathname = `/${url.pathname.split("/").slice(4).join("/")}`;
    const namespace = kind === "counters" ? c.env.HONO : c.env.HONO_ROUTES;
    return await namespace.getByName(c.req.param("name")).fetch(new Request(url, c.req.raw));
  });
}

const ours = serve<Env>(
  { "/ours/counters/:name": ({ OURS }) => OURS, "/ours/routes/:name": ({ OUR_ROUTES }) => OUR_ROUTES },
  { authorize: () => true },
);

/** `/chats/HAND_CHAT/lobby` is the chat `lobby`, the same way for all contenders. */
const chats: Front = async (request, env) => {
  const [, , binding, name] = new URL(request.url).pathname.split("/");
  return await (env as Readonly<Record<string, ServeNamespace>>)[binding!]!.getByName(name!).fetch(request);
};

/** By the first segment of the path. */
export const fronts: Readonly<Record<string, Front | undefined>> = { hand, hono: hono.fetch, ours: ours.fetch, chats };
