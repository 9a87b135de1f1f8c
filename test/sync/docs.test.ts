import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { serve } from "durable-base";
import { type Client, connect } from "durable-base/client";
import { afterEach, describe, expect, it, vi } from "vitest";
import page from "../../docs/guides/sync.md?raw";
import reference from "../../docs/reference/sync.md?raw";
import { eventually } from "../eventually.ts";
import options from "../../src/sync/options.ts?raw";
import decorators from "../../src/sync/decorators.ts?raw";
import entry from "../../src/sync/sync.ts?raw";
import auctionCode from "./fixtures/sync-docs-auction.ts?raw";
import type { Auction } from "./fixtures/sync-docs-auction.ts";
import auctionPageCode from "./fixtures/sync-docs-auction-page.ts?raw";
import { bid, bidAtOnce, bidOnce, lastTen } from "./fixtures/sync-docs-auction-page.ts";
import code from "./fixtures/sync-docs.ts?raw";
import pageCode from "./fixtures/sync-docs-page.ts?raw";
import { greet, openRoom } from "./fixtures/sync-docs-page.ts";
import testCode from "./fixtures/sync-docs-test.ts?raw";
import "./fixtures/sync-docs-test.ts";
import workerCode from "./fixtures/sync-docs-worker.ts?raw";
import worker from "./fixtures/sync-docs-worker.ts";
import { socketsTo } from "./stub-socket.ts";

/** The lines of code without their indentation, as the guide shows parts of classes. */
function linesOf(text: string): string {
  return text
    .replaceAll("./sync-docs.ts", "./room.ts")
    .replaceAll("../../sockets/client.ts", "durable-base/testing")
    .split("\n")
    .map((line) => line.trim())
    .join("\n");
}

const clients: { close(): void }[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
  vi.unstubAllGlobals();
});

/** The requests of clients reach the Worker of the guide. */
function stubWorker(app: typeof worker = worker): ReturnType<typeof socketsTo> {
  const server = socketsTo({
    fetch: async (url: string, init: RequestInit) => await app.request(url, init, env, createExecutionContext()),
  });
  // The objects of this workerd have the same global.
  const { READY_STATE_OPEN } = WebSocket;
  vi.stubGlobal("WebSocket", Object.assign(server.WebSocket, { READY_STATE_OPEN }));
  return server;
}

describe("docs/guides/sync.md", () => {
  const all = [code, workerCode, pageCode, testCode, auctionCode, auctionPageCode].map(linesOf);
  const blocks = Array.from(page.matchAll(/^```ts\n(.*?)^```/gms), ([, block]) => block!);

  it.each(blocks)("has code that is tested here: %s", (block) => {
    expect(all.some((text) => text.includes(linesOf(block)))).toBe(true);
  });

  it("has the whole class, Worker and page", () => {
    for (const text of [code, workerCode, pageCode]) {
      const body = text.slice(text.indexOf("\n") + 1).replaceAll("./sync-docs.ts", "./room.ts");
      expect(page).toContain(`\`\`\`ts\n${body}\`\`\``);
    }
    expect(blocks.length).toBeGreaterThan(8);
  });

  it("has code that works", async () => {
    const server = stubWorker();
    const shown: string[][] = [];
    const room = openRoom("docs", "let me in", (lines) => shown.push(lines));
    clients.push(room);
    expect(await greet(room)).toBe("You were number 1.");
    await room.call.rename("Weather");
    expect(shown.at(-1)).toEqual(["Weather (open)", expect.stringMatching(/^\d{4} Hello!$/)]);
    expect(shown[0]).toEqual(["News (open)"]);
    expect(server.sockets[0]!.got[0]).toBe("state");

    vi.spyOn(Math, "random").mockReturnValue(0);
    const { length } = server.sockets;
    const refused = openRoom("docs", "wrong", () => {});
    clients.push(refused);
    // It keeps trying.
    await eventually(() => expect(server.sockets.length).toBeGreaterThan(length + 3));
    expect([refused.status, refused.state]).toEqual(["connecting", undefined]);
    vi.restoreAllMocks();
  });

  describe("auction", () => {
    const app = serve(
      { "/auctions/:name": () => env.AUCTION },
      {
        authorize: (request) => {
          const [user, role] = (new URL(request.url).searchParams.get("user") ?? "").split("-");
          return user === "" || { data: { user: user!, isSeller: role === "seller" } };
        },
      },
    );

    async function join(name: string, user: string): Promise<Client<Auction>> {
      stubWorker(app as never);
      const auction = connect<Auction>(`ws://host/auctions/${name}`, { query: { user } });
      clients.push(auction);
      await eventually(() => expect(auction.status).not.toBe("connecting"));
      return auction;
    }

    it("closes a client without data permanently, with a reason", async () => {
      const auction = await join("anonymous", "");
      expect([auction.status, auction.closed, auction.state]).toEqual([
        "closed",
        { code: 4001, reason: "sign in first" },
        undefined,
      ]);
    });

    it("shows a field to those who may see it, as long as they may", async () => {
      const [seller, bob] = [await join("visible", "ann-seller"), await join("visible", "bob")];
      expect([seller.state, bob.state]).toEqual([{ bids: [], reserve: 100 }, { bids: [] }]);
      await env.AUCTION.getByName("visible").handOver("bob");
      await eventually(() => expect([seller.state, bob.state]).toEqual([{ bids: [] }, { bids: [], reserve: 100 }]));
    });

    it("takes bids, refuses others, and streams them", async () => {
      const auction = await join("bids", "ann");
      expect([await bid(auction, 90), await bid(auction, 80)]).toEqual(["You are number 1.", "Bid more than 90."]);
      expect(await bid(auction, -1)).toBe("Too small: expected number to be >0");
      expect(await bidOnce(auction, 91)).toBe(2);
      const shown: unknown[] = [];
      auction.subscribe(() => shown.push(auction.state!.bids));
      expect(await bidAtOnce(auction, 92)).toBe(3);
      // At once, and again when the object's own change takes its place.
      expect(shown[0]).toEqual([90, 91, 92]);
      expect(await lastTen(auction)).toEqual([92, 91, 90]);
      const lost = bid(auction, 93);
      auction.close();
      expect(await lost).toBe("Your bid may have arrived.");
      expect(await bid(auction, 94)).toBe("Your bid was not sent.");
    });
  });
});

describe("docs/reference/sync.md", () => {
  const found = (text: string, pattern: RegExp): string[] => Array.from(text.matchAll(pattern), ([, name]) => name!);
  const exported = found(entry, /^export (?:type )?\{ (.+) \}/gm).flatMap((names) =>
    names.replaceAll("type ", "").split(", "),
  );

  it.each(exported)("names the export %s", (name) => {
    expect(reference).toMatch(new RegExp(`\`@?${name}\\b`));
  });

  const members = [...found(options, /^ {2}readonly (\w+)\?:/gm), ...found(decorators, /readonly (\w+)\??: /g)];
  it.each([...new Set(members)])("names the option %s", (name) => {
    expect(reference).toMatch(new RegExp(`\`${name}\\b|\\b${name}\\b[^\n]*\``));
  });

  it("names all of them", () => {
    expect(exported.toSorted()).toEqual([
      "Callable",
      "CallableDecorator",
      "Synced",
      "SyncedDecorator",
      "SyncedOptions",
      "caller",
    ]);
    expect(new Set(members)).toEqual(new Set(["visibleTo", "input"]));
  });
});
