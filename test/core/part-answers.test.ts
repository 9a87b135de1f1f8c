/** The hooks `unrouted` and `answered` of parts, and `around` of their sockets. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { DurableBase, Persisted, Route, routes } from "durable-base";
import { attach, type ListedPart, type Part, type SocketEvents } from "durable-base/part";
import { describe, expect, it, vi } from "vitest";
import { breakWrite } from "../break-write.ts";
import { errorOf } from "../error-of.ts";

type Made = new (ctx: DurableObjectState, env: Cloudflare.Env) => DurableBase;

/** A part of hooks. */
function listed(name: string, part: Part): ListedPart {
  return { name, attach: (object) => void attach(object, name, () => part) };
}

/** Runs `work` with an object of a class. */
async function withOne<R>(Class: Made, work: (self: DurableBase, ctx: DurableObjectState) => R): Promise<Awaited<R>> {
  return await runInDurableObject(env.PROBE.getByName("answers"), async (_, ctx) => {
    const self = new Class(ctx, env);
    await scheduler.wait(0);
    return await work(self, ctx);
  });
}

async function ask(self: DurableBase, path: string, init?: RequestInit): Promise<string> {
  const response = await self.fetch(new Request(`http://o${path}`, init));
  return `${response.status} ${(await response.text()).slice(0, 20)}`;
}

const late = listed("late", {
  unrouted: ({ url }) => (/late\w*$/.test(url) ? new Response("late") : undefined),
});

