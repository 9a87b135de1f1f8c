/** A shared counter twice: by hand and on the library, with the same frames. */
import { DurableObject } from "cloudflare:workers";
import { DurableBase, Persisted } from "durable-base";
import { Callable, Synced } from "durable-base/sync";

/** A careful class without a library. */
export class HandShared extends DurableObject {
  #count: number | undefined;
  #number = 0;

  override fetch(request: Request): Response {
    if (request.headers.get("upgrade") !== "websocket") return new Response(null, { status: 426 });
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server, [crypto.randomUUID()]);
    const headers = { "sec-websocket-protocol": request.headers.get("sec-websocket-protocol")! };
    return new Response(null, { status: 101, webSocket: client, headers });
  }

  override webSocketMessage(socket: WebSocket, data: string | ArrayBuffer): void {
    const [kind, id, method, input] = JSON.parse(data as string) as [string, number, string, unknown];
    if (kind !== "call") {
      socket.close(1008, "bad frame");
    } else if (method === "echo") {
      socket.send(JSON.stringify(["ok", id, input]));
    } else {
      const count = (this.#count ?? this.ctx.storage.kv.get<number>("count") ?? 0) + (input as number);
      this.#count = count;
      this.ctx.storage.kv.put("count", count);
      const patch = JSON.stringify([++this.#number, [["count"], count]]);
      for (const each of this.ctx.getWebSockets()) {
        try {
          each.send(patch);
        } catch {
          // Closing.
        }
      }
      socket.send(JSON.stringify(["ok", id, count]));
    }
  }

  override webSocketClose(socket: WebSocket, code: number, reason: string): void {
    if (code === 1005) socket.close();
    else socket.close(code, reason);
  }
}

/** On the library. */
export class OurShared extends DurableBase {
  @Synced() @Persisted() accessor count = 0;

  @Callable() echo(text: unknown): unknown {
    return text;
  }

  @Callable() add(by: unknown): number {
    return (this.count += Number(by));
  }
}
