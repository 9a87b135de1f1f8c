/** What `@Route` accepts and refuses at compile time. */
import * as v from "valibot";
import { z } from "zod";
import { Route, type RouteContext } from "../../src/route/route.ts";
import type { RouteDecorator } from "../../src/route/types.ts";

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
  // @ts-expect-error a field is no method
  @Route.get("/g") field = (): number => 1;
  // @ts-expect-error a getter is no method
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