describe("unrouted", () => {
  class Routed extends DurableBase {
    static override parts = [late, listed("later", { unrouted: async () => new Response("later") })];
    @Route.get("/own-late") own(): string {
      return "own";
    }
    @Route.post("/posted-late") posted(): string {
      return "posted";
    }
  }

  it("answers what no route takes, in the order of the parts", async () => {
    await withOne(Routed, async (self) => {
      expect(await ask(self, "/own-late")).toBe("200 own");
      expect(await ask(self, "/late")).toBe("200 late");
      expect(await ask(self, "/posted-late")).toBe("200 late");
      expect(await ask(self, "/posted-late", { method: "POST" })).toBe("200 posted");
      expect(await ask(self, "/else")).toBe("200 later");
    });
  });

  it("leaves the rest to 404 and 405, and answers in a class without routes", async () => {
    class Only extends DurableBase {
      static override parts = [late];
    }
    class Posted extends Only {
      @Route.post("/posted") posted(): string {
        return "posted";
      }
    }
    await withOne(Only, async (self) => {
      expect(await ask(self, "/late")).toBe("200 late");
      expect(await ask(self, "/else")).toMatch(/^404 {"type"/);
    });
    await withOne(Posted, async (self) => {
      expect(await ask(self, "/late")).toBe("200 late");
      expect(await ask(self, "/posted")).toMatch(/^405/);
      expect(await ask(self, "/else")).toMatch(/^404/);
    });
  });

  it("comes before a `notFound` of the app, after what was added to it, and inside middleware", async () => {
    class App extends DurableBase {
      static override parts = [late];
    }
    const app = routes(App);
    app.use(async (c, next) => {
      if (c.req.query("refuse") !== undefined) return c.text("refused", 403);
      return await next();
    });
    app.get("/added-late", (c) => c.text("added"));
    app.notFound((c) => c.text("nothing", 404));
    await withOne(App, async (self) => {
      expect(await ask(self, "/added-late")).toBe("200 added");
      expect(await ask(self, "/late")).toBe("200 late");
      expect(await ask(self, "/else")).toBe("404 nothing");
      expect(await ask(self, "/late?refuse")).toBe("403 refused");
    });
  });

  it("is an entry, whose error is the request's", async () => {
    using _log = vi.spyOn(console, "error").mockImplementation(() => {});
    class Changing extends DurableBase {
      static override parts: ListedPart[] = [
        {
          name: "changing",
          attach: (object) =>
            void attach(object, "changing", ({ ctx }) => ({
              unrouted: ({ url }) => {
                if (url.endsWith("/throws")) throw new RangeError("no");
                if (url.endsWith("/breaks")) breakWrite(ctx);
                (object as Changing).count++;
                return new Response("changed");
              },
            })),
        },
      ];
      @Persisted() accessor count = 0;
    }
    class ChangingRouted extends Changing {
      @Route.get("/count") get(): number {
        return this.count;
      }
    }
    await withOne(Changing, async (self) => {
      expect(await ask(self, "/")).toBe("200 changed");
      expect(await errorOf(() => ask(self, "/throws"))).toMatchObject({ message: "no" });
      expect(await errorOf(() => ask(self, "/breaks"))).toMatchObject({ code: "write-failed" });
    });
    await withOne(ChangingRouted, async (self) => {
      expect(await ask(self, "/throws")).toMatch(/^500/);
      expect(await ask(self, "/breaks")).toMatch(/^500/);
      expect(await ask(self, "/count")).toBe("200 1");
    });
  });
});

describe("answered", () => {
  const marked = listed("marked", {
    answered: (response) => {
      if (response.status === 202) throw new RangeError("not accepted");
      return new Response(response.body, { status: response.status + 1 });
    },
  });

  it("replaces each response that leaves, whoever made it", async () => {
    class Marked extends DurableBase {
      static override parts = [late, marked, listed("first", { fetch: ({ url }) => first(url) })];
      @Route.get("/route") route(): string {
        return "route";
      }
    }
    const first = (url: string): Response | undefined => (url.endsWith("/first") ? new Response("first") : undefined);
    await withOne(Marked, async (self) => {
      expect(await ask(self, "/route")).toBe("201 route");
      expect(await ask(self, "/late")).toBe("201 late");
      expect(await ask(self, "/first")).toBe("201 first");
      expect(await ask(self, "/none")).toMatch(/^405/);
    });
  });

  it("that throws is the request's error", async () => {
    using _log = vi.spyOn(console, "error").mockImplementation(() => {});
    class Throwing extends DurableBase {
      static override parts = [marked, listed("accepting", { fetch: () => new Response(null, { status: 202 }) })];
    }
    class ThrowingRouted extends Throwing {
      @Route.get("/") route(): string {
        return "route";
      }
    }
    await withOne(Throwing, async (self) => {
      expect(await errorOf(() => ask(self, "/"))).toMatchObject({ message: "not accepted" });
    });
    await withOne(ThrowingRouted, async (self) => expect(await ask(self, "/")).toMatch(/^500/));
  });

  it("sees what a `fetch` of the class's own makes of a response, once its changes are stored", async () => {
    class Own extends DurableBase {
      static override parts = [late, marked];
      @Persisted() accessor count = 0;
      override async fetch(request: Request): Promise<Response> {
        const response = await super.fetch(request);
        if (request.url.endsWith("/throws-late")) throw new RangeError("no");
        if (request.url.endsWith("/breaks-late")) breakWrite(this.ctx);
        this.count++;
        return new Response(response.body, { status: response.status + 100 });
      }
    }
    await withOne(Own, async (self) => {
      expect(await ask(self, "/late")).toBe("301 late");
      expect(await errorOf(() => ask(self, "/throws-late"))).toMatchObject({ message: "no" });
      expect(await errorOf(() => ask(self, "/breaks-late"))).toMatchObject({ code: "write-failed" });
    });
  });
});

describe("around", () => {
  it("decides when an event's entry runs, and sees why it failed", async () => {
    const seen: unknown[] = [];
    let isOpen = false;
    const socket: SocketEvents = {
      owns: () => true,
      message: (_, data) => {
        seen.push(data);
        if (data === "bad") throw new RangeError("bad");
      },
      close: (_, code) => void seen.push(code),
      around: async ({ kind, args }, run) => {
        seen.push([kind, ...args, isOpen]);
        if (kind === "error") return;
        try {
          await run();
        } catch (error) {
          seen.push(error);
        }
      },
    };
    class Around extends DurableBase {
      static override parts = [listed("around", { socket })];
      override onStart(): void {
        isOpen = true;
      }
    }
    await withOne(Around, async (self) => {
      const { 0: native } = new WebSocketPair();
      await self.webSocketMessage!(native, "good");
      await self.webSocketMessage!(native, "bad");
      await self.webSocketError!(native, "lost");
      await self.webSocketClose!(native, 4000, "bye", true);
    });
    expect(seen).toEqual([
      ["message", "good", false],
      "good",
      ["message", "bad", true],
      "bad",
      new RangeError("bad"),
      ["error", "lost", true],
      ["close", 4000, "bye", true, true],
      4000,
    ]);
  });
});
