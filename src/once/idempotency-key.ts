/**
 * @module
 * Requests that run once: a middleware for the header `Idempotency-Key`
 * ({@link https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/ | draft-ietf-httpapi-idempotency-key-header}).
 */
import type { Context, MiddlewareHandler } from "hono";
import { matchedRoutes } from "hono/route";
import { findTargetHandler, isMiddleware } from "hono/utils/handler";
import { atomically } from "../calls/atomic.ts";
import { afterTurn, type Method } from "../calls/replace-method.ts";
import { behindGate } from "../core/entry/gate.ts";
import { checkWritable, ownerOf } from "../core/entry/scope.ts";
import { DurableError, quote } from "../core/errors.ts";
import { readExactly } from "../route/body.ts";
import { callThrough, objectOf, type RouteCall } from "../route/context.ts";
import { isHandlerOfRoute } from "../route/handler.ts";
import { keepHeaders, refusal } from "../route/problem.ts";
import { endItems, itemsOf } from "../route/stream.ts";
import { storageOf } from "../storage/handle.ts";
import { followImports } from "../storage/import-notice.ts";
import { Answers, checkedTtl, DAY, MAX_KEY } from "./answers.ts";
import { hashOfBytes } from "./repeatable-data.ts";

/**
 * Options of `idempotencyKey`.
 *
 * @example
 * ```ts
 * const options: IdempotencyOptions = { ttl: 7 * 86_400_000, client: (c) => c.get("user") };
 * ```
 */
export interface IdempotencyOptions {
  /** For how long an answer is kept, in milliseconds: from 1 to 2,592,000,000 (30 days); by default 24 hours. */
  readonly ttl?: number;
  /**
   * The longest body of a request with a key, in bytes: 1 MiB (1,048,576) by default. It is held in memory. The route's own `maxBody`
   * holds, too.
   */
  readonly maxBody?: number;
  /**
   * Returns who sends the request, such as the id of the user. Each client has keys of its own, so nobody gets the answer to another
   * client's request. It is called after all middleware.
   */
  readonly client?: (c: Context) => string | Promise<string>;
}

const MAX_BODY = 1_048_576;

/** The most bytes of an answer's body. */
const MAX_ANSWER = 1_048_576;

/** Requests with these methods run as often as they are sent: they are safe to repeat. */
const SAFE: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** A string of structured fields (RFC 9651), without parameters. */
const STRING = /^"((?:[ !#-[\]-~]|\\["\\])*)"$/;

