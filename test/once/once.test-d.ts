/** What `once` claims; checked by `tsc` alone. */
import { RpcTarget } from "cloudflare:workers";
import { DurableBase, type Handle, type Stub } from "durable-base";
import { type NotRepeatable, once, type Once } from "durable-base/once";
import { expectTypeOf } from "vitest";

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

const kept = once(handle, "key");
expectTypeOf(kept).toEqualTypeOf<Once<Handle<Account>>>();

// The methods are those of the handle, overloads and generics included.
expectTypeOf(kept.charge).toEqualTypeOf(handle.charge);
expectTypeOf(kept.find).toEqualTypeOf(handle.find);
expectTypeOf(kept.find("a")).toEqualTypeOf<Promise<string>>();
expectTypeOf(kept.find(1)).toEqualTypeOf<Promise<number>>();
expectTypeOf(kept.echo({ a: 1 })).toEqualTypeOf<Promise<{ a: number }>>();
expectTypeOf(kept.anything(5)).toEqualTypeOf<Promise<unknown>>();
expectTypeOf(once(stub, "key", { ttl: 1_000 }).charge).toEqualTypeOf(handle.charge);
expectTypeOf(await once(native, "key").charge({ id: "a", amount: 1 })).toExtend<{ at: Date }>();

// What cannot be kept is no call.
type Refused =
  NotRepeatable<"a stream, Request, Response, function or stub cannot be kept for repeats: pass and return plain data">;
expectTypeOf(kept.report).toEqualTypeOf<Refused>();
expectTypeOf(kept.page).toEqualTypeOf<Refused>();
expectTypeOf(kept.open).toEqualTypeOf<Refused>();
expectTypeOf(kept.close).toEqualTypeOf<Refused>();
expectTypeOf(kept.upload).toEqualTypeOf<Refused>();
expectTypeOf(kept.pass).toEqualTypeOf<Refused>();
// @ts-expect-error -- a stream
void kept.report();
// @ts-expect-error -- a generator crosses no call at all
void kept.entries();

// Nothing else is there, and the method that calls parts is on no stub.
expectTypeOf<keyof typeof kept & ("fetch" | "id" | "name" | "__call" | symbol)>().toEqualTypeOf<never>();
expectTypeOf<keyof Stub<Account> & "__call">().toEqualTypeOf<never>();

// @ts-expect-error -- a key is a string
once(handle, 5);
// @ts-expect-error -- no such option
once(handle, "key", { TTL: 5 });
// @ts-expect-error -- of another type
void kept.charge({ id: "a" });
