/** The types of {@link Stub}; checked only by `tsc`. */
import { RpcTarget, WorkerEntrypoint } from "cloudflare:workers";
import { DurableBase, type Handle, type NotTransferable, Object, Persisted, Route, type Stub } from "durable-base";
import { expectTypeOf } from "vitest";
import type { HiddenMember } from "../../src/object/members.ts";

interface Todo {
  title: string;
  done?: boolean;
  children: Todo[];
}

type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

interface Context {
  readonly req: { readonly raw: Request };
  readonly executionCtx: unknown;
  json(value: unknown): Response;
}

class Lamp extends RpcTarget {
  colour = "red";
  light(by: number): number {
    return by;
  }
  name(): string {
    return "lamp";
  }
}

class Everything extends DurableBase<{ SECRET: string }> {
  @Persisted() accessor count = 0;
  plain = new Map<string, number>();
  field: any;

  override onStart(): void {}
  override onDestroy(): void {}
  override async alarm(): Promise<void> {}
  override async webSocketMessage(): Promise<void> {}

  get doubled(): number {
    return this.count * 2;
  }

  increment({ by }: { by: number }): number {
    return (this.count += by);
  }
  async decrement(by: number, why?: string): Promise<number> {
    return (this.count -= by + (why?.length ?? 0));
  }
  nothing(): void {}
  todos(): Map<string, Todo> {
    return new Map();
  }
  dates(at: Date): { at: Date; set: Set<string>; bytes: Uint8Array; error: Error; big: bigint } {
    return { at, set: new Set(), bytes: new Uint8Array(), error: new Error("x"), big: 1n };
  }
  json(value: Json): Json {
    return value;
  }
  unknownValue(value: unknown): unknown {
    return value;
  }
  maybe(): Todo | undefined {
    return undefined;
  }
  union(): number | Promise<string> {
    return 1;
  }
  many(...numbers: number[]): number {
    return numbers.length;
  }
  async identity<Value>(value: Value): Promise<Value> {
    return value;
  }
  async tell<Value>(value: Value): Promise<Value extends string ? "text" : "other"> {
    return (typeof value === "string" ? "text" : "other") as Value extends string ? "text" : "other";
  }
  overloaded(value: string): Promise<string>;
  overloaded(value: number): Promise<number>;
  async overloaded(value: string | number): Promise<string | number> {
    return value;
  }
  stream(): ReadableStream<Uint8Array> {
    return new ReadableStream();
  }
  response(): Response {
    return new Response();
  }
  lamp(): Lamp {
    return new Lamp();
  }
  async lampLater(): Promise<Lamp> {
    return new Lamp();
  }
  callback(): (n: number) => string {
    return String;
  }
  *generate(): Generator<number> {
    yield 1;
  }
  entries(): MapIterator<[string, number]> {
    return this.plain.entries();
  }
  symbol(): symbol {
    return Symbol.iterator;
  }
  async weakly(): Promise<WeakMap<Todo, number> | undefined> {
    return undefined;
  }
  weakSet(): WeakSet<Todo> {
    return new WeakSet();
  }
  takesSymbol(by: number, key: symbol): number {
    return by + String(key).length;
  }
  takesWeak(seen?: WeakSet<Todo>): boolean {
    return seen !== undefined;
  }
  takesIterator(values: Iterator<string>): void {
    values.next();
  }
  takesKey(key: PropertyKey): string {
    return String(key);
  }
  strongOnes(byTodo: Map<Todo, Todo>, seen?: Set<Todo>): Set<Todo> {
    return seen ?? new Set(byTodo.keys());
  }
  override toString(): string {
    return "only on its own side";
  }
  explode(): never {
    throw new Error("always");
  }
  anything(): any {
    return this.field;
  }
  lampOrNot(): Lamp | undefined {
    return undefined;
  }
  routed(input: { id: string }, c: Context): string {
    return input.id + String(c);
  }
  async routedLater(input: { id: string }, c: Context): Promise<string> {
    return input.id + String(c);
  }
  routedOptional(input?: { id: string }, c?: Context): string {
    return String(input) + String(c);
  }
  loose(input: string, other: any): string {
    return input + String(other);
  }
  async callsMe(on: (n: number) => void): Promise<void> {
    on(1);
  }
  #secret(): number {
    return 1;
  }
  protected guarded(): number {
    return this.#secret();
  }
}

