/** What `@Route` accepts and refuses at compile time. */
import {
  DurableBase,
  type PathParams,
  Route,
  type RouteContext,
  type RouteDecorator,
  routes,
  type Stub,
} from "durable-base";
import * as v from "valibot";
import { z } from "zod";
import type { MiddlewareHandler } from "hono";

const By = z.object({ by: z.number() });
const Text = z.object({ n: z.string().transform(Number) });
const Name = v.object({ name: v.optional(v.string(), "nobody") });

export class Accepted {
  @Route.post("/a", { input: By }) exact({ by }: { by: number }): number {
    return by;
  }
  @Route.post("/b", { input: By }) wider({ by }: { by: number | string }): unknown {
    return by;
  }
  @Route.post("/c", { input: By }) anyInput(input: unknown): unknown {
    return input;
  }
  @Route.post("/d", { input: By }) none(): void {}
  // What the schema gives, not what it takes.
  @Route.post("/e", { input: Text }) converted({ n }: { n: number }): number {
    return n;
  }
  @Route.post("/f", { input: Name }) filled({ name }: { name: string }): string {
    return name;
  }
  @Route("PUT", "/g", { input: By, maxBody: 1, status: 201 }) async later({
    by,
  }: z.output<typeof By>): Promise<number> {
    return by;
  }
  @Route.get("/h") unchecked({ id }: { id: string }, c: RouteContext): string {
    return id + c.req.path;
  }
  @Route.get("/i", { input: By }) both(_: unknown, c?: RouteContext<{ KEY: string }>): string | undefined {
    return c?.env.KEY;
  }
  @Route.del("/j") protected hidden(): void {}
  @Route.all("/k") generic<T>(input: T): T {
    return input;
  }
}

const Id = z.object({ id: z.coerce.number() });
const Page = z.object({ page: z.coerce.number(), tag: z.string().optional() });
const Body = v.object({ title: v.string(), tag: v.number() });
const Later = z.string().transform(async (text) => text.length);
const dynamic: string = "/dynamic/:id";

export class Paths {
  @Route.get("/items/:id{[0-9]+}/:page?") optional({ id, page }: { id: string; page?: string }): unknown {
    return id + (page ?? "");
  }
  @Route.get("/a/:first_Name2/:b{[a-z]{2,3}}/:c.json") names(input: {
    first_Name2: string;
    b: string;
    c: string;
  }): unknown {
    return input;
  }
  // What the path does not name is the method's own claim.
  @Route.post("/b/:id") claimed({ id, by }: { id: string; by: number }): unknown {
    return id + String(by);
  }
  @Route.get("/c/:id") wider(input: { id: string | number }): unknown {
    return input;
  }
  @Route.get("/d/:id") record(input: Record<string, string>): unknown {
    return input;
  }
  @Route.get("/e/:id") maybe(input?: { id: string; more: number }): unknown {
    return input;
  }
  @Route.get("/f/:id") nothing(): void {}
  @Route.get("/g/:id") generic<T>(input: T): T {
    return input;
  }
  @Route.get("/h/:id") either(input: { id: string; kind: "a" } | { id: string; kind: "b"; b: number }): unknown {
    return input;
  }
  @Route.get(dynamic) anything({ id }: { id: number }): number {
    return id;
  }
  @Route("REPORT", dynamic) anythingElse({ id }: { id: number }): number {
    return id;
  }
  @Route.get("/i/:id")
  @Route.get("/j/:name")
  several(input: { id?: string; name?: string }): unknown {
    return input;
  }
  @Route.get("/k/*") wildcard(input: { "*"?: number }): unknown {
    return input;
  }

  // @ts-expect-error the path gives a string
  @Route.get("/l/:id") number({ id }: { id: number }): number {
    return id;
  }
  // @ts-expect-error with a pattern of digits, too
  @Route("PUT", "/m/:id{[0-9]+}") digits({ id }: { id: number }): number {
    return id;
  }
  // @ts-expect-error it may be missing
  @Route.get("/n/:id?") missing({ id }: { id: string }): string {
    return id;
  }
  // @ts-expect-error one of the routes gives a string
  @Route.get("/o/:name")
  @Route.get("/p/:id")
  oneOf(input: { id?: string; name?: number }): unknown {
    return input;
  }
  // @ts-expect-error neither of the two takes a string
  @Route.get("/q/:id") neither(input: { id: 1 } | { id: 2 }): unknown {
    return input;
  }
}

