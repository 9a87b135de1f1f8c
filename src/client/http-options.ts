/**
 * @module
 * The options of the HTTP client and of its calls.
 */

/**
 * Headers, in any form that `fetch` takes.
 *
 * @example
 * ```ts
 * const headers: HttpHeaders = { authorization: `Bearer ${token}` };
 * ```
 */
export type HttpHeaders = Headers | Readonly<Record<string, string>> | readonly (readonly [string, string])[];

/**
 * Options of `http`. `Name` is the name of a method.
 *
 * @example
 * ```ts
 * const options: HttpOptions = { headers: async () => ({ authorization: `Bearer ${await token()}` }), retry: {} };
 * ```
 */
export interface HttpOptions<Name extends string = string> {
  /** Headers of each request, or a function that returns them. The function is called for each request, retries included. */
  readonly headers?: HttpHeaders | (() => HttpHeaders | Promise<HttpHeaders>);
  /** Sends the requests, in place of the global `fetch`. */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
  /** Retries calls that are safe to repeat when their answer is lost: GET, with a key, and `idempotent` ones. Off by default. */
  readonly retry?: HttpRetry;
  /** The methods that are safe to run more than once, as those with `@Idempotent()` are. */
  readonly idempotent?: readonly Name[];
}

/**
 * How often, and for how long, a call is retried.
 *
 * @example
 * ```ts
 * const retry: HttpRetry = { maxRetries: 2, timeoutMs: 30_000 };
 * ```
 */
export interface HttpRetry {
  /** The most retries of a call, 4 by default. */
  readonly maxRetries?: number;
  /** The time in which a call is retried, in milliseconds since it was first sent; 10,000 by default. */
  readonly timeoutMs?: number;
}

/**
 * Options of one call.
 *
 * @example
 * ```ts
 * await room.say({ text: "hello" }, { key: crypto.randomUUID(), signal: AbortSignal.timeout(5_000) });
 * ```
 */
export interface HttpCallOptions {
  /**
   * Makes the call run exactly once, however often it is sent, if the route has `idempotencyKey()` of `durable-base/once`: sent as
   * `Idempotency-Key`. 1 to 1,024 printable ASCII characters.
   */
  readonly key?: string;
  /** Ends the call, which rejects with the signal's reason. It may have run. */
  readonly signal?: AbortSignal;
  /** Headers of this call. They replace the client's of the same name. */
  readonly headers?: HttpHeaders;
}
