/** Clients that come and go have in the end what is stored, and never see anything else. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { snapshot } from "durable-base";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { apply } from "../../src/client/state.ts";
import type { Patch, ServerFrame } from "../../src/sync/frames.ts";
import { fromWire } from "../../src/sync/values.ts";
import { isLong, seed } from "../battery.ts";
import { breakWrite } from "../break-write.ts";
import { check } from "../check.ts";
import { textOf, type State } from "../client/states.ts";
import { connect, type SocketClient } from "../sockets/client.ts";
import type { StandardRoom } from "./fixtures/room.ts";
import { make, programs, type Change, type Step } from "./model.ts";

const RUNS = isLong ? 2_000 : 200;

/** Programs that share a seed, so that few have to run again to see one fail. */
const BATCH = 50;

/** The fields that clients see. */
function visibleOf(self: StandardRoom, isHost: boolean): State {
  const { messages, byName, names, any, reports } = self;
  return snapshot({ messages, byName, names, any, ...(isHost && { reports }) }) as State;
}

/** One client, which keeps the state by its frames. */
class Follower {
  readonly #stub: () => DurableObjectStub<StandardRoom>;
  readonly #wasStored: (text: string) => boolean;
  #socket: SocketClient | undefined;
  #state: State | undefined;
  #version = "";
  #number = 0;
  #calls = 0;
  isHost = false;
  #failure: unknown;
  #reading = Promise.resolve();

  constructor(stub: () => DurableObjectStub<StandardRoom>, wasStored: (text: string) => boolean) {
    this.#stub = stub;
    this.#wasStored = wasStored;
  }

  get isOpen(): boolean {
    return this.#socket !== undefined;
  }

