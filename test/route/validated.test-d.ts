/** {@link Validated} inside a method and for its callers. */
import { type } from "arktype";
import { Atomic, DurableBase, type Handle, Route, type RouteContext, type Stub, type Validated } from "durable-base";
import { jobs } from "durable-base/jobs";
import { once } from "durable-base/once";
import { shards } from "durable-base/shards";
import * as v from "valibot";
import { z } from "zod";
import { expectTypeOf } from "vitest";

/** One schema in three libraries: it takes `{ free?: string; page?: string }`, and returns `{ free: boolean; page: number }`. */
const inZod = z.object({
  free: z.stringbool().default(true),
  page: z
    .string()
    .transform((page) => Number(page))
    .default(1),
});
const inValibot = v.object({
  free: v.optional(
    v.pipe(
      v.string(),
      v.transform((text) => text === "yes"),
    ),
    "yes",
  ),
  page: v.optional(v.pipe(v.string(), v.transform(Number)), "1"),
});
const inArktype = type({
  free: type("string")
    .pipe((text) => text === "yes")
    .default("yes"),
  page: type("string.numeric.parse").default("1"),
});

const At = z.codec(z.iso.datetime(), z.date(), {
  decode: (text) => new Date(text),
  encode: (date) => date.toISOString(),
});
const Booking = z.object({ at: At, seats: z.number().default(1) });
const Id = z.object({ id: z.coerce.number<string>() });
const Title = z.object({ title: z.string().default("untitled"), tags: z.array(z.string()).default([]) });
const Shape = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("circle"), radius: z.number().default(1) }),
  z.object({ kind: z.literal("square"), side: z.string().transform(Number) }),
]);
const Tags = z.array(z.string().transform((tag) => tag.length));
const Pair = z.tuple([z.string().transform(Number), z.string()]);
const Count = z.string().transform(Number);
const Mode = z.enum(["on", "off"]).transform((mode) => (mode === "on" ? "yes" : "no"));
const Flag = z.stringbool();
const Maybe = z.object({ by: z.number().default(1) }).optional();
const Anything = z.unknown();
const Open = z.looseObject({ title: z.string().transform(Number) });

interface Booked {
  at: Date;
  seats: number;
}

export class Show extends DurableBase {
  readonly #jobs = jobs(this);
  readonly bookings: Booked[] = [];

  @Route.get("/zod", { input: inZod })
  zod({ free, page }: Validated<typeof inZod>): [boolean, number] {
    return [free, page];
  }
  @Route.get("/valibot", { input: inValibot })
  valibot({ free, page }: Validated<typeof inValibot>): [boolean, number] {
    return [free, page];
  }
  @Route.get("/arktype", { query: inArktype })
  async arktype({ free, page }: Validated<typeof inArktype>, c?: RouteContext): Promise<[boolean, number, string?]> {
    return c === undefined ? [free, page] : [free, page, c.req.path];
  }

  @Route.post("/bookings", { input: Booking })
  @Atomic()
  book(booking: Validated<typeof Booking>): Booked {
    const output: z.output<typeof Booking> = booking;
    const copy: Booked = { ...booking };
    const { at, ...rest } = booking;
    const seats: { seats: number } = rest;
    const record: Record<string, unknown> = booking;
    const keys: ("at" | "seats")[] = ["at", "seats"];
    this.bookings.push(booking, copy, output, { at, ...seats });
    return keys.every((key) => record[key] === booking[key]) ? { ...booking, seats: 2 } : booking;
  }

  @Route.put("/titles/:id", { params: Id, body: Title })
  both({ id, title }: Validated<typeof Id> & Validated<typeof Title>): string {
    return title + id.toFixed();
  }
  @Route.patch("/titles/:id", { body: Title })
  bodyAndPath({ id, title, tags }: { id: string } & Validated<typeof Title>): string {
    return id + title + tags.join();
  }
  @Route.put("/tags/:id", { params: Id, body: Tags })
  list({ id, body }: Validated<typeof Id> & { body: Validated<typeof Tags> }): number {
    const [first = 0] = body;
    const lengths: number[] = body;
    return lengths.concat(body.map((length) => length + 1)).reduce((sum, length) => sum + length, first + id);
  }
  @Route.put("/open/:id", { body: Open })
  openAndPath({ id, title, ...others }: { id: string } & Validated<typeof Open>): unknown {
    return [id, title.toFixed(), others["more"]];
  }
  @Route.post("/tags", { accept: ["text", "bytes"], body: Count })
  maybeBody({ body = 0 }: { body?: Validated<typeof Count> }): number {
    return body + 1;
  }

