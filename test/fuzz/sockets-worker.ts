import { DurableObject } from "cloudflare:workers";
import { DurableBase } from "durable-base";
import { sockets } from "durable-base/sockets";

/** Echoes. Each instance has a boot of its own. */
export class Echo extends DurableBase {
  readonly #boot = crypto.randomUUID();
  readonly #sockets = sockets(this, {
    message: (socket, data) => {
      this.ctx.storage.kv.put("handled", 1);
      socket.send(typeof data === "string" ? data : data.byteLength);
    },
    error: () => {},
  });

  state(): { boot: string; open: number; listed: number } {
    return { boot: this.#boot, open: this.#sockets.size, listed: this.ctx.getWebSockets().length };
  }
}

/** The same by hand, to see what the platform does. */
export class Plain extends DurableObject {
  override fetch(): Response {
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }

  override webSocketMessage(socket: WebSocket, data: string): void {
    this.ctx.storage.kv.put("handled", 1);
    socket.send(data);
  }

  override webSocketClose(socket: WebSocket): void {
    socket.close();
  }

  state(): { listed: number } {
    return { listed: this.ctx.getWebSockets().length };
  }
}

interface Env {
  ECHO: DurableObjectNamespace<Echo>;
  PLAIN: DurableObjectNamespace<Plain>;
}

/** `/echo` and `/plain` connect, and return the state of the object without an upgrade. */
export default {
  async fetch(request: Request, { ECHO, PLAIN }: Env): Promise<Response> {
    const stub = request.url.endsWith("/plain") ? PLAIN.getByName("one") : ECHO.getByName("one");
    if (request.headers.get("upgrade") === null) return Response.json(await stub.state());
    return await stub.fetch(request);
  },
};
