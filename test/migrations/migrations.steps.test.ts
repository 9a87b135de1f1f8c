/** The migrations of `steps/versions.ts`, stopped at every step of storage, from each older version. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { statementsOf } from "../../src/storage/sql/statements.ts";
import { slice } from "../battery.ts";
import { setTrap, type Trap } from "../steps/stepped.ts";
import { Upgraded } from "../steps/upgraded.ts";
import { expected, MIGRATIONS, storedText } from "../steps/versions.ts";

const ways: Record<string, Pick<Trap, "spring" | "isAfter">> = {
  "a storage call that throws": {
    isAfter: false,
    spring: () => {
      throw new Error("disk full");
    },
  },
  "a reset of the object": { isAfter: true, spring: (ctx) => ctx.abort("stopped") },
};

describe("migrations stopped at every step of storage", () => {
  for (const [name, way] of Object.entries(ways)) {
    it.each(slice(MIGRATIONS.map((_, version) => version).toReversed(), MIGRATIONS.length))(
      `begin again from version %i: ${name}`,
      async (version) => {
        let undone = 0;
        let left: Left = "nothing";
        for (let at = 1; left !== "all, without a stop"; at++) {
          left = await stoppedAt(version, { ...way, at, count: 0 });
          if (left === "nothing") undone++;
        }
        // Each statement, and the note of what was applied.
        const outstanding = MIGRATIONS.slice(version).map(({ up }) =>
          typeof up === "string" ? statementsOf(up).length : 1,
        );
        expect(undone).toBeGreaterThan(outstanding.reduce((sum, statements) => sum + statements));
      },
    );
  }
});

/** What was found of the migrations afterwards. */
type Left = "nothing" | "all" | "all, without a stop";

/** Migrates a new object of that version, with the trap. */
async function stoppedAt(version: number, trap: Trap): Promise<Left> {
  const id = env.UPGRADED.newUniqueId();
  // A stub is of no use after a reset.
  const stub = (): DurableObjectStub<Upgraded> => env.UPGRADED.get(id);
  Upgraded.deployed = MIGRATIONS.slice(0, version);
  const before = await stub().write(version);
  await evictDurableObject(stub());
  Upgraded.deployed = MIGRATIONS;
  setTrap({ id }, trap);
  const goal = JSON.stringify(expected(version));
  const call = async (): Promise<string> => await stub().stored();
  const answer = await call().catch((error: unknown) => error as Error);
  const isStopped = typeof answer !== "string";
  expect(isStopped).toBe(trap.count >= trap.at);
  // What follows is not to be stopped.
  trap.count = Infinity;
  const left = isStopped ? await runInDurableObject(stub(), (_, { storage }) => storedText(storage)) : answer;
  expect([before, goal], `step ${trap.at}`).toContain(left);
  for (let wakeUp = 0; wakeUp < 2; wakeUp++) {
    expect(await call(), `step ${trap.at}, called again`).toBe(goal);
    await evictDurableObject(stub());
  }
  return left !== goal ? "nothing" : isStopped ? "all" : "all, without a stop";
}
