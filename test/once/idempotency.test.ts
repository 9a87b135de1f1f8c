import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { Object } from "durable-base";
import { idempotencyKey, once } from "durable-base/once";
import * as Transfer from "durable-base/transfer";
import { Hono } from "hono";
import { afterEach, describe, expect, it, vi } from "vitest";
import { isLong, seed } from "../battery.ts";
import { thrownBy } from "../error-of.ts";
import { mulberry32 } from "../random.ts";
import { plays } from "./fixtures/idempotency-data.ts";
import { idempotencyCases } from "./idempotency.cases.ts";

idempotencyCases("standard", () => env.STANDARD_ORDERS as never);
idempotencyCases("legacy", () => env.LEGACY_ORDERS as never);

type Orders = typeof env.STANDARD_ORDERS extends DurableObjectNamespace<infer T> ? DurableObjectStub<T> : never;

afterEach(() => void vi.useRealTimers());

const pay = async (
  stub: { fetch(url: string, init: RequestInit): Promise<Response> },
  { path = "/pay", key = "a", ...headers }: { path?: string; key?: string; [name: string]: string },
  body?: string,
): Promise<unknown[]> => {
  const init = { method: "POST", headers: { "idempotency-key": key, ...headers }, ...(body !== undefined && { body }) };
  const response = await stub.fetch(`http://o${path}`, init);
  const text = await response.text();
  return [response.status, text.startsWith("{") ? (JSON.parse(text) as { code: string }).code : text];
};

describe("idempotencyKey of one route", () => {
  it("leaves the class's other routes alone", async () => {
    const stub = env.CLIENTS.getByName("others");
    expect([await pay(stub, { path: "/free" }), await pay(stub, { path: "/free" })]).toEqual([
      [200, "1"],
      [200, "2"],
    ]);
  });

  it("keeps the keys of clients apart, and answers nobody whom other middleware refuses", async () => {
    const stub = env.CLIENTS.getByName("clients");
    const answers = [];
    for (const user of ["ann", "bob", "ann", "a/b", "a%2Fb", "nobody"])
      answers.push(await pay(stub, { "x-user": user }));
    expect(answers).toEqual([
      [200, "1"],
      [200, "2"],
      [200, "1"],
      [200, "3"],
      [200, "4"],
      [401, "unauthorized"],
    ]);
    expect(await pay(stub, { "x-user": "a", key: "b/a" })).toEqual([200, "5"]);
    const ids = await runInDurableObject(stub, (_, { storage }) =>
      storage.sql
        .exec("select id from durable_base_once order by id")
        .toArray()
        .map(({ id }) => id),
    );
    expect(ids).toEqual(["/a%252Fb/a", "/a%2Fb/a", "/a/b/a", "/ann/a", "/bob/a"]);
  });

  it("answers 500 to a client without a name, and says why in the log", async () => {
    const log = vi.spyOn(console, "error").mockImplementation(() => {});
    expect(await pay(env.CLIENTS.getByName("nameless"), {})).toEqual([500, "bad-option"]);
    expect(String(log.mock.lastCall)).toContain("`client` returned undefined in place of a non-empty string");
  });

  it("has its own limit for the body", async () => {
    const stub = env.CLIENTS.getByName("bodies");
    expect(await pay(stub, { "x-user": "ann", "content-type": "application/json" }, '{"a":12345}')).toEqual([
      413,
      "content-too-large",
    ]);
  });

  it("forgets an answer after its time, and deletes the row on a later day", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: Date.UTC(2026, 11, 1) });
    const stub = env.CLIENTS.getByName("expired");
    const user = { "x-user": "ann" };
    const answers = [await pay(stub, user)];
    vi.setSystemTime(Date.now() + 999);
    answers.push(await pay(stub, user));
    vi.setSystemTime(Date.now() + 1);
    answers.push(await pay(stub, user));
    vi.setSystemTime(Date.now() + 86_400_000);
    answers.push(await pay(stub, { ...user, key: "b" }));
    expect(answers.map(([, count]) => count)).toEqual(["1", "1", "2", "3"]);
    const ids = await runInDurableObject(stub, (_, { storage }) =>
      storage.sql
        .exec("select id from durable_base_once")
        .toArray()
        .map(({ id }) => id),
    );
    expect(ids).toEqual(["/ann/b"]);
  });

  it("shares the table with calls of once, and no keys", async () => {
    const stub = Object.from(env.CLIENTS).byName("shared");
    expect(await once(stub, "ann/a").pay()).toBe(1);
    expect(await pay(stub, { "x-user": "ann" })).toEqual([200, "2"]);
    expect([await once(stub, "ann/a").pay(), (await pay(stub, { "x-user": "ann" }))[1]]).toEqual([1, "2"]);
  });

  it("knows the answers that an import brings, and forgets what deleteAll deletes", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    const [source, target] = ["source", "target"].map((name) => env.STANDARD_ORDERS.getByName(name)) as [
      Orders,
      Orders,
    ];
    let answer = "";
    plays.set("import", () => {
      if (answer === "") throw new Error("failed");
      return answer;
    });
    const play = { path: "/play/import" };
    // The object has looked for the table, before there is one.
    expect(await pay(target, play)).toEqual([500, "internal-server-error"]);
    answer = "source";
    expect(await pay(source, play)).toEqual([200, "source"]);
    const bytes = await runInDurableObject(source, async (_, ctx) => await new Response(Transfer.export(ctx)).bytes());
    await runInDurableObject(target, async (_, ctx) => {
      await Transfer.import(ctx, new Blob([bytes]).stream(), { replace: true });
    });
    answer = "target";
    expect([await pay(target, play), await pay(target, { ...play, key: "b" })]).toEqual([
      [200, "source"],
      [200, "target"],
    ]);
    await runInDurableObject(target, async (_, { storage }) => await storage.deleteAll());
    expect(await pay(target, play)).toEqual([200, "target"]);
  });
});

