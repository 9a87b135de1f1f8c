import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { DurableBase, DurableError, Internal, Object } from "durable-base";
import { once } from "durable-base/once";
import { advanceTo } from "durable-base/testing";
import { afterEach, describe, expect, it, vi } from "vitest";
import { planOf } from "../../src/core/plan.ts";
import { shapeOf } from "../../src/core/rpc-surface.ts";
import { errorOf, thrownBy } from "../error-of.ts";
import { misplaced, type StandardHidden, type StandardListed } from "./fixtures/hidden.ts";
import { misplaced as misplacedLegacy } from "../legacy/twins/hidden.ts";

type Namespace<T extends DurableBase> = DurableObjectNamespace<T>;
const LATER = 4_000_000_000_000;

type Members = Record<string, (...args: unknown[]) => unknown>;

const dialects: [string, Namespace<StandardHidden>, Namespace<StandardListed>][] = [
  ["standard", env.STANDARD_HIDDEN, env.STANDARD_LISTED],
  ["legacy", env.LEGACY_HIDDEN as never, env.LEGACY_LISTED as never],
];

/** Calls or reads a member as a dev server does on behalf of a stub: found on the prototype, in no entry. */
function reach(self: object, name: string): unknown {
  const member = Reflect.get(self.constructor.prototype as object, name, self) as unknown;
  return typeof member === "function" ? Reflect.apply(member, self, ["stub"]) : member;
}

const refused = (name: string): string => `TypeError: The RPC receiver does not implement the method "${name}".`;

async function messageOf(call: () => unknown): Promise<string> {
  return String(await errorOf(call));
}

describe.each(dialects)("a member hidden from stubs, %s", (dialect, hidden, listed) => {
  afterEach(() => void vi.useRealTimers());

  const base = ["destroy", "name", "onStart"];
  // The legacy dialect leaves no trace of a field on the prototype.
  const fields = dialect === "standard" ? ["secret"] : [];

  it.each(["prune", "pruneLater", "size", "job"])("can't be called through a stub: %s", async (name) => {
    const stub = hidden.getByName("called") as unknown as Members;
    expect(await messageOf(() => stub[name]!())).toContain(`does not implement the method "${name}"`);
    const kept = once(Object.from(hidden).byName("called"), "key") as unknown as Members;
    expect(await messageOf(() => kept[name]!())).toBe(refused(name));
  });

  it("refuses code that reads the prototype outside of every entry, and stays as it is", async () => {
    const stub = hidden.getByName("foreign");
    await runInDurableObject(stub, async (self) => {
      for (const name of [...base, ...fields, "prune", "pruneLater", "size", "job"]) {
        expect(await messageOf(() => reach(self, name))).toBe(refused(name));
      }
      expect(await reach(self, "shared")).toBe(`shared by ${self.constructor.name}`);
      expect(await reach(self, "total")).toBe(8);
    });
    expect(await stub.inside()).toEqual(["method: base, child", 7, 8, "s3cret", 1]);
  });

  it("refuses by the class of the object: a sibling that doesn't hide it offers it", async () => {
    await runInDurableObject(listed.getByName("listed"), async (self) => {
      expect(await messageOf(() => reach(self, "shared"))).toBe(refused("shared"));
      expect(self.shared()).toBe(`shared by ${self.constructor.name}`);
      expect(await reach(self, "total")).toBe(8);
    });
    const stub = hidden.getByName("sibling");
    expect(await stub.shared()).toContain("Hidden");
    expect(await once(Object.from(hidden).byName("sibling"), "key").shared()).toContain("Hidden");
    expect(await runInDurableObject(stub, (self) => reach(self, "shared"))).toContain("Hidden");
  });

  it("refuses even where the object has an own property of that name", async () => {
    await runInDurableObject(hidden.getByName("own"), async (self) => {
      self.prune = () => "own";
      expect(self.prune("own")).toBe("own");
      expect(await messageOf(() => reach(self, "prune"))).toBe(refused("prune"));
    });
  });

  it("can be called by the object's code in no entry, with super", async () => {
    await runInDurableObject(hidden.getByName("inside"), async (self) => {
      const both = (from: string): string => `${from}: base, child; ${from}: base, later, child`;
      expect(await self.constructed).toEqual([
        both("floating"),
        both("blockConcurrencyWhile"),
        "constructor: base, later, child",
      ]);
      expect(await self.heard()).toBe("socket: base, later, child");
      expect(self.prune("test")).toBe("test: base, child");
      expect([self.size, self.name]).toEqual([7, "inside"]);
    });
  });

  it("can be called by way of the prototype in an entry, and on any other value", async () => {
    const stub = hidden.getByName("entry");
    expect(await stub.byPrototype()).toBe("prototype: base, child");
    await runInDurableObject(stub, (self) => {
      const { prune } = globalThis.Object.getPrototypeOf(self.constructor.prototype as object) as StandardHidden;
      expect(prune.call({} as never, "plain")).toBe("plain: base");
    });
  });

  it("can be scheduled and routed", async () => {
    const stub = hidden.getByName("job");
    expect(await stub.plan(LATER)).toBe("job");
    await advanceTo(stub, LATER);
    expect(await runInDurableObject(stub, (self) => self.ran)).toEqual(["job: base, child"]);
    const response = await stub.fetch("http://o/job");
    expect([response.status, await response.text()]).toEqual([200, "job: base, child; job: base, child"]);
  });

  it("can be scheduled as the prototype has it, and as super has it", async () => {
    await runInDurableObject(hidden.getByName("by prototype"), (self) => {
      const { job } = self.constructor.prototype as StandardHidden;
      const { shared } = globalThis.Object.getPrototypeOf(self.constructor.prototype as object) as StandardHidden;
      const ids = [job, shared].map((method: () => unknown) => self.jobs.schedule(new Date(LATER), method));
      expect(ids.map((id) => self.jobs.get(id)?.method)).toEqual(["job", "shared"]);
      self.prune = () => "own";
      const { prune } = self.constructor.prototype as StandardHidden;
      expect(thrownBy(() => self.jobs.schedule(new Date(LATER), prune, "input")).code).toBe("unknown-method");
    });
  });

  it("keeps the name and length of the function", async () => {
    await runInDurableObject(hidden.getByName("names"), (self) => {
      for (const { name, length } of [self.prune, (self.constructor.prototype as StandardHidden).prune]) {
        expect([name, length]).toEqual(["prune", 1]);
      }
    });
  });
});

