import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { Atomic, Exclusive } from "durable-base";
import { describe, expect, it } from "vitest";
import { callCases } from "./call.cases.ts";
import { thrownBy } from "../error-of.ts";
import { misplaced, StandardCalls } from "./fixtures/call.ts";
import { misplaced as misplacedLegacy } from "../legacy/twins/call.ts";

callCases("standard", "StandardCalls", () => env.STANDARD_CALLS as never);
callCases("legacy", "LegacyCalls", () => env.LEGACY_CALLS as never);

describe("@Atomic and @Exclusive, misplaced", () => {
  const all = [
    ...misplaced.map((row) => ["standard", ...row] as const),
    ...misplacedLegacy.map((row) => ["legacy", ...row] as const),
  ];

  it.each(all)("refuse, %s: %s", (_, __, make, code, part) => {
    const error = thrownBy(make);
    expect(error.code).toBe(code);
    expect(error.message).toContain(part);
  });

  it.each([-1, NaN, Infinity, 2_147_483_648, "1000", null])("refuse to wait for %s", (wait) => {
    const error = thrownBy(() => Exclusive({ wait: wait as number }));
    expect(error.code).toBe("bad-option");
    expect(error.message).toContain("`@Exclusive({ wait: 10000 })`");
  });

  it("refuse to be atomic without storage of their own", () => {
    class Plain {
      @Atomic() sync(): void {}
      @Atomic() async later(): Promise<void> {}
    }
    const error = thrownBy(() => new Plain().sync());
    expect(error.code).toBe("bad-decorator");
    expect(error.message).toContain("`class Plain extends DurableBase`");
    return expect(new Plain().later()).rejects.toMatchObject({ code: "bad-decorator" });
  });
});

describe("@Exclusive on any class", () => {
  class Plain {
    readonly others: Plain[] = [];
    @Exclusive() through(...path: number[]): string {
      return path.length === 0 ? "end" : this.others[path[0]!]!.through(...path.slice(1));
    }
  }

  it("is entered again by way of another object", () => {
    const [a, b] = [new Plain(), new Plain()];
    for (const one of [a, b]) one.others.push(a, b);
    expect(a.through(1, 0, 1, 1, 0)).toBe("end");
  });
});

describe("@Atomic on a #private method", () => {
  class PrivateCalls extends StandardCalls {
    @Atomic() #hidden(): void {
      this.fail(1);
    }

    failHidden(): void {
      this.#hidden();
    }
  }

  it("is all or nothing", async () => {
    await runInDurableObject(env.STANDARD_CALLS.getByName("hidden"), async (_, state) => {
      const calls = new PrivateCalls(state, env);
      await scheduler.wait(0);
      expect(() => calls.failHidden()).toThrow("cannot add 1");
      expect(calls.count).toBe(0);
    });
  });
});