  get text(): string {
    return textOf(this.#state!);
  }

  /** Connects, with the version and number that it has. */
  async join(): Promise<void> {
    if (this.#socket !== undefined) return;
    const since = this.#version === "" ? [] : [`durable-base.since.${this.#version}.${this.#number}`];
    const socket = await connect(this.#stub(), this.isHost ? "/?host" : "/", {
      protocols: ["durable-base.sync.1", ...since],
    });
    this.#socket = socket;
    this.#reading = this.#read(socket);
  }

  async drop(): Promise<void> {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close(1000);
    await socket?.closed;
    await this.#reading;
  }

  /** The connection was lost. */
  async lose(): Promise<void> {
    await this.#socket?.closed;
    this.#socket = undefined;
    await this.#reading;
  }

  /** Waits until everything that was sent before has come. */
  async settle(): Promise<void> {
    if (this.#socket === undefined) return;
    const id = ++this.#calls;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#answers.set(id, resolve);
    this.#socket.send(JSON.stringify(["call", id, "nothing"]));
    await Promise.race([promise, this.#socket.closed]);
    if (this.#failure !== undefined) throw this.#failure;
  }

  readonly #answers = new Map<number, () => void>();

  async #read(socket: SocketClient): Promise<void> {
    for (;;) {
      let frame: ServerFrame;
      try {
        frame = JSON.parse((await socket.next()) as string) as ServerFrame;
      } catch {
        // The connection has ended.
        return;
      }
      try {
        this.#receive(frame);
      } catch (error) {
        this.#failure ??= error;
      }
    }
  }

  #receive(frame: ServerFrame): void {
    const [kind] = frame;
    if (kind === "state") {
      const [, version, number, state] = frame as readonly ["state", string, number, object];
      this.#version = version;
      this.#number = number;
      this.#state = fromWire(state) as State;
      this.#check();
    } else if (kind === "missed") {
      for (const patch of frame.slice(1) as Patch[]) this.#apply(patch);
      this.#check();
    } else if (kind === "ok") {
      this.#answers.get(frame[1] as number)?.();
    } else if (typeof kind === "number" || Array.isArray(kind)) {
      this.#apply(frame as Patch);
      this.#check();
    } else if (kind !== "mark") throw new Error(`an unexpected frame: ${JSON.stringify(frame)}`);
  }

  #apply([head, ...changes]: Patch): void {
    if (typeof head === "number") this.#number = head;
    else [this.#version, this.#number] = head;
    this.#state = apply(this.#state!, changes);
  }

  #check(): void {
    if (this.#wasStored(this.text)) return;
    throw new Error(`a client saw what was never stored: ${this.text}`);
  }
}

/** Plays a program on a new object, with three clients. */
async function play(name: string, program: readonly Step[]): Promise<void> {
  const stub = (): DurableObjectStub<StandardRoom> => env.STANDARD_ROOM.getByName(name);
  const stored = new Set<string>();
  const keep = (self: StandardRoom): void => {
    for (const isHost of [false, true]) stored.add(textOf(visibleOf(self, isHost)));
  };
  const inside = async (work: (self: StandardRoom, ctx: DurableObjectState) => unknown): Promise<void> => {
    await runInDurableObject(stub(), async (self: StandardRoom, ctx) => void (await work(self, ctx)));
  };
  const makeAll = (self: StandardRoom, changes: readonly Change[]): void => {
    for (const change of changes) make(self, change);
  };
  const undo = (): never => {
    throw new Error("undone");
  };
  const clients = Array.from({ length: 3 }, () => new Follower(stub, (text) => stored.has(text)));
  let failed = 0;
  await inside(keep);

  type Given = { readonly changes: Change[]; readonly rest: Change[]; readonly client: number };
  const steps: Record<Step["kind"], (step: Given) => Promise<void>> = {
    change: ({ changes }) => inside((self) => self.run(() => (makeAll(self, changes), keep(self)))),
    reports: ({ changes }) => inside((self) => self.run(() => (self.reports.push(`${changes[0]!.n}`), keep(self)))),
    undone: ({ changes }) =>
      inside((self) => expect(() => self.atomic(() => (makeAll(self, changes), undo()))).toThrow("undone")),
    undoneLater: ({ changes }) =>
      inside(async (self) => {
        const undone = self.atomicLater(async () => (makeAll(self, changes), await scheduler.wait(0), undo()));
        await expect(async () => await undone).rejects.toThrow("undone");
      }),
    failed: ({ changes }) =>
      inside(async (self, ctx) => {
        const { put } = ctx.storage.kv;
        breakWrite(ctx);
        try {
          self.run(() => makeAll(self, [...changes, { at: 0, what: 0, n: 0, m: 0, value: `fails ${failed++}` }]));
        } catch {
          // As it should.
        }
        ctx.storage.kv.put = put;
        keep(self);
      }),
    later: ({ changes, rest }) =>
      inside((self) =>
        self.run(async () => {
          makeAll(self, changes);
          keep(self);
          await scheduler.wait(0);
          makeAll(self, rest);
          keep(self);
        }),
      ),
    atomicLater: ({ changes, rest }) =>
      inside((self) =>
        self.atomicLater(async () => {
          makeAll(self, changes);
          await scheduler.wait(0);
          makeAll(self, rest);
          keep(self);
        }),
      ),
    join: ({ client }) => clients[client]!.join(),
    drop: ({ client }) => clients[client]!.drop(),
    host: async () => await setHost(true),
    guest: async () => await setHost(false),
    call: ({ client }) => clients[client]!.settle(),
    quiet: async () => await quiet(),
    evict: async () => {
      // It may not be in memory.
      await inside(() => {});
      await evictDurableObject(stub());
    },
    abort: async () => {
      await expect(runInDurableObject(stub(), (_, ctx) => ctx.abort("reset by the test"))).rejects.toThrow("reset by");
      for (const client of clients) if (client.isOpen) await client.lose();
    },
  };
  async function setHost(isHost: boolean): Promise<void> {
    await inside((self) => self.run(() => self.setHost(isHost)));
    for (const client of clients) if (client.isOpen) client.isHost = isHost;
  }
  async function quiet(): Promise<void> {
    for (const client of clients) await client.settle();
    await inside((self) => {
      for (const client of clients) {
        if (client.isOpen) expect(client.text).toBe(textOf(visibleOf(self, client.isHost)));
      }
    });
  }

  for (const step of program) await steps[step.kind](step as never);
  await quiet();
  for (const client of clients) await client.join();
  await quiet();
  for (const client of clients) await client.drop();
}

describe("clients that come and go", () => {
  it(`see what is stored and nothing else, in ${RUNS} random programs`, { timeout: 3_600_000 }, async () => {
    let nth = 0;
    const property = fc.asyncProperty(programs, async (program) => await play(`model ${seed} ${nth++}`, program));
    for (let done = 0; done < RUNS; done += BATCH) {
      const batch = seed + done;
      const { failed, counterexample, errorInstance } = await check(property, {
        numRuns: Math.min(BATCH, RUNS - done),
        seed: batch,
        unbiased: true,
      });
      if (!failed) continue;
      throw new Error(`seed ${batch}: ${String(errorInstance)}\n\n${fc.stringify(counterexample)}`, {
        cause: errorInstance,
      });
    }
  });
});
