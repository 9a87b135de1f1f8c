/**
 * @module
 * One call: a promise of its result, and an iterator of its items.
 */
import { AHEAD } from "../sync/frames.ts";
import type { State } from "./state.ts";

/** After as many items the server may send as many more. */
const CREDIT = AHEAD / 2;

/** The result of a call, as long as nothing has told whether its method returns a value or a stream of items. */
export type Answer = Promise<unknown> & AsyncIterable<unknown>;

/** Changes a draft of the state. */
export type Optimistic = (draft: State) => void;

/** Requests of a call to its client. */
interface CallEvents {
  /** Lets the server send so many more items. */
  more(count: number): void;
  /** Leaves the stream before its end. */
  stop(): void;
  /** Called once, however the call ends. */
  ended(): void;
}

interface Reader {
  resolve(result: IteratorResult<unknown, undefined>): void;
  reject(error: unknown): void;
}

/** A call, from its start to its end. */
export class Call {
  readonly answer: Answer;
  readonly name: string;
  /** The frame that makes the call. */
  text = "";
  /** True if the server may have got the frame. */
  isSent = false;
  /** True if the frame may be sent again after a connection was lost. */
  canRepeat = false;
  /** Changes the state until the call ends, or its own changes come. */
  optimistic: Optimistic | undefined;
  readonly #events: CallEvents;
  #resolve!: (value: unknown) => void;
  #reject!: (error: unknown) => void;
  #items: unknown[] = [];
  readonly #readers: Reader[] = [];
  /** How the readers end that find no item. */
  #end: ((reader: Reader) => void) | undefined;
  #taken = 0;

  constructor(name: string, events: CallEvents) {
    this.name = name;
    this.#events = events;
    const promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const iterator: AsyncIterator<unknown, undefined> = {
      next: () => this.#next(),
      return: () => {
        this.#items = [];
        if (this.#end === undefined) events.stop();
        return this.#next();
      },
    };
    this.answer = Object.assign(promise, {
      [Symbol.asyncIterator]: () => {
        // An error reaches whoever iterates.
        promise.catch(() => {});
        return iterator;
      },
    });
  }

  item(value: unknown): void {
    // A repeated stream would begin anew.
    this.canRepeat = false;
    this.#items.push(value);
    this.#serve();
  }

  resolve(value?: unknown): void {
    this.#finish(endOf, () => this.#resolve(value));
  }

  reject(error: unknown): void {
    const fail = (reader: Reader): void => {
      this.#end = endOf;
      reader.reject(error);
    };
    this.#finish(fail, () => this.#reject(error));
  }

  #finish(end: (reader: Reader) => void, settle: () => void): void {
    this.#end = end;
    this.#events.ended();
    settle();
    this.#serve();
  }

  #next(): Promise<IteratorResult<unknown, undefined>> {
    return new Promise((resolve, reject) => {
      this.#readers.push({ resolve, reject });
      this.#serve();
    });
  }

  /** Hands items, and then the end, to those who wait for them. */
  #serve(): void {
    while (this.#readers.length > 0 && (this.#items.length > 0 || this.#end !== undefined)) {
      const reader = this.#readers.shift()!;
      if (this.#items.length === 0) this.#end!(reader);
      else {
        reader.resolve({ done: false, value: this.#items.shift() });
        if (++this.#taken % CREDIT === 0 && this.#end === undefined) this.#events.more(CREDIT);
      }
    }
  }
}

function endOf(reader: Reader): void {
  reader.resolve({ done: true, value: undefined });
}
