/** The types of `connect`, for a class as users write it; checked by `tsc` alone. */
import { DurableBase, Persisted, Route, type Validated } from "durable-base";
import {
  type CallsOf,
  type Client,
  connect,
  type DraftOf,
  type NotCallable,
  type StateOf,
  type Status,
} from "durable-base/client";
import { jobs } from "durable-base/jobs";
import { expectTypeOf } from "vitest";
import { z } from "zod";

const Say = z.object({ text: z.string().trim(), at: z.coerce.number().default(0) });
const Topic = z.string().optional();

interface Message {
  text: string;
  at: Date;
  likes: Map<string, { n: number }>;
  tags: Set<string>;
}

type Json = string | number | null | Json[] | { [key: string]: Json };

class Money {
  readonly #cents = 0;

  cents(): number {
    return this.#cents;
  }
}

export class Room extends DurableBase {
  @Persisted() accessor messages: Message[] = [];
  @Persisted() accessor topic: string | undefined;
  @Persisted() accessor pair: [a: string, b?: { n: number }] = ["a"];
  @Persisted() accessor bytes = new Uint8Array();
  @Persisted() accessor tree: Json = null;
  @Persisted() accessor anything: unknown;
  readonly price = new Money();
  @Persisted() protected accessor secret = 1;
  readonly jobs = jobs(this);
  readonly #sum = 0;

  say({ text, at }: Validated<typeof Say>): number {
    return text.length + at + this.#sum;
  }

  @Route.post("/rename", { input: Topic })
  async rename(topic: Validated<typeof Topic>): Promise<{ old: string | undefined; at: Date }> {
    this.topic = topic;
    await Promise.resolve();
    return { old: topic, at: new Date() };
  }

  clear(): void {}

  find(text?: string): Message | undefined {
    return this.messages.find((message) => message.text === text);
  }

  add(a: number, b = 1): number {
    return a + b;
  }

  plain(input: { n: number; deep: { list: string[] } }): Map<string, number> {
    return new Map([["n", input.n]]);
  }

  async *watch({ from }: { from: number }): AsyncGenerator<{ n: number }> {
    yield { n: from };
  }

  async later(): Promise<AsyncIterable<string>> {
    await Promise.resolve();
    return (async function* () {
      yield "a";
    })();
  }

  move(a: number, b: number): number {
    return a + b;
  }

  stream(): ReadableStream {
    return new ReadableStream();
  }

  answer(): Response {
    return new Response();
  }

  counter(): () => number {
    return () => 1;
  }

  *numbers(): Generator<number> {
    yield 1;
  }

  money(): Money {
    return this.price;
  }

  tag(): symbol {
    return Symbol();
  }

  both(): number | (() => number) {
    return 1;
  }

  any(): any {
    return 1;
  }
}

