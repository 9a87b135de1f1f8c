/** The promises of `idempotencyKey()`, as cases that run once per dialect. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { type DurableBase, Object, type RouteContext } from "durable-base";
import { HTTPException } from "hono/http-exception";
import { describe, expect, it, vi } from "vitest";
import { plays, type OrdersLike } from "./fixtures/idempotency-data.ts";

type AnyOrders = OrdersLike & DurableBase & { hold(ms: number): Promise<void> };

export function idempotencyCases(dialect: string, namespace: () => DurableObjectNamespace<AnyOrders>): void {
  let nth = 0;
  const fresh = (): DurableObjectStub<AnyOrders> => namespace().getByName(`orders ${dialect} ${nth++}`);
  const stateOf = async (stub: DurableObjectStub<AnyOrders>): Promise<{ sum: number; ids: string[] }> =>
    await runInDurableObject(stub, (self: AnyOrders) => ({ sum: self.sum, ids: [...self.ids] }));
  const rowsOf = async (stub: DurableObjectStub<AnyOrders>): Promise<string[]> =>
    await runInDurableObject(stub, (_, { storage: { sql } }) => {
      const isThere = sql.exec("select 1 from sqlite_schema where name = 'durable_base_once'").toArray().length > 0;
      return isThere
        ? sql
            .exec<{ id: string }>("select id from durable_base_once")
            .toArray()
            .map(({ id }) => id)
        : [];
    });
  let request = 0;
  const send = async (
    stub: { fetch(url: string, init: RequestInit): Promise<Response> },
    route: string,
    key: string | undefined,
    body: unknown = { id: "a", by: 1 },
  ): Promise<unknown[]> => {
    const [method = "", path = ""] = route.split(" ");
    const headers: Record<string, string> = { "x-request": `${++request}` };
    if (key !== undefined) headers["idempotency-key"] = key;
    const isText = typeof body === "string";
    if (body !== null && !isText) headers["content-type"] = "application/json";
    const response = await stub.fetch(`http://o${path}`, {
      method,
      headers,
      ...(body !== null && { body: isText ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return [response.status, /json/.test(response.headers.get("content-type") ?? "") ? JSON.parse(text) : text];
  };
  /** Makes `POST /play` do that, and returns its route. */
  const playing = (work: (self: OrdersLike & DurableBase, c: RouteContext) => unknown): string => {
    const name = `${dialect}-${nth++}`;
    plays.set(name, work);
    return `POST /play/${name}`;
  };
  const problem = (status: number, code: string): unknown[] => [status, expect.objectContaining({ status, code })];

  const ROUTES = ["POST /add", "PUT /later/a", "PATCH /atomic", "POST /alone"];

  describe(`idempotencyKey (${dialect})`, () => {
    it.each(ROUTES)(
      "runs %s once per key, and answers a repeat with the same, even after an eviction",
      async (route) => {
        const stub = fresh();
        const answers = [await send(stub, route, '"a"'), await send(stub, route, '"a"')];
        answers.push(await send(stub, route, '"b"'));
        await evictDurableObject(stub);
        answers.push(await send(stub, route, '"a"'), await send(stub, route, "b"));
        const status = route === "POST /add" ? 201 : 200;
        expect(answers).toEqual([1, 1, 2, 1, 2].map((sum) => [status, { sum }]));
        expect(await stateOf(stub)).toEqual({ sum: 2, ids: ["a", "a"] });
        expect(await rowsOf(stub)).toEqual(["//a", "//b"]);
      },
    );

    it.each(ROUTES)("lets repeats of %s that come side by side share the first's answer", async (route) => {
      const stub = fresh();
      const answers = await Promise.all(Array.from({ length: 12 }, (_, at) => send(stub, route, `"key ${at % 3}"`)));
      const { sum } = await stateOf(stub);
      expect(sum).toBe(3);
      for (const at of answers.keys()) expect(answers[at]).toEqual(answers[at % 3]);
    });

    it("waits for the turn of an exclusive method before its transaction", async () => {
      const stub = fresh();
      const holding = stub.hold(20);
      const answers = await Promise.all([send(stub, "POST /alone", "a"), send(stub, "POST /alone", "a")]);
      await holding;
      expect(answers).toEqual(Array(2).fill([200, { sum: 1 }]));
    });

    it("refuses another method, path, query or body under the same key, and runs nothing", async () => {
      const stub = fresh();
      expect(await send(stub, "POST /add", "a")).toEqual([201, { sum: 1 }]);
      for (const [route, body] of [
        ["POST /add", { id: "a", by: 2 }],
        ["POST /add?x=1", { id: "a", by: 1 }],
        ["POST /alone", { id: "a", by: 1 }],
        ["PUT /later/a", { id: "a", by: 1 }],
      ] as const) {
        expect(await send(stub, route, "a", body)).toEqual(problem(422, "once-conflict"));
      }
      expect(await stateOf(stub)).toEqual({ sum: 1, ids: ["a"] });
    });

    it("runs requests without the header, and safe ones, as often as they are sent, and writes no rows for them", async () => {
      const stub = fresh();
      expect(await send(stub, "POST /add", undefined)).toEqual([201, { sum: 1 }]);
      expect(await send(stub, "POST /add", undefined)).toEqual([201, { sum: 2 }]);
      for (const method of ["GET", "HEAD", "GET", "OPTIONS"]) await send(stub, `${method} /add`, "a", null);
      expect((await stateOf(stub)).ids).toEqual(["a", "a", "get", "get", "get"]);
      expect(await rowsOf(stub)).toEqual([]);
    });

    it("keeps status, headers, cookies and bytes", async () => {
      const stub = fresh();
      const body = crypto.getRandomValues(new Uint8Array(1_000));
      const answers = [];
      for (let i = 0; i < 2; i++) {
        const headers = { "idempotency-key": "a" };
        const response = await stub.fetch("http://o/bytes", { method: "POST", body, headers });
        const { status } = response;
        answers.push([status, response.headers.getSetCookie(), response.headers.get("x-own"), await response.bytes()]);
      }
      expect(answers).toEqual(Array(2).fill([202, ["a=1", "b=2"], "bytes", body]));
      expect((await stateOf(stub)).ids).toEqual(["1000"]);
    });

    it.each(["/add", "/bytes"])("leaves the headers of middleware to each request: %s", async (path) => {
      const stub = fresh();
      for (const number of ["1", "2"]) {
        const headers = { "idempotency-key": "a", "content-type": "application/json", "x-request": number };
        const body = JSON.stringify({ id: "a", by: 1 });
        const response = await stub.fetch(`http://o${path}`, { method: "POST", body, headers });
        await response.text();
        expect(["x-request", "x-after", "x-own"].map((name) => response.headers.get(name))).toEqual([
          ...[number, number],
          path.slice(1),
        ]);
      }
      expect((await stateOf(stub)).ids).toHaveLength(1);
    });

    it("takes a body without a declared length", async () => {
      const stub = fresh();
      const sent = async (): Promise<unknown> => {
        const headers = { "idempotency-key": "a", "content-type": "application/json" };
        const body = new Blob([JSON.stringify({ id: "é", by: 1 })]).stream();
        return await (await stub.fetch("http://o/add", { method: "POST", body, headers })).json();
      };
      expect([await sent(), await sent(), await stateOf(stub)]).toEqual([
        { sum: 1 },
        { sum: 1 },
        { sum: 1, ids: ["é"] },
      ]);
    });

    it("keeps text, and an answer without body", async () => {
      const stub = fresh();
      for (let i = 0; i < 2; i++) {
        expect(await send(stub, "POST /text", "a", "é")).toEqual([200, "É"]);
        expect(await send(stub, "DELETE /nothing/7", "b", null)).toEqual([204, ""]);
      }
      expect((await stateOf(stub)).ids).toEqual(["é", "7"]);
    });

    it("undoes what throws and doesn't remember it: a repeat runs anew", async () => {
      const stub = fresh();
      vi.spyOn(console, "error").mockImplementation(() => {});
      const outcomes = [
        () => {
          throw new HTTPException(409, { message: "not now" });
        },
        () => {
          throw new Error("secret");
        },
        () => "done",
      ];
      const route = playing((self) => {
        self.sum += 1;
        return outcomes.shift()!();
      });
      const refused = await send(stub, route, "a");
      expect(refused).toEqual([409, expect.objectContaining({ code: "conflict", detail: "not now" })]);
      expect(await send(stub, route, "a")).toEqual([
        500,
        { type: "about:blank", title: "Internal Server Error", status: 500, code: "internal-server-error" },
      ]);
      expect([await stateOf(stub), await rowsOf(stub)]).toEqual([{ sum: 0, ids: [] }, []]);
      expect([await send(stub, route, "a"), await send(stub, route, "a")]).toEqual(Array(2).fill([200, "done"]));
      expect((await stateOf(stub)).sum).toBe(1);
    });

    it("remembers what is returned, whatever its status", async () => {
      const stub = fresh();
      const route = playing((self, c) => c.json({ sum: (self.sum += 1) }, 409));
      expect([await send(stub, route, "a"), await send(stub, route, "a")]).toEqual(Array(2).fill([409, { sum: 1 }]));
    });

    it("doesn't open a transaction or write a row for an input or a path that isn't taken", async () => {
      const stub = fresh();
      expect(await send(stub, "POST /add", "a", { id: "a", by: 10 })).toEqual(problem(422, "invalid-input"));
      expect(await send(stub, "POST /none", "a")).toEqual(problem(404, "not-found"));
      expect(await send(stub, "PATCH /add", "a")).toEqual(problem(405, "method-not-allowed"));
      expect(await rowsOf(stub)).toEqual([]);
      expect(await send(stub, "POST /add", "a")).toEqual([201, { sum: 1 }]);
    });

    it.each([
      [
        "a generator",
        () =>
          (function* () {
            yield 1;
          })(),
      ],
      [
        "an async generator",
        () =>
          (async function* () {
            yield 1;
          })(),
      ],
      ["a stream", () => new Blob(["a"]).stream()],
      ["events", () => new Response("data: 1\n\n", { headers: { "content-type": "text/event-stream" } })],
    ])("refuses %s as answer, and undoes what was changed", async (_, make) => {
      const log = vi.spyOn(console, "error").mockImplementation(() => {});
      const stub = fresh();
      const route = playing((self) => {
        self.sum += 1;
        return make();
      });
      for (let i = 0; i < 2; i++) expect(await send(stub, route, "a")).toEqual(problem(500, "not-repeatable"));
      expect(String(log.mock.lastCall)).toContain("a streamed answer can't be kept");
      expect([await stateOf(stub), await rowsOf(stub)]).toEqual([{ sum: 0, ids: [] }, []]);
      expect((await send(stub, route, undefined))[0]).toBe(200);
      expect((await stateOf(stub)).sum).toBe(1);
    });

    it("refuses an answer over 1 MiB, and undoes what was changed", async () => {
      vi.spyOn(console, "error").mockImplementation(() => {});
      const stub = fresh();
      let size = 1_048_577;
      const route = playing((self) => {
        self.sum += 1;
        return "\u0001".repeat(size);
      });
      expect(await send(stub, route, "a")).toEqual(problem(500, "too-large"));
      expect([await stateOf(stub), await rowsOf(stub)]).toEqual([{ sum: 0, ids: [] }, []]);
      size--;
      for (let i = 0; i < 2; i++) expect(await send(stub, route, "a")).toEqual([200, "\u0001".repeat(size)]);
      expect((await stateOf(stub)).sum).toBe(1);
    });

    it("refuses a header that holds too much to be kept", async () => {
      vi.spyOn(console, "error").mockImplementation(() => {});
      const stub = fresh();
      const route = playing((self, c) => {
        self.sum += 1;
        c.header("x-large", "a".repeat(2_100_000));
        return null;
      });
      expect(await send(stub, route, "a")).toEqual(problem(500, "too-large"));
      expect(await stateOf(stub)).toEqual({ sum: 0, ids: [] });
    });

    it("answers a request whose method destroys the object, which a repeat finds new", async () => {
      const handle = Object.from(namespace()).byName(`destroyed ${dialect}`);
      const route = playing((self) => {
        self.sum += 1;
        self.destroy();
        return self.sum;
      });
      for (let i = 0; i < 2; i++) expect(await send(handle, route, "a", null)).toEqual([200, 1]);
    });

    it.each([
      ["", "an empty header"],
      ['""', "an empty string"],
      ['"a', "an open string"],
      ['a"b', "a quote inside"],
      ['"a", "b"', "a list"],
      ["a, b", "a list without quotes"],
      ['"a";q=1', "a parameter"],
      ['"a\\x"', "a wrong escape"],
      ["a b", "a space without quotes"],
      ["é", "a letter beyond ASCII"],
      [`"${"k".repeat(1_025)}"`, "1,025 characters"],
    ])("answers 400 to the key %j, %s", async (key) => {
      const stub = fresh();
      expect(await send(stub, "POST /add", key)).toEqual(problem(400, "bad-key"));
      expect(await stateOf(stub)).toEqual({ sum: 0, ids: [] });
    });

    it("takes a key with quotes and without as the same, and the longest", async () => {
      const stub = fresh();
      for (const [key, same] of [
        ['"8e03978e-40d5-43e8-bc93-6894a57f9324"', "8e03978e-40d5-43e8-bc93-6894a57f9324"],
        ['"a/b:c+d="', "a/b:c+d="],
        ['"with \\"quotes\\" and \\\\"', '"with \\"quotes\\" and \\\\"'],
        [`"${"k".repeat(1_024)}"`, "k".repeat(1_024)],
      ] as const) {
        expect(await send(stub, "POST /add", same)).toEqual(await send(stub, "POST /add", key));
      }
      expect((await stateOf(stub)).sum).toBe(4);
    });

    it("answers 413 to a body over its limit, declared or not", async () => {
      const stub = fresh();
      for (const body of ["x".repeat(1_048_577), new Blob(["x".repeat(1_048_577)]).stream()]) {
        const headers = { "idempotency-key": "a", "content-type": "application/octet-stream" };
        const response = await stub.fetch("http://o/bytes", { method: "POST", body, headers });
        expect([response.status, await response.json()]).toEqual(problem(413, "content-too-large"));
      }
      expect((await stateOf(stub)).ids).toEqual([]);
    });

    it("keeps nothing of a method that takes over 25 s, whose code goes on", async () => {
      vi.spyOn(console, "error").mockImplementation(() => {});
      const stub = fresh();
      const { promise, resolve } = Promise.withResolvers<void>();
      let error: unknown;
      const route = playing(async (self) => {
        self.sum += 1;
        await promise;
        try {
          self.sum += 1;
        } catch (thrown) {
          error = thrown;
        }
        return 7;
      });
      const timers = vi.spyOn(globalThis, "setTimeout").mockImplementation(((work: () => void) => {
        queueMicrotask(work);
        return 0;
      }) as never);
      const answer = await send(stub, route, "a").finally(() => timers.mockRestore());
      expect(answer).toEqual(problem(500, "atomic-timeout"));
      resolve();
      await scheduler.wait(1);
      expect(error).toMatchObject({ code: "atomic-timeout" });
      expect([await stateOf(stub), await rowsOf(stub)]).toEqual([{ sum: 0, ids: [] }, []]);
    });
  });
}