  @Route.post("/shape", { input: Shape })
  shape(shape: Validated<typeof Shape>): number {
    if (shape.kind === "circle") return shape.radius;
    const square: { kind: "square"; side: number } = shape;
    return square.side;
  }
  @Route.post("/count", { input: Count })
  async count(count: Validated<typeof Count>): Promise<number> {
    const plain: number = count;
    return plain + count * 2 + Math.max(count, 3);
  }
  @Route.post("/mode", { input: Mode })
  mode(mode: Validated<typeof Mode>): string {
    const plain: "yes" | "no" = mode;
    return mode === "yes" ? "y" : plain;
  }
  @Route.post("/flag", { input: Flag })
  flag(flag: Validated<typeof Flag>): string {
    const plain: boolean = flag;
    return flag ? "yes" : String(plain);
  }
  @Route.post("/pair", { input: Pair })
  pair([n, text]: Validated<typeof Pair>): string {
    return n.toFixed() + text;
  }
  @Route.post("/maybe", { input: Maybe })
  maybe(input: Validated<typeof Maybe>): number {
    return input?.by ?? 0;
  }
  @Route.get("/optional", { input: Title })
  optional(input?: Validated<typeof Title>): string {
    return input?.title ?? "none";
  }
  @Route.get("/defaulted", { input: Title })
  defaulted({ title }: Validated<typeof Title> = { title: "none", tags: [] }): string {
    return title;
  }
  @Route.get("/anything", { input: Anything })
  anything(input: Validated<typeof Anything>): unknown {
    return input;
  }

  // Results without a type: the compiler writes the marked ones into declaration files.
  @Route.post("/as-it-is", { input: Booking })
  asItIs(booking: Validated<typeof Booking>) {
    return booking;
  }
  @Route.post("/copied", { input: Shape })
  async copied(shape: Validated<typeof Shape>) {
    return [{ ...shape, copied: true }];
  }
  @Route.post("/without", { input: Booking })
  without({ at, ...rest }: Validated<typeof Booking>) {
    return { ...rest, year: at.getFullYear() };
  }

  /** Calls from inside and jobs pass the type that the method gets. */
  inside(output: z.output<typeof Shape>): unknown {
    this.#jobs.schedule(1_000, this.book, { at: new Date(), seats: 1 });
    this.#jobs.schedule(1_000, this.count, 1);
    this.#jobs.schedule(1_000, this.optional);
    this.#jobs.schedule({ every: 1_000 }, this.shape, output);
    // @ts-expect-error the job gets what is stored as it is: a date
    this.#jobs.schedule(1_000, this.book, { at: "2026-11-01T00:00:00Z" });
    // @ts-expect-error nothing converts in a call from inside
    this.zod({});
    return [
      this.zod({ free: true, page: 1 }),
      this.valibot({ free: true, page: 1 }),
      this.book({ at: new Date(), seats: 1 }),
      this.both({ id: 1, title: "a", tags: [] }),
      this.bodyAndPath({ id: "1", title: "a", tags: [] }),
      this.list({ id: 1, body: [1] }),
      this.maybeBody({}),
      this.maybeBody({ body: 1 }),
      this.shape(output),
      this.shape({ kind: "square", side: 1 }),
      this.count(1),
      this.mode("yes"),
      this.flag(false),
      this.pair([1, "a"]),
      this.maybe(undefined),
      this.maybe({ by: 1 }),
      this.optional(),
      this.defaulted(),
      this.anything(1),
    ];
  }
}

declare const show: Stub<Show>;
declare const handle: Handle<Show>;

// The method of a stub takes the schema's input.
interface Converted {
  free?: string | undefined;
  page?: string | undefined;
}
expectTypeOf(show.zod).toEqualTypeOf<(input: z.input<typeof inZod>) => Promise<[boolean, number]>>();
expectTypeOf(show.valibot).toEqualTypeOf<(input: v.InferInput<typeof inValibot>) => Promise<[boolean, number]>>();
expectTypeOf(show.arktype).toEqualTypeOf<(input: typeof inArktype.inferIn) => Promise<[boolean, number, string?]>>();
expectTypeOf<Converted>().toExtend<Parameters<typeof show.zod>[0]>();
expectTypeOf(show.book).toEqualTypeOf<(input: { at: string; seats?: number | undefined }) => Promise<Booked>>();
expectTypeOf(show.shape).toEqualTypeOf<
  (input: { kind: "circle"; radius?: number | undefined } | { kind: "square"; side: string }) => Promise<number>
