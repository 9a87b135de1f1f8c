/** A Worker's errors as responses. */
import { env } from "cloudflare:workers";
import { DurableError, Object as Objects, problems } from "durable-base";
import { Hono } from "hono";
import { cors } from "hono/cors";
import { HTTPException } from "hono/http-exception";
import { afterEach, beforeEach, describe, expect, it, vi, type MockInstance } from "vitest";
import { problem } from "../../src/route/problem.ts";
import { expectProblem } from "../object/serving.ts";

const SECRET = "secret internals";

let log: MockInstance<typeof console.error>;
beforeEach(() => {
  log = vi.spyOn(console, "error").mockReturnValue();
});
afterEach(() => {
  vi.restoreAllMocks();
});

/** Returns the answer to an error that a route throws. */
async function answerTo(throwing: () => unknown): Promise<Response> {
  const app = new Hono<{ Bindings: Cloudflare.Env; Variables: { user: string } }>();
  app.onError(problems);
  app.get("/", async (c) => {
    await throwing();
    return c.text("fine");
  });
  return await app.request("/", {}, env);
}
const throwing = (error: unknown) => (): never => {
  throw error;
};

describe("problems", () => {
  it("answers an error with a bare 500 that shows nothing of it, and logs it", async () => {
    const plain = new Error(SECRET, { cause: new Error(SECRET) });
    for (const error of [
      plain,
      Object.assign(new TypeError(SECRET), { status: 200, detail: SECRET, issues: [SECRET] }),
      new AggregateError([plain], SECRET),
      Object.assign(new Error(SECRET), { code: "bad-name" }),
    ]) {
      log.mockClear();
      const response = await answerTo(throwing(error));
      expect(response.headers.get("content-type")).toBe("application/problem+json");
      expect([response.status, await response.json()]).toEqual([
        500,
        { type: "about:blank", title: "Internal Server Error", status: 500, code: "internal-server-error" },
      ]);
      expect(log.mock.calls).toEqual([[error]]);
    }
  });

  it("answers a DurableError with nothing but its code", async () => {
    const issues = [{ path: [], message: SECRET }];
    for (const code of ["write-failed", "invalid-input", "body-used"] as const) {
      const response = await answerTo(throwing(new DurableError(code, SECRET, { cause: SECRET, issues })));
      expect([response.status, await response.json()]).toEqual([
        500,
        { type: "about:blank", title: "Internal Server Error", status: 500, code },
      ]);
    }
    expect(log).toHaveBeenCalledTimes(3);
  });

  it("answers an HTTPException with its own response, or with a problem of its status", async () => {
    const res = new Response("own", { status: 401, headers: { "www-authenticate": "Basic" } });
    const own = await answerTo(throwing(new HTTPException(401, { res })));
    expect([own.status, own.headers.get("www-authenticate"), await own.text()]).toEqual([401, "Basic", "own"]);
    const redirect = new Response(null, { status: 302, headers: { location: "/login" } });
    const sent = await answerTo(throwing(new HTTPException(302, { res: redirect })));
    expect([sent.status, sent.headers.get("location")]).toEqual([302, "/login"]);
    await expectProblem(await answerTo(throwing(new HTTPException(402, { message: "Pay first." }))), 402, {
      title: "Payment Required",
      code: "payment-required",
      detail: "Pay first.",
    });
    expect(log).not.toHaveBeenCalled();
    const failed = await answerTo(throwing(new HTTPException(502, { message: SECRET, cause: SECRET })));
    expect(await failed.json()).toEqual({
      type: "about:blank",
      title: "Bad Gateway",
      status: 502,
      code: "bad-gateway",
    });
    expect(log).toHaveBeenCalledTimes(1);
  });

  it("answers a name or an id that `Object.from` refuses with 400, and the same error of an object's own bug with 500", async () => {
    await expectProblem(await answerTo(() => Objects.from(env.PEER).byName("")), 400, { code: "bad-name" });
    await expectProblem(await answerTo(() => Objects.from(env.PEER).byId("zz")), 400, { code: "bad-id" });
    expect(log).not.toHaveBeenCalled();
    const call = async (): Promise<unknown> => await Objects.from(env.PEER).byName("buggy").callNobody();
    await expectProblem(await answerTo(call), 500, { code: "bad-name" });
    expect(log.mock.calls).toEqual([[expect.objectContaining({ remote: true })]]);
  });

  it("answers a remote HTTPException as a local one, if the handle restores its class", async () => {
    const call = (kind: string, options = {}) =>
      answerTo(async () => {
        await Objects.from(env.ROUTES, options).byName("problems").throw({ kind });
      });
    await expectProblem(await call("not found"), 500, { code: "internal-server-error" });
    const errors = [HTTPException];
    await expectProblem(await call("not found", { errors }), 404, { detail: "There is no todo 7." });
    // The response that it had stays in the object.
    await expectProblem(await call("response", { errors }), 401, {});
    expect(await (await call("unavailable", { errors })).text()).not.toContain(SECRET);
  });

  it("answers with 503 for an object that is overloaded, moving or destroyed", async () => {
    const remote = Object.assign(new DurableError("destroyed", SECRET), { remote: true });
    for (const [error, status] of [
      [Object.assign(new Error(SECRET), { overloaded: true }), 503],
      [Object.assign(new Error(SECRET), { retryable: true, remote: true }), 503],
      [new DurableError("destroyed", SECRET), 503],
      [remote, 500],
      [Object.assign(new Error(SECRET), { durableObjectReset: true }), 500],
    ] as const) {
      log.mockClear();
      const response = await answerTo(throwing(error));
      expect(response.headers.get("retry-after")).toBe(status === 503 ? "5" : null);
      expect(await response.clone().text()).not.toContain(SECRET);
      await expectProblem(response, status, status === 503 ? { code: "service-unavailable" } : {});
      expect(log.mock.calls).toEqual([[error]]);
    }
  });

  it("keeps the headers of middleware, and answers for middleware and mounted apps", async () => {
    const app = new Hono<{ Bindings: Cloudflare.Env }>();
    app.use(cors({ origin: "https://a.example" }));
    app.use("/guarded/*", async (_, next) => {
      await next();
      throw new Error(SECRET);
    });
    app.get("/guarded/x", (c) => c.text("fine"));
    app.route("/sub", new Hono().get("/x", throwing(new Error(SECRET))));
    app.onError(problems).notFound(() => problems(new HTTPException(404)));
    for (const [path, status] of [
      ["/guarded/x", 500],
      ["/sub/x", 500],
      ["/nowhere", 404],
    ] as const) {
      const response = await app.request(path, { headers: { origin: "https://a.example" } }, env);
      expect(response.headers.get("access-control-allow-origin")).toBe("https://a.example");
      await expectProblem(response, status);
    }
  });

  it("keeps headers that were set before the error, as Hono's own answers do", async () => {
    const app = new Hono<{ Bindings: Cloudflare.Env }>();
    app.use(async (c, next) => {
      c.header("x-before", "yes");
      c.header("content-type", "text/html");
      await next();
    });
    for (const [path, error] of [
      ["/402", new HTTPException(402)],
      ["/500", new Error(SECRET)],
      ["/503", Object.assign(new Error(SECRET), { overloaded: true })],
    ] as const) {
      app.get(path, throwing(error));
    }
    app.get("/400", async (c) => c.json(await Objects.from(env.PEER).byName("").callNobody()));
    app.onError(problems).notFound((c) => problems(new HTTPException(404), c));
    for (const status of [400, 402, 404, 500, 503]) {
      const response = await app.request(`/${status}`, {}, env);
      expect([status, response.headers.get("x-before")]).toEqual([status, "yes"]);
      await expectProblem(response, status);
    }
  });

  it("takes whatever was thrown", async () => {
    for (const thrown of [undefined, null, SECRET, { status: 404, message: SECRET }, 5]) {
      const response = problems(thrown);
      expect(await response.clone().text()).not.toContain(SECRET);
      await expectProblem(response, 500, { code: "internal-server-error" });
    }
  });
});