declare const stub: Stub<Everything>;
declare const handle: Handle<Everything>;

// Methods answer by promise; those that do already keep their signature.
expectTypeOf(stub.increment).toEqualTypeOf<(input: { by: number }) => Promise<number>>();
expectTypeOf(stub.decrement).toEqualTypeOf<(by: number, why?: string) => Promise<number>>();
expectTypeOf(stub.nothing).toEqualTypeOf<() => Promise<void>>();
expectTypeOf(stub.many).toEqualTypeOf<(...numbers: number[]) => Promise<number>>();
expectTypeOf(stub.explode).toEqualTypeOf<() => Promise<never>>();
expectTypeOf(stub.anything).toEqualTypeOf<() => Promise<any>>();
expectTypeOf(stub.union).toEqualTypeOf<() => Promise<string | number>>();
expectTypeOf(stub.identity(5 as const)).toEqualTypeOf<Promise<5>>();
expectTypeOf(stub.tell("x")).toEqualTypeOf<Promise<"text">>();
expectTypeOf(stub.tell(1)).toEqualTypeOf<Promise<"other">>();
expectTypeOf(stub.overloaded("x")).toEqualTypeOf<Promise<string>>();
expectTypeOf(stub.overloaded(1)).toEqualTypeOf<Promise<number>>();
expectTypeOf(stub.callsMe).toEqualTypeOf<(on: (n: number) => void) => Promise<void>>();
// @ts-expect-error -- the input is not optional
void stub.increment();
// @ts-expect-error -- nor of another type
void stub.increment({ by: "2" });

// Data arrives as it is declared, recursive types and `unknown` included.
expectTypeOf(stub.todos).toEqualTypeOf<() => Promise<Map<string, Todo>>>();
expectTypeOf(stub.json).toEqualTypeOf<(value: Json) => Promise<Json>>();
expectTypeOf(stub.unknownValue).toEqualTypeOf<(value: unknown) => Promise<unknown>>();
expectTypeOf(stub.maybe).toEqualTypeOf<() => Promise<Todo | undefined>>();
expectTypeOf(stub.dates).returns.resolves.toEqualTypeOf<ReturnType<Everything["dates"]>>();
expectTypeOf(stub.stream).toEqualTypeOf<() => Promise<ReadableStream<Uint8Array>>>();
expectTypeOf(stub.response).toEqualTypeOf<() => Promise<Response>>();

// A routed method's context is the router's to give.
expectTypeOf(stub.routed).toEqualTypeOf<(input: { id: string }) => Promise<string>>();
expectTypeOf(stub.routedLater).toEqualTypeOf<(input: { id: string }) => Promise<string>>();
expectTypeOf(stub.routedOptional).toEqualTypeOf<(input?: { id: string }) => Promise<string>>();
expectTypeOf(stub.loose).parameters.toEqualTypeOf<[input: string, other: any]>();

// Live results arrive as stubs: awaited, or called at once.
expectTypeOf(stub.lamp().light(1)).toEqualTypeOf<Promise<number>>();
expectTypeOf(stub.lampLater().light(1)).toEqualTypeOf<Promise<number>>();
expectTypeOf((await stub.lamp()).light).toEqualTypeOf<(by: number) => Promise<number>>();
expectTypeOf(await stub.lamp()).toExtend<Disposable>();
expectTypeOf((await stub.callback())(1)).toEqualTypeOf<Promise<string>>();
// A target has no base members that could take the name.
expectTypeOf(stub.lamp().name).toEqualTypeOf<() => Promise<string>>();
// @ts-expect-error -- an instance property of a target is not reachable
void (await stub.lamp()).colour;

expectTypeOf((await stub.lampOrNot())?.light).toEqualTypeOf<((by: number) => Promise<number>) | undefined>();

