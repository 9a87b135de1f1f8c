import { env } from "cloudflare:workers";
import { DurableError, Route } from "durable-base";
import { HTTPException } from "hono/http-exception";
import { afterEach, describe, expect, it, vi } from "vitest";
import { thrownBy } from "../error-of.ts";
import { misplaced as misplacedLegacy } from "../legacy/twins/route.ts";
import { By, SECRET } from "./fixtures/route-data.ts";
import { StuckRoutes } from "./fixtures/failing.ts";
import { misplaced } from "./fixtures/route.ts";
import { routeCases } from "./route.cases.ts";

routeCases(
  "standard",
  () => env.ROUTES,
  () => env.CHILD_ROUTES,
);
routeCases(
  "legacy",
  () => env.LEGACY_ROUTES,
  () => env.LEGACY_CHILD_ROUTES,
);

describe("Route, paths", () => {
  it.each([
    "/",
    "/café",
    "/a b",
    "/a%2Fb",
    "/100%25",
    "/a{b}",
    "/v1/todos:batch",
    "/:id.json",
    "/:a-:b",
    "/:a{x}-y",
    "/:a{x/y}/:b?",
    "/:a?/:b{[0-9]{2}}?",
    "/*/a*",
  ])("takes %s", (path) => {
    expect(() => Route.get(path)).not.toThrow();
  });
});

/** `Route` for what its types refuse. */
type Loose = (...args: unknown[]) => unknown;

/** A row that the legacy dialect can't express. */
const onlyStandard: readonly [string, () => unknown, string, string][] = [
  [
    "a #private method",
    () => {
      class Wrong {
        @Route.get("/total") #total(): number {
          return 1;
        }
        use = (): number => this.#total();
      }
      return Wrong;
    },
    "bad-decorator",
    '`@Route("GET", "/total") total() { … }`',
  ],
];

