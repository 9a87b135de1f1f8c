/** What the functions of `durable-base/transfer` accept, refuse and return at compile time. */
import type { DurableBase, Handle } from "durable-base";
import * as Transfer from "durable-base/transfer";
import { export as exportObject, import as importObject } from "durable-base/transfer";

declare const ctx: DurableObjectState;
declare const handle: Handle<DurableBase>;
declare const stub: DurableObjectStub;

export const inside: ReadableStream<Uint8Array> = Transfer.export(ctx, { unchanged: true });
export const fromStorage: ReadableStream<Uint8Array> = exportObject(ctx.storage);
export const outside: Promise<ReadableStream<Uint8Array>>[] = [Transfer.export(handle), exportObject(stub)];
// @ts-expect-error over a stub it is a promise
export const tooEarly: ReadableStream<Uint8Array> = Transfer.export(handle);
// @ts-expect-error there is no such option
void Transfer.export(ctx, { form: "cursor" });

const onProgress = ({ cursor, keys, rows, bytes }: Transfer.TransferProgress): string =>
  `${cursor} ${keys + rows + bytes}`;
export const done: Promise<Transfer.TransferProgress>[] = [
  Transfer.import(ctx, inside, { replace: true, onProgress }),
  importObject(handle, inside),
];
// @ts-expect-error text isn't a stream
void Transfer.import(ctx, "[]");

export const progress: string | undefined = Transfer.importing(ctx)?.cursor;
export const remoteProgress: Promise<{ keys: number } | undefined> = Transfer.importing(handle);

export const bookmarks: Promise<string>[] = [
  Transfer.bookmark(ctx),
  Transfer.bookmark(handle, new Date()),
  Transfer.restore(ctx.storage, "bookmark"),
];
// @ts-expect-error a bookmark is a text
void Transfer.restore(ctx, new Date());