>();
expectTypeOf(show.count).toEqualTypeOf<(input: string) => Promise<number>>();
expectTypeOf(show.mode).toEqualTypeOf<(input: "on" | "off") => Promise<string>>();
expectTypeOf(show.flag).toEqualTypeOf<(input: string) => Promise<string>>();
expectTypeOf(show.pair).toEqualTypeOf<(input: [string, string]) => Promise<string>>();
expectTypeOf(show.maybe).toEqualTypeOf<(input: { by?: number | undefined } | undefined) => Promise<number>>();
expectTypeOf(show.optional).toEqualTypeOf<(input?: z.input<typeof Title>) => Promise<string>>();
expectTypeOf(show.defaulted).toEqualTypeOf<(input?: z.input<typeof Title>) => Promise<string>>();
expectTypeOf(show.anything).toEqualTypeOf<(input: unknown) => Promise<unknown>>();

export const pickMethod = (stub: Stub<Show>) => stub.asItIs;
export const copyResult = async (stub: Stub<Show>) => ({ ...(await stub.copied({ kind: "circle" })) });
expectTypeOf(await show.asItIs({ at: "2026-11-01T00:00:00Z" })).toExtend<Booked>();
expectTypeOf(await show.without({ at: "2026-11-01T00:00:00Z" })).toExtend<{ seats: number; year: number }>();

// So do all types that are derived from it.
declare const namespace: DurableObjectNamespace<Show>;
export const calls: Promise<unknown>[] = [
  show.zod({}),
  show.valibot({ free: "yes" }),
  show.arktype({ page: "2" }),
  handle.zod({ free: "yes" }),
  handle.book({ at: "2026-11-01T00:00:00Z" }),
  once(handle, "key").zod({}),
  once(handle, "key").both({ id: "7" }),
  shards(namespace, 4)
    .byKey("a")
    .list({ id: "7", body: ["a"] }),
  shards(Show.from(namespace), 4).map((shard) => shard.zod({ page: "2" })),
  show.both({ id: "7", title: "a" }),
  show.both({ id: "7" }),
  show.bodyAndPath({ id: "7" }),
  show.bodyAndPath({ id: "7", tags: ["a"] }),
  show.list({ id: "7", body: ["a"] }),
  show.openAndPath({ id: "7", title: "1", more: true }),
  show.maybeBody({}),
  show.maybeBody({ body: "1" }),
  show.optional(),
  show.optional({}),
  show.defaulted({ title: "a" }),
];

// @ts-expect-error the schema takes text
void show.zod({ free: true });
// @ts-expect-error a codec takes what it decodes
void show.book({ at: new Date() });
// @ts-expect-error the path's parameter is text
void show.both({ id: 7 });
// @ts-expect-error the path's parameter is missing
void show.bodyAndPath({ title: "a" });
// @ts-expect-error the path's parameter is text, which no schema has converted
void show.bodyAndPath({ id: 7 });
// @ts-expect-error the path's parameter is missing
void show.openAndPath({ title: "1", more: true });
// @ts-expect-error the body is missing
void show.list({ id: "7" });
// @ts-expect-error the list is one of texts
void show.list({ id: "7", body: [1] });
// @ts-expect-error no such member
void show.zod({ fre: "yes" });
// @ts-expect-error no such kind
void once(handle, "key").shape({ kind: "line" });

export class Refused extends DurableBase {
  // @ts-expect-error the route's schema gives other members
  @Route.get("/a", { input: Title }) other(input: Validated<typeof Booking>): unknown {
    return input;
  }
  // @ts-expect-error one of the two has no schema in the route
  @Route.put("/b/:id", { params: Id }) half(input: Validated<typeof Id> & Validated<typeof Title>): unknown {
    return input;
  }
  // @ts-expect-error the route has no schema
  @Route.get("/c") none(input: Validated<typeof Title>): unknown {
    return input;
  }
  // @ts-expect-error the path's parameter is no number without a schema
  @Route.put("/d/:id", { body: Title }) unconverted(input: { id: number } & Validated<typeof Title>): unknown {
    return input;
  }
}

// @ts-expect-error no schema
export type NoSchema = Validated<{ title: string }>;

/** A class that exists only as a type: members without a mark stay as they are. */
declare const plain: Stub<{
  loose(input: any): number;
  symbols(input: Record<symbol, number>): number;
  keys(input: Record<PropertyKey, number>): number;
  body(input: { body: { a: number }; id?: string }): number;
  generic<T>(input: T): Promise<T>;
}>;
expectTypeOf(plain.loose).toEqualTypeOf<(input: any) => Promise<number>>();
expectTypeOf(plain.symbols).toEqualTypeOf<(input: Record<symbol, number>) => Promise<number>>();
expectTypeOf(plain.keys).toEqualTypeOf<(input: Record<PropertyKey, number>) => Promise<number>>();
expectTypeOf(plain.body).toEqualTypeOf<(input: { body: { a: number }; id?: string }) => Promise<number>>();
expectTypeOf(plain.generic(5 as const)).toEqualTypeOf<Promise<5>>();
