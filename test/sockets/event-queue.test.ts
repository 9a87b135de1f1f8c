/** How the events of one socket wait, without a socket. */
import { describe, expect, it } from "vitest";
import { EventQueue } from "../../src/sockets/event-queue.ts";

describe("EventQueue", () => {
  it("runs an event at once, and those after it in order", async () => {
    const queue = new EventQueue();
    const seen: string[] = [];
    const slow = (name: string) => async (): Promise<void> => {
      seen.push(`${name} begins`);
      await scheduler.wait(1);
      seen.push(`${name} ends`);
    };
    void queue.addMessage(slow("a"), "");
    void queue.addMessage(slow("b"), "");
    expect(seen).toEqual(["a begins"]);
    await queue.add(slow("c"));
    expect(seen).toEqual(["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
    expect(queue.addMessage(() => seen.push("d"), "")).toBeUndefined();
    expect(seen.at(-1)).toBe("d");
  });

  it("ends the messages that it drops, though the handler before them never ends, and runs what isn't a message", async () => {
    const queue = new EventQueue();
    const { promise, resolve } = Promise.withResolvers<void>();
    const seen: string[] = [];
    void queue.add(() => promise);
    const dropped = [1, 2].map(() => queue.addMessage(() => seen.push("message"), "data"));
    const close = queue.add(() => seen.push("close"));
    queue.dropMessages();
    await Promise.all(dropped);
    expect(seen).toEqual([]);
    resolve();
    await close;
    expect(seen).toEqual(["close"]);
  });

  it("refuses a message when 4,000, or 32 MiB, wait, and takes any first one", async () => {
    const most = 32 * 1024 * 1024;
    const queue = new EventQueue();
    const { promise, resolve } = Promise.withResolvers<void>();
    const seen: string[] = [];
    const add = (size: number): boolean => {
      return queue.addMessage(() => void seen.push(`${size}`), new ArrayBuffer(size)) !== false;
    };
    void queue.addMessage(() => promise, new ArrayBuffer(most));
    expect([add(most + 1), add(1)]).toEqual([true, false]);
    queue.dropMessages();
    expect([add(most - 1), add(1), add(1)]).toEqual([true, true, false]);
    queue.dropMessages();
    for (let nth = 0; nth < 4_000; nth++) expect(add(0)).toBe(true);
    expect(add(0)).toBe(false);
    resolve();
    await queue.add(() => {});
    expect(seen).toHaveLength(4_000);
    expect(add(most + 1)).toBe(true);
  });
});
