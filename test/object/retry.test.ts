import { env } from "cloudflare:workers";
import { type Handle, Idempotent, Object } from "durable-base";
import { afterEach, describe, expect, it, vi } from "vitest";
import { makeHandle } from "../../src/object/handle.ts";
import { Repeater, type RetryOptions } from "../../src/object/retry.ts";
import { planOf } from "../../src/core/plan.ts";
import { wrapPrototypes } from "../../src/core/entry/gate.ts";
import { platformRetryable } from "../../src/core/platform.ts";
import { errorOf, thrownBy } from "../error-of.ts";
import { eventually } from "../eventually.ts";
import { runs } from "./fixtures/fault.ts";
import { Fragile, FragileChild, misplaced } from "./fixtures/fragile.ts";
import { misplacedIdempotent } from "../legacy/misplaced.ts";
import { LegacyFragile, LegacyFragileChild, misplaced as misplacedLegacy } from "../legacy/twins/fragile.ts";
import type { Peer } from "./fixtures/object.ts";
import { Lossy } from "../persisted/lossy.ts";

const DAY = 86_400_000;

const without = async (): Promise<undefined> => undefined;

/** A handle whose first `times` calls get lost, on a platform without retries. */
const losing = (name: string, times: number, options?: RetryOptions): [Handle<Peer>, Lossy] => {
  const lossy = new Lossy("request lost", times);
  const repeater = new Repeater(["arrive", "wakeUp", "makeLamp"], options, without);
  return [makeHandle<Handle<Peer>>(() => lossy.stub(env.PEER.getByName(name)), [], repeater), lossy];
};

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** Rows that the legacy dialect refuses in other words, or can't express. */
const onlyStandard: readonly [string, () => unknown, string][] = [
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
    "a getter isn't a method",
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
    "a static method belongs to no object",
  ],
  [
    "a private method",
    () => {
      class Wrong {
        own = 1;
        @Idempotent() #hidden(): void {}
        shown(): void {
          this.#hidden();
        }
      }
      return Wrong;
    },
    "`@Idempotent() hidden() { … }`",
  ],
];

describe("@Idempotent", () => {
  const classes = [
    ["standard", Fragile, FragileChild, env.FRAGILE],
    ["legacy", LegacyFragile, LegacyFragileChild, env.LEGACY_FRAGILE],
  ] as const;

  it.each(classes)("changes nothing for calls, %s", async (_, cls, __, namespace) => {
    const name = `marked ${cls.name}`;
    const handle = Object.from(namespace as typeof env.FRAGILE).byName(name);
    expect(await Promise.all([handle.marked("none"), handle.markedBare("none"), handle.unmarked("none")])).toEqual([
      "ok",
      "ok",
      "ok",
    ]);
    expect(runs.get(name)).toBe(3);
  });

  it.each(classes)("is inherited, but not by an override, %s", (_, cls, child) => {
    expect([...planOf(cls).idempotent.keys()]).toEqual(["marked", "markedBare"]);
    expect([...planOf(child).idempotent.keys()]).toEqual(["marked", "unmarked"]);
  });

  it.each(classes)("marks the function that a stub calls, %s", (_, cls) => {
    const marked: unknown[] = [];
    const real = planOf(cls);
    class Fresh {}
    for (const name of ["marked", "markedBare", "unmarked"]) {
      const property = globalThis.Object.getOwnPropertyDescriptor(cls.prototype, name)!;
      globalThis.Object.defineProperty(Fresh.prototype, name, property);
    }
    const idempotent = new Map([...real.idempotent.keys()].map((name) => [name, (gate: unknown) => marked.push(gate)]));
    wrapPrototypes(Fresh.prototype, globalThis.Object.prototype, () => ({ ...real, idempotent }) as typeof real);
    const { marked: first, markedBare: second } = Fresh.prototype as Fragile;
    expect(marked).toEqual([first, second]);
    expect(first).not.toBe(cls.prototype.marked);
  });

  it.each([
    ...[...misplaced, ...onlyStandard].map((row) => ["standard", ...row] as const),
    ...[...misplacedLegacy, ...misplacedIdempotent].map((row) => ["legacy", ...row] as const),
  ])("refuses, %s: %s", (_, __, make, part) => {
    const error = thrownBy(make);
    expect(error.code).toBe("bad-decorator");
    expect(error.message).toContain(part);
  });
});

