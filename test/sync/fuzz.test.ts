/** Frames that no client of ours sends: each is answered, or closes the connection, and nothing else happens. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { isLong, seed } from "../battery.ts";
import { check } from "../check.ts";
import { connect } from "../sockets/client.ts";
import type { StandardRoom } from "./fixtures/room.ts";

const RUNS = isLong ? 5_000 : 300;

const NAMES = [
  ...["say", "read", "nothing", "hidden", "run", "fetch", "destroy", "secret", "messages", "name", "ctx", "env"],
  ...["__proto__", "constructor", "toString", "then", "alarm", "webSocketMessage", "onStart", "__call", ""],
];
const CALLABLE = ["say", "read", "nothing"];

const odd = fc.oneof(
  fc.json({ maxDepth: 3 }).map((text) => JSON.parse(text) as unknown),
  fc.constantFrom<unknown>(
    { $: ["x"] },
    { $: 1 },
    { $: ["b", "%"] },
    { $: ["m", 1] },
    { $: ["i", "x"] },
    { $: ["o", 1] },
  ),
  fc.constantFrom<unknown>(0, -1, 1.5, 2 ** 53, 1e308, "1", null, true, [], {}, "x".repeat(70_000)),
  fc.constant(JSON.parse('{"__proto__":{"text":"polluted"},"constructor":{"prototype":{}}}')),
);
const id = fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 1, max: 5 }) }, odd);
const frame = fc.oneof(
  fc.tuple(fc.constant("call"), id, fc.oneof(fc.constantFrom(...NAMES), odd), odd, fc.oneof(fc.constant("key"), odd)),
  fc.tuple(fc.constant("call"), id, fc.constantFrom(...NAMES), odd),
  fc.tuple(fc.constantFrom("more", "stop", "call", "state", "ok"), id, odd),
  fc.array(odd, { maxLength: 5 }),
);
const message = fc.oneof(
  { weight: 6, arbitrary: frame.map((parts) => JSON.stringify(parts)) },
  { weight: 1, arbitrary: fc.string({ maxLength: 40 }) },
  { weight: 1, arbitrary: frame.map((parts) => JSON.stringify(parts).slice(1)) },
);

describe("frames of a stranger", () => {
  it(`do nothing but call what is callable, in ${RUNS} random conversations`, { timeout: 3_600_000 }, async () => {
    vi.spyOn(console, "error").mockReturnValue();
    const stub = env.STANDARD_ROOM.getByName(`fuzz ${seed}`);
    const started = await runInDurableObject(
      stub,
      (self: StandardRoom) => (self.run(() => (self.any = "untouched")), self),
    );
    const property = fc.asyncProperty(fc.array(message, { minLength: 1, maxLength: 5 }), async (messages) => {
      const client = await connect(stub, "/", { protocols: ["durable-base.sync.1"] });
      await client.next();
      for (const text of messages) client.send(text);
      client.send('["call",999,"nothing"]');
      const ended = client.closed.then(({ code }) => code);
      for (;;) {
        const got = await Promise.race([ended, client.next().catch(async () => await ended)]);
        if (typeof got === "number") {
          expect(got).toBe(1008);
          return;
        }
        const [kind, ...rest] = JSON.parse(got as string) as unknown[];
        expect(got).not.toContain("s3cret");
        if (kind === "ok" && rest[0] === 999) break;
        if (kind === "error")
          expect(rest[1]).toMatchObject({
            code: expect.stringMatching(
              /^(not-callable|invalid-input|once-conflict|not-repeatable|bad-key|part-missing)$/,
            ),
          });
        else if (kind === "ok")
          expect(messages.some((text) => CALLABLE.some((name) => text.includes(name)))).toBe(true);
        else expect(kind === "mark" || typeof kind === "number" || Array.isArray(kind)).toBe(true);
      }
      client.close(1000);
      await client.closed;
    });
    const { failed, counterexample, errorInstance } = await check(property, { numRuns: RUNS, seed, unbiased: true });
    if (failed)
      throw new Error(`${String(errorInstance)}\n\n${fc.stringify(counterexample)}`, { cause: errorInstance });
    await runInDurableObject(stub, (self: StandardRoom, ctx) => {
      // It was never reset.
      expect(self).toBe(started);
      expect([self.any, self.secret]).toEqual(["untouched", "s3cret"]);
      expect(({} as { text?: string }).text).toBeUndefined();
      expect(ctx.getWebSockets("durable-base.sync").length).toBe(0);
    });
    vi.restoreAllMocks();
  });
});
