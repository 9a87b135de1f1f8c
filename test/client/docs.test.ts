import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { serve } from "durable-base";
import { http } from "durable-base/client";
import { describe, expect, it, vi } from "vitest";
import page from "../../docs/guides/http-client.md?raw";
import reference from "../../docs/reference/client.md?raw";
import entry from "../../src/client/client.ts?raw";
import connection from "../../src/client/connection.ts?raw";
import lost from "../../src/client/call-lost.ts?raw";
import httpError from "../../src/client/http-error.ts?raw";
import httpOptions from "../../src/client/http-options.ts?raw";
import types from "../../src/client/types.ts?raw";
import react from "../../src/react/react.ts?raw";
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

describe("docs/reference/client.md", () => {
  const found = (text: string, pattern: RegExp): string[] => Array.from(text.matchAll(pattern), ([, name]) => name!);
  const exported = [
    ...found(entry, /^export (?:type )?\{ (.+) \}/gm).flatMap((names) => names.split(", ")),
    ...found(react, /^export (?:function|interface) (\w+)/gm),
  ];

  it.each([...new Set(exported)])("names the export %s", (name) => {
    expect(reference).toMatch(new RegExp(`\`(?:[^\`\n]* )?${name}\\b`));
  });

  /** The members of the interfaces and classes that users see, each in its own table or sentence. */
  const kinds: [text: string, kind: string][] = [
    [types, "Names"],
    [types, "CallOptions"],
    [types, "ConnectOptions"],
    [types, "Client"],
    [connection, "ConnectionOptions"],
    [connection, "SocketLike"],
    [lost, "CallLost"],
    [httpError, "HttpError"],
    [httpOptions, "HttpOptions"],
    [httpOptions, "HttpRetry"],
    [httpOptions, "HttpCallOptions"],
    [react, "UsedObject"],
  ];
  const members = kinds.flatMap(([text, kind]) => {
    const [body = ""] = new RegExp(`^export (?:interface|class) ${kind}\\b.*?^\\}`, "ms").exec(text) ?? [];
    const names = found(body, /^ {2}(?:readonly )?(?!constructor)(\w+)\??[(:<]/gm);
    return [...new Set(names)].map((name) => [kind, name] as const);
  });

  it.each(members)("names the member of %s: %s", (_, name) => {
    expect(reference).toMatch(new RegExp(`\`${name}\\b|\\b${name}\\b[^\n]*\``));
  });

  it("names all of them", () => {
    expect(new Set(members.map(([kind]) => kind)).size).toBe(kinds.length);
    expect([new Set(exported).size > 25, members.length > 30]).toEqual([true, true]);
  });
});
