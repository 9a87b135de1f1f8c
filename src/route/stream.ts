/**
 * @module
 * A result that comes bit by bit: an async iterable or an iterator as a stream of events or lines.
 */
import { enter } from "../core/entry/run.ts";
import { ownerOf, type Source } from "../core/entry/scope.ts";

const PULL: Source = { kind: "later", name: "pull", staysInside: true };
const CANCEL: Source = { kind: "later", name: "cancel", staysInside: true };

/** What gives the items; a generator's own object is one. */
type Items = Iterator<unknown> | AsyncIterator<unknown>;

/** The items of an async iterable or of an iterator, such as a generator's; undefined for any other value. */
export function itemsOf(value: unknown): Items | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { next, [Symbol.asyncIterator]: open } = value as Partial<AsyncIterableIterator<unknown>>;
  if (typeof open === "function") return open.call(value as AsyncIterableIterator<unknown>);
  return typeof next === "function" && Symbol.iterator in value ? (value as unknown as Items) : undefined;
}

/** Ends the items before their end, so that a generator's `finally` runs. */
export async function endItems(items: Items): Promise<void> {
  await items.return?.();
}

/**
 * Streams items, each written by `write`, at the pace of the reader.
 *
 * Each item is fetched and written in an entry of its own of `self`, so that what the generator changes is stored
 * before the item leaves. An item that fails is logged, ends the items and breaks the stream off; a reader that leaves
 * ends the items, once the one that is being fetched has come.
 */
export function streamItems(items: Items, self: object, write: (item: unknown) => string): ReadableStream<Uint8Array> {
  const owner = ownerOf(self)!;
  const encoder = new TextEncoder();
  let isOpen = true;
  const next = async (): Promise<string | undefined> => {
    // One that fails by itself has ended.
    isOpen = false;
    const { done, value } = await items.next();
    isOpen = done !== true;
    return isOpen ? write(value) : undefined;
  };
  const end = async (): Promise<void> => {
    try {
      await enter(owner, () => endItems(items), CANCEL);
    } catch (error) {
      console.error(error);
    }
  };
  let isLeft = false;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const text = (await enter(owner, next, PULL)) as string | undefined;
          if (isLeft) return;
          if (text === undefined) controller.close();
          else controller.enqueue(encoder.encode(text));
        } catch (error) {
          // Also where it was fetched well and what it changed could not be written.
          console.error(error);
          if (isOpen) await end();
          // The reader learns that there is more, and nothing else.
          if (!isLeft) controller.error(new Error("The stream broke off."));
        }
      },
      async cancel() {
        isLeft = true;
        await end();
      },
    },
    // Nothing is fetched ahead of the reader.
    { highWaterMark: 0 },
  );
}
