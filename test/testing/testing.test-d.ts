/** The types of `durable-base/testing`; checked by `tsc` alone. */
import { env } from "cloudflare:workers";
import { Object } from "durable-base";
import { connect, wakeUps, type ConnectionEnd, type SocketClient } from "durable-base/testing";
import { expectTypeOf } from "vitest";
import { EchoRoom } from "./fixtures/echo-room.ts";

interface Line {
  text: string;
}

declare const worker: Fetcher;

const ann = await connect<Line>(EchoRoom.from(env.ECHO_ROOM).byName("lobby"), "/?user=ann");
expectTypeOf(ann).toEqualTypeOf<SocketClient<Line>>();
expectTypeOf(ann.nextJson()).toEqualTypeOf<Promise<Line>>();
expectTypeOf(ann.next()).toEqualTypeOf<Promise<string | ArrayBuffer>>();
expectTypeOf(ann.messages).toEqualTypeOf<readonly (string | ArrayBuffer)[]>();
expectTypeOf(ann.closed).toEqualTypeOf<Promise<ConnectionEnd>>();
ann.send({ text: "hello" });
ann.close();
ann.close(4000, "bye");
// @ts-expect-error a code is a number
ann.close("4000");
// @ts-expect-error the list is the client's own
ann.messages.push("made up");

expectTypeOf((await connect(Object.from(env.ECHO_ROOM).byName("lobby"))).nextJson()).toEqualTypeOf<Promise<unknown>>();
const options = { headers: { cookie: "a=1" }, protocols: ["chat.1"] } as const;
for (const object of [worker, env.ECHO_ROOM.getByName("lobby"), env.STANDARD_ECHO.getByName("lobby")]) {
  await connect(object, "/", options);
}
await connect(worker, "/", { headers: new Headers(), protocols: "chat.1" });
// @ts-expect-error a namespace isn't an object
await connect(env.ECHO_ROOM);

expectTypeOf(wakeUps(Object.from(env.ECHO_ROOM).byName("lobby"))).toEqualTypeOf<number>();
wakeUps(env.ECHO_ROOM.getByName("lobby"));
// @ts-expect-error the Worker isn't an object
wakeUps(worker);
