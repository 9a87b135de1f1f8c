/** `@Atomic`, `@Exclusive`, `@Idempotent` and `@Internal` accept any method at compile time, and keep its type. */
import { Atomic, Exclusive, type ExclusiveOptions, Idempotent, Internal } from "durable-base";
import { expectTypeOf } from "vitest";

const options: ExclusiveOptions = { wait: 1 };

export class Accepted {
  @Atomic bare(): void {}
  @Idempotent again(): void {}
  @Idempotent() @Atomic() async againLater<T extends object>(value: T): Promise<T> {
    return value;
  }
  @Atomic() called(a: number, b?: string): string {
    return `${a}${b}`;
  }
  @Atomic() async later<T extends object>(value: T): Promise<T> {
    return value;
  }
  @Exclusive many(...all: number[]): number {
    return all.length;
  }
  @Exclusive() withThis(this: Accepted, { by = 1 } = {}): number {
    return by;
  }
  overloaded(a: string): string;
  overloaded(a: number): number;
  @Exclusive({}) overloaded(a: string | number): string | number {
    return a;
  }
  @Exclusive(options) @Atomic() protected both(): void {}
  @Atomic() @Exclusive() #hidden(): void {}
  [Symbol.dispose](): void {
    this.#hidden();
  }
}

export const called: string = new Accepted().called(1, "b");
export const later: Promise<{ n: number }> = new Accepted().later({ n: 1 });

export class Refused {
  // @ts-expect-error a field isn't a method
  @Atomic() field = 1;
  // @ts-expect-error nor with an arrow function in it
  @Exclusive arrow = (): number => 1;
  // @ts-expect-error an accessor isn't a method
  @Atomic accessor count = 0;
  // @ts-expect-error a getter isn't a method
  @Exclusive() get doubled(): number {
    return 2;
  }
  // @ts-expect-error `wait` is in milliseconds
  @Exclusive({ wait: "1 s" }) text(): void {}
  // @ts-expect-error there is no such option
  @Exclusive({ timeout: 1 }) unknown(): void {}
  // @ts-expect-error a field isn't a method
  @Idempotent() idempotent = 1;
  // @ts-expect-error it has no options
  @Idempotent({ wait: 1 }) withOptions(): void {}
  // @ts-expect-error it has no options
  @Atomic({ wait: 1 }) options(): void {}
  // @ts-expect-error a stub reaches no field
  @Internal() internal = 1;
  // @ts-expect-error a stub sets nothing
  @Internal set size(_: number) {}
  // @ts-expect-error it has no options
  @Internal({}) internalOptions(): void {}
}

/** Methods of any type, getters and accessors. */
class Hides {
  @Internal() plain(): void {}
  @Internal async generic<T extends object>(this: Hides, value: T): Promise<T> {
    return value;
  }
  @Internal() *items(): Generator<number> {}
  @Internal() get total(): number {
    return 1;
  }
  @Internal() accessor step = 1;
  @Internal() @Atomic() both(by: number): number {
    return by;
  }
}

expectTypeOf<Hides["generic"]>().toEqualTypeOf<<T extends object>(this: Hides, value: T) => Promise<T>>();
expectTypeOf<Hides["total"]>().toEqualTypeOf<number>();
