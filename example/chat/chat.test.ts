import { runInDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { Object } from "durable-base";
import { connect, evict, rows, wakeUps, type SocketClient } from "durable-base/testing";
import { describe, expect, it } from "vitest";
import { call } from "../call.ts";
import type { ChatEvent } from "./chat.ts";

const join = async (chat: string, user: string): Promise<SocketClient<ChatEvent>> =>
  await connect<ChatEvent>(exports.default, `/chats/${chat}/socket?${String(new URLSearchParams({ user }))}`);

const lineOf = (user: string, text: string): unknown => ({
  type: "line",
  line: { id: expect.any(Number), user, text, at: expect.any(String) },
});

describe("Chat", () => {
  it("tells everyone what is said and who is there", async () => {
    using ann = await join("talk", "Ann");
    expect(await ann.nextJson()).toEqual({ type: "welcome", user: "Ann", users: ["Ann"], lines: [] });
    const bob = await join("talk", "Bob");
    expect(await bob.nextJson()).toEqual({ type: "welcome", user: "Bob", users: ["Ann", "Bob"], lines: [] });
    expect(await ann.nextJson()).toEqual({ type: "users", users: ["Ann", "Bob"] });

    ann.send({ text: "  Hello <b>Bob</b>\n" });
    for (const client of [ann, bob]) expect(await client.nextJson()).toEqual(lineOf("Ann", "Hello <b>Bob</b>"));
    bob.close();
    expect(await ann.nextJson()).toEqual({ type: "users", users: ["Ann"] });
    expect(await (await call("GET", "/chats/talk/users")).json()).toEqual(["Ann"]);
  });

  it("keeps names, history and connections through an eviction", async () => {
    using ann = await join("evicted", "Ann");
    ann.send({ text: "before" });
    expect([(await ann.nextJson()).type, (await ann.nextJson()).type]).toEqual(["welcome", "line"]);
    await evict(env.CHAT.getByName("evicted"));
    ann.send({ text: "after" });
    expect(await ann.nextJson()).toMatchObject({ line: { id: 2, user: "Ann", text: "after" } });
    using bob = await join("evicted", "Bob");
    expect(await bob.nextJson()).toMatchObject({
      users: ["Ann", "Bob"],
      lines: [
        { id: 1, user: "Ann", text: "before" },
        { id: 2, user: "Ann", text: "after" },
      ],
    });
  });

  it("shows the last 100 lines, and writes one row for most", async () => {
    const chat = Object.from(env.CHAT).byName("long");
    let written = 0;
    for (let nth = 1; nth <= 400; nth++) {
      const said = await rows(chat, () => chat.say({ user: "Ann", text: `line ${nth} ${"x".repeat(nth % 90)}` }));
      written += said.written;
    }
    expect(written).toBeLessThan(1.2 * 400);
    await evict(chat);
    const shown = await chat.history();
    expect(shown.map(({ id }) => id)).toEqual(Array.from({ length: 100 }, (_, nth) => nth + 301));
    expect(shown.at(-1)).toEqual({ id: 400, user: "Ann", text: `line 400 ${"x".repeat(40)}`, at: expect.any(Date) });
    using bob = await join("long", "Bob");
    expect(await bob.nextJson()).toMatchObject({ lines: shown.map(({ id, user, text }) => ({ id, user, text })) });
    const stored = await runInDurableObject(env.CHAT.getByName("long"), ({ lines }) => lines.length);
    expect(stored).toBeLessThanOrEqual(150);
  });

  it.each(["", " ann", "x".repeat(25), "<b>ann</b>", "a\nb", "\ud800"])("refuses the name %j", async (user) => {
    await expect(() => join("names", user)).rejects.toMatchObject({ code: "upgrade-refused", status: 400 });
    expect((await call("POST", "/chats/names/lines", { user, text: "hello" })).status).toBe(422);
    expect(await (await call("GET", "/chats/names/lines")).json()).toEqual([]);
  });

  it.each(["hello", "{", "null", '{"text":7}', '{"text":"  "}', JSON.stringify({ text: "x".repeat(1_001) })])(
    "closes the connection of a client that sends %j",
    async (message) => {
      using ann = await join("nonsense", "Ann");
      ann.send(message);
      expect(await ann.closed).toMatchObject({ code: 4400 });
      expect(await (await call("GET", "/chats/nonsense/lines")).json()).toEqual([]);
    },
  );

  it("takes names and text of any language, and lines from elsewhere", async () => {
    using ann = await join("languages", "Žofie 李");
    expect(await ann.nextJson()).toMatchObject({ users: ["Žofie 李"] });
    expect((await call("POST", "/chats/languages/lines", { user: "O'Neil", text: "🎉 שלום" })).status).toBe(201);
    expect(await ann.nextJson()).toEqual(lineOf("O'Neil", "🎉 שלום"));
  });
});

describe("the page of a chat", () => {
  it("is HTML, and doesn't wake the chat", async () => {
    const response = await call("GET", "/chats/quiet");
    expect(response.headers.get("content-type")).toMatch(/^text\/html/);
    expect(await response.text()).toContain("<title>Chat</title>");
    expect(wakeUps(env.CHAT.getByName("quiet"))).toBe(0);
  });

  it("never takes text for HTML", async () => {
    const html = await (await call("GET", "/chats/quiet")).text();
    expect(html).not.toMatch(/innerHTML|outerHTML|insertAdjacentHTML|document\.write|setHTML/);
  });
});