// What cannot cross says so.
expectTypeOf(stub.generate).toExtend<NotTransferable<string>>();
expectTypeOf(stub.entries).toExtend<NotTransferable<string>>();
expectTypeOf(stub.symbol).toExtend<NotTransferable<string>>();
expectTypeOf(stub.weakly).toExtend<NotTransferable<string>>();
expectTypeOf(stub.weakSet).toExtend<NotTransferable<string>>();
expectTypeOf(stub.takesSymbol).toExtend<NotTransferable<string>>();
expectTypeOf(stub.takesWeak).toExtend<NotTransferable<string>>();
expectTypeOf(stub.takesIterator).toExtend<NotTransferable<string>>();
// What can cross in part stays callable, and Maps and Sets of objects are no weak ones.
expectTypeOf(stub.takesKey).toEqualTypeOf<(key: PropertyKey) => Promise<string>>();
expectTypeOf(stub.strongOnes).toEqualTypeOf<(byTodo: Map<Todo, Todo>, seen?: Set<Todo>) => Promise<Set<Todo>>>();
// @ts-expect-error -- This expression is not callable: a generator or iterator cannot cross an RPC call
stub.generate();

// No fields, getters, hooks, privates or members of the base classes.
expectTypeOf<keyof Stub<Everything>>().toEqualTypeOf<
  | "anything"
  | "callback"
  | "callsMe"
  | "dates"
  | "decrement"
  | "entries"
  | "explode"
  | "fetch"
  | "generate"
  | "identity"
  | "increment"
  | "json"
  | "lamp"
  | "lampLater"
  | "lampOrNot"
  | "loose"
  | "many"
  | "maybe"
  | "nothing"
  | "overloaded"
  | "response"
  | "routed"
  | "routedLater"
  | "routedOptional"
  | "stream"
  | "strongOnes"
  | "symbol"
  | "takesIterator"
  | "takesKey"
  | "takesSymbol"
  | "takesWeak"
  | "tell"
  | "todos"
  | "union"
  | "unknownValue"
  | "weakly"
  | "weakSet"
>();
expectTypeOf<keyof Handle<Everything>>().toEqualTypeOf<
  keyof Stub<Everything> | "id" | "name" | typeof Symbol.dispose
>();

declare const introducing: Stub<{ introduce(): Handle<Everything>; introduceLater(): Promise<Stub<Everything>> }>;
expectTypeOf(introducing.introduce().increment({ by: 1 })).toEqualTypeOf<Promise<number>>();
expectTypeOf(await introducing.introduceLater()).toExtend<Stub<Everything> & Disposable>();
// What arrives has lost its address.
expectTypeOf<"id" | "name">()
  .exclude<keyof Awaited<ReturnType<typeof introducing.introduce>>>()
  .toEqualTypeOf<"id" | "name">();
expectTypeOf<keyof Stub<DurableBase>>().toEqualTypeOf<"fetch">();
// A member added to the base classes has to be hidden by name.
expectTypeOf<Exclude<keyof DurableBase, HiddenMember>>().toEqualTypeOf<never>();

expectTypeOf(handle.id).toEqualTypeOf<DurableObjectId>();
expectTypeOf(handle.name).toEqualTypeOf<string | undefined>();
expectTypeOf(handle.fetch("http://o/")).toEqualTypeOf<Promise<Response>>();
expectTypeOf(handle.toString()).toEqualTypeOf<string>();
// Generic code over one class's stubs.
expectTypeOf(handle).toExtend<Stub<Everything>>();

/** The real context is known by its shape. */
class Routed extends DurableBase {
  @Route.get("/:id")
  read(input: { id: string }, c: import("hono").Context): string {
    return input.id + c.req.path;
  }
}
expectTypeOf<Stub<Routed>["read"]>().toEqualTypeOf<(input: { id: string }) => Promise<string>>();

