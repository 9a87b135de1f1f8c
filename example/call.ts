import { exports } from "cloudflare:workers";

/** Calls the Worker over HTTP, with JSON. */
export async function call(method: string, path: string, body?: unknown): Promise<Response> {
  const json = { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
  return await exports.default.fetch(`http://example${path}`, { method, ...(body === undefined ? {} : json) });
}
