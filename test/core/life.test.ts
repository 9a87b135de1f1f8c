import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { serve } from "durable-base";
import { describe, expect, it, vi } from "vitest";
import { on } from "./fixtures/life-data.ts";
import { lifeCases } from "./life.cases.ts";
import { eventually } from "../eventually.ts";

lifeCases("standard", () => env.STANDARD_LIFE as never);
lifeCases("legacy", () => env.LEGACY_LIFE as never);

describe("serve, to an object that destroys itself", () => {
  const app = serve({ "/life/:name": () => env.STANDARD_LIFE }, { authorize: () => true });
  const request = (name: string): Promise<Response> =>
    Promise.resolve(app.fetch(new Request(`http://w/life/${name}/act`), env, createExecutionContext()));

  it("asks to send a request again that comes meanwhile", async () => {
    using _ = vi.spyOn(console, "error").mockImplementation(() => {});
    let isDeleting = false;
    let isSent = false;
    on("route", "served", (self) => {
      const { storage } = self;
      const { sync } = storage;
      storage.sync = async () => {
        isDeleting = true;
        while (!isSent) await scheduler.wait(1);
        await sync.call(storage);
      };
      self.destroy();
      return "answer";
    });
    const answer = request("served").then((response) => response.text());
    await eventually(() => expect(isDeleting).toBe(true));
    on("route", "served", () => "next");
    const refusing = request("served");
    // Time to reach the object, which waits for it.
    await scheduler.wait(200);
    isSent = true;
    const refused = await refusing;
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "5"]);
    expect(await answer).toBe("answer");
    expect(await (await request("served")).text()).toBe("next");
  });
});
