import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { serve } from "durable-base";
import { http } from "durable-base/client";
import { describe, expect, it, vi } from "vitest";
import page from "../../docs/guides/http-client.md?raw";
import clientCode from "./fixtures/http-docs-client.ts?raw";
import { order } from "./fixtures/http-docs-client.ts";
import code from "./fixtures/http-docs.ts?raw";
import type { Cart } from "./fixtures/http-docs.ts";

describe("docs/guides/http-client.md", () => {
  it("has the code that is tested here", () => {
    for (const text of [code, clientCode.replace("./http-docs.ts", "./worker.ts")]) {
      expect(page).toContain(`\`\`\`ts\n${text.slice(text.indexOf("\n") + 1)}\`\`\``);
    }
  });

  it("has code that works", async () => {
    const app = serve({ "/carts/:name": () => env.CART }, { authorize: () => true });
    const fetch = vi
      .spyOn(globalThis, "fetch")
      .mockImplementation(async (url, init) => await app.request(url as string, init, env, createExecutionContext()));
    const answers = [await order("milk"), await order("")];
    fetch.mockRestore();
    expect(answers).toEqual([
      expect.stringMatching(/^milk since \d{4}-\d\d-\d\dT.*Z$/),
      "Too small: expected string to have >=1 characters",
    ]);
  });

  it("says truly that an interface can stand in for the class", async () => {
    interface Methods {
      read(input: { id: string }): { title: string; at: Date } | undefined;
    }
    const stub = env.CART.getByName("interface");
    const cart = http<Methods>("http://o", { read: "GET /items/:id" }, { fetch: (url, init) => stub.fetch(url, init) });
    expect(await cart.read({ id: "0" })).toBeUndefined();
    // The class fits the interface.
    const fits: (cart: Cart) => Methods = (cart) => cart;
    expect(fits).toBeTypeOf("function");
  });
});
