/** What happens to a call between a handle and its object. */
export type Loss =
  | "request lost"
  | "answer lost"
  | "overloaded"
  | "retryable and overloaded"
  | "retryable reset"
  | "reset";

const FLAGS: Readonly<Record<Loss, object>> = {
  "request lost": { retryable: true },
  "answer lost": { retryable: true },
  overloaded: { overloaded: true },
  "retryable and overloaded": { retryable: true, overloaded: true },
  "retryable reset": { retryable: true, durableObjectReset: true },
  reset: { durableObjectReset: true },
};

/** Notes what is sent, and loses the first `times` calls, as the network between machines does. */
export class Lossy {
  sent = 0;
  readonly #loss: Loss | undefined;
  readonly #times: number;

  constructor(loss: Loss | undefined, times: number) {
    this.#loss = loss;
    this.#times = times;
  }

  /** A stub that passes calls on to `native`. */
  stub(native: object): DurableObjectStub {
    return new Proxy(native, {
      get: (_, key) => (key === "id" || key === "name" ? Reflect.get(native, key) : this.#method(native, key)),
    }) as DurableObjectStub;
  }

  #method(native: object, key: PropertyKey): unknown {
    return (...args: unknown[]): unknown => {
      const call = (): unknown => (native as Record<PropertyKey, (...args: unknown[]) => unknown>)[key]!(...args);
      this.sent++;
      return this.#loss === undefined || this.sent > this.#times ? call() : foreign(lose(this.#loss, call));
    };
  }
}

async function lose(loss: Loss, call: () => unknown): Promise<never> {
  if (loss === "answer lost") await call();
  throw Object.assign(new Error(loss), FLAGS[loss]);
}

/**
 * Like a native call's promise: none of JavaScript's own, whose `then` an `await` would not ask for, and one on which
 * calls can be made at once.
 */
function foreign(promise: Promise<never>): unknown {
  const call = (): unknown => foreign(promise);
  // oxlint-disable-next-line unicorn/no-thenable -- it is one
  return Object.assign(call, { then: promise.then.bind(promise), light: call });
}
