import { env } from "cloudflare:workers";
import { HTTPException } from "hono/http-exception";
import { afterEach, describe, expect, it, vi } from "vitest";
import { DurableError } from "../src/errors.ts";
import { Route } from "../src/route/route.ts";
import { thrownBy } from "./error-of.ts";
import { misplacedLegacy } from "./fixtures/legacy/route.ts";
import { SECRET } from "./fixtures/route-data.ts";
import { misplaced, StuckRoutes } from "./fixtures/route.ts";
import { routeCases } from "./route.cases.ts";

routeCases(
  "standard",
  () => env.ROUTES,
  () => env.CHILD_ROUTES,
);
routeCases(
  "legacy",
  () => env.LEGACY_ROUTES,
  () => env.CHILD_LEGACY_ROUTES,
);

describe("Route, misplaced", () => {
  it.each(misplaced)("refuses %s, standard", (_, make, code, part) => {
    const error = thrownBy(make);
    expect(error.code).toBe(code);
    expect(error.message).toContain(part);
  });

  it.each(misplacedLegacy)("refuses %s, legacy", (_, make, code, part) => {
    const error = thrownBy(make);
    expect(error.code).toBe(code);
    expect(error.message).toContain(part);
  });

  it.each<[string, () => unknown, string, string]>([
    ["no slash", () => Route.get("todos"), "bad-option", '"todos"'],
    ["no path", () => Route.get(undefined as never), "bad-option", "undefined"],
    ["a path that Hono cannot match", () => Route.get("/:a/:a"), "bad-option", '"/:a/:a"'],
    ["HEAD", () => Route("head", "/x"), "bad-option", "HEAD is answered by GET"],
    [
      "a limit that is no number",
      () => Route.get("/x", { maxBody: Number.NaN }),
      "bad-option",
      "`{ maxBody: 65_536 }`",
    ],
    ["a negative limit", () => Route.get("/x", { maxBody: -1 }), "bad-option", "`{ maxBody: 65_536 }`"],
    ["a status of a failure", () => Route.get("/x", { status: 404 }), "bad-option", "`{ status: 201 }`"],
    ["a status that is none", () => Route.get("/x", { status: 200.5 }), "bad-option", "`{ status: 201 }`"],
    [
      "no schema",
      () => Route.get("/x", { input: {} as never }),
      "bad-option",
      "`{ input: z.object({ by: z.number() }) }`",
    ],
    ["a dangerous parameter", () => Route.get("/:__proto__"), "bad-option", "called __proto__"],
  ])("refuses %s", (_, make, code, part) => {
    const error = thrownBy(make);
    expect(error.code).toBe(code);
    expect(error.message).toContain(part);
  });
});

describe("an object with routes", () => {
  afterEach(() => {
    StuckRoutes.failure = undefined;
    vi.restoreAllMocks();
  });

  it("says nothing of why it cannot start, and tries again", async () => {
    const log = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const fetch = async (): Promise<Response> => await env.STUCK_ROUTES.getByName("stuck").fetch("http://o/");
    StuckRoutes.failure = new Error(SECRET);
    const bare = { type: "about:blank", title: "Internal Server Error", status: 500 };
    expect(await (await fetch()).json()).toEqual({ ...bare, code: "internal-server-error" });
    StuckRoutes.failure = new DurableError("start-timeout", SECRET);
    expect(await (await fetch()).json()).toEqual({ ...bare, code: "start-timeout" });
    expect(String(log.mock.calls[0]![0])).toContain(SECRET);
    StuckRoutes.failure = new HTTPException(403, { message: "closed" });
    expect(await (await fetch()).json()).toMatchObject({ status: 403, detail: "closed" });
    StuckRoutes.failure = undefined;
    expect(await (await fetch()).text()).toBe("ready");
  });

  it("answers through `super.fetch`, refusals included", async () => {
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    const response = await env.FETCHING_ROUTES.getByName("own").fetch("http://o/");
    expect([response.headers.get("x-status"), (await response.text()).includes(SECRET)]).toEqual(["500", false]);
  });
});