export class Parts {
  @Route.get("/a/:id", { params: Id, query: Page }) numbers({ id, page }: { id: number; page: number }): number {
    return id + page;
  }
  // A path parameter stays a string without `params`.
  @Route.post("/b/:id", { body: Body }) string(input: { id: string; title: string; tag: number }): unknown {
    return input;
  }
  // The body wins over the query.
  @Route.post("/c", { query: Page, body: Body }) over(input: { page: number; tag: number; title: string }): unknown {
    return input;
  }
  // What the body may lack is the query's.
  @Route.post("/d", { query: Body, body: Page }) under(input: {
    page: number;
    tag: number | string | undefined;
  }): unknown {
    return input;
  }
  @Route.post("/e", { body: z.array(z.number()) }) list({ body }: { body: number[] }): unknown {
    return body;
  }
  @Route.post("/f", { accept: "text", body: Later }) later({ body }: { body: number }): number {
    return body;
  }
  @Route.post("/g", { body: z.union([z.string(), z.object({ a: z.number() })]) }) union(
    input: { body: string } | { a: number },
  ): unknown {
    return input;
  }

  // @ts-expect-error `params` gives a number
  @Route.get("/h/:id", { params: Id }) unconverted({ id }: { id: string }): string {
    return id;
  }
  // @ts-expect-error `query` gives a number
  @Route.get("/i", { query: Page }) query({ page }: { page: string }): string {
    return page;
  }
  // @ts-expect-error no schema gives `more`
  @Route.post("/j", { query: Page, body: Body }) more({ more }: { more: string }): string {
    return more;
  }
  // @ts-expect-error a list is `body`
  @Route.post("/k", { body: z.array(z.number()) }) whole(body: number[]): unknown {
    return body;
  }
  // @ts-expect-error `params` leaves out what it does not name
  @Route.get("/l/:id/:other", { params: Id }) other({ other }: { id: number; other: string }): string {
    return other;
  }
}

export class Bodies {
  @Route.post("/a/:id", { accept: "bytes" }) bytes({ body, id }: { body: Uint8Array; id: string }): unknown {
    return id + body.length;
  }
  @Route.post("/b", { accept: "text" }) text({ body }: { body: string }): string {
    return body;
  }
  @Route.post("/c", { accept: "stream", query: Page }) stream(input: {
    body: ReadableStream<Uint8Array>;
    page: number;
  }): unknown {
    return input.body;
  }
  @Route.post("/d", { accept: ["text", "bytes"] }) either({ body }: { body?: string | Uint8Array }): unknown {
    return body;
  }
  // Of JSON and forms nothing is known.
  @Route.post("/e", { accept: ["json", "form", "text"] }) claimed(input: { a: number; body: string }): unknown {
    return input;
  }

  // @ts-expect-error bytes are no string
  @Route.post("/f", { accept: "bytes" }) noText({ body }: { body: string }): string {
    return body;
  }
  // @ts-expect-error text is no number
  @Route.post("/g", { accept: "text" }) noNumber({ body }: { body: number }): number {
    return body;
  }
  // @ts-expect-error there may be no body
  @Route.post("/h", { accept: ["text", "bytes"] }) missing({ body }: { body: string | Uint8Array }): unknown {
    return body;
  }
}

interface Variables {
  user: string;
}

const asUser: MiddlewareHandler<{ Variables: Variables }> = async (c, next) => {
  c.set("user", "alice");
  // @ts-expect-error a number is no string
  c.set("user", 1);
  await next();
};

export class Served extends DurableBase<{ KEY: string }> {
  static override use = [asUser];
  count = 1;

