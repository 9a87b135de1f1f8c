/** The program of `steps/program.ts`, stopped at every step of storage: by an error there, and by a reset of the object. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { isLong } from "../battery.ts";
import { begin, boundaries, PROGRAM, textOf, type State } from "../steps/program.ts";
import { setTrap, type Stepped, type Trap } from "../steps/stepped.ts";

/** The program is stopped at every nth step. */
const EVERY = isLong ? 1 : 400;

const ways: Record<string, Pick<Trap, "spring" | "isAfter">> = {
  "a storage call that throws": {
    isAfter: false,
    spring: () => {
      throw new Error("disk full");
    },
  },
  "a reset of the object": { isAfter: true, spring: (ctx) => ctx.abort("stopped") },
};

describe("a program stopped at every step of storage", () => {
  it.each(Object.entries(ways))("leaves what it passed through: %s", async (name, way) => {
    let step = 0;
    // Objects side by side: most of the time goes into waiting.
    for (let hasMore = true; hasMore;) {
      const some = Array.from({ length: 12 }, (_, i) => step + i * EVERY);
      const stopped = await Promise.all(
        some.map((nth) => isStopped(`${name} ${nth}`, { at: nth + 1, count: 0, ...way })),
      );
      hasMore = stopped.every(Boolean);
      step += stopped.filter(Boolean).length * EVERY;
    }
    // So many would be there even if a collection were one row.
    expect(step).toBeGreaterThan(100);
  });
});

/** Runs the program in a new object, with the trap; false if it ended without springing it. */
async function isStopped(name: string, trap: Trap): Promise<boolean> {
  const stub = (): DurableObjectStub<Stepped> => env.STEPPED.getByName(name);
  const state = async (): Promise<string> => await stub().state();
  await runInDurableObject(stub(), (_, ctx) => setTrap(ctx, trap));
  let model: State = begin();
  for (const [nth, call] of PROGRAM.entries()) {
    const wasSprung = trap.count >= trap.at;
    const error = await messageOf(async () => await stub().play(nth));
    const isStopped = !wasSprung && trap.count >= trap.at;
    if (!isStopped) expect(error).toBeUndefined();
    const passed = boundaries(call, model);
    if (!isStopped) {
      model = passed.at(-1)!;
      continue;
    }
    const found = await state();
    await evictDurableObject(stub());
    expect(await state(), `memory after step ${trap.at} is what is stored`).toBe(found);
    // What was answered is complete.
    const allowed = error === undefined ? passed.slice(-1) : passed;
    const boundary = allowed.find((state) => textOf(state) === found);
    expect(boundary, `step ${trap.at}, in call ${nth} (${error}), left ${found.slice(0, 200)}`).toBeDefined();
    model = boundary!;
  }
  await evictDurableObject(stub());
  expect(await state()).toBe(textOf(model));
  return trap.count >= trap.at;
}

/** What a call rejects with. */
async function messageOf(call: () => Promise<void>): Promise<string | undefined> {
  try {
    await call();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
