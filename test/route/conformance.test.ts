/**
 * Paths as Hono's routers and WHATWG's URLPattern understand them hold through `@Route`, in both dialects, in real
 * requests: see the tables in `fixtures/route-paths.ts` and `fixtures/url-patterns.ts`.
 */
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { slice } from "../battery.ts";
import { thrownBy } from "../error-of.ts";
import { decoratorOf, nameOf, type Dialect, type WrittenRoutes } from "./fixtures/paths.ts";
import { honoGroups, honoLeftOut, honoRefused, type Match, type PathRequest } from "./fixtures/route-paths.ts";
import { Otherwise, refusedByBoth, refusedByOurs, urlPatterns, urlPatternsLeftOut } from "./fixtures/url-patterns.ts";

/** What a request with a path gets: the answer with its parameters, or the status of the refusal. */
async function answerOf(dialect: Dialect, routes: WrittenRoutes, request: string): Promise<unknown> {
  const [method, path] = request.split(" ") as [string, string];
  const response = await env.PATHS.getByName(nameOf(dialect, routes)).fetch(`http://o${path}`, { method });
  const answer: unknown = await response.json();
  if (response.status === 200) return answer;
  expect(answer).toMatchObject({ status: response.status });
  return response.status;
}

/** The matches that the table tells of a request. */
function matchesOf([, ...matches]: PathRequest): readonly Match[] {
  return matches.filter((match) => typeof match !== "number");
}

/** Of the data in web-platform-tests: those with a path, or nothing, as pattern and as input. */
const URL_PATTERN_CASES = 143;

const dialects: readonly Dialect[] = ["standard", "legacy"];

describe.each(dialects)("Hono's paths, %s", (dialect) => {
  it.each(slice(honoGroups, 3))("$name", async ({ routes, requests }) => {
    // Each request asks the class as it is written, with the routes the other way round, and each route alone: so
    // every match of the table is seen, and every route that does not match.
    const orders = [routes, routes.toReversed(), ...routes.map((route) => [route])];
    for (const one of requests) {
      const [request] = one;
      for (const order of orders) {
        const matches = matchesOf(one);
        const found = order
          .map(([, answer]) => matches.find((match) => match[0] === answer))
          .find((match) => match !== undefined);
        const answer = await answerOf(dialect, order, request);
        const place = `${request} of ${JSON.stringify(order)}`;
        if (found !== undefined) expect([place, answer]).toEqual([place, [found[0], found[1] ?? {}]]);
        else if (order === routes) expect([place, answer]).toEqual([place, one[1]]);
        else expect([404, 405]).toContain(answer);
      }
    }
  });
});

describe.each(dialects)("URLPattern's paths, %s", (dialect) => {
  it.each(slice(urlPatterns, 4))("$patterns as $routes", async ({ routes, requests }) => {
    for (const [path, expected] of Object.entries(requests)) {
      const ours = expected instanceof Otherwise ? expected.ours : expected;
      const written = routes.map((route) => [`GET ${route}`, "found"] as const);
      const answer = await answerOf(dialect, written, `GET ${path}`);
      expect([path, answer]).toEqual([path, ours === "miss" ? 404 : ["found", ours]]);
    }
  });
});

describe("what the tables leave out", () => {
  it.each(honoRefused)("%s is refused: %s", (route) => {
    expect(thrownBy(() => decoratorOf(route)).code).toBe("bad-option");
  });

  it.each(refusedByBoth)("URLPattern's %s is refused as %s", (_, route) => {
    expect(thrownBy(() => decoratorOf(`GET ${route}`)).code).toBe("bad-option");
  });

  it.each(refusedByOurs)("URLPattern's %s is refused as %s: %s", (_, route) => {
    expect(thrownBy(() => decoratorOf(`GET ${route}`)).code).toBe("bad-option");
  });

  it("is counted: nothing of URLPattern's path-only data is missing", () => {
    const told = urlPatterns.reduce(
      (sum, { patterns, requests }) => sum + patterns.length * Object.keys(requests).length,
      0,
    );
    const others = urlPatterns.flatMap(({ patterns, requests }) =>
      Object.entries(requests).flatMap(([path, expected]) =>
        expected instanceof Otherwise ? patterns.map((pattern) => ({ pattern, path, ...expected })) : [],
      ),
    );
    for (const { theirs, ours, why } of others) expect([theirs, why]).not.toEqual([ours, ""]);
    console.log(
      `URLPattern: ${told} cases told, ${others.length} of them otherwise by intent; ${refusedByBoth.length} refused by both, ${refusedByOurs.length} by ours; ` +
        `left out ${urlPatternsLeftOut.length}:\n${urlPatternsLeftOut.map((left) => `  ${left.join(": ")}`).join("\n")}\n` +
        `Hono: left out ${honoLeftOut.length}:\n${honoLeftOut.map((left) => `  ${left.join(": ")}`).join("\n")}`,
    );
    expect(told + refusedByBoth.length + refusedByOurs.length + urlPatternsLeftOut.length).toBe(URL_PATTERN_CASES);
  });
});
