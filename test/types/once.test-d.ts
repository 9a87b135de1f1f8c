/** What `Object.once` claims; checked by `tsc` alone. */
import { RpcTarget } from "cloudflare:workers";
import { expectTypeOf } from "vitest";
import { DurableBase, Object, type Handle, type NotRepeatable, type Once, type Stub } from "../../src/index.ts";

class Line extends RpcTarget {
  write(text: string): number {
    return text.length;
  }
}

class Account extends DurableBase {
  charge(order: { id: string; amount: number }): { at: Date; lines: Map<string, number> } {
    return { at: new Date(), lines: new Map([[order.id, order.amount]]) };
  }

  async find(id: string): Promise<string>;
  async find(id: number): Promise<number>;
  async find(id: string | number): Promise<string | number> {
    return id;
  }

  async echo<T>(value: T): Promise<T> {
    return await Promise.resolve(value);
  }

  report(): ReadableStream {
    return new ReadableStream();
  }

  async page(): Promise<Response | null> {
    return await Promise.resolve(null);
  }

  open(): Line {
    return new Line();
  }

  close(): () => void {
    return () => undefined;
  }

  upload(name: string, file?: ReadableStream): string {
    return `${name} ${file?.locked}`;
  }

  pass(other: Stub<Account>): void {
    void other;
  }

  anything(value: unknown): unknown {
    return value;
  }

  *entries(): Generator<number> {
    yield 1;
  }
}

declare const handle: Handle<Account>;
declare const stub: Stub<Account>;
declare const native: DurableObjectStub<Account>;

const once = Object.once(handle, "key");
expectTypeOf(once).toEqualTypeOf<Once<Handle<Account>>>();

// The methods are those of the handle, overloads and generics included.
expectTypeOf(once.charge).toEqualTypeOf(handle.charge);
expectTypeOf(once.find).toEqualTypeOf(handle.find);
expectTypeOf(once.find("a")).toEqualTypeOf<Promise<string>>();
expectTypeOf(once.find(1)).toEqualTypeOf<Promise<number>>();
expectTypeOf(once.echo({ a: 1 })).toEqualTypeOf<Promise<{ a: number }>>();
expectTypeOf(once.anything(5)).toEqualTypeOf<Promise<unknown>>();
expectTypeOf(Object.once(stub, "key", { ttl: 1_000 }).charge).toEqualTypeOf(handle.charge);
expectTypeOf(await Object.once(native, "key").charge({ id: "a", amount: 1 })).toExtend<{ at: Date }>();

// What cannot be kept is no call.
type Refused =
  NotRepeatable<"a stream, Request, Response, function or stub cannot be kept for repeats: pass and return plain data">;
expectTypeOf(once.report).toEqualTypeOf<Refused>();
expectTypeOf(once.page).toEqualTypeOf<Refused>();
expectTypeOf(once.open).toEqualTypeOf<Refused>();
expectTypeOf(once.close).toEqualTypeOf<Refused>();
expectTypeOf(once.upload).toEqualTypeOf<Refused>();
expectTypeOf(once.pass).toEqualTypeOf<Refused>();
// @ts-expect-error -- a stream
void once.report();
// @ts-expect-error -- a generator crosses no call at all
void once.entries();

// Nothing else is there, and the door on no stub.
expectTypeOf<keyof typeof once & ("fetch" | "id" | "name" | "__once" | symbol)>().toEqualTypeOf<never>();
expectTypeOf<keyof Stub<Account> & "__once">().toEqualTypeOf<never>();

// @ts-expect-error -- a key is a string
Object.once(handle, 5);
// @ts-expect-error -- no such option
Object.once(handle, "key", { TTL: 5 });
// @ts-expect-error -- of another type
void once.charge({ id: "a" });
