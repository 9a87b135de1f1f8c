/** Two copies of the library, and two of Hono, in one bundle. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { openapi } from "durable-base/openapi";
import { beforeAll, describe, expect, it, vi } from "vitest";
import * as ours from "../../src/index.ts";
import { errorOf, thrownBy } from "../error-of.ts";
import { decorate } from "./fixtures/mixed.ts";
import { jobs, Scheduled } from "../../src/jobs/jobs.ts";

type Library = typeof ours;

let other: Library;

beforeAll(async () => {
  vi.resetModules();
  other = await import("../../src/index.ts");
  expect(other.DurableBase).not.toBe(ours.DurableBase);
  // Loads the Worker again, which takes long.
  await withState("first", () => {});
}, 120_000);

/** Runs `body` with the state of an object that has no other instance. */
async function withState(name: string, body: (state: DurableObjectState) => unknown): Promise<void> {
  await runInDurableObject(env.PROBE.getByName(`copies ${name}`), async (_, state) => {
    await body(state);
  });
}

/** Expects the error for two copies, with both ways to get one. */
function expectTwoCopies(error: Error): void {
  expect((error as { code?: unknown }).code).toBe("two-copies");
  expect(error.message).toContain("`npm ls durable-base`");
  expect(error.message).toContain("`npm dedupe`");
}

describe("two copies of the library", () => {
  it("are refused where a class extends one and is decorated by the other", async () => {
    const { DurableBase } = other;
    const { Atomic, Exclusive, Idempotent, Persisted, Route } = ours;
    class Field extends DurableBase {
      @Persisted() accessor count = 0;
    }
    class Routed extends DurableBase {
      @Route.get("/")
      read(): void {}
    }
    class Whole extends DurableBase {
      @Atomic()
      read(): void {}
    }
    class Single extends DurableBase {
      @Exclusive()
      read(): void {}
    }
    class Marked extends DurableBase {
      @Idempotent()
      read(): void {}
    }
    class Repeated extends DurableBase {
      @Scheduled({ every: 60_000 })
      read(): void {}
    }
    class Legacy extends DurableBase {
      read(): void {}
    }
    decorate(Legacy.prototype, "read", Atomic());
    class Parent extends DurableBase {}
    class Child extends Parent {
      @Persisted() accessor count = 0;
    }
    await withState("decorators", (state) => {
      for (const Class of [Field, Routed, Whole, Single, Marked, Repeated, Legacy, Child]) {
        const error = thrownBy(() => new Class(state, env));
        expectTwoCopies(error);
        expect(error.message).toContain(`${Class.name} mixes two copies`);
      }
    });
  });

  it("are refused where one class is decorated by both", () => {
    const error = thrownBy(() => {
      class Both extends ours.DurableBase {
        @ours.Persisted() accessor first = 0;
        @other.Persisted() accessor second = 0;
      }
      return Both;
    });
    expectTwoCopies(error);
  });

  it("are refused where a function of one is given a class or an object of the other", async () => {
    class Bare extends other.DurableBase {}
    class Field extends other.DurableBase {
      @other.Persisted() accessor count = 0;
    }
    for (const Class of [Bare, Field]) {
      expectTwoCopies(thrownBy(() => ours.routes(Class)));
      expectTwoCopies(thrownBy(() => openapi(Class)));
    }
    await withState("functions", async (state) => {
      const object = new Field(state, env);
      object.count = 1;
      expectTwoCopies(thrownBy(() => ours.routes(Field)));
    });
  });

  it("are refused where `Storage` of one gets the storage of the other's object", async () => {
    class Field extends other.DurableBase {
      @other.Persisted() accessor count = 0;
    }
    await withState("storage", async (state) => {
      const object = new Field(state, env);
      for (const handle of [state, state.storage]) {
        expectTwoCopies(thrownBy(() => ours.Storage.put(handle, "key", 1)));
        expectTwoCopies(thrownBy(() => ours.Storage.get(handle, "key")));
        expectTwoCopies(thrownBy(() => ours.Storage.sql(handle)`select 1`.all()));
        expectTwoCopies(await errorOf(() => ours.Storage.transaction(handle, () => 1)));
      }
      other.Storage.put(state, "key", 1);
      expect([object.count, other.Storage.get(state, "key")]).toEqual([0, 1]);
    });
  });

  it("work beside each other if nothing mixes them", async () => {
    const classes = [ours, other].map(({ DurableBase, Persisted }) => {
      class Field extends DurableBase {
        @Persisted() accessor count = 0;
        add(): number {
          return ++this.count;
        }
      }
      return Field;
    });
    for (const [index, Class] of classes.entries()) {
      await withState(`beside ${index}`, (state) => {
        const object = new Class(state, env);
        expect([object.add(), object.add()]).toEqual([1, 2]);
      });
    }
  });

  it("follow one another on the same object, as when a dev server reloads everything", async () => {
    await withState("reload", async (state) => {
      for (const { DurableBase, Persisted, Storage } of [ours, other]) {
        class Field extends DurableBase {
          @Persisted() accessor count = 0;
        }
        const object = new Field(state, env);
        await scheduler.wait(0);
        object.count++;
        Storage.put(state, "key", object.count);
        await scheduler.wait(0);
      }
      expect(other.Storage.get(state, "key")).toBe(2);
    });
  });

  it("are refused where a part of one attaches to an object of the other", async () => {
    await runInDurableObject(env.PROBE.getByName("part"), (_, ctx) => {
      class Mixing extends other.DurableBase {
        readonly jobs = jobs(this);
      }
      expectTwoCopies(thrownBy(() => new Mixing(ctx, env)));
    });
  });

  it("know each other's errors by `DurableError.is`, and their classes if the plan isn't read", async () => {
    const error = thrownBy(() => other.Object.from(env.PROBE).byName(""));
    expect(error).not.toBeInstanceOf(ours.DurableError);
    expect(ours.DurableError.is(error, "bad-name")).toBe(true);
    const app = ours.serve({ "/probes/:name": (env) => env.PROBE }, { authorize: () => true });
    app.get("/first", () => {
      throw error;
    });
    const response = await app.request("/first", {}, env);
    expect([response.status, await response.json()]).toMatchObject([400, { code: "bad-name" }]);
  });
});
