/** What `serve` accepts and refuses at compile time. */
import { DurableObject, RpcTarget, WorkerEntrypoint } from "cloudflare:workers";
import { DurableBase, problems, serve, type ServeNamespace, type ServeOptions, type ServeRoute } from "durable-base";
import { Hono } from "hono";
import { cors } from "hono/cors";
import { createMiddleware } from "hono/factory";
import { HTTPException } from "hono/http-exception";

interface Env {
  ROOM: DurableObjectNamespace<Room>;
  KV: KVNamespace;
  BUCKET: R2Bucket;
  OTHER: Fetcher;
  SECRET: string;
}

class Room extends DurableBase<Env> {}
class Native extends DurableObject<Env> {}
class Entry extends WorkerEntrypoint<Env> {}
class Target extends RpcTarget {}
class Plain {}

/** The environment is the project's, unless a function or an argument says otherwise. */
export const byDefault = serve({
  "/rooms/:name": Room,
  "/natives/:name": Native,
}) satisfies ExportedHandler<Cloudflare.Env>;
export const given = serve<Env>({ "/rooms/:name": (env) => env.ROOM }) satisfies ExportedHandler<Env>;
export const inferred = serve({ "/rooms/:name": (env: Env) => env.ROOM }) satisfies ExportedHandler<Env>;

byDefault.get("/total", (c) => c.json(c.env.PEER.idFromName("a").toString()));
given.get("/total", (c) => c.text(c.env.SECRET));
// @ts-expect-error there is no such binding
given.get("/total", (c) => c.text(c.env.MISSING));

/** Variables that its own middleware sets, typed as in any Hono app. */
export const withVariables = serve<Env, { Variables: { user: string } }>({ "/rooms/:name": Room });
withVariables.use(async (c, next) => {
  c.set("user", "alice");
  // @ts-expect-error there is no such variable
  c.set("role", "admin");
  await next();
});
withVariables.get("/me", (c) => c.text(c.get("user").toUpperCase()));
export const annotated: Hono<{ Bindings: Env; Variables: { user: string } }> = serve({ "/rooms/:name": Room });
export const chained = serve<Env>({ "/rooms/:name": Room })
  .use(createMiddleware<{ Variables: { user: string } }>(async (_, next) => await next()))
  .get("/me", (c) => c.text(c.get("user").toUpperCase()));
// @ts-expect-error nothing sets variables here
given.use(async (c, next) => (c.set("user", "alice"), await next()));

/** In another app. */
export const outer = new Hono<{ Bindings: Env; Variables: { user: string } }>();
outer.use(cors());
outer.route("/api", given);
outer.route("/variables", withVariables);
outer.mount("/mounted", given.fetch);

/** Errors of any app: whatever its environment and variables are. */
outer.onError(problems);
given.onError(problems).notFound(() => problems(new HTTPException(404)));
new Hono().onError(problems);
outer.notFound((c) => problems(new HTTPException(404), c));
outer.onError((error, c) => (c.get("user") === "" ? c.text("mine", 500) : problems(error)));
const answer: Response = problems("whatever was thrown");
// @ts-expect-error the answer is at once
void answer.then;

/** Every option, as value and as function; the request has Cloudflare's `cf`. */
export const all = serve<Env>(
  {
    "/": {
      object: Room,
      name: (request) => request.headers.get("x-room"),
      locationHint: (request) => (request.cf?.continent === "EU" ? "weur" : undefined),
      jurisdiction: async (_, { name, env }) => (name === env.SECRET ? "eu" : undefined),
    },
    "/:tenant/rooms": {
      object: (env) => env.ROOM,
      name: async (_, { c }) => c.req.param("tenant"),
      locationHint: "apac-ne",
    },
    "/rooms/:name": { object: Room, jurisdiction: "us", authorize: () => false },
  },
  {
    authorize: async (request, { name, jurisdiction, env, c }) => {
      const user: unknown = c.get("user");
      if (user === undefined) return new Response(null, { status: 401 });
      if (name === env.SECRET && jurisdiction === "eu" && c.env.SECRET === name) return request;
      return request.headers.has("authorization");
    },
  },
);
export const plainRequests: ServeOptions<Env> = { authorize: (request: Request) => request.headers.has("x-user") };
export const namespace = (env: Env): ServeNamespace => env.ROOM;

// @ts-expect-error an object of KV
serve<Env>({ "/rooms/:name": (env) => env.KV });
// @ts-expect-error a bucket
serve<Env>({ "/rooms/:name": { object: (env) => env.BUCKET } });
// @ts-expect-error a service
serve<Env>({ "/rooms/:name": (env) => env.OTHER });
// @ts-expect-error a binding that may be missing
serve<{ ROOM?: DurableObjectNamespace<Room> }>({ "/rooms/:name": (env) => env.ROOM });
// @ts-expect-error no Durable Object
serve<Env>({ "/rooms/:name": Entry });
// @ts-expect-error no Durable Object
serve<Env>({ "/rooms/:name": Target });
// @ts-expect-error no Durable Object
serve<Env>({ "/rooms/:name": Plain });
// @ts-expect-error no object
serve<Env>({ "/rooms/:name": { name: () => "a" } });
// @ts-expect-error misspelt
serve<Env>({ "/rooms/:name": Room }, { authorise: () => true });
// @ts-expect-error misspelt
serve<Env>({ "/rooms/:name": { object: Room, authorise: () => true } });
// @ts-expect-error a name is a string
serve<Env>({ "/": { object: Room, name: () => 5 } });
// @ts-expect-error a name is a string
serve<Env>({ "/": { object: Room, name: async () => await Promise.resolve(true) } });
// @ts-expect-error a name is made by a function
serve<Env>({ "/": { object: Room, name: "a" } });
// @ts-expect-error the environment has no TOKEN
serve<Env>({ "/:name": Room }, { authorize: (_, { env }) => env.TOKEN });
// @ts-expect-error a verdict is a boolean, a Response or a Request
serve<Env>({ "/:name": Room }, { authorize: () => "yes" });
serve<Env>({ "/:name": Room }, { authorize: () => ({ data: { user: "ann" } }) });
serve<Env>({ "/:name": Room }, { authorize: (_, { name }) => name === "a" && { data: name } });
// @ts-expect-error data is called so
serve<Env>({ "/:name": Room }, { authorize: () => ({ user: "ann" }) });
// @ts-expect-error a verdict is always given
serve<Env>({ "/:name": Room }, { authorize: () => {} });
// @ts-expect-error no such region
serve<Env>({ "/:name": Room }, { locationHint: "mars" });
// @ts-expect-error no such region
serve<Env>({ "/:name": Room }, { locationHint: () => "mars" });
// @ts-expect-error no such jurisdiction
serve<Env>({ "/:name": Room }, { jurisdiction: "mars" });
// @ts-expect-error any text is no jurisdiction
export const route: ServeRoute<Env> = { object: Room, jurisdiction: (request) => request.headers.get("x-law")! };
