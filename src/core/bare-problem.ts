/**
 * @module
 * Problems without the router, which many classes don't bring.
 */

/** A response as `route/problem.ts` makes it, with no more than the status. Its code is the title in lower case: `not-found`. */
export function bareProblem(status: number, title: string, headers: Record<string, string> = {}): Response {
  const code = title.toLowerCase().replace(" ", "-");
  return Response.json(
    { type: "about:blank", title, status, code },
    { status, headers: { "content-type": "application/problem+json", ...headers } },
  );
}