describe("idempotencyKey", () => {
  it("refuses a request that a handler of the app would answer, before it runs, and leaves other answers alone", async () => {
    const log = vi.spyOn(console, "error").mockImplementation(() => {});
    const stub = env.APP_CLIENTS.getByName("app");
    expect(await pay(stub, { path: "/added" })).toEqual([500, "bad-option"]);
    expect(String(log.mock.lastCall)).toContain("idempotencyKey() works for methods with `@Route` only");
    expect(await pay(stub, { path: "/none" })).toEqual([404, "nothing here"]);
    const response = await stub.fetch("http://o/added", { method: "POST" });
    expect(await response.text()).toBe("added");
  });

  it("runs each key once, whatever comes side by side, fails or is another request", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    const random = mulberry32(seed);
    const stub = env.STANDARD_ORDERS.getByName("random");
    let runs: string[] = [];
    plays.set("random", async (_, c) => {
      const { id, fails } = await c.req.json<{ id: string; fails: boolean }>();
      if (random() < 0.5) await scheduler.wait(random() < 0.5 ? 0 : 1);
      if (fails && random() < 0.5) throw new Error("failed");
      runs.push(id);
      return runs.length;
    });
    for (let round = 0; round < (isLong ? 200 : 10); round++) {
      runs = [];
      const answers = new Map<string, Set<string>>();
      await Promise.all(
        Array.from({ length: 30 }, async () => {
          const key = `${round}-${Math.floor(random() * 6)}`;
          const id = `${key}-${Math.floor(random() * 2)}`;
          const body = JSON.stringify({ id, fails: id.endsWith("1") });
          const init = { "content-type": "application/json", key, path: "/play/random" };
          const [status, answer] = await pay(stub, init, body);
          if (status === 200) answers.set(id, (answers.get(id) ?? new Set()).add(answer as string));
          else
            expect([
              [422, "once-conflict"],
              [500, "internal-server-error"],
            ]).toContainEqual([status, answer]);
        }),
      );
      const keys = [...answers.keys()].map((id) => id.replace(/-\d$/, ""));
      expect(new Set(keys).size, `seed ${seed}`).toBe(keys.length);
      expect(runs.toSorted(), `seed ${seed}`).toEqual([...answers.keys()].toSorted());
      expect([...answers.values()].every(({ size }) => size === 1)).toBe(true);
    }
  });

  it("stores the same id, hash and answer in every version", async () => {
    const stub = env.CLIENTS.getByName("format");
    await pay(stub, { "x-user": "ann", "content-type": "application/json", path: "/pay?a=1" }, '{"b":2}');
    const rows = await runInDurableObject(stub, (_, { storage }) =>
      storage.sql.exec("select id, hash, answer from durable_base_once").toArray(),
    );
    expect(rows).toEqual([
      {
        id: "/ann/a",
        hash: "0704fdadece5bb36c846b998ba2f25eaa17a4583e04d1fa8ad6d80e4dc13d723",
        answer: JSON.stringify({
          "durable-base": [
            { status: 200, headers: [1], body: [2] },
            ["array", [3]],
            ["view", "Uint8Array", [4], 0, 1],
            ["array", "content-type", "application/json"],
            ["buffer", "MQ=="],
          ],
        }),
      },
    ]);
  });

  it("prefers a route's options to the class's", async () => {
    const stub = env.APP_CLIENTS.getByName("owned");
    const answers = [];
    for (const user of ["ann", "bob", "ann"]) answers.push(await pay(stub, { path: "/owned", "x-user": user }));
    expect(answers.map(([, count]) => count)).toEqual(["1", "2", "1"]);
  });

  it("refuses to work outside an object", async () => {
    const app = new Hono().use(idempotencyKey()).post("/", (c) => c.text("ran"));
    app.onError((error, c) => c.text((error as { code?: string }).code ?? ""));
    expect(await (await app.request("/", { method: "POST" })).text()).toBe("no-object");
  });

  it.each([
    [{ ttl: 0 }, "an answer is kept for 1 to 2592000000 milliseconds"],
    [{ ttl: 2_592_000_001 }, "`idempotencyKey({ ttl: 86400000 })`"],
    [{ maxBody: NaN }, "`maxBody` is NaN"],
    [{ client: "ann" as never }, '`client` is "ann"'],
  ])("refuses the options %j", (options, message) => {
    const error = thrownBy(() => idempotencyKey(options));
    expect([error.code, error.message]).toEqual(["bad-option", expect.stringContaining(message)]);
  });
});