describe("Route, misplaced", () => {
  it.each([...misplaced, ...onlyStandard])("refuses %s, standard", (_, make, code, part) => {
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
    ["no path", () => Route.get(undefined as never), "bad-option", '@Route("GET", undefined) has no path'],
    ...[
      ["todos", 'does not begin with "/"'],
      ["", 'does not begin with "/"'],
      ["/:a/:a", "has two parameters called a"],
      ["/:a/:b?/:a?", "has two parameters called a"],
      ["/:__proto__", "has a parameter called __proto__"],
      ["/:café", "has a parameter whose name isn't made of ASCII"],
      ["/:é", "has a parameter whose name isn't made of ASCII"],
      ["/:", "has a parameter whose name isn't made of ASCII"],
      ["/x/:-y", "has a parameter whose name isn't made of ASCII"],
      ["/a//b", "has an empty segment"],
      ["/a//", "has an empty segment"],
      ["/x/../y", 'has a segment "." or ".."'],
      ["/x/./y", 'has a segment "." or ".."'],
      ["/x/..", 'has a segment "." or ".."'],
      ["/caf%C3%A9", 'requests for it arrive as "/café"'],
      ["/a%20b/:c{%20}/:d", 'requests for it arrive as "/a b/:c{%20}/:d"'],
      ["/a\\b", 'requests for it arrive as "/a/b"'],
      ["/\ud800", 'requests for it arrive as "/%ED%A0%80"'],
      ["/a#b", 'has a "?" or "#"'],
      ["/x?", 'has a "?" or "#"'],
      ["/a?b=1", 'has a "?" or "#"'],
      ["/a|b", 'has a "|"'],
      ["/a{2}", "has a number in braces"],
      ["/:a{x}:b", "has a parameter right behind another one"],
      ["/:a:b", "has a parameter right behind another one"],
      ["/:a{x", "has a parameter whose pattern is empty or has no end"],
      ["/:a{}", "has a parameter whose pattern is empty or has no end"],
      ["/:a{[}", "has a pattern that isn't a regular expression"],
      ["/:a{x/y}?", 'has an optional parameter with a "/" in its pattern'],
      ["/:a{[^/]+}?/:b?", 'has an optional parameter with a "/" in its pattern'],
      ["/:a?/b", "has an optional parameter before its end"],
    ].map(([path, flaw]): [string, () => unknown, string, string] => [
      `the path ${JSON.stringify(path)}, which would match otherwise than it reads`,
      () => Route.get(path!),
      "bad-option",
      `@Route("GET", ${JSON.stringify(path)}) ${flaw!.startsWith("requests") ? `is never matched, since ${flaw}` : flaw}`,
    ]),
    ["HEAD", () => Route("head", "/x"), "bad-option", "HEAD is answered by GET"],
    ["a method alone", () => (Route as Loose)("x"), "bad-option", '@Route("X", undefined) has no path'],
    ["a path alone", () => (Route as Loose)("/Todos"), "bad-option", 'Write `@Route.get("/Todos")`'],
    ["no method", () => (Route as Loose)(), "bad-option", "has no path"],
    ["a value that isn't a method", () => (Route as Loose)("get /x", "/x"), "bad-option", "has no HTTP method"],
    [
      "a limit that is no number",
      () => Route.get("/x", { maxBody: Number.NaN }),
      "bad-option",
      "`{ maxBody: 65_536 }`",
    ],
    ["a negative limit", () => Route.get("/x", { maxBody: -1 }), "bad-option", "`{ maxBody: 65_536 }`"],
    ...[{ schema: By }, { maxbody: 5 }, { kind: 1 }, { toString: 1 }, null, "text"].map(
      (options): [string, () => unknown, string, string] => [
        `options ${JSON.stringify(options)}`,
        () => Route.get("/x", options as never),
        "bad-option",
        typeof options === "object" && options !== null
          ? `has an unknown option ${JSON.stringify(Object.keys(options)[0])}. Use input, params,`
          : "has options that aren't an object. Write `{ input: z.object({ by: z.number() }), status: 201 }`",
      ],
    ),
    ["a status of a failure", () => Route.get("/x", { status: 404 }), "bad-option", "`{ status: 201 }`"],
    ["a status that is none", () => Route.get("/x", { status: 200.5 }), "bad-option", "`{ status: 201 }`"],
    [
      "no schema",
      () => Route.get("/x", { input: {} as never }),
      "bad-option",
      "`{ input: z.object({ by: z.number() }) }`",
    ],
    ...(["params", "query", "body"] as const).map((name): [string, () => unknown, string, string] => [
      `no schema for ${name}`,
      () => Route.get("/x", { [name]: { page: "number" } } as never),
      "bad-option",
      `\`{ ${name}: z.object({ by: z.number() }) }\``,
    ]),
    [
      "schemas for all and for a part",
      () => Route.get("/x", { input: By, body: By }),
      "bad-option",
      "`{ params: Id, query: Page, body: Todo }`",
    ],
    ...["xml", [], ["json", "xml"], 5, null].map((accept): [string, () => unknown, string, string] => [
      `to accept ${JSON.stringify(accept)}`,
      () => Route.post("/x", { accept: accept as never }),
      "bad-option",
      '`{ accept: ["json", "form"] }`',
    ]),
    ...[{ "no name": "x" }, { age: 5 }, { "x-a": "a\nb" }, { "x-a": undefined }].map(
      (headers): [string, () => unknown, string, string] => [
        `headers ${JSON.stringify(headers)}`,
        () => Route.get("/x", { headers: headers as never }),
        "bad-option",
        '`{ headers: { "cache-control": "no-store" } }`',
      ],
    ),
    ...["cors", ["cors"], null].map((use): [string, () => unknown, string, string] => [
      `middleware ${JSON.stringify(use)}`,
      () => Route.get("/x", { use: use as never }),
      "bad-option",
      "`{ use: [etag()] }`",
    ]),
    ["a description that is none", () => Route.get("/x", { openapi: "x" as never }), "bad-option", "`{ openapi: {"],
  ])("refuses %s", (_, make, code, part) => {
    const error = thrownBy(make);
    expect(error.code).toBe(code);
    expect(error.message).toContain(part);
    // One flaw and its fix, not a list of rules.
    expect(error.message.length).toBeLessThan(220);
  });
});

describe("Route, beside another", () => {
  it.each([
    ["a pattern and none", "/a/:b{[0-9]+}", "/a/:b"],
    ["two patterns", "/a/:b{[0-9]+}", "/a/:c{[a-z]+}"],
    ["a parameter and a word", "/a/:b", "/a/b"],
    ["a wildcard and a parameter", "/a/*", "/a/:b"],
    ["an optional parameter and two", "/a/:b?", "/a/:b/:c"],
  ])("takes %s", (_, first, second) => {
    class Both {
      @Route.get(first) one(): void {}
      @Route.get(second) two(): void {}
      @Route.post(first) three(): void {}
      @Route.all(first) four(): void {}
    }
    expect(Both.name).toBe("Both");
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