describe("repeating calls", () => {
  it("is left to the platform where it has `retryable`, as this one has", async () => {
    expect(typeof (await platformRetryable())).toBe("function");
    const lossy = new Lossy("request lost", 1);
    const namespace = { getByName: (name: string) => lossy.stub(env.FRAGILE.getByName(name)) } as typeof env.FRAGILE;
    expect(await errorOf(() => Fragile.from(namespace).byName("left").marked("none"))).toMatchObject({
      retryable: true,
    });
    expect([lossy.sent, runs.get("left")]).toEqual([1, undefined]);
  });

  it("is for the methods that the class marks, and for those that a caller without it names", async () => {
    const again = vi.spyOn(Repeater.prototype, "again").mockResolvedValue("again");
    const namespace = {
      getByName: (name: string) => new Lossy("request lost", 9).stub(env.FRAGILE.getByName(name)),
    } as typeof env.FRAGILE;
    expect(await Fragile.from(namespace).byName("a").marked("none")).toBe("again");
    expect(
      await Object.from(namespace, { idempotent: ["unmarked"] })
        .byName("a")
        .unmarked("none"),
    ).toBe("again");
    expect(
      await Fragile.from(namespace, { idempotent: ["unmarked"] })
        .byName("a")
        .unmarked("none"),
    ).toBe("again");
    expect(again).toHaveBeenCalledTimes(3);
    await errorOf(() => Fragile.from(namespace).byName("a").unmarked("none"));
    await errorOf(() => Object.from(namespace).byName("a").marked("none"));
    expect(again).toHaveBeenCalledTimes(3);
  });

  it("makes each try on a fresh stub, since the old one may be dead", async () => {
    let opened = 0;
    const lossy = new Lossy("request lost", 2);
    const repeater = new Repeater(["arrive"], {}, without);
    const open = (): DurableObjectStub => (opened++, lossy.stub(env.PEER.getByName("fresh")));
    expect(await makeHandle<Handle<Peer>>(open, [], repeater).arrive(1)).toBe(1);
    expect([opened, lossy.sent]).toEqual([3, 3]);
  });

  it.each([
    [0, 1],
    [1, 2],
    [3, 4],
    [undefined, 5],
  ])("is bounded by attempts: maxRetries %s sends %i", async (maxRetries, sent) => {
    vi.spyOn(Math, "random").mockReturnValue(0);
    const [handle, lossy] = losing("bounded", Infinity, maxRetries === undefined ? undefined : { maxRetries });
    expect(await errorOf(() => handle.arrive(1))).toMatchObject({ message: "request lost", retryable: true });
    expect(lossy.sent).toBe(sent);
  });

  it("waits with full jitter, twice as long each time at most", async () => {
    const waits: number[] = [];
    vi.spyOn(scheduler, "wait").mockImplementation(async (ms) => void waits.push(ms));
    for (const random of [0, 0.5, 1]) {
      vi.spyOn(Math, "random").mockReturnValue(random);
      const [handle] = losing("jitter", Infinity, { maxRetries: 7, timeoutMs: 60_000 });
      await errorOf(() => handle.arrive(1));
    }
    const longest = [100, 200, 400, 800, 1_600, 2_000, 2_000];
    expect(waits).toEqual([0, 0.5, 1].flatMap((random) => longest.map((wait) => wait * random)));
  });

  it("is bounded by time: no try begins later than that", async () => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    const [handle, lossy] = losing("timed", Infinity, { maxRetries: 10, timeoutMs: 500 });
    vi.useFakeTimers({ toFake: ["Date"] });
    const began = Date.now();
    vi.spyOn(scheduler, "wait").mockImplementation(async (ms) => void vi.setSystemTime(Date.now() + ms));
    await errorOf(() => handle.arrive(1));
    // After 100 and 200 ms more; 400 more would be too late.
    expect([lossy.sent, Date.now() - began]).toEqual([3, 300]);
  });

  it("is ended by a signal, while it waits and before", async () => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    const controller = new AbortController();
    const reason = new Error("enough");
    const [handle, lossy] = losing("ended", Infinity, { signal: controller.signal });
    const { wait } = scheduler;
    const waits = vi.spyOn(scheduler, "wait").mockImplementation((_, options) => wait.call(scheduler, DAY, options));
    const call = errorOf(() => handle.arrive(1));
    await eventually(() => expect(waits).toHaveBeenCalledOnce());
    controller.abort(reason);
    expect(await call).toBe(reason);
    expect(await errorOf(() => handle.arrive(1))).toBe(reason);
    expect(lossy.sent).toBe(2);
    // What is not lost is not repeated, and knows no signal.
    const [other] = losing("not ended", 0, { signal: controller.signal });
    expect(await other.arrive(1)).toBe(1);
  });

  it("tells the platform what it takes, which is no signal", async () => {
    const asked: unknown[] = [];
    const namespace = {
      getByName: (name: string, options: unknown) => (asked.push(options), env.PEER.getByName(name)),
    } as unknown as typeof env.PEER;
    const { signal } = new AbortController();
    Object.from(namespace, { retry: { maxRetries: 1, timeoutMs: 600, signal } }).byName("a");
    expect(asked).toEqual([{ retry: { maxRetries: 1, timeoutMs: 600 } }]);
    expect(await Object.from(env.PEER, { retry: { signal } }).byName("signal").arrive(1)).toBe(1);
    const bad = thrownBy(() => Object.from(env.PEER, { retry: { signal: "soon" as never } }));
    expect(bad).toMatchObject({ code: "bad-option" });
  });

  it("loses a call its place in the order, and no other", async () => {
    const [handle] = losing("place", 1);
    expect(await Promise.all([1, 2, 3].map((n) => handle.arrive(n)))).toEqual([3, 1, 2]);
    expect(await handle.arrived()).toEqual([2, 3, 1]);
  });

  it("is for the call alone: what is pipelined on it goes to the first try", async () => {
    const [handle, lossy] = losing("pipelined", 1);
    const made = handle.makeLamp();
    expect(await errorOf(() => made.light(2))).toMatchObject({ message: "request lost", retryable: true });
    using lamp = await made;
    expect(await lamp.light(3)).toBe(3);
    using next = handle.makeLamp();
    expect(await next.light(4)).toBe(4);
    lossy.sent--;
    expect(lossy.sent).toBe(2);
  });

  it("never touches `fetch`, getters or methods that are not marked", async () => {
    for (const call of [
      (handle: Handle<Peer>) => handle.fetch("http://o/"),
      (handle: Handle<Peer>) => handle.later(1),
      (handle: Handle<Peer>) => handle.calls(),
    ]) {
      const [handle, lossy] = losing("untouched", Infinity);
      expect(await errorOf(() => call(handle))).toMatchObject({ retryable: true });
      expect(lossy.sent).toBe(1);
    }
  });
});
