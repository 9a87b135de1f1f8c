import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import documented from "../../docs/serve.md?raw";
import code from "./fixtures/serve-docs.ts?raw";
import basic, { linking, marked, named, outer, own, placed, shop } from "./fixtures/serve-docs.ts";
import { call, expectProblem, quiet, seenBy } from "./serving.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

describe("docs/serve.md", () => {
  it("shows the code that runs here", () => {
    const blocks = [...documented.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, block]) => block);
    expect(blocks).toHaveLength(8);
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

  it("passes data with requests", async () => {
    const headers = { authorization: "alice" };
    expect(await seenBy("/rooms/blue/details", { headers }, marked)).toMatchObject({
      cf: { durableBase: { user: "alice" } },
    });
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

  it("has routes and middleware of its own, which come first", async () => {
    const headers = { authorization: "alice", origin: "https://a.example" };
    const texts = ["/tills/alice/receipt", "/", "/nowhere"].map(
      async (path) => await (await call(path, {}, shop)).text(),
    );
    expect(await Promise.all(texts)).toEqual(["The receipt of alice", "hello", "There is no such page."]);
    const response = await call("/tills/alice/x", { headers }, shop);
    expect(response.headers.get("access-control-allow-origin")).toBe("*");
    expect(await response.json()).toMatchObject({ name: "alice", path: "/x" });
    expect((await call("/tills/bob/x", { headers }, shop)).status).toBe(403);
    expect((await call("/tills/bob/x", { method: "OPTIONS", headers }, shop)).status).toBe(204);
  });

  it("passes an object the whole URL", async () => {
    const { url, headers } = (await seenBy("/tills/a/details", { headers: { "x-url": "forged" } }, linking)) as {
      url: string;
      headers: string[][];
    };
    expect([url, headers]).toEqual(["http://worker/details", [["x-url", "http://worker/tills/a/details"]]]);
  });

  it("answers errors of a Worker without `serve`", async () => {
    const { error } = quiet();
    await expectProblem(await call("/nowhere", {}, own), 404, { code: "not-found" });
    expect((await call("/pay", { method: "POST" }, own)).status).toBe(200);
    const broken = await own.request("/pay", { method: "POST" }, {});
    expect(await broken.clone().json()).toEqual({
      type: "about:blank",
      title: "Internal Server Error",
      status: 500,
      code: "missing-binding",
    });
    expect(error).toHaveBeenCalledTimes(1);
  });

  it("runs in another app", async () => {
    expect(await (await call("/", {}, outer)).text()).toBe("hello");
    const headers = { authorization: "alice" };
    expect(await seenBy("/api/rooms/alice/x", { headers }, outer)).toMatchObject({ name: "alice", path: "/x" });
    expect((await call("/api/rooms/bob", { headers }, outer)).status).toBe(403);
    expect((await call("/api/rooms/alice", { method: "OPTIONS" }, outer)).status).toBe(204);
  });
});
