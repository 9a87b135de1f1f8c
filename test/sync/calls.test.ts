/** Streams, calls and connections at their limits, and beside code that wraps methods or outlives its entry. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { sockets } from "durable-base/sockets";
import { describe, expect, it, vi } from "vitest";
import { connect, take, type SocketClient } from "../sockets/client.ts";
import type { StandardRoom } from "./fixtures/room.ts";
import { frames, type Frame } from "./frames.ts";

type Room = DurableObjectStub<StandardRoom>;
type Method = (this: StandardRoom, ...args: never[]) => unknown;

let nth = 0;
const fresh = (): Room => env.STANDARD_ROOM.getByName(`calls ${nth++}`);

async function joined(stub: Room, path = "/"): Promise<SocketClient> {
  const client = await connect(stub, path, { protocols: ["durable-base.sync.1"] });
  await take(client, 1);
  return client;
}

/** The next frame of a kind. */
async function next(client: SocketClient, ...kinds: string[]): Promise<Frame> {
  for (;;) {
    const [frame] = (await frames(client, 1)) as [Frame];
    if (kinds.includes(frame[0] as string)) return frame;
  }
}

/** Runs a test with another body of a `@Callable` method. */
async function withMethod(
  stub: Room,
  name: "count" | "say" | "nothing" | "slow" | "read",
  body: Method,
  test: () => Promise<void>,
): Promise<void> {
  const proto = await runInDurableObject(
    stub,
    (self: StandardRoom) => Object.getPrototypeOf(self) as Record<string, unknown>,
  );
  const before = Object.getOwnPropertyDescriptor(proto, name)!;
  Object.defineProperty(proto, name, { value: body, writable: true, configurable: true });
  try {
    await test();
  } finally {
    Object.defineProperty(proto, name, before);
  }
}

describe("a stream", () => {
  it("that is stopped while its generator works runs its `finally`", async () => {
    const stub = fresh();
    let log: string[] = [];
    await withMethod(
      stub,
      "read",
      async function* () {
        try {
          for (let n = 0; n < 3; n++) {
            yield n;
            await scheduler.wait(30);
          }
        } finally {
          log.push("closed");
        }
      } as Method,
      async () => {
        const client = await joined(stub);
        client.send('["call",1,"read"]');
        await next(client, "item");
        client.send('["stop",1]');
        await next(client, "ok");
        await scheduler.wait(100);
        expect(log).toEqual(["closed"]);
      },
    );
  });

  it("that yields what can't be sent runs its `finally`", async () => {
    const logged = vi.spyOn(console, "error").mockReturnValue();
    const stub = fresh();
    const log: string[] = [];
    await withMethod(
      stub,
      "read",
      async function* () {
        try {
          yield () => 1;
        } finally {
          log.push("closed");
        }
      } as Method,
      async () => {
        const client = await joined(stub);
        client.send('["call",1,"read"]');
        expect(await next(client, "error")).toMatchObject([
          "error",
          1,
          { code: "not-transferable", message: "The call failed." },
        ]);
        await scheduler.wait(100);
        expect(log).toEqual(["closed"]);
        expect(logged).toHaveBeenCalledOnce();
      },
    ).finally(() => logged.mockRestore());
  });

  it("that is stopped while its generator waits is answered at once", async () => {
    const stub = fresh();
    await withMethod(
      stub,
      "read",
      async function* () {
        await new Promise(() => {});
        yield 1;
      } as Method,
      async () => {
        const client = await joined(stub);
        client.send('["call",1,"read"]');
        client.send('["stop",1]');
        expect(await Promise.race([next(client, "ok"), scheduler.wait(500)])).toEqual(["ok", 1]);
      },
    );
  });

  it("lets the object answer others however much its client asks for", async () => {
    const stub = fresh();
    let sent = 0;
    await withMethod(
      stub,
      "read",
      function* () {
        for (; sent < 300_000; sent++) yield sent;
      } as Method,
      async () => {
        const client = await joined(stub);
        client.send(`["call",1,"read"]`);
        client.send(`["more",1,${Number.MAX_SAFE_INTEGER}]`);
        client.send(`["stop",1]`);
        await next(client, "ok");
        expect(sent).toBeLessThan(10_000);
      },
    );
  });
});

