/** How the tests of `serve` send requests and look at what comes back. */
import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, vi } from "vitest";
import { app } from "./fixtures/serve.ts";

/** A Worker, or a Hono app. */
export type Handler = {
  fetch(request: Request, env: Cloudflare.Env, ctx: ExecutionContext): Response | Promise<Response>;
};

export async function call(path: string, init?: RequestInit, handler: Handler = app): Promise<Response> {
  return await handler.fetch(new Request(`http://worker${path}`, init), env, createExecutionContext());
}

/** Sends a request whose `url` is exactly that text, as workerd makes it of the request line and `Host`. */
export async function sent(url: string, handler: Handler = app): Promise<Response> {
  const request = Object.defineProperty(new Request("http://worker/"), "url", { value: url });
  return await handler.fetch(request, env, createExecutionContext());
}

export async function seenBy(path: string, init?: RequestInit, handler?: Handler): Promise<unknown> {
  return await (await call(path, init, handler)).json();
}

export async function expectProblem(response: Response, status: number, members: object = {}): Promise<void> {
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  expect(await response.json()).toMatchObject({ status, ...members });
  expect(response.status).toBe(status);
}

export function quiet(): { warn: ReturnType<typeof vi.spyOn>; error: ReturnType<typeof vi.spyOn> } {
  return {
    warn: vi.spyOn(console, "warn").mockReturnValue(),
    error: vi.spyOn(console, "error").mockReturnValue(),
  };
}
