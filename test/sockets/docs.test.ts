import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import page from "../../docs/guides/sockets.md?raw";
import reference from "../../docs/reference/sockets.md?raw";
import options from "../../src/sockets/options.ts?raw";
import types from "../../src/sockets/socket.ts?raw";
import entry from "../../src/sockets/sockets.ts?raw";
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

describe("docs/reference/sockets.md", () => {
  const found = (text: string, pattern: RegExp): string[] => Array.from(text.matchAll(pattern), ([, name]) => name!);
  const exported = found(entry, /^export (?:type )?(?:function )?\{? ?([\w, ]+)/gm).flatMap((names) =>
    names.split(", "),
  );

  it.each(exported)("names the export %s", (name) => {
    expect(reference).toMatch(new RegExp(`\\b${name.trim()}\\b`));
  });

  const members = found(types + options, /^ {2}(?:readonly |get )?(\w+)\??[(:<]/gm);
  it.each([...new Set(members)])("names the member %s", (name) => {
    expect(reference).toMatch(new RegExp(`\`${name}\\b|\\b${name}\\b[^\n]*\``));
  });

  it("names more than 20 of them", () => {
    expect([exported.length > 5, new Set(members).size > 20]).toEqual([true, true]);
  });
});
