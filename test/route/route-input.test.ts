import { env } from "cloudflare:workers";
import { Object as Objects } from "durable-base";
import { once } from "durable-base/once";
import { shards } from "durable-base/shards";
import { describe, expect, it } from "vitest";
import { errorOf } from "../error-of.ts";
import { routeInputCases } from "./route-input.cases.ts";

routeInputCases("standard", (name) => env.ROUTE_INPUT.getByName(name));
routeInputCases("legacy", (name) => env.LEGACY_ROUTE_INPUT.getByName(name));

for (const [dialect, open] of [
  ["standard", () => Objects.from(env.ROUTE_INPUT).byName("validated")],
  ["legacy", () => Objects.from(env.LEGACY_ROUTE_INPUT).byName("validated")],
] as const) {
  describe(`Validated, ${dialect}`, () => {
    const at = "2026-11-01T00:00:00Z";

    it("takes the same input through a handle as over HTTP, and passes the method the same", async () => {
      const room = open();
      const get = async (path: string, init?: RequestInit): Promise<unknown> =>
        await (await room.fetch(`http://o${path}`, init)).json();
      const send = (method: string, body: unknown): RequestInit => ({
        method,
        body: JSON.stringify(body),
        headers: { "content-type": "application/json" },
      });
      const cases: [Promise<unknown>, Promise<unknown>, unknown][] = [
        [room.query({}), get("/query"), { free: true }],
        [room.query({ free: "no", at }), get(`/query?free=no&at=${at}`), { free: false, year: 2026 }],
        [room.search({}), get("/search"), { page: 2, rest: {} }],
        [room.search({ page: "2" }), get("/search?page=2"), { page: 3, rest: {} }],
        [room.filter(), get("/filter"), 10],
        [room.filter({ max: "3" }), get("/filter?max=3"), 3],
        [room.book({ id: "1", at }), get("/bookings/1", send("PUT", { at })), { id: 2, year: 2026, seats: 1 }],
        [
          room.rebook({ name: "a", at, seats: 2 }),
          get("/bookings/a", send("PATCH", { at, seats: 2 })),
          { name: "a", year: 2026, seats: 2 },
        ],
        [room.lengths({ id: "1", body: ["a", "bc"] }), get("/lengths/1", send("POST", ["a", "bc"])), [2, 3]],
        [once(room, "once").query({ free: "no" }), get("/query?free=no"), { free: false }],
        [
          once(room, "twice").book({ id: "1", at }),
          get("/bookings/1", send("PUT", { at })),
          { id: 2, year: 2026, seats: 1 },
        ],
      ];
      for (const [called, fetched, expected] of cases) {
        expect(await called).toEqual(expected);
        expect(await fetched).toEqual(expected);
      }
    });

    it("reaches each shard as a handle does", async () => {
      const spread = dialect === "standard" ? shards(env.ROUTE_INPUT, 2) : shards(env.LEGACY_ROUTE_INPUT, 2);
      expect(await spread.byKey("a").query({ free: "yes" })).toEqual({ free: true });
    });

    it("refuses the output of a schema that converts, as HTTP would", async () => {
      // @ts-expect-error the schema takes text
      expect(await errorOf(() => open().query({ free: true }))).toMatchObject({ code: "invalid-input" });
    });

    it("doesn't convert in calls from inside, which pass the output", async () => {
      expect(await open().within()).toEqual([{ free: false }, { id: 2, year: 1970, seats: 2 }]);
    });
  });
}
