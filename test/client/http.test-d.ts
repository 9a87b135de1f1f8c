/** The types of `http`; checked by `tsc` alone. */
import { DurableBase, Persisted, Route, type RouteContext, type Validated } from "durable-base";
import {
  http,
  type HttpError,
  type HttpClient,
  type HttpRoutes,
  type Json,
  type NotOverHttp,
} from "durable-base/client";
import { expectTypeOf } from "vitest";
import { z } from "zod";

const Say = z.object({ text: z.string(), at: z.coerce.date<string>().optional() });
const Page = z.object({ page: z.string().transform(Number).default(1) });
const Tags = z.array(z.string());

interface Message {
  readonly at: Date;
  text: string;
  by?: string;
  edited: Date | undefined;
}

interface Tree {
  name: string;
  at: Date;
  children: Tree[];
}

type Answer = NotOverHttp<"a Response, stream or generator has no result that can be read as one value: use `fetch`">;

class Room extends DurableBase {
  @Persisted() accessor count = 0;
  readonly field = "field";
  readonly arrow = (): number => 1;

  @Route.post("/say", { input: Say })
  say({ text }: Validated<typeof Say>, c?: RouteContext): Message {
    c?.status(201);
    return { at: new Date(), text, edited: undefined };
  }

  @Route.get("/messages/:id")
  async read({ id }: { id: string }): Promise<Message | undefined> {
    await Promise.resolve(id);
    return undefined;
  }

  @Route.get("/messages", { query: Page })
  list({ page }: Validated<typeof Page>): Message[] {
    return page === 0 ? [] : [];
  }

  @Route.put("/tags/:id", { body: Tags })
  tag({ id }: { id: string } & { body: Validated<typeof Tags> }): [id: string, at: Date] {
    return [id, new Date()];
  }

  @Route.post("/clear")
  clear(): void {}

  @Route.get("/whoami")
  whoAmI(_: unknown, c: RouteContext): string {
    return c.req.path;
  }

  @Route.post("/text", { accept: "text" })
  text({ body }: { body: string }): number {
    return body.length;
  }

  @Route.post("/upload", { accept: "stream" })
  upload({ body }: { body: ReadableStream }): boolean {
    return body.locked;
  }

  @Route.get("/download")
  download(): Response {
    return new Response();
  }

  @Route.get("/maybe")
  maybe(): Response | { at: Date } {
    return { at: new Date() };
  }

  @Route.get("/bytes")
  bytes(): ReadableStream<Uint8Array> {
    return new ReadableStream();
  }

  @Route.get("/items")
  *items(): Generator<number> {
    yield 1;
  }

  @Route.get("/later")
  async *later(): AsyncGenerator<number> {
    yield 1;
  }

  @Route.get("/tree")
  tree(): Tree {
    return { name: "", at: new Date(), children: [] };
  }

  many(text: string, by: number): number {
    return text.length + by;
  }
}

const routes = {
  say: "POST /say",
  read: "GET /messages/:id",
  tag: "PUT /tags/:id body",
} as const satisfies HttpRoutes<Room>;

// A map that is named.
{
  const room = http<Room, typeof routes>("https://example.com", routes);
  interface Sent {
    readonly at: string;
    text: string;
    by?: string;
    edited?: string;
  }
  expectTypeOf<keyof typeof room>().toEqualTypeOf<"say" | "read" | "tag">();
  expectTypeOf<ReturnType<typeof room.say>>().toEqualTypeOf<Promise<Sent>>();
  expectTypeOf<ReturnType<typeof room.read>>().toEqualTypeOf<Promise<Sent | undefined>>();
  expectTypeOf<ReturnType<typeof room.tag>>().toEqualTypeOf<Promise<[id: string, at: string]>>();
  expectTypeOf<Parameters<typeof room.say>[0]>().branded.toEqualTypeOf<z.input<typeof Say>>();
  expectTypeOf<Parameters<typeof room.tag>[0]>().branded.toEqualTypeOf<{ id: string; body: string[] }>();

  void room.say({ text: "a" }, { key: "k", signal: AbortSignal.timeout(1), headers: { a: "b" } });
  // @ts-expect-error -- the schema takes a string
  void room.say({ text: "a", at: new Date() });
  // @ts-expect-error -- the input is missing
  void room.say();
  // @ts-expect-error -- misspelt
  void room.say({ txt: "a" });
  // @ts-expect-error -- no option
  void room.say({ text: "a" }, { keys: "k" });
  // @ts-expect-error -- not in the map
  void room.list();
  http<Room, typeof routes>("", routes, { idempotent: ["say"] });
  // @ts-expect-error -- not in the map
  http<Room, typeof routes>("", routes, { idempotent: ["list"] });
}