/** Rows that the legacy dialect's types allow, or its syntax does not have. */
const onlyStandard: readonly [string, () => unknown, string][] = [
  [
    "a setter",
    () => {
      class Wrong {
        // @ts-expect-error a stub sets nothing
        @Internal() set size(_: number) {}
      }
      return Wrong;
    },
    "a stub reaches methods and getters only",
  ],
  [
    "a private method",
    () => {
      class Wrong {
        own = 1;
        @Internal() #hidden(): void {}
        shown(): void {
          this.#hidden();
        }
      }
      return Wrong;
    },
    "a #private member is hidden already",
  ],
];

const onlyLegacy: readonly [string, () => unknown, string][] = [
  ["a setter", () => Internal()({}, "size", { set() {} }), "a stub reaches methods and getters only"],
];

describe("@Internal, misplaced", () => {
  it.each([
    ...[...misplaced, ...onlyStandard].map((row) => ["standard", ...row] as const),
    ...[...misplacedLegacy, ...onlyLegacy].map((row) => ["legacy", ...row] as const),
  ])("is refused, %s: %s", (_, __, make, part) => {
    const error = thrownBy(make);
    expect(error.code).toBe("bad-decorator");
    expect(error.message).toContain(part);
  });
});

describe("static rpc", () => {
  class Room extends DurableBase {
    static override rpc?: readonly string[];
    hit(): void {}
    get total(): number {
      return 1;
    }
  }
  planOf(Room);

  it.each(["hits", "destroy", "onStart", "alarm"])("refuses to list %s, with what can be listed", (name) => {
    class Listed extends Room {
      static override rpc = ["hit", name];
      override onStart(): void {}
    }
    const error = thrownBy(() => shapeOf(Listed, DurableBase.prototype));
    expect(DurableError.is(error, "bad-option")).toBe(true);
    expect(error.message).toBe(
      `Listed.rpc lists "${name}", which no stub can reach. List some of these: \`static rpc = ["hit","total"]\`.`,
    );
  });

  it.each(["secret", "prune"])(
    "refuses to list a field or @Internal() member at each construction: %s",
    async (name) => {
      await runInDurableObject(env.STANDARD_LISTED.getByName("wrong"), (self, state) => {
        class Wrong extends (self.constructor as typeof StandardListed) {
          static override rpc = [name];
        }
        for (let i = 0; i < 2; i++) {
          const error = thrownBy(() => new Wrong(state, env));
          expect(error.code).toBe("bad-option");
          expect(error.message).toContain(`Wrong.rpc lists "${name}"`);
          expect(error.message).toContain('["shared","total"]');
        }
      });
    },
  );

  it("takes methods, getters, inherited ones and fetch", () => {
    class Listed extends Room {
      static override rpc = ["hit", "total", "more", "fetch"];
      more(): void {}
    }
    expect(() => shapeOf(Listed, DurableBase.prototype)).not.toThrow();
  });
});
