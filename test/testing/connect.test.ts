/** The client of sockets, and the count of wake-ups, as a user's tests call them. */
import { runInDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { DurableError, Object } from "durable-base";
import { connect, crash, evict, rows, UpgradeRefused, wakeUps, type SocketClient } from "durable-base/testing";
import { describe, expect, it } from "vitest";
import { errorOf, thrownBy } from "../error-of.ts";
import { eventually } from "../eventually.ts";
import { EchoRoom } from "./fixtures/echo-room.ts";

const worker = (exports as unknown as { readonly default: Fetcher }).default;

type Room = ReturnType<typeof env.ECHO_ROOM.getByName>;

/** The stubs and handles that a test may hold of an object. A handle's type says more than a native stub's. */
const KINDS: Record<string, (name: string) => Room> = {
  "a handle of Object.from": (name) => Object.from(env.ECHO_ROOM).byName(name) as unknown as Room,
  "a handle of EchoRoom.from": (name) => EchoRoom.from(env.ECHO_ROOM).byName(name) as unknown as Room,
  "a native stub": (name) => env.ECHO_ROOM.getByName(name),
};

/** Connects as Ann, and reads the greeting. */
async function greeted(room: Room): Promise<SocketClient> {
  const ann = await connect(room, "/echo?user=ann");
  expect(await ann.nextJson()).toMatchObject({ user: "ann" });
  return ann;
}

describe.each(globalThis.Object.keys(KINDS))("connect, by %s,", (kind) => {
  const fresh = (name: string): Room => KINDS[kind]!(`${name}, ${kind}`);

  it("exchanges messages with the object, and closes the connection at the end of its scope", async () => {
    const room = fresh("talk");
    {
      using ann = await connect<{ user: string }>(room, "/echo?user=ann");
      expect((await ann.nextJson()).user).toBe("ann");
      ann.send("hello");
      expect(await ann.next()).toBe("hello");
      expect(await room.howMany()).toBe(1);
    }
    await eventually(async () => expect(await room.seen()).toEqual([{ code: 1000, reason: "", wasClean: true }]));
    expect(await room.howMany()).toBe(0);
  });

  it("rejects with the status and the text of a refusal", async () => {
    const room = fresh("refused");
    const error = await errorOf(() => connect(room, "/echo"));
    expect(error).toBeInstanceOf(UpgradeRefused);
    expect(DurableError.is(error, "upgrade-refused")).toBe(true);
    expect(error).toMatchObject({ status: 401, body: "Who are you?" });
    expect(error.message).toContain('connect: /echo was answered with 401 and no socket: "Who are you?"');
    expect(await errorOf(() => connect(room, "/page"))).toMatchObject({ status: 200, body: "a page" });
    expect(await errorOf(() => connect(room))).toMatchObject({ status: 404 });
    expect(await room.howMany()).toBe(0);
  });

  it("rejects with the error of an object that is reset meanwhile, and leaves no dead stub behind", async () => {
    const room = fresh("reset");
    expect(await room.howMany()).toBe(0);
    const error = await errorOf(() => connect(room, "/echo?user=ann&crash=1"));
    expect(error.message).toContain("crashed by a client");
    // A native stub of the test's own is dead, as after any reset.
    expect(await (kind === "a native stub" ? fresh("reset") : room).howMany()).toBe(0);
    using ann = await greeted(room);
    ann.send("again");
    expect(await ann.next()).toBe("again");
  });

  it("stays open when the object is evicted, and ends when it crashes; then it can connect again", async () => {
    const room = fresh("kept");
    using ann = await greeted(room);
    using bob = await connect(room, "/echo?user=bob");
    const before = wakeUps(room);
    await evict(room);
    expect(wakeUps(room)).toBe(before);
    ann.send("after the eviction");
    expect(await ann.next()).toBe("after the eviction");
    expect(wakeUps(room)).toBe(before + 1);
    expect([await room.howMany(), bob.messages.length]).toEqual([2, 1]);

    const lost = errorOf(() => ann.next());
    await crash(room);
    expect(await ann.closed).toMatchObject({ code: 1006, wasClean: false });
    expect(String(await lost)).toContain("the connection ended with code 1006");
    using again = await greeted(room);
    again.send("after the crash");
    expect(await again.next()).toBe("after the crash");
  });
});

describe("connect", () => {
  it("passes on the path, headers and subprotocols, and takes a whole URL", async () => {
    const room = env.ECHO_ROOM.getByName("request");
    const headers = { "x-asked": "yes" };
    using ann = await connect(room, "/echo?user=a%20b", { headers });
    expect(await ann.nextJson()).toEqual({ user: "a b", asked: "yes", url: "http://localhost/echo?user=a%20b" });
    using bob = await connect(room, "https://example.com/echo?user=bob");
    expect(await bob.nextJson()).toMatchObject({ url: "https://example.com/echo?user=bob" });
    expect([ann.protocol, headers]).toEqual(["", { "x-asked": "yes" }]);
    for (const protocols of [["b", "a"], "b"]) {
      using chosen = await connect(env.STANDARD_ECHO.getByName("protocols"), "/", { protocols });
      expect(chosen.protocol).toBe("b");
    }
  });

  it("connects through the Worker", async () => {
    expect(await errorOf(() => connect(worker, "/nowhere"))).toMatchObject({ status: 200, body: "ok" });
    using ann = await connect(worker, "/echo-room/through%20the%20Worker/echo?user=ann");
    expect(await ann.nextJson()).toMatchObject({ user: "ann" });
    expect(await env.ECHO_ROOM.getByName("through the Worker").howMany()).toBe(1);
  });

  it("rejects with the error of an object that throws", async () => {
    const error = await errorOf(() => connect(env.NATIVE_BARE.getByName("no fetch")));
    expect(error).not.toBeInstanceOf(UpgradeRefused);
    expect(error.message).toContain("fetch");
  });

  it("works with sockets that don't hibernate", async () => {
    using ann = await connect(env.STANDARD_ECHO.getByName("standard"));
    ann.send(new Uint8Array([1, 2]));
    expect(await ann.next()).toEqual(new Uint8Array([1, 2]).buffer);
  });

  it("makes evict wait for a socket that doesn't hibernate", async () => {
    const object = env.STANDARD_ECHO.getByName("waits");
    const ann = await connect(object);
    let isEvicted = false;
    const evicted = evict(object).then(() => (isEvicted = true));
    await scheduler.wait(50);
    ann.send("still there");
    expect([await ann.next(), isEvicted]).toEqual(["still there", false]);
    ann.close();
    await evicted;
  });
});

describe("a client of sockets", () => {
  let nth = 0;
  const talk = async (): Promise<{ room: Room; ann: SocketClient }> => {
    const room = env.ECHO_ROOM.getByName(`client ${nth++}`);
    return { room, ann: await greeted(room) };
  };

  it("keeps every message as it came, whoever has read it", async () => {
    const { ann } = await talk();
    const sent = ["text", "", "7", new Uint8Array([0, 255]), new Uint8Array([3]).buffer, { say: [1, null] }];
    for (const message of sent) ann.send(message);
    ann.send({ say: "last" });
    const got: unknown[] = [];
    while (got.at(-1) !== "last") got.push(await ann.next());
    expect(got).toEqual([
      "text",
      "",
      "7",
      new Uint8Array([0, 255]).buffer,
      new Uint8Array([3]).buffer,
      "[1,null]",
      "last",
    ]);
    expect(ann.messages.slice(1)).toEqual(got);
  });

  it("returns each message from one call of next, in order, whether it has come or not", async () => {
    const { ann } = await talk();
    const waiting = [ann.next(), ann.nextJson(), ann.next()];
    for (const message of ["1", "2", "3", "4", "5"]) ann.send(message);
    expect(await Promise.all(waiting)).toEqual(["1", 2, "3"]);
    await eventually(() => expect(ann.messages).toHaveLength(6));
    expect([await ann.next(), await ann.next()]).toEqual(["4", "5"]);
  });

  it("parses JSON where it is asked for, and says what isn't", async () => {
    const { ann } = await talk();
    for (const message of [{ say: { a: [1] } }, "null", "7", "hello", "", new Uint8Array(3), "after"])
      ann.send(message);
    expect([await ann.nextJson(), await ann.nextJson(), await ann.nextJson()]).toEqual([{ a: [1] }, null, 7]);
    for (const [nth, text] of ['"hello"', '""', "3 bytes"].entries()) {
      expect([nth, (await errorOf(() => ann.nextJson())).message]).toEqual([
        nth,
        `nextJson: the message isn't JSON: ${text}. Use \`next()\` for text and bytes.`,
      ]);
    }
    expect(await ann.next()).toBe("after");
  });

  it("refuses messages, codes and reasons that can't be sent", async () => {
    const { room, ann } = await talk();
    for (const message of [undefined, 1n, new Map(), { n: NaN }]) {
      expect(thrownBy(() => ann.send(message))).toMatchObject({ code: "not-json" });
    }
    for (const code of [999, 1005, 5000, NaN]) {
      expect(thrownBy(() => ann.close(code))).toMatchObject({ code: "bad-option" });
    }
    expect(thrownBy(() => ann.close(4000, "é".repeat(62)))).toMatchObject({ code: "bad-option" });
    expect(thrownBy(() => ann.close(undefined, "why"))).toMatchObject({ code: "bad-option" });
    expect([await room.howMany(), ann.messages.length]).toEqual([1, 1]);
  });

  it.each<[string, close: [code?: number, reason?: string], end: [code: number, reason: string]]>([
    ["no code", [], [1005, ""]],
    ["a code", [4000], [4000, ""]],
    ["a code and a reason", [4000, "bye"], [4000, "bye"]],
  ])("closes with %s, which the object sees and answers", async (_, close, [code, reason]) => {
    const { room, ann } = await talk();
    ann.close(...close);
    const end = { code, reason, wasClean: true };
    expect(await ann.closed).toEqual(end);
    await eventually(async () => expect(await room.seen()).toEqual([end]));
    expect(thrownBy(() => ann.send("late")).name).toBe("TypeError");
    ann.close(1000);
    ann[Symbol.dispose]();
    expect(await ann.closed).toEqual(end);
  });

  it("answers a Close of the object, so that its handler runs and no socket is left", async () => {
    const { room, ann } = await talk();
    ann.send({ say: "last", close: 4001, reason: "enough" });
    const end = { code: 4001, reason: "enough", wasClean: true };
    expect(await ann.closed).toEqual(end);
    await eventually(async () => expect(await room.seen()).toEqual([end]));
    await runInDurableObject(room, (__, ctx) => expect(ctx.getWebSockets()).toEqual([]));
  });

  it("reads what came before the end, and then rejects, each call", async () => {
    const { ann } = await talk();
    const waiting = [ann.next(), errorOf(() => ann.next()), errorOf(() => ann.nextJson())];
    ann.send({ say: "one", close: 4001, reason: "enough" });
    const message = "next: the connection ended with code 4001 (enough) after 2 messages, which were all read.";
    expect(await Promise.all(waiting)).toMatchObject(["one", { message }, { message }]);
    expect(await errorOf(() => ann.next())).toMatchObject({ message });

    const { ann: other } = await talk();
    other.send({ say: "one", times: 2, close: 4001 });
    await other.closed;
    expect([await other.next(), await other.next()]).toEqual(["one", "one"]);
    expect(String(await errorOf(() => other.next()))).toContain("with code 4001 after 3 messages");
  });

  it("gets what connect sends before it closes the socket", async () => {
    using ann = await connect(env.ECHO_ROOM.getByName("full"), "/echo?user=ann&full=1");
    expect(await ann.closed).toMatchObject({ code: 4001, reason: "full" });
    expect(await ann.nextJson()).toMatchObject({ user: "ann" });
  });
});

describe("wakeUps", () => {
  it("counts constructions of an object, and asking wakes nobody", async () => {
    const room = Object.from(env.ECHO_ROOM).byName("woken");
    const neighbour = env.ECHO_ROOM.getByName("not woken");
    expect(wakeUps(room)).toBe(0);
    await room.howMany();
    await room.howMany();
    expect(wakeUps(room)).toBe(1);
    for (let nth = 1; nth <= 3; nth++) {
      await evict(room);
      expect(wakeUps(room)).toBe(nth);
      await room.howMany();
      expect(wakeUps(room)).toBe(nth + 1);
    }
    await crash(room);
    expect(wakeUps(room)).toBe(4);
    await rows(room, () => {});
    expect(wakeUps(env.ECHO_ROOM.getByName("woken"))).toBe(5);
    expect(wakeUps(neighbour)).toBe(0);
  });

  it("shows that a ping is answered without the object, and that a refused client wakes it", async () => {
    const room = env.ECHO_ROOM.getByName("pinged");
    using ann = await greeted(room);
    await evict(room);
    ann.send("ping");
    expect([await ann.next(), wakeUps(room)]).toEqual(["pong", 1]);
    await errorOf(() => connect(room));
    expect(wakeUps(room)).toBe(2);
  });

  it("counts what is made of subclasses and mixins, and nothing that isn't ours", async () => {
    const [mixed, native] = [env.MIXED_HEIR.getByName("woken"), env.NATIVE_ALARM.getByName("woken")];
    for (const object of [mixed, native]) await evict(object);
    expect([wakeUps(mixed), wakeUps(native)]).toEqual([1, 0]);
  });
});
