/**
 * @module
 * Sending a call's request, again if its answer is lost, and reading the answer.
 */
import { DurableError, quote } from "../core/errors.ts";
import { badAnswer, errorOf, HttpError } from "./http-error.ts";
import type { HttpHeaders, HttpOptions, HttpRetry } from "./http-options.ts";
import type { Outgoing } from "./http-route.ts";

/** The longest first wait between two tries, in milliseconds; it doubles with each. */
const FIRST_WAIT = 100;

/** The longest wait that no answer asks for, in milliseconds. */
const LONGEST_WAIT = 2_000;

/** Statuses of answers after which the call may be sent again: a gateway's, and that of an object that is moving or overloaded. */
const LOST: ReadonlySet<number> = new Set([502, 503, 504]);

/** A key that a header can hold: printable ASCII. */
const KEY = /^[ -~]{1,1024}$/;

/** A call on its way. */
export interface Sending extends Omit<Outgoing, "target"> {
  /** Begins messages. */
  readonly label: string;
  readonly url: string;
  readonly method: string;
  readonly key: string | undefined;
  readonly signal: AbortSignal | undefined;
  /** The client's headers, and the call's own. */
  readonly headers: readonly [HttpOptions["headers"], HttpHeaders | undefined];
  readonly fetch: HttpOptions["fetch"];
  /** Undefined for a call that is sent once. */
  readonly retry: HttpRetry | undefined;
}

/** Sends a call's request until it is answered, or once without `retry`. */
export async function send(call: Sending): Promise<unknown> {
  const { key, label, signal } = call;
  if (key !== undefined && !(typeof key === "string" && KEY.test(key))) {
    throw new DurableError(
      "bad-key",
      `${label}: the key ${quote(key)} isn't a string of 1 to 1,024 printable ASCII characters. Write \`{ key: crypto.randomUUID() }\`.`,
    );
  }
  const { maxRetries = 4, timeoutMs = 10_000 } = call.retry ?? { maxRetries: 0 };
  const end = Date.now() + timeoutMs;
  for (let retry = 0; ; retry++) {
    try {
      return await sendOnce(call);
    } catch (error) {
      // Full jitter: clients that failed together don't come back together.
      const jitter = Math.random() * Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** retry);
      const wait = Math.max(jitter, 1_000 * ((error as Partial<HttpError>).retryAfter ?? 0));
      if (retry >= maxRetries || !isLost(error) || Date.now() + wait > end) throw error;
      await pause(wait, signal);
    }
  }
}

function isLost(error: unknown): boolean {
  return error instanceof HttpError ? LOST.has(error.status) : DurableError.is(error, "call-lost");
}

async function pause(time: number, signal: AbortSignal | undefined): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  signal?.throwIfAborted();
  const timer = setTimeout(resolve, time);
  const wake = (): void => resolve();
  signal?.addEventListener("abort", wake);
  await promise;
  clearTimeout(timer);
  signal?.removeEventListener("abort", wake);
  signal?.throwIfAborted();
}

/** Waits for a value, but not longer than the signal allows. */
async function unlessAborted<T>(value: T | Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await value;
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason);
  signal.addEventListener("abort", abort);
  try {
    return await Promise.race([value, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

async function sendOnce({ headers: [common, own], ...call }: Sending): Promise<unknown> {
  const { label, url, method, body = null, type, key, signal, fetch = globalThis.fetch } = call;
  signal?.throwIfAborted();
  const shared = typeof common === "function" ? await unlessAborted(common(), signal) : common;
  const headers = new Headers(shared as HeadersInit | undefined);
  for (const [name, value] of new Headers(own as HeadersInit | undefined)) headers.set(name, value);
  if (type !== undefined) headers.set("content-type", type);
  // A string of structured fields, as the draft of the header wants it.
  if (key !== undefined) headers.set("idempotency-key", `"${key.replaceAll(/["\\]/g, "\\$&")}"`);
  try {
    return await resultOf(
      await fetch(url, { method, headers, body, redirect: "manual", ...(signal && { signal }) }),
      label,
    );
  } catch (cause) {
    if (cause instanceof HttpError) throw cause;
    signal?.throwIfAborted();
    const again = key === undefined ? "It may have run." : "It may have run: call again with the same key.";
    throw new DurableError("call-lost", `${label}: no answer came (${quote(cause)}). ${again}`, { cause });
  }
}

/**
 * Reads the method's result, as the route has written it.
 *
 * @throws HttpError for any other answer.
 */
async function resultOf(response: Response, label: string): Promise<unknown> {
  const { ok, status, headers, body } = response;
  if (!ok) throw errorOf(response, await response.text(), label);
  const [type = ""] = (headers.get("content-type") ?? "").toLowerCase().split(";", 1);
  if (/^application\/(?:[\w.+-]+\+)?json\s*$/.test(type)) {
    const text = await response.text();
    try {
      return JSON.parse(text) as unknown;
    } catch {
      throw badAnswer(status, "JSON that can't be read", label);
    }
  }
  if (/^text\/plain\s*$/.test(type)) return await response.text();
  if (type === "" && (await isEmpty(response))) return undefined;
  await body?.cancel();
  throw badAnswer(status, type === "" ? "a stream" : type, label);
}

/** Returns true for a response without a body, or with an empty one. */
async function isEmpty({ body }: Response): Promise<boolean> {
  if (body === null) return true;
  const reader = body.getReader();
  const { done } = await reader.read();
  reader.releaseLock();
  return done;
}