export async function all(): Promise<void> {
  const room = connect<Room>("wss://example.com", { idempotent: ["say", "rename"] });
  expectTypeOf(room).toEqualTypeOf<Client<Room>>();
  expectTypeOf(room.status).toEqualTypeOf<Status>();
  expectTypeOf(room.closed).toEqualTypeOf<{ readonly code: number; readonly reason: string } | undefined>();
  expectTypeOf(room.subscribe(() => {})).toEqualTypeOf<() => void>();
  // @ts-expect-error a name that isn't a method's
  connect<Room>("wss://example.com", { idempotent: ["messages"] });
  // @ts-expect-error only TypeScript's own side can set the state
  room.state = undefined;

  // The fields, and neither methods, parts, hidden members nor instances of classes.
  type Fields = "messages" | "topic" | "pair" | "bytes" | "tree" | "anything";
  expectTypeOf<keyof StateOf<Room>>().toEqualTypeOf<Fields>();
  expectTypeOf<keyof DraftOf<Room>>().toEqualTypeOf<Fields>();
  type Methods = "say" | "rename" | "clear" | "find" | "add" | "plain" | "watch" | "later" | "any";
  type Others = "move" | "stream" | "answer" | "counter" | "numbers" | "money" | "tag" | "both";
  expectTypeOf<keyof CallsOf<Room>>().toEqualTypeOf<Methods | Others>();

  // @ts-expect-error there is no state before the first frame
  void room.state.messages;
  const { messages, pair, bytes, topic, anything } = room.state!;
  expectTypeOf(topic).toEqualTypeOf<string | undefined>();
  expectTypeOf(anything).toBeUnknown();
  expectTypeOf(bytes).toEqualTypeOf<Uint8Array<ArrayBuffer>>();
  expectTypeOf(pair).toEqualTypeOf<readonly [a: string, b?: { readonly n: number }]>();
  expectTypeOf(messages[0]!).toEqualTypeOf<{
    readonly text: string;
    readonly at: Date;
    readonly likes: ReadonlyMap<string, { readonly n: number }>;
    readonly tags: ReadonlySet<string>;
  }>();
  // @ts-expect-error the state can't be changed
  messages.push({});
  // @ts-expect-error nor what is in it
  messages[0]!.text = "";

  expectTypeOf(room.call.say({ text: "hi" })).toEqualTypeOf<Promise<number>>();
  expectTypeOf(room.call.say({ text: "hi", at: "5" })).toEqualTypeOf<Promise<number>>();
  // @ts-expect-error the input is required
  void room.call.say();
  // @ts-expect-error and typed
  void room.call.say({ text: 1 });
  expectTypeOf(await room.call.rename("b", { key: "k", signal: AbortSignal.timeout(1) })).toEqualTypeOf<{
    old: string | undefined;
    at: Date;
  }>();
  void room.call.rename();
  expectTypeOf(room.call.clear()).toEqualTypeOf<Promise<void>>();
  void room.call.clear(undefined, { key: "k" });
  // @ts-expect-error it takes no input
  void room.call.clear("x");
  expectTypeOf(await room.call.find()).toEqualTypeOf<Message | undefined>();
  void room.call.find("a", { key: "k" });
  // @ts-expect-error only the first parameter is sent
  void room.call.add(1, 2);
  expectTypeOf(room.call.add(1)).toEqualTypeOf<Promise<number>>();
  expectTypeOf(await room.call.plain({ n: 1, deep: { list: [] } })).toEqualTypeOf<Map<string, number>>();
  expectTypeOf(room.call.any).returns.toEqualTypeOf<Promise<any>>();
  void room.call.say(
    { text: "hi" },
    {
      optimistic: (draft) => {
        expectTypeOf(draft).toEqualTypeOf<DraftOf<Room>>();
        draft.messages.push({ text: "hi", at: new Date(), likes: new Map(), tags: new Set() });
        draft.topic = "b";
      },
    },
  );
  // @ts-expect-error no such option
  void room.call.clear(undefined, { retry: true });

  for await (const item of room.call.watch({ from: 1 })) expectTypeOf(item).toEqualTypeOf<{ n: number }>();
  expectTypeOf(room.call.later()).toEqualTypeOf<AsyncIterable<string> & Promise<undefined>>();
  // @ts-expect-error awaited, the items are gone
  const items: AsyncIterable<string> = await room.call.later();
  void items;

  expectTypeOf(room.call.move).toEqualTypeOf<NotCallable<"it takes more than one input: take an object">>();
  type NotReturnable = NotCallable<"its result can't be sent: return plain data, or be an async generator">;
  expectTypeOf(room.call.stream).toEqualTypeOf<NotReturnable>();
  expectTypeOf(room.call.answer).toEqualTypeOf<NotReturnable>();
  expectTypeOf(room.call.counter).toEqualTypeOf<NotReturnable>();
  expectTypeOf(room.call.numbers).toEqualTypeOf<NotReturnable>();
  expectTypeOf(room.call.money).toEqualTypeOf<NotReturnable>();
  expectTypeOf(room.call.tag).toEqualTypeOf<NotReturnable>();
  expectTypeOf(room.call.both).toEqualTypeOf<NotReturnable>();
  // @ts-expect-error hidden members can't be called
  void room.call.destroy;
  // @ts-expect-error nor can fields
  void room.call.messages;
}

export function narrowed(): void {
  const room = connect<Room, { call: "say" | "watch"; state: "messages" }>("wss://example.com");
  expectTypeOf<keyof NonNullable<typeof room.state>>().toEqualTypeOf<"messages">();
  expectTypeOf<keyof typeof room.call>().toEqualTypeOf<"say" | "watch">();
  void room.call.say(
    { text: "" },
    { optimistic: (draft) => expectTypeOf<keyof typeof draft>().toEqualTypeOf<"messages">() },
  );
  expectTypeOf<keyof CallsOf<Room, { call: "say" }>>().toEqualTypeOf<"say">();
  expectTypeOf<keyof StateOf<Room, { call: "say" }>>().toEqualTypeOf<keyof StateOf<Room>>();
  // @ts-expect-error no method
  connect<Room, { call: "messages" }>("wss://example.com");
  // @ts-expect-error no field
  connect<Room, { state: "say" }>("wss://example.com");
}

export function disposed(): void {
  using room = connect<Room>("wss://example.com");
  expectTypeOf(room[Symbol.dispose]).toEqualTypeOf<() => void>();
}

/** Classes of sockets that can be passed. */
export function sockets(): void {
  connect("wss://example.com", { WebSocket });
  // @ts-expect-error this is none
  connect("wss://example.com", { WebSocket: Date });
}
