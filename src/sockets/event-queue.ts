/**
 * @module
 * The order of one socket's events.
 */
import { isThenable } from "../core/values/async.ts";
import { sizeOfMessage } from "./message.ts";

/** The most messages that wait for a handler. Beside its data each takes about 4 KB, and an object has 128 MB. */
const MAX_WAITING = 4_000;

/** The most that their data may take, in bytes or characters: as much as the platform's largest message. */
const MAX_SIZE = 32 * 1024 * 1024;

/** Events of one socket, which run one at a time. */
export class EventQueue {
  /** The last event that waits or runs. */
  #tail: Promise<unknown> | undefined;
  /** The handlers of messages that wait, by the function that ends the platform's event. */
  readonly #waiting = new Map<(result?: unknown) => void, () => unknown>();
  #size = 0;

  /** Runs an event, which doesn't throw, after the events before it; at once if nothing runs. */
  add(event: () => unknown): unknown {
    const running = this.#tail === undefined ? event() : this.#tail.then(event);
    if (!isThenable(running)) return undefined;
    const tail = Promise.resolve(running).then(() => {
      if (this.#tail === tail) this.#tail = undefined;
    });
    return (this.#tail = tail);
  }

  /** As {@link add}, for a message, which can be dropped while it waits. Returns false if too much waits; nothing is added then. */
  addMessage(handle: () => unknown, data: string | ArrayBuffer): unknown {
    if (this.#tail === undefined) return this.add(handle);
    const size = sizeOfMessage(data);
    const waiting = this.#waiting;
    // The first that waits may have any size.
    if (waiting.size >= MAX_WAITING || (waiting.size > 0 && this.#size + size > MAX_SIZE)) return false;
    const { promise, resolve: end } = Promise.withResolvers<unknown>();
    waiting.set(end, handle);
    this.#size += size;
    // Doesn't refer to `handle`, which would keep the data of a message that is dropped.
    void this.add(() => {
      const run = waiting.get(end);
      if (run === undefined) return undefined;
      waiting.delete(end);
      this.#size -= size;
      const running = run();
      end(running);
      return running;
    });
    return promise;
  }

  /** Drops the messages that wait, even for a handler that never ends. */
  dropMessages(): void {
    for (const end of this.#waiting.keys()) end();
    this.#waiting.clear();
    this.#size = 0;
  }
}
