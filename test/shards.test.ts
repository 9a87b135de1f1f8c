import { env } from "cloudflare:workers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Object, type Handle } from "../src/index.ts";
import { jump } from "../src/shards/shards.ts";
import { isLong } from "./battery.ts";
import { errorOf, thrownBy } from "./error-of.ts";
import type { Peer } from "./fixtures/object.ts";

const peers = Object.from(env.PEER);
const keys = Array.from({ length: 2_000 }, (_, i) => `user-${i}`);

describe("the jump consistent hash", () => {
  // Values that other programs of the same published algorithm give.
  it.each([
    [1n, 1, 0],
    [42n, 57, 43],
    [0xdead10ccn, 1, 0],
    [0xdead10ccn, 666, 361],
    [256n, 1_024, 520],
  ])("of %s over %i is %i", (key, count, bucket) => {
    expect(jump(key, count)).toBe(bucket);
  });
});

describe("shards", () => {
  it("have the same key for ever: these places are stored data", () => {
    const shards = peers.sharded(1_000);
    expect(["", "alice", "bob", "Zoë", "日本"].map((key) => shards.indexOf(key))).toEqual([266, 961, 749, 2, 130]);
  });

  it("are objects of their own names", async () => {
    const shards = peers.sharded(4, "peers of ");
    const shard = shards.byKey("alice");
    expect(shard.name).toBe(`peers of ${shards.indexOf("alice")}`);
    await shard.arrive(7);
    expect(await env.PEER.getByName(shard.name!).arrived()).toEqual([7]);
    expect(peers.sharded(4).byKey("alice").name).toBe(`shard-${shards.indexOf("alice")}`);
    expect(shards.all().map(({ name }) => name)).toEqual([0, 1, 2, 3].map((i) => `peers of ${i}`));
    expect(shards.count).toBe(4);
  });

  it("get about as many keys each", () => {
    const shards = peers.sharded(10);
    const held = Array.from({ length: 10 }, () => 0);
    for (const key of keys) held[shards.indexOf(key)]!++;
    expect(Math.min(...held)).toBeGreaterThan(140);
    expect(Math.max(...held)).toBeLessThan(260);
  });

  it("grow with few keys moved, and only to the new ones", () => {
    const moved = [...peers.sharded(10).movedSince(8, keys)];
    expect(moved.length).toBeGreaterThan(0.15 * keys.length);
    expect(moved.length).toBeLessThan(0.25 * keys.length);
    const old = peers.sharded(8);
    for (const { key, from, to } of moved) {
      expect(from.name).toBe(old.byKey(key).name);
      expect(to.name).toMatch(/^shard-[89]$/);
    }
    expect([...peers.sharded(8).movedSince(8, keys)]).toEqual([]);
  });

  it("never move a key between old ones, whatever their numbers are", () => {
    const count = fc.integer({ min: 1, max: 500 });
    fc.assert(
      fc.property(
        fc.string({ unit: "binary" }).filter((key) => key.isWellFormed()),
        count,
        count,
        (key, a, b) => {
          const [few, many] = [Math.min(a, b), Math.max(a, b)];
          const [before, after] = [peers.sharded(few).indexOf(key), peers.sharded(many).indexOf(key)];
          expect(before).toBeLessThan(few);
          expect(after === before || (after >= few && after < many)).toBe(true);
        },
      ),
    );
  });

  it("are all called, and what fails does not hide what succeeds", async () => {
    const shards = peers.sharded(5, "map-");
    const seen: [number, number][] = [];
    const outcomes = await shards.map(
      async (shard, i) => {
        if (i === 1) throw new Error("at once");
        if (i === 3) await shard.fail("plain");
        return await shard.arrive(i);
      },
      { concurrency: 2, onProgress: (done, of) => seen.push([done, of]) },
    );
    expect(outcomes.map(({ status }) => status)).toEqual("fulfilled rejected fulfilled rejected fulfilled".split(" "));
    expect(outcomes[4]).toEqual({ status: "fulfilled", value: 1 });
    expect(seen).toEqual([1, 2, 3, 4, 5].map((done) => [done, 5]));
  });

  it("are called so many at once", async () => {
    let [open, most] = [0, 0];
    const work = async (): Promise<void> => {
      most = Math.max(most, ++open);
      await scheduler.wait(1);
      open--;
    };
    await peers.sharded(40).map(work, { concurrency: 7 });
    expect(most).toBe(7);
    await peers.sharded(40).map(work);
    expect(most).toBe(16);
  });

  it("are called no more when the signal is aborted", async () => {
    const stop = new AbortController();
    let calls = 0;
    const mapping = peers.sharded(100).map(
      async () => {
        if (++calls === 10) stop.abort(new Error("enough"));
        await scheduler.wait(1);
      },
      { concurrency: 5, signal: stop.signal },
    );
    expect(await errorOf(() => mapping)).toMatchObject({ message: "enough" });
    await scheduler.wait(10);
    expect(calls).toBe(10);
    expect(await errorOf(() => peers.sharded(1).map(() => calls++, { signal: stop.signal }))).toMatchObject({
      message: "enough",
    });
    expect(calls).toBe(10);
  });

  it("are called no more when `onProgress` throws", async () => {
    let calls = 0;
    const work = async (): Promise<void> => {
      calls++;
      await scheduler.wait(1);
    };
    const onProgress = (done: number): void => {
      if (done === 1) throw new Error("no screen");
    };
    const error = await errorOf(() => peers.sharded(100).map(work, { concurrency: 5, onProgress }));
    expect(error.message).toBe("no screen");
    const made = calls;
    await scheduler.wait(50);
    expect(made).toBeLessThan(11);
    expect(calls).toBe(made);
  });

  const many = isLong ? 10_000 : 200;

  it(`may be ${many}`, async () => {
    // Local workerd keeps a file open for each object, so most of them are one here.
    const asked = new Set<string>();
    const few = {
      getByName: (name: string) => (asked.add(name), env.PEER.getByName(`one for all ${name.length}`)),
    } as unknown as typeof env.PEER;
    const work = (shard: Handle<Peer>): Promise<number> => shard.calls();
    const outcomes = await Object.from(few).sharded(many).map(work, { concurrency: 200 });
    expect(outcomes).toHaveLength(many);
    expect(outcomes.every((outcome) => outcome.status === "fulfilled" && outcome.value === 0)).toBe(true);
    expect([asked.size, asked.has("shard-0"), asked.has(`shard-${many - 1}`)]).toEqual([many, true, true]);
    const real = await peers.sharded(100, "many-").map((shard) => shard.arrive(1));
    expect(real.every((outcome) => outcome.status === "fulfilled" && outcome.value === 1)).toBe(true);
  });

  it.each([0, -1, 1.5, NaN, Infinity, 2_000_000, "4"])("are refused in the number %s", (count) => {
    expect(thrownBy(() => peers.sharded(count as number))).toMatchObject({ code: "bad-option" });
    expect(thrownBy(() => [...peers.sharded(2).movedSince(count as number, keys)])).toMatchObject({
      code: "bad-option",
    });
  });

  it("refuse a bad key, prefix or concurrency", async () => {
    for (const key of [undefined, 5, "\ud800"]) {
      expect(thrownBy(() => peers.sharded(2).byKey(key as string))).toMatchObject({ code: "bad-key" });
    }
    expect(thrownBy(() => peers.sharded(2, "x".repeat(1_024)))).toMatchObject({ code: "bad-name" });
    for (const concurrency of [0, 1.5, NaN]) {
      expect(await errorOf(() => peers.sharded(2).map(() => 1, { concurrency }))).toMatchObject({
        code: "bad-option",
      });
    }
  });
});
