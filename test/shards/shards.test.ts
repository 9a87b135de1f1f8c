import { env } from "cloudflare:workers";
import { Object, type Handle } from "durable-base";
import { shards } from "durable-base/shards";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import documented from "../../docs/guides/shards.md?raw";
import { jump } from "../../src/shards/jump-hash.ts";
import { isLong } from "../battery.ts";
import { errorOf, thrownBy } from "../error-of.ts";
import { QuotaError, type Peer } from "../object/fixtures/object.ts";
import { countAll, grow, signIn, western } from "./fixtures/shards-docs.ts";
import code from "./fixtures/shards-docs.ts?raw";

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
  it("have the same key permanently: these places are stored data", () => {
    const spread = shards(env.PEER, 1_000);
    expect(["", "alice", "bob", "Zoë", "日本"].map((key) => spread.indexOf(key))).toEqual([266, 961, 749, 2, 130]);
  });

  it("are objects of their own names", async () => {
    const spread = shards(env.PEER, 4, { prefix: "peers of " });
    const shard = spread.byKey("alice");
    expect(shard.name).toBe(`peers of ${spread.indexOf("alice")}`);
    await shard.arrive(7);
    expect(await env.PEER.getByName(shard.name!).arrived()).toEqual([7]);
    expect(shards(env.PEER, 4).byKey("alice").name).toBe(`shard-${spread.indexOf("alice")}`);
    expect(spread.all().map(({ name }) => name)).toEqual([0, 1, 2, 3].map((i) => `peers of ${i}`));
    expect(spread.count).toBe(4);
  });

  it("take a finder, with its options, jurisdiction and location hint", async () => {
    const asked: unknown[] = [];
    const noting = {
      getByName: (name: string, options: unknown) => (asked.push([name, options]), env.PEER.getByName(name)),
      jurisdiction: (where: string) => (asked.push(where), noting),
    } as unknown as typeof env.PEER;
    const retry = { maxRetries: 2, timeoutMs: 1_000 };
    const finder = Object.from(noting, { retry, errors: [QuotaError] });
    const spread = shards(finder.jurisdiction("eu").locationHint("weur"), 2, { prefix: "found-" });
    const [, outcome] = await spread.map((shard) => shard.failOver("plain"));
    expect(asked).toEqual(["eu", ...[0, 1].map((i) => [`found-${i}`, { retry, locationHint: "weur" }])]);
    expect(outcome).toMatchObject({ status: "rejected", reason: expect.any(QuotaError) });
  });

  it("get about as many keys each", () => {
    const spread = shards(env.PEER, 10);
    const held = Array.from({ length: 10 }, () => 0);
    for (const key of keys) held[spread.indexOf(key)]!++;
    expect(Math.min(...held)).toBeGreaterThan(140);
    expect(Math.max(...held)).toBeLessThan(260);
  });

  it("grow with few keys moved, and only to the new ones", () => {
    const moved = [...shards(env.PEER, 10).movedSince(8, keys)];
    expect(moved.length).toBeGreaterThan(0.15 * keys.length);
    expect(moved.length).toBeLessThan(0.25 * keys.length);
    const old = shards(env.PEER, 8);
    for (const { key, from, to } of moved) {
      expect(from.name).toBe(old.byKey(key).name);
      expect(to.name).toMatch(/^shard-[89]$/);
    }
    expect([...shards(env.PEER, 8).movedSince(8, keys)]).toEqual([]);
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
          const [before, after] = [shards(env.PEER, few).indexOf(key), shards(env.PEER, many).indexOf(key)];
          expect(before).toBeLessThan(few);
          expect(after === before || (after >= few && after < many)).toBe(true);
        },
      ),
    );
  });

  it("are all called, and what fails does not hide what succeeds", async () => {
    const spread = shards(env.PEER, 5, { prefix: "map-" });
    const seen: [number, number][] = [];
    const outcomes = await spread.map(
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
    await shards(env.PEER, 40).map(work, { concurrency: 7 });
    expect(most).toBe(7);
    await shards(env.PEER, 40).map(work);
    expect(most).toBe(16);
  });

  it("are called no more when the signal is aborted", async () => {
    const stop = new AbortController();
    let calls = 0;
    const mapping = shards(env.PEER, 100).map(
      async () => {
        if (++calls === 10) stop.abort(new Error("enough"));
        await scheduler.wait(1);
      },
      { concurrency: 5, signal: stop.signal },
    );
    expect(await errorOf(() => mapping)).toMatchObject({ message: "enough" });
    await scheduler.wait(10);
    expect(calls).toBe(10);
    expect(await errorOf(() => shards(env.PEER, 1).map(() => calls++, { signal: stop.signal }))).toMatchObject({
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
    const error = await errorOf(() => shards(env.PEER, 100).map(work, { concurrency: 5, onProgress }));
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
    const outcomes = await shards(few, many).map(work, { concurrency: 200 });
    expect(outcomes).toHaveLength(many);
    expect(outcomes.every((outcome) => outcome.status === "fulfilled" && outcome.value === 0)).toBe(true);
    expect([asked.size, asked.has("shard-0"), asked.has(`shard-${many - 1}`)]).toEqual([many, true, true]);
    const real = await shards(env.PEER, 100, { prefix: "many-" }).map((shard) => shard.arrive(1));
    expect(real.every((outcome) => outcome.status === "fulfilled" && outcome.value === 1)).toBe(true);
  });

  it.each([0, -1, 1.5, NaN, Infinity, 2_000_000, "4"])("are refused in the number %s", (count) => {
    expect(thrownBy(() => shards(env.PEER, count as number))).toMatchObject({ code: "bad-option" });
    expect(thrownBy(() => [...shards(env.PEER, 2).movedSince(count as number, keys)])).toMatchObject({
      code: "bad-option",
    });
  });

  it("refuse a bad key, prefix or concurrency", async () => {
    for (const key of [undefined, 5, "\ud800"]) {
      expect(thrownBy(() => shards(env.PEER, 2).byKey(key as string))).toMatchObject({ code: "bad-key" });
    }
    for (const prefix of ["x".repeat(1_024), "\ud800"]) {
      expect(thrownBy(() => shards(env.PEER, 2, { prefix }))).toMatchObject({ code: "bad-name" });
    }
    for (const concurrency of [0, 1.5, NaN]) {
      expect(await errorOf(() => shards(env.PEER, 2).map(() => 1, { concurrency }))).toMatchObject({
        code: "bad-option",
      });
    }
  });

  it.each([
    [
      "a prefix in place of options",
      "room-",
      'isn\'t an object of options. Write `shards(env.ROOM, 2, { prefix: "room-" })`',
    ],
    ["no options at all", null, "null isn't an object of options"],
    ["an option that it doesn't know", { prefx: "room-" }, 'there is no option "prefx"'],
    ["a prefix that isn't a string", { prefix: 5 }, "the prefix 5 isn't a string"],
  ])("refuse %s", (_, options, message) => {
    const error = thrownBy(() => shards(env.PEER, 2, options as never));
    expect(error).toMatchObject({ code: "bad-option", message: expect.stringContaining(message) });
  });

  it("refuse a binding that isn't there, with the lines to add", () => {
    const error = thrownBy(() => shards(undefined as never, 2));
    expect(error).toMatchObject({ code: "missing-binding", message: expect.stringContaining("wrangler.toml") });
  });
});

describe("docs/guides/shards.md", () => {
  it("shows the code that runs here", () => {
    const blocks = [...documented.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, block]) => block);
    expect(blocks).toHaveLength(3);
    for (const block of blocks) expect(code).toContain(block);
  });

  it("opens and counts sessions, and moves those that a new number of shards moves", async () => {
    const users = keys.slice(0, 30);
    await Promise.all(users.map(signIn));
    expect(await countAll()).toBe(30);
    await grow(users);
    const more = shards(env.SESSIONS, 20);
    const counts = await more.map((shard) => shard.count());
    const expected = more.all().map((_, index) => users.filter((user) => more.indexOf(user) === index).length);
    expect(counts.map((outcome) => outcome.status === "fulfilled" && outcome.value)).toEqual(expected);
    expect(await countAll()).toBeLessThan(30);
    expect(western.byKey("alice").name).toMatch(/^west-/);
  });
});
