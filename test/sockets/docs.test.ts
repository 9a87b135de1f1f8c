import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import page from "../../docs/guides/sockets.md?raw";
import { connect, rest, take } from "./client.ts";
import code from "./fixtures/sockets-docs.ts?raw";

describe("docs/guides/sockets.md", () => {
  it("has the code that is tested here", () => {
    const body = code.slice(code.indexOf("\n") + 1);
    expect(page).toContain(`\`\`\`ts\n${body}\`\`\``);
  });

  it("has code that works", async () => {
    const stub = env.CHAT.getByName("docs");
    await expect(async () => await connect(stub)).rejects.toMatchObject({ status: 401, body: "Who are you?" });
    const ann = await connect(stub, "/?user=ann");
    expect(await take(ann, 1)).toEqual(["[]"]);
    ann.send("hello");
    expect(await take(ann, 1)).toEqual(["ann: hello"]);
    await evictDurableObject(stub);
    const bob = await connect(stub, "/?user=bob");
    expect(await take(bob, 1)).toEqual(['["ann: hello"]']);
    bob.close(1000);
    expect(await rest(bob)).toEqual([[1000, ""]]);
    expect(await take(ann, 1)).toEqual(["bob left"]);
    expect(await stub.announce("closing soon")).toBe(1);
    expect(await take(ann, 1)).toEqual(["closing soon"]);
    expect(await runInDurableObject(stub, ({ lines }) => lines.length)).toBe(1);
  });
});
