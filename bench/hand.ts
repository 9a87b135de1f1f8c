import { DurableObject } from "cloudflare:workers";
import { isInput } from "./input.ts";

/** What a careful engineer writes by hand: state in memory, loaded at first use, one `put` a change. */
export class HandCounter extends DurableObject {
  #count: number | undefined;

  noop(): void {}

  increment(by: number): number {
    const count = this.#load() + by;
    this.#count = count;
    this.ctx.storage.kv.put("count", count);
    return count;
  }

  override async fetch(request: Request): Promise<Response> {
    switch (`${request.method} ${new URL(request.url).pathname}`) {
      case "GET /":
        return Response.json({ count: this.#load() });
      case "POST /double": {
        const input: unknown = await request.json().catch(() => undefined);
        if (input === undefined) return problem(400, "Bad Request");
        if (!isInput(input)) return problem(422, "by: a number");
        return Response.json({ doubled: input.by * 2 });
      }
      default:
        return problem(404, "Not Found");
    }
  }

  #load(): number {
    return (this.#count ??= this.ctx.storage.kv.get<number>("count") ?? 0);
  }
}

function problem(status: number, title: string): Response {
  return Response.json({ status, title }, { status, headers: { "content-type": "application/problem+json" } });
}
