/** Documents of Yjs over sockets, through evictions. */
import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { eventually } from "../eventually.ts";
import { messageOf, receive, type SharedDocument } from "./fixtures/yjs.ts";
import { Doc, writeSyncStep1, writeUpdate } from "./fixtures/yjs-protocol.mjs";

const REMOTE = {};

/** A client with a document of its own. */
async function join(stub: DurableObjectStub<SharedDocument>, doc = new Doc()): Promise<{ doc: Doc; leave(): void }> {
  const { webSocket: socket } = await stub.fetch("http://o/", { headers: { upgrade: "websocket" } });
  socket!.binaryType = "arraybuffer";
  socket!.addEventListener("message", ({ data }) => {
    const answer = receive(doc, data as ArrayBuffer, REMOTE);
    if (answer !== undefined) socket!.send(answer);
  });
  const tell = (update: Uint8Array<ArrayBuffer>, origin: unknown): void => {
    if (origin !== REMOTE) socket!.send(messageOf((encoder) => writeUpdate(encoder, update))!);
  };
  doc.on("update", tell);
  socket!.accept();
  socket!.send(messageOf((encoder) => writeSyncStep1(encoder, doc))!);
  const leave = (): void => {
    doc.off("update", tell);
    socket!.close(1000);
  };
  return { doc, leave };
}

const textOf = (doc: Doc): string => doc.getText("text").toString();

describe("a shared document", () => {
  const settle = async (stub: DurableObjectStub<SharedDocument>, ...docs: Doc[]): Promise<string> => {
    await eventually(async () => {
      const text = await stub.text();
      for (const doc of docs) expect(textOf(doc)).toBe(text);
    });
    return textOf(docs[0]!);
  };

  it("is the same for all clients, also those that come late or come back, through evictions", async () => {
    const stub = env.SHARED_DOCUMENT.getByName("shared");
    const [ann, bob] = [await join(stub), await join(stub)];
    ann.doc.getText("text").insert(0, "hello");
    await settle(stub, ann.doc, bob.doc);
    for (let round = 0; round < 3; round++) {
      await evictDurableObject(stub);
      ann.doc.getText("text").insert(0, `a${round}`);
      bob.doc.getText("text").insert(textOf(bob.doc).length, `b${round}`);
      await settle(stub, ann.doc, bob.doc);
    }
    const cid = await join(stub);
    expect(await settle(stub, cid.doc, ann.doc, bob.doc)).toBe("a2a1a0hellob0b1b2");
    bob.leave();
    bob.doc.getText("text").delete(0, 6);
    ann.doc.getText("text").insert(6, ", ");
    await settle(stub, ann.doc, cid.doc);
    await evictDurableObject(stub);
    const back = await join(stub, bob.doc);
    expect(await settle(stub, ann.doc, back.doc, cid.doc)).toBe(", hellob0b1b2");
  });

  it("takes a large document in one message, and keeps it", async () => {
    const stub = env.SHARED_DOCUMENT.getByName("large");
    const ann = await join(stub);
    const text = "0123456789".repeat(100_000);
    ann.doc.getText("text").insert(0, text);
    await settle(stub, ann.doc);
    await evictDurableObject(stub);
    const bob = await join(stub);
    expect((await settle(stub, bob.doc)).length).toBe(text.length);
  });
});
