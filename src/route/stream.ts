/**
 * @module
 * A result that comes bit by bit: an async iterable or an iterator as a stream of events or lines.
 */
import { enter, ownerOf } from "../entry.ts";

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
 * before the item leaves. An item that fails is logged and breaks the stream off; a reader that leaves ends the items.
 */
export function streamItems(items: Items, self: object, write: (item: unknown) => string): ReadableStream<Uint8Array> {
  const owner = ownerOf(self)!;
  const encoder = new TextEncoder();
  const next = async (): Promise<string | undefined> => {
    const { done, value } = await items.next();
    if (done === true) return undefined;
    try {
      return write(value);
    } catch (error) {
      // What goes wrong after it must not hide this error.
      await endItems(items).catch(console.error);
      throw error;
    }
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const text = (await enter(owner, next, undefined, [], undefined, true)) as string | undefined;
          if (text === undefined) controller.close();
          else controller.enqueue(encoder.encode(text));
        } catch (error) {
          console.error(error);
          // The reader learns that there is more, and nothing else.
          controller.error(new Error("The stream broke off."));
        }
      },
      async cancel() {
        try {
          await enter(owner, () => endItems(items), undefined, [], undefined, true);
        } catch (error) {
          console.error(error);
        }
      },
    },
    // Nothing is fetched ahead of the reader.
    { highWaterMark: 0 },
  );
}
