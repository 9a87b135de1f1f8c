/** The types of the hooks; checked by `tsc` alone. */
import { type CallsOf, type Client, connect, type StateOf, type Status } from "durable-base/client";
import { useClient, type UsedObject, useObject } from "durable-base/react";
import { expectTypeOf } from "vitest";

declare class Room {
  messages: { text: string }[];
  topic: string;
  say(input: { text: string }): Promise<number>;
}

export function Component(): void {
  const { state, status, call } = useObject<Room>("/lobby", { query: () => ({ token: "t" }), idempotent: ["say"] });
  expectTypeOf(state).toEqualTypeOf<StateOf<Room> | undefined>();
  expectTypeOf(status).toEqualTypeOf<Status>();
  expectTypeOf(call).toEqualTypeOf<CallsOf<Room>>();
  expectTypeOf(call.say({ text: "" })).toEqualTypeOf<Promise<number>>();
  expectTypeOf(useObject<Room>(new URL("ws://host"))).toEqualTypeOf<UsedObject<Room>>();

  const room = useClient<Room>("/lobby");
  expectTypeOf(room).toEqualTypeOf<Client<Room>>();
  expectTypeOf(useObject(room)).toEqualTypeOf<UsedObject<Room>>();
  const { state: topic } = useObject(room, (state) => state?.topic);
  expectTypeOf(topic).toEqualTypeOf<string | undefined>();
  const { state: texts } = useObject(connect<Room>("/lobby"), (state) => state?.messages.map(({ text }) => text) ?? []);
  expectTypeOf(texts).toEqualTypeOf<string[]>();

  type Say = { call: "say"; state: "topic" };
  const narrow = useClient<Room, Say>("/lobby");
  expectTypeOf(narrow).toEqualTypeOf<Client<Room, Say>>();
  expectTypeOf(useObject(narrow).state).toEqualTypeOf<StateOf<Room, Say> | undefined>();
  // @ts-expect-error there is no state before the first frame
  useObject(room, (state) => state.topic);
  // @ts-expect-error with a URL there is no selector: TypeScript couldn't infer its result
  useObject<Room>("/lobby", (state: unknown) => state);
  // @ts-expect-error no method
  useObject<Room>("/lobby", { idempotent: ["topic"] });
}
