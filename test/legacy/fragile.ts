import { DurableBase, Exclusive, Idempotent } from "../../src/index.ts";
import { run, type Fault } from "../object/fixtures/fault.ts";

/** A method that is safe to run more than once, and one that is not, in legacy decorators. */
export class LegacyFragile extends DurableBase {
  @Idempotent() async marked(fault: Fault): Promise<string> {
    return await run({ name: this.name, ctx: this.ctx }, fault);
  }

  @Idempotent @Exclusive() async markedBare(fault: Fault): Promise<string> {
    return await run({ name: this.name, ctx: this.ctx }, fault);
  }

  async unmarked(fault: Fault): Promise<string> {
    return await run({ name: this.name, ctx: this.ctx }, fault);
  }
}

/** Inherits one mark, and loses the other with the method that had it. */
export class LegacyFragileChild extends LegacyFragile {
  override async markedBare(): Promise<string> {
    return "once only";
  }

  @Idempotent() override async unmarked(): Promise<string> {
    return "as often as you like";
  }
}

/** Uses that are refused: what was written, how, and a part of the message. */
export const misplacedLegacy: readonly (readonly [string, () => unknown, string])[] = [
  [
    "a class",
    () => {
      // @ts-expect-error a class isn't a method
      @Idempotent()
      class Wrong {}
      return Wrong;
    },
    "`@Idempotent() answer() { … }`",
  ],
  [
    "a getter",
    () => {
      class Wrong {
        own = 1;
        // @ts-expect-error a getter isn't a method
        @Idempotent() get size(): number {
          return 1;
        }
      }
      return Wrong;
    },
    "a field or accessor isn't a method",
  ],
  [
    "a static method",
    () => {
      class Wrong {
        own = 1;
        @Idempotent() static make(): void {}
      }
      return Wrong;
    },
    "a static member belongs to no object",
  ],
  [
    "a symbol",
    () => {
      class Wrong {
        own = 1;
        @Idempotent() [Symbol.dispose](): void {}
      }
      return Wrong;
    },
    "a symbol cannot be called through a stub",
  ],
];