  override onError(_: Error, c: RouteContext<{ KEY: string }, Variables>): Response {
    return c.text(c.env.KEY + c.get("user"));
  }
  @Route.get("/a", { use: asUser }) user(_: unknown, c: RouteContext<{ KEY: string }, Variables>): string {
    return c.get("user");
  }
  @Route.get("/b", { use: [asUser] }) wrong(_: unknown, c: RouteContext<{ KEY: string }, Variables>): number {
    // @ts-expect-error the user is a string
    return c.get("user");
  }
  @Route.none() removed({ any }: { any: number }): number {
    return any;
  }
}

const counts: number[] = [];
routes(Served).get("/c", (c) => {
  const { count } = c.get("object");
  counts.push(count);
  // @ts-expect-error there is no such member
  void c.get("object").nothing;
  return c.text(c.env.KEY);
});

// @ts-expect-error a string is no middleware
export class WrongUse extends DurableBase {
  static override use = ["cors"];
}

// @ts-expect-error no class of objects
routes(Paths);
// @ts-expect-error no such kind of body
Route.post("/x", { accept: "xml" });
// @ts-expect-error a header's value is a string
Route.get("/x", { headers: { age: 5 } });
// @ts-expect-error a string is no middleware
Route.get("/x", { use: "cors" });
// @ts-expect-error a schema is none
Route.get("/x", { query: { page: "number" } });

/** The stub takes the same input, without the context. */
class Both extends DurableBase {
  @Route.post("/a/:id", { params: Id, body: Body }) exact(
    input: { id: number; title: string },
    c?: RouteContext,
  ): number {
    return input.id + (c === undefined ? 0 : 1);
  }
  @Route.get("/b/:id") path({ id }: { id: string }): string {
    return id;
  }
  @Route.get("/c") async *items(): AsyncGenerator<number> {
    yield 1;
  }
}
declare const both: Stub<Both>;
export const isSame: [
  Equal<typeof both.exact, (input: { id: number; title: string }) => Promise<number>>,
  Equal<Parameters<typeof both.path>, [{ id: string }]>,
  Equal<ReturnType<typeof both.path>, Promise<string>>,
] = [true, true, true];
// @ts-expect-error the id is a number
void both.exact({ id: "7", title: "a" });
// @ts-expect-error items don't cross an RPC call
void both.items();
// @ts-expect-error a hook is not there
void both.onError;

export class Refused {
  // @ts-expect-error `by` is a number, not a string
  @Route.post("/a", { input: By }) wrong({ by }: { by: string }): string {
    return by;
  }
  // @ts-expect-error the schema gives no `to`
  @Route.post("/b", { input: By }) missing({ to }: { by: number; to: string }): string {
    return to;
  }
  // @ts-expect-error `n` is converted to a number
  @Route.post("/c", { input: Text }) unconverted({ n }: { n: string }): string {
    return n;
  }
  // @ts-expect-error valibot's `name` is a string
  @Route.post("/d", { input: Name }) other({ name }: { name: number }): number {
    return name;
  }
  // @ts-expect-error a third parameter gets nothing
  @Route.get("/e") third(_: unknown, __: RouteContext, more: string): string {
    return more;
  }
  // @ts-expect-error the second parameter is the context
  @Route.get("/f", { input: By }) second(_: unknown, to: string): string {
    return to;
  }
  // @ts-expect-error a field isn't a method
  @Route.get("/g") field = (): number => 1;
  // @ts-expect-error a getter isn't a method
  @Route.get("/h") get getter(): number {
    return 1;
  }
  // @ts-expect-error the path is missing
  @Route.get method(): void {}
}

// @ts-expect-error no schema
Route.get("/x", { input: { parse: () => ({ by: 1 }) } });
// @ts-expect-error no such option
Route.get("/x", { schema: By });
// @ts-expect-error `delete` is called `del`
void Route.delete;

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const decorator = Route.post("/x", { input: Text });
export const isExact: Equal<typeof decorator, RouteDecorator<{ n: number }>> = true;
export const arePaths: [
  Equal<PathParams<"/items/:id{[0-9]+}/:page?">, { id: string; page?: string }>,
  Equal<PathParams<"/:a?/:b?">, { a?: string; b?: string }>,
  Equal<PathParams<"/a/:b.json">, { b: string }>,
] = [true, true, true];