// A map that is passed alone.
{
  const room = http<Room>("https://example.com", { say: "POST /say" });
  expectTypeOf(room).toEqualTypeOf<HttpClient<Room>>();
  expectTypeOf(room.list).toBeCallableWith();
  expectTypeOf(room.list).toBeCallableWith({ page: "1" });
  expectTypeOf(room.clear()).toEqualTypeOf<Promise<undefined>>();
  expectTypeOf(room.whoAmI()).toEqualTypeOf<Promise<string>>();
  expectTypeOf(room.text({ body: "a" })).toEqualTypeOf<Promise<number>>();
  // @ts-expect-error -- takes no input
  void room.clear({ a: 1 });
  void room.clear(undefined, { key: "k" });
  void room.clear({}, { key: "k" });
  // @ts-expect-error -- a stream as body
  void room.upload({ body: new ReadableStream() });
  expectTypeOf(room.download).toEqualTypeOf<Answer>();
  expectTypeOf(room.maybe).toEqualTypeOf<Answer>();
  expectTypeOf(room.bytes).toEqualTypeOf<Answer>();
  expectTypeOf(room.items).toEqualTypeOf<Answer>();
  expectTypeOf(room.later).toEqualTypeOf<Answer>();
  expectTypeOf(room.many).toEqualTypeOf<NotOverHttp<"a routed method takes one input, an object">>();
  expectTypeOf<
    Awaited<ReturnType<typeof room.tree>>["children"][number]["children"][number]["at"]
  >().toEqualTypeOf<string>();
  // Hooks, members of the base and fields aren't methods; a function in a field looks like one.
  expectTypeOf<
    Extract<keyof typeof room, "fetch" | "alarm" | "onStart" | "name" | "destroy" | "count" | "field">
  >().toBeNever();
}

// A wrong map.
{
  // @ts-expect-error -- no method
  http<Room>("", { shout: "POST /shout" });
  // @ts-expect-error -- a field
  http<Room>("", { field: "POST /field" });
  // @ts-expect-error -- a hook
  http<Room>("", { onStart: "POST /start" });
  // @ts-expect-error -- no verb
  http<Room>("", { say: "/say" });
  // @ts-expect-error -- a verb of no route
  http<Room>("", { say: "HEAD /say" });
  // @ts-expect-error -- no path
  http<Room>("", { say: "POST say" });
  const missing = { say: "POST /say/:id" } as const;
  // @ts-expect-error -- 'the input has no "id", which is in the path'
  http<Room, typeof missing>("", missing);
  const optional = {
    list: "GET /messages/:page?",
    whoAmI: "GET /whoami/:any",
    tag: "PUT /tags/:id{[0-9]+} ?x body",
  } as const;
  http<Room, typeof optional>("", optional);
  const none = { clear: "POST /clear/:id" } as const;
  // @ts-expect-error -- takes no input
  http<Room, typeof none>("", none);
}

// Json.
{
  expectTypeOf<Json<Date>>().toEqualTypeOf<string>();
  expectTypeOf<Json<string | number | boolean | null>>().toEqualTypeOf<string | number | boolean | null>();
  expectTypeOf<Json<"a" | 1>>().toEqualTypeOf<"a" | 1>();
  expectTypeOf<Json<void>>().toEqualTypeOf<undefined>();
  expectTypeOf<Json<number | undefined>>().toEqualTypeOf<number | undefined>();
  expectTypeOf<Json<unknown>>().toEqualTypeOf<unknown>();
  expectTypeOf<Json<bigint>>().toBeNever();
  expectTypeOf<Json<Map<string, Date>>>().toBeNever();
  expectTypeOf<Json<ReadonlySet<string>>>().toBeNever();
  expectTypeOf<Json<Uint8Array>>().toBeNever();
  expectTypeOf<Json<() => void>>().toBeNever();
  expectTypeOf<Json<{ a: bigint }>>().toEqualTypeOf<{ a: never }>();
  expectTypeOf<Json<Date[]>>().toEqualTypeOf<string[]>();
  expectTypeOf<Json<readonly [Date, number]>>().toEqualTypeOf<readonly [string, number]>();
  expectTypeOf<Json<(Date | undefined)[]>>().toEqualTypeOf<string[]>();
  expectTypeOf<Json<Record<string, Date>>>().toEqualTypeOf<Record<string, string>>();
  expectTypeOf<Json<{ toJSON(): { at: Date } }>>().toEqualTypeOf<{ at: string }>();
  expectTypeOf<Json<{ a: number; run(): void }>>().toEqualTypeOf<{ a: number }>();
  expectTypeOf<Json<{ readonly a?: Date }>>().toEqualTypeOf<{ readonly a?: string }>();
  expectTypeOf<Json<{ a: unknown }>>().toEqualTypeOf<{ a?: unknown }>();
  expectTypeOf<Json<{ kind: "a"; at: Date } | { kind: "b" }>>().toEqualTypeOf<
    { kind: "a"; at: string } | { kind: "b" }
  >();
  expectTypeOf<Json<string & { readonly brand: "id" }>>().toEqualTypeOf<string & { readonly brand: "id" }>();
  expectTypeOf<Json<{ name: string; message: string }>>().toEqualTypeOf<{ name: string; message: string }>();
}

// HttpError.
{
  expectTypeOf<HttpError["code"]>().toEqualTypeOf<string>();
  expectTypeOf<HttpError["status"]>().toEqualTypeOf<number>();
}
