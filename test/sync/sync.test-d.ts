/** The types of `durable-base/sync`, in standard decorators. */
import { DurableBase, Persisted, type Validated } from "durable-base";
import { Callable, caller, Synced } from "durable-base/sync";
import { z } from "zod";

interface State {
  user: string;
  isHost: boolean;
}

const Say = z.object({ text: z.string(), times: z.number().default(1) });
const Later = z.string().transform(async (text) => await Promise.resolve(text.length));

export class StandardTyped extends DurableBase {
  @Synced() @Persisted() accessor messages: { text: string }[] = [];
  @Synced({ visibleTo: (state: State | undefined) => state?.isHost === true }) @Persisted() accessor reports = 0;
  @Synced({ visibleTo: (state?: { isHost: boolean }) => state?.isHost === true }) @Persisted() accessor topic = "";
  // @ts-expect-error a verdict is a boolean
  @Synced({ visibleTo: async () => await Promise.resolve(true) }) @Persisted() accessor later = 0;
  // @ts-expect-error there may be no state
  @Synced({ visibleTo: (state: State) => state.isHost }) @Persisted() accessor stateless = 0;

  @Callable({ input: Say }) say({ text, times }: Validated<typeof Say>): number {
    return this.messages.push(...Array.from({ length: times }, () => ({ text })));
  }

  @Callable({ input: Later }) count(length: number): number {
    return length;
  }

  @Callable() clear(): void {}

  @Callable() log(what: unknown): void {
    console.log(what);
  }

  @Callable({ input: Say }) async *follow({ text }: Validated<typeof Say>): AsyncGenerator<string> {
    yield text;
  }

  // @ts-expect-error without a schema nothing checks what a client sends
  @Callable() add(by: number): number {
    return by;
  }

  // @ts-expect-error the schema gives another type
  @Callable({ input: Say }) wrong(text: string): string {
    return text;
  }

  // @ts-expect-error not a schema
  @Callable({ input: "text" }) unchecked(text: unknown): unknown {
    return text;
  }

  who(): string | undefined {
    const state: Readonly<State> | undefined = caller<State>(this)?.state;
    // @ts-expect-error nobody may have called
    caller<State>(this).close();
    return state?.user;
  }
}