describe("a call", () => {
  it("that changes what its client sees is answered after the state", async () => {
    const room = fresh();
    const client = await joined(room);
    await withMethod(
      room,
      "nothing",
      function () {
        this.setHost(true);
        this.messages.push({ text: "a" });
      },
      async () => {
        client.send(JSON.stringify(["call", 1, "nothing"]));
        expect((await frames(client, 2)).map(([kind]) => kind)).toEqual(["state", "ok"]);
      },
    );
  });

  it("over 1,000 at once doesn't close the connection for good", async () => {
    const stub = fresh();
    const client = await joined(stub);
    for (let id = 1; id <= 1_001; id++) client.send(JSON.stringify(["call", id, "slow", { text: "" }]));
    client.send('["call",2000,"nothing"]');
    expect(await Promise.race([client.closed.then(({ code }) => code), next(client, "ok", "error")])).not.toBe(1008);
  });

  it("that fails through a fault of the object tells nothing of it, and is logged", async () => {
    const stub = fresh();
    const logged = vi.spyOn(console, "error").mockReturnValue();
    await withMethod(
      stub,
      "nothing",
      function () {
        this.secret = (() => 1) as never;
      } as Method,
      async () => {
        const client = await joined(stub);
        client.send('["call",1,"nothing"]');
        const text = JSON.stringify(await next(client, "error"));
        // HTTP answers a bare 500, with the code alone.
        expect(text).not.toContain("secret");
        expect(logged).toHaveBeenCalledOnce();
      },
    ).finally(() => logged.mockRestore());
  });

  it("is validated although code, such as a spy, has wrapped the method on its prototype", async () => {
    const stub = fresh();
    const original = await runInDurableObject(
      stub,
      (self: StandardRoom) => (Object.getPrototypeOf(self) as { say: (...args: unknown[]) => unknown }).say,
    );
    await withMethod(
      stub,
      "say",
      function (...args) {
        return original.apply(this, args);
      },
      async () => {
        const client = await joined(stub);
        client.send('["call",1,"say",{"text":5,"times":1}]');
        expect(await next(client, "ok", "error")).toMatchObject(["error", 1, { code: "invalid-input" }]);
      },
    );
  });

  it("of a method with a name of a megabyte isn't answered with two", async () => {
    const client = await joined(fresh());
    client.send(JSON.stringify(["call", 1, "x".repeat(1_000_000)]));
    expect(JSON.stringify(await next(client, "error")).length).toBeLessThan(1_000);
  });
});

describe("a connection", () => {
  it("gets nothing but frames, even if the object's code sends to all sockets", async () => {
    const stub = fresh();
    const client = await joined(stub);
    await runInDurableObject(stub, (self: StandardRoom) =>
      self.run(() => {
        for (const socket of sockets(self).all()) socket.send(["news"]);
      }),
    );
    client.send('["call",1,"nothing"]');
    expect(await frames(client, 1)).toEqual([["ok", 1]]);
  });

  it("gets no state when its `socket.state` changes after a hibernation and shows the same fields", async () => {
    const stub = fresh();
    const client = await joined(stub);
    await evictDurableObject(stub);
    await runInDurableObject(stub, (self: StandardRoom) => self.run(() => self.setHost(false)));
    client.send('["call",1,"nothing"]');
    expect(await frames(client, 1)).toEqual([["ok", 1]]);
  });

  it("goes on after code that outlived `@Atomic` has changed its `socket.state`", async () => {
    const stub = fresh();
    const client = await joined(stub);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      await runInDurableObject(stub, async (self: StandardRoom) => {
        const late = Promise.withResolvers<void>();
        const undone = self.run(() =>
          self.atomicLater(async () => {
            await scheduler.wait(1);
            vi.advanceTimersByTime(25_000);
            await scheduler.wait(10);
            self.setHost(true);
            late.resolve();
          }),
        );
        await expect(async () => await undone).rejects.toThrow("25000 ms");
        await late.promise;
      });
    } finally {
      vi.useRealTimers();
    }
    await runInDurableObject(stub, (self: StandardRoom) => self.run(() => void (self.any = 1)));
    client.send('["call",1,"nothing"]');
    // The whole state, with `reports`, and never again only answers.
    expect((await frames(client, 1))[0]![0]).toBe("state");
  });
});
