import { env } from "cloudflare:workers";
import { Object } from "durable-base";
import { connect, evict, wakeUps } from "durable-base/testing";
import { expect, it } from "vitest";
import type { ChatEvent } from "./chat.ts";

it("keeps its clients and their names while it hibernates", async () => {
  const chat = Object.from(env.CHAT).byName("asleep");
  using ann = await connect<ChatEvent>(chat, "/socket?user=Ann");
  expect(await ann.nextJson()).toMatchObject({ type: "welcome", users: ["Ann"], lines: [] });

  await evict(chat);
  ann.send("ping");
  expect(await ann.next()).toBe("pong");
  expect(wakeUps(chat)).toBe(1);

  ann.send({ text: "hello" });
  expect(await ann.nextJson()).toMatchObject({ type: "line", line: { user: "Ann", text: "hello" } });
  expect(wakeUps(chat)).toBe(2);
});

it("refuses a client without a name", async () => {
  const chat = Object.from(env.CHAT).byName("nameless");
  await expect(() => connect(chat, "/socket")).rejects.toMatchObject({ code: "upgrade-refused", status: 400 });
});