/** A key without the quotes, as many clients send it. */
const BARE = /^[!#-+\--:<-[\]-~]+$/;

/** The parts of a response that are kept. */
interface Kept {
  readonly status: number;
  readonly headers: [name: string, value: string][];
  /** Null where the response has none. */
  readonly body: Uint8Array<ArrayBuffer> | null;
}

/**
 * Lets requests with the header `Idempotency-Key` run exactly once: for `static use` of a class, or `use` of a route.
 *
 * The routed method runs as an `@Atomic` one, whose changes and answer are stored together. A repeat with the same key, method,
 * path, query and body gets that answer: status, headers that the method added, and body, of at most 1 MiB. A call that throws is undone
 * and not remembered. A repeat that comes while the first runs waits for its answer. GET, HEAD and OPTIONS, and requests without
 * the header, run as always. Middleware and schemas run for each request, before the key counts.
 *
 * A malformed key is answered with 400 `bad-key`, a key of another request with 422 `once-conflict`. An answer that is streamed
 * (`not-repeatable`) or too large (`too-large`) is a 500, and what the method changed is undone.
 *
 * @throws DurableError `bad-option` for a wrong option.
 *
 * @example
 * ```ts
 * export class Till extends DurableBase {
 *   static use = [idempotencyKey()];
 * }
 * ```
 */
export function idempotencyKey(options: IdempotencyOptions = {}): MiddlewareHandler {
  const { maxBody = MAX_BODY, client } = options;
  const ttl = checkedTtl("idempotencyKey", options.ttl ?? DAY, `idempotencyKey({ ttl: ${DAY} })`);
  if (!(maxBody >= 0)) throw badOption(`\`maxBody\` is ${quote(maxBody)}`, "maxBody: 1_048_576");
  if (client !== undefined && typeof client !== "function") {
    throw badOption(`\`client\` is ${quote(client)}`, 'client: (c) => c.get("user")');
  }
  return async (c, next) => {
    // Outside an object there is nothing that could keep an answer.
    const self = objectOf(c);
    const header = c.req.raw.headers.get("idempotency-key");
    if (header !== null && !SAFE.has(c.req.method)) {
      const key = keyOf(header);
      checkHandler(c, self.constructor.name);
      const hash = await hashOfRequest(c, maxBody);
      callThrough(c, async (call) => {
        const sender = client === undefined ? "" : checkedClient(await client(c));
        // A method's name in the ids of `once` has no slash.
        return await callOnce(c, call, { id: `/${sender}/${key}`, hash, ttl });
      });
    }
    await next();
  };
}

function badOption(problem: string, fix: string): DurableError {
  return new DurableError("bad-option", `idempotencyKey: ${problem}. Write \`idempotencyKey({ ${fix} })\`.`);
}

/** The key in a header's value. */
function keyOf(header: string): string {
  const key = STRING.exec(header)?.[1]?.replaceAll(/\\(.)/g, "$1") ?? (BARE.test(header) ? header : "");
  if (key !== "" && key.length <= MAX_KEY) return key;
  throw refusal(400, {
    code: "bad-key",
    detail: `Idempotency-Key must be one quoted string of 1 to ${MAX_KEY} ASCII characters, such as "8e03978e-40d5-43e8-bc93-6894a57f9324".`,
  });
}

/** @throws DurableError `bad-option` if another handler than a route's answers the request: it would run as often as it is sent. */
function checkHandler(c: Context, className: string): void {
  const handler = matchedRoutes(c)
    .map((route) => findTargetHandler(route.handler) as object)
    .find((one) => !isMiddleware(one as never));
  if (handler === undefined || isHandlerOfRoute(handler)) return;
  throw new DurableError(
    "bad-option",
    `${className}: ${c.req.method} ${quote(c.req.path)} is answered by a handler that was added with \`routes()\`, and idempotencyKey() works for methods with \`@Route\` only. Write \`@Route.post(…)\` on a method.`,
  );
}

/** The hash of method, path, query and body. */
async function hashOfRequest(c: Context, maxBody: number): Promise<string> {
  const { pathname, search } = new URL(c.req.url);
  const body = c.req.raw.body === null ? "" : await readExactly(c, maxBody);
  const whole = new Blob([`${c.req.method} ${pathname}${search}\n`, body]);
  return await hashOfBytes(new Uint8Array(await whole.arrayBuffer()));
}

function checkedClient(sender: unknown): string {
  // Everybody without a name would share keys.
  if (typeof sender === "string" && sender !== "") return encodeURIComponent(sender);
  throw badOption(
    `\`client\` returned ${quote(sender)} in place of a non-empty string`,
    'client: (c) => c.get("user") ?? c.req.header("cf-connecting-ip")',
  );
}

/** A request with a key. */
interface Keyed {
  readonly id: string;
  readonly hash: string;
  /** For how long its answer is kept, in milliseconds. */
  readonly ttl: number;
}

/** Calls a route's method once per key, and returns its response. A repeat gets the stored response. */
async function callOnce(c: Context, { self, member, input, respond }: RouteCall, keyed: Keyed): Promise<Response> {
  const className = self.constructor.name;
  const label = `${className}.${member}`;
  const answers = answersOf(storageOf((self as unknown as { ctx: DurableObjectState }).ctx, className), className);
  const { id, hash, ttl } = keyed;
  const earlier = (): (() => unknown) | undefined => answers.find(id, hash, conflict);
  // Middleware has set these, and sets its own for a repeat.
  const common = new Set([...c.body(null).headers].map(String));

  const whole =
    (inner: Method): Method =>
    (...args) =>
      atomically(self, member, async () => {
        // A request that came at the same time may have been answered meanwhile.
        const known = earlier();
        if (known !== undefined) return known();
        const result = await inner.apply(self, args);
        await refuseStream(result, label);
        const value = await kept(await respond(result), common, label);
        // A call that took over 25 s has been undone, and has no answer any more.
        checkWritable(ownerOf(self)!, label);
        return answers.keep(id, { hash, value, ttl }, label);
      });

  const method = self[member]! as Method;
  const found = earlier();
  const answer =
    found === undefined
      ? // A method that waits for its turn does so before the transaction, which would keep the holder waiting too.
        await afterTurn((behindGate(method)?.method as Method | undefined) ?? method, whole).call(self, input, c)
      : found();
  const { status, headers, body } = answer as Kept;
  return keepHeaders(new Response(body, { status, headers }), c);
}

const stores = new WeakMap<DurableObjectStorage, Answers>();

function answersOf(storage: DurableObjectStorage, className: string): Answers {
  const known = stores.get(storage);
  if (known !== undefined) return known;
  const answers = new Answers(storage, className);
  followImports(storage, () => answers.forget());
  stores.set(storage, answers);
  return answers;
}

function conflict(): Error {
  return refusal(422, {
    code: "once-conflict",
    detail: "The Idempotency-Key was used for another request. Send each request under a key of its own.",
  });
}

/** Refuses a result that comes bit by bit, and ends it. */
async function refuseStream(result: unknown, label: string): Promise<void> {
  if (result instanceof Response) {
    const isLive = result.webSocket !== null || /^text\/event-stream\b/i.test(result.headers.get("content-type") ?? "");
    if (!isLive) return;
    await result.body?.cancel();
  } else if (result instanceof ReadableStream) {
    await result.cancel();
  } else {
    const items = itemsOf(result);
    if (items === undefined) return;
    await endItems(items);
  }
  throw new DurableError(
    "not-repeatable",
    `${label}: a streamed answer can't be kept for repeats of a request with an Idempotency-Key; all that the call changed was undone. Return plain data, or leave idempotencyKey() out of this route.`,
  );
}

/** Reads the whole body of a response, and returns what is kept. */
async function kept(response: Response, common: ReadonlySet<string>, label: string): Promise<Kept> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array<ArrayBuffer>>) {
    size += chunk.byteLength;
    // Leaving the loop cancels the stream.
    if (size > MAX_ANSWER) throw tooLarge(label);
    chunks.push(chunk);
  }
  const body = response.body === null ? null : new Uint8Array(await new Blob(chunks).arrayBuffer());
  return { status: response.status, headers: [...response.headers].filter((pair) => !common.has(String(pair))), body };
}

function tooLarge(label: string): DurableError {
  return new DurableError(
    "too-large",
    `${label}: its answer is over the ${MAX_ANSWER} bytes that can be kept for repeats of a request with an Idempotency-Key; all that the call changed was undone. Return less, and read the rest by another request.`,
  );
}