/** A class instance is known by what is private in it; without that it cannot be told from plain data. */
class Point {
  #x = 1;
  get(): number {
    return this.#x;
  }
}
class Guarded {
  protected x = 1;
}
class Bare {
  x = 1;
}
class Failure extends Error {
  #left = 0;
  get left(): number {
    return this.#left;
  }
}
class Index extends Map<string, number> {
  private hits = 0;
  hit(): number {
    return ++this.hits;
  }
}
class Switch extends RpcTarget {
  #isOn = false;
  toggle(): boolean {
    return (this.#isOn = !this.#isOn);
  }
}
/** Has the shape of an iterator, and crosses as a target. */
class Cursor extends RpcTarget {
  next(): { done: boolean; value: number } {
    return { done: true, value: 0 };
  }
}
type UserId = string & { readonly brand: "user" };
interface Branded {
  readonly [Symbol.toStringTag]: string;
  readonly callback: (n: number) => void;
  optional?: Branded;
}

declare const instances: Stub<{
  point(): Point;
  pointLater(): Promise<Point | undefined>;
  guarded(): Guarded;
  takesPoint(by: number, point?: Point): void;
}>;
expectTypeOf(instances.point).toExtend<NotTransferable<string>>();
expectTypeOf(instances.pointLater).toExtend<NotTransferable<string>>();
expectTypeOf(instances.guarded).toExtend<NotTransferable<string>>();
expectTypeOf(instances.takesPoint).toExtend<NotTransferable<string>>();
// @ts-expect-error -- This expression is not callable: an instance of a class cannot cross an RPC call
instances.point();

/** No false alarm: for each of these as result and as parameter the method stays callable. */
type Callable<Value> =
  Stub<{ give(): Value; take(value: Value): void }> extends {
    give(): Promise<unknown>;
    take(value: Value): Promise<void>;
  }
    ? true
    : false;
type Each<Values extends readonly unknown[]> = { [I in keyof Values]: Callable<Values[I]> }[number];
expectTypeOf<
  Each<
    [
      Bare,
      Failure,
      Index,
      Switch,
      Cursor,
      UserId,
      Branded,
      Json,
      Todo[],
      readonly [number, string?],
      { [key: string]: Todo },
      { type: string; at?: Date; [key: string]: unknown },
      Record<string, unknown> & { readonly type: string },
      { [index: number]: string; length: number },
      any,
      unknown,
      object,
      () => void,
      Handle<Everything>,
      Stub<Everything>,
      DurableObjectStub<Everything>,
      DurableObjectNamespace<Everything>,
      DurableObjectId,
    ]
  >
>().toEqualTypeOf<true>();
expectTypeOf<
  Each<
    [
      Date,
      RegExp,
      Map<Todo, Set<Todo>>,
      Uint8Array,
      ArrayBuffer,
      DataView,
      Error,
      Headers,
      Request,
      Response,
      Blob,
      File,
      FormData,
      URL,
      URLSearchParams,
      AbortSignal,
      WebSocket,
      CryptoKey,
      ReadableStream<Uint8Array>,
      WritableStream<Uint8Array>,
      TransformStream,
      Fetcher,
      R2Bucket,
      KVNamespace,
    ]
  >
>().toEqualTypeOf<true>();
/** Streams cross as bytes. */
expectTypeOf<
  Each<
    [
      ReadableStream,
      ReadableStream<unknown>,
      ReadableStream<Uint8Array>,
      ReadableStream<Uint8Array | string>,
      ReadableStream<ArrayBufferView>,
      WritableStream,
      WritableStream<Uint8Array>,
      WritableStream<BufferSource>,
      ReadableStream<Uint8Array> | undefined,
      { body: ReadableStream<Uint8Array>; total: number },
      { readable: ReadableStream; writable: WritableStream },
      AsyncIterable<string>[],
      Iterable<string>,
    ]
  >
>().toEqualTypeOf<true>();
type NoStream<Value> =
  Stub<{ give(): Value; take(value: Value): void; later(): Promise<Value> }> extends {
    give: NotTransferable<string>;
    take: NotTransferable<string>;
    later: NotTransferable<string>;
  }
    ? true
    : false;
type NoStreams<Values extends readonly unknown[]> = { [I in keyof Values]: NoStream<Values[I]> }[number];
expectTypeOf<
  NoStreams<
    [
      ReadableStream<Todo>,
      ReadableStream<string>,
      ReadableStream<number>,
      ReadableStream<Todo[]>,
      ReadableStream<Uint8Array[]>,
      ReadableStream<never>,
      WritableStream<Todo>,
      WritableStream<string>,
      { items: ReadableStream<Todo>; total: number },
      { items?: ReadableStream<Todo> | undefined },
      { readable: ReadableStream<Uint8Array>; writable: WritableStream<Todo> },
      ReadableStream<Todo> | ReadableStream<Uint8Array>,
    ]
  >
>().toEqualTypeOf<true>();
// An async generator is often declared so.
declare const iterating: Stub<{
  async(): AsyncIterable<string>;
  later(): Promise<AsyncIterable<Todo> | undefined>;
  takes(items: AsyncIterable<string>): void;
  routed(input: { body: ReadableStream<string> }, c: Context): void;
}>;
expectTypeOf(iterating.async).toExtend<NotTransferable<string>>();
expectTypeOf(iterating.later).toExtend<NotTransferable<string>>();
expectTypeOf(iterating.takes).toExtend<NotTransferable<string>>();
expectTypeOf(iterating.routed).toExtend<NotTransferable<string>>();

// Of a union the result may be an instance, while an argument need not.
expectTypeOf<Stub<{ give(): Point | string }>["give"]>().toExtend<NotTransferable<string>>();
expectTypeOf<Stub<{ take(value: Point | string): void }>["take"]>().toEqualTypeOf<
  (value: Point | string) => Promise<void>
>();

/** Promises to the eye alone: what a signature kept as it is would promise too much. */
declare const halfPromised: Stub<{
  mixed(id: number): number;
  mixed(id: string): Promise<string>;
  mixedOfThree(id: string): Promise<string>;
  mixedOfThree(id: boolean): boolean;
  mixedOfThree(id: number): Promise<number>;
  cancellable(): Promise<number> & { cancel(): void };
  relayed(): ReturnType<DurableObjectStub<Routed>["read"]>;
  bound(this: Everything, by: number): Promise<number>;
}>;
expectTypeOf(halfPromised.mixed).toEqualTypeOf<(id: string) => Promise<string>>();
expectTypeOf(halfPromised.mixedOfThree).toEqualTypeOf<(id: number) => Promise<number>>();
expectTypeOf(halfPromised.cancellable).toEqualTypeOf<() => Promise<number>>();
expectTypeOf(halfPromised.relayed).toEqualTypeOf<() => Promise<string>>();
expectTypeOf(halfPromised.bound(1)).toEqualTypeOf<Promise<number>>();
expectTypeOf<Stub<{ give(): Cursor }>["give"]>().returns.resolves.toHaveProperty("next");
expectTypeOf<Stub<{ give(): Cursor | Iterator<number> }>["give"]>().toExtend<NotTransferable<string>>();

/** A service that takes and returns native stubs of objects. */
class Shop extends DurableBase {
  open(at: Date): number {
    return at.getTime();
  }
}
class Desk extends WorkerEntrypoint<{ SHOP: DurableObjectNamespace<Shop> }> {
  find(name: string): Stub<Shop> {
    return Object.native(Object.from(this.env.SHOP).byName(name));
  }
  async use({ shop }: { shop: Stub<Shop> }): Promise<number> {
    return await shop.open(new Date(0));
  }
}
declare const desk: Service<typeof Desk>;
declare const shop: Handle<Shop>;
declare const nativeShop: DurableObjectStub<Shop>;

const nativeOf = Object.native(shop);
expectTypeOf(nativeOf).toExtend<Stub<Shop>>();
expectTypeOf(nativeOf.open).toEqualTypeOf<Handle<Shop>["open"]>();
expectTypeOf(nativeOf.id).toEqualTypeOf<DurableObjectId>();
// @ts-expect-error a native stub cannot be disposed of in every version of the platform
nativeOf[Symbol.dispose]();
// @ts-expect-error plain data is no handle
Object.native({ name: "a" });
export const called: Promise<number>[] = [
  desk.find("a").then(async (found) => await found.open(new Date(0))),
  desk.use({ shop: nativeOf }),
  Object.native(nativeShop).open(new Date(0)),
];
