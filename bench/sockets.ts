/** The same chat three times: by hand, on the library, and on partyserver, each with sockets that hibernate. */
import { DurableObject } from "cloudflare:workers";
import { DurableBase } from "durable-base";
import { sockets } from "durable-base/sockets";
import { Server, type Connection, type ConnectionContext, type WSMessage } from "partyserver";

/** The message for which an object sends {@link NEWS} to all. */
const ASK = "all";
const NEWS = "n".repeat(64);

interface State {
  readonly user: string;
}

function userOf(request: Request): string {
  return new URL(request.url).searchParams.get("user") ?? "guest";
}

/** A careful class without a library. */
export class HandChat extends DurableObject {
  constructor(ctx: DurableObjectState, env: object) {
    super(ctx, env);
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
  }

  override fetch(request: Request): Response {
    if (request.headers.get("upgrade") !== "websocket") return new Response(null, { status: 426 });
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server, [crypto.randomUUID()]);
    const state: State = { user: userOf(request) };
    server.serializeAttachment(state);
    return new Response(null, { status: 101, webSocket: client });
  }

  override webSocketMessage(socket: WebSocket, data: string | ArrayBuffer): void {
    if (data !== ASK) {
      socket.send(data);
      return;
    }
    for (const each of this.ctx.getWebSockets()) {
      try {
        each.send(NEWS);
      } catch {
        // Closing.
      }
    }
  }

  override webSocketClose(socket: WebSocket, code: number, reason: string): void {
    if (code === 1005) socket.close();
    else socket.close(code, reason);
  }
}

/** On the library. */
export class OurChat extends DurableBase {
  readonly #sockets = sockets<State>(this, {
    connect: (socket, request) => {
      socket.state = { user: userOf(request) };
    },
    message: (socket, data) => {
      if (data === ASK) this.#sockets.broadcast(NEWS);
      else socket.send(data);
    },
  });
}

/** On partyserver. */
export class PartyChat extends Server {
  static override options = { hibernate: true };

  override onConnect(connection: Connection<State>, { request }: ConnectionContext): void {
    connection.setState({ user: userOf(request) });
  }

  override onMessage(connection: Connection<State>, message: WSMessage): void {
    if (message === ASK) this.broadcast(NEWS);
    else connection.send(message);
  }
}