describe("a problem's title", () => {
  it("is the phrase of IANA's registry and RFC 9110", async () => {
    const phrases = {
      400: "Bad Request",
      401: "Unauthorized",
      402: "Payment Required",
      403: "Forbidden",
      404: "Not Found",
      405: "Method Not Allowed",
      406: "Not Acceptable",
      407: "Proxy Authentication Required",
      408: "Request Timeout",
      409: "Conflict",
      410: "Gone",
      411: "Length Required",
      412: "Precondition Failed",
      413: "Content Too Large",
      414: "URI Too Long",
      415: "Unsupported Media Type",
      416: "Range Not Satisfiable",
      417: "Expectation Failed",
      421: "Misdirected Request",
      422: "Unprocessable Content",
      423: "Locked",
      424: "Failed Dependency",
      425: "Too Early",
      426: "Upgrade Required",
      428: "Precondition Required",
      429: "Too Many Requests",
      431: "Request Header Fields Too Large",
      451: "Unavailable For Legal Reasons",
      500: "Internal Server Error",
      501: "Not Implemented",
      502: "Bad Gateway",
      503: "Service Unavailable",
      504: "Gateway Timeout",
      505: "HTTP Version Not Supported",
      506: "Variant Also Negotiates",
      507: "Insufficient Storage",
      508: "Loop Detected",
      511: "Network Authentication Required",
    };
    for (let status = 400; status < 600; status++) {
      // An unregistered status gets the title of its class.
      const title = (phrases as Record<number, string>)[status] ?? (status < 500 ? "Request Refused" : "Server Error");
      const code = title.toLowerCase().replaceAll(" ", "-");
      expect(await problem(status).json()).toEqual({ type: "about:blank", title, status, code });
      const thrown = await answerTo(throwing(new HTTPException(status as 400)));
      await expectProblem(thrown, status, { title, code });
    }
  });
});
