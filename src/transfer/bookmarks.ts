/**
 * @module
 * Point-in-time recovery: names of moments, and going back to one.
 */
import { DurableError, quote } from "../core/errors.ts";
import { offer } from "../storage/remote-operations.ts";
import { ask } from "../storage/remote.ts";
import { isRemote, storageOf, type AnyStorage } from "../storage/handle.ts";

/** How far back the platform keeps what was stored, in milliseconds. */
const KEPT = 30 * 24 * 60 * 60 * 1_000;

/** How long an answer has to leave the object before it is reset, in milliseconds. */
const ANSWERING = 10;

/**
 * Gives a bookmark, a text that names what is stored now, or was at a time of the last 30 days.
 *
 * @throws DurableError `bad-option` for a time that is none, lies ahead or over 30 days back, `no-recovery` where the platform has
 * no point-in-time recovery, as locally, `no-sqlite-storage`.
 *
 * @example
 * ```ts
 * const before = await Transfer.bookmark(ctx);
 * const yesterday = await Transfer.bookmark(ctx, new Date(Date.now() - 86_400_000));
 * ```
 */
export async function bookmark(handle: AnyStorage, at?: Date | number): Promise<string> {
  if (isRemote(handle)) return await ask(handle, "Transfer.bookmark", at);
  const storage = storageOf(handle);
  if (at === undefined) return await recovered("Transfer.bookmark", () => storage.getCurrentBookmark());
  const time = Number(at);
  const now = Date.now();
  if (time > now || !(time >= now - KEPT) || !(at instanceof Date || typeof at === "number")) {
    throw new DurableError(
      "bad-option",
      `Transfer.bookmark: ${quote(at)} is no time of the last 30 days. Pass a Date or milliseconds: \`new Date(Date.now() - 3_600_000)\`.`,
    );
  }
  return await recovered("Transfer.bookmark", () => storage.getBookmarkForTime(time));
}

/**
 * Has the object go back to a bookmark when it starts next, and gives the bookmark of now, to undo that.
 *
 * Everything goes back: keys, tables, persisted fields and the alarm. With `ctx` the object is reset once what is in
 * flight was written: its caller gets the platform's error and whoever calls next finds the old state. So
 * the bookmark that is given reaches nobody but the code that runs on: store it elsewhere before, by {@link bookmark}.
 * With `ctx.storage` nothing is reset: call `ctx.abort()`, or wait for the object's next start. Over a stub the object is
 * reset after the bookmark has arrived.
 *
 * @throws DurableError `bad-option` for what is no bookmark, `no-recovery` where the platform has no point-in-time recovery or does not
 * know the bookmark, `no-sqlite-storage`.
 *
 * @example
 * ```ts
 * await Transfer.restore(this.ctx, await Transfer.bookmark(this.ctx, lastNight));
 * ```
 */
export async function restore(handle: AnyStorage, bookmark: string): Promise<string> {
  if (isRemote(handle)) return await ask(handle, "Transfer.restore", bookmark);
  const storage = storageOf(handle);
  if (typeof bookmark !== "string" || bookmark === "") {
    throw new DurableError(
      "bad-option",
      `Transfer.restore: ${quote(bookmark)} is no bookmark. Pass what \`Transfer.bookmark(ctx, time)\` gave.`,
    );
  }
  const undo = await recovered("Transfer.restore", () => storage.onNextSessionRestoreBookmark(bookmark));
  if ("abort" in handle) goBack(handle as DurableObjectState, bookmark);
  return undo;
}

offer("Transfer.bookmark", "read", bookmark);
offer("Transfer.restore", "write", async (ctx, bookmark: string) => {
  const undo = await restore(ctx.storage, bookmark);
  void scheduler.wait(ANSWERING).then(() => goBack(ctx, bookmark));
  return undo;
});

function goBack(ctx: DurableObjectState, bookmark: string): void {
  ctx.abort(`durable-base: the object goes back to the bookmark ${bookmark}.`);
}

async function recovered(where: string, ask: () => Promise<string>): Promise<string> {
  let bookmark: string;
  try {
    bookmark = await ask();
  } catch (cause) {
    throw noRecovery(
      `${where}: the platform refused: ${cause instanceof Error ? cause.message : String(cause)}`,
      cause,
    );
  }
  // What local workerd names the present by, and cannot go back to.
  if (/^[0-]*$/.test(bookmark)) throw noRecovery(`${where}: the platform gave an empty bookmark, ${quote(bookmark)}`);
  return bookmark;
}

function noRecovery(what: string, cause?: unknown): DurableError {
  return new DurableError(
    "no-recovery",
    `${what.replace(/\.?$/, ".")} Point-in-time recovery exists when deployed, not in local development: test with copies, by \`Transfer.export\`.`,
    cause === undefined ? {} : { cause },
  );
}
