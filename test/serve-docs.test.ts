import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import documented from "../docs/serve.md?raw";
import code from "./fixtures/serve-docs.ts?raw";
import basic, { marked, named, outer, placed } from "./fixtures/serve-docs.ts";
import { call, quiet, seenBy } from "./serving.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

describe("docs/serve.md", () => {
  it("shows the code that runs here", () => {
    const blocks = [...documented.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, block]) => block);
    expect(blocks).toHaveLength(5);
    for (const block of blocks) expect(code).toContain(block);
  });

  it("passes on what may pass", async () => {
    const headers = { authorization: "alice" };
    expect(await seenBy("/counters/alice/increment?by=2", { headers }, basic)).toMatchObject({
      name: "alice",
      path: "/increment?by=2",
    });
    expect((await call("/rooms/bob", { headers }, basic)).status).toBe(403);
  });

  it("names objects", async () => {
    quiet();
    for (const [path, name, rest] of [
      ["/rooms/x", "blue", "/x"],
      ["/a%2Fb/boards/c/x", '["a/b","c"]', "/x"],
      ["/a/boards/b%2Fc/x", '["a","b/c"]', "/x"],
      ["/a/b", "worker", "/a/b"],
    ]) {
      expect(await seenBy(path!, { headers: { "x-room": "blue" } }, named)).toMatchObject({ name, path: rest });
    }
    expect((await call("/rooms/x", {}, named)).status).toBe(400);
  });

  it("marks requests", async () => {
    const headers = { authorization: "alice", "x-user": "root" };
    const { headers: seen } = (await seenBy("/rooms/blue/details", { headers }, marked)) as { headers: string[][] };
    expect(seen).toContainEqual(["x-user", "alice"]);
    expect((await call("/rooms/red", { headers }, marked)).status).toBe(403);
    expect((await call("/rooms/blue", {}, marked)).status).toBe(401);
  });

  it("places objects, and locally chooses no jurisdiction", async () => {
    quiet();
    const send = async (more: object): Promise<number> =>
      (await placed.fetch(new Request("http://worker/rooms/blue"), { ...env, ...more }, createExecutionContext()))
        .status;
    expect([await send({ IS_LOCAL: "yes" }), await send({})]).toEqual([207, 500]);
  });

  it("runs in another app", async () => {
    expect(await (await call("/", {}, outer)).text()).toBe("hello");
    const headers = { authorization: "alice" };
    expect(await seenBy("/api/rooms/alice/x", { headers }, outer)).toMatchObject({ name: "alice", path: "/x" });
    expect((await call("/api/rooms/bob", { headers }, outer)).status).toBe(403);
    expect((await call("/api/rooms/alice", { method: "OPTIONS" }, outer)).status).toBe(204);
  });
});
