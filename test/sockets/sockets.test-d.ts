/** The types of `sockets`; checked by `tsc` alone. */
import { DurableBase } from "durable-base";
import { sockets, type ConnectingSocket, type Socket, type SocketEnd, type Sockets } from "durable-base/sockets";
import { expectTypeOf } from "vitest";

interface State {
  user: string;
}

export class Typed extends DurableBase {
  readonly #sockets = sockets<State>(this, {
    connect: async (socket, request) => {
      expectTypeOf(socket).toEqualTypeOf<ConnectingSocket<State>>();
      expectTypeOf(request).toEqualTypeOf<Request>();
      socket.tags = ["a"];
      if (request.url === "") return new Response();
      await Promise.resolve();
      return undefined;
    },
    message: (socket, data) => {
      expectTypeOf(socket.state).toEqualTypeOf<Readonly<State>>();
      // @ts-expect-error the value is frozen
      socket.state.user = "bob";
      expectTypeOf(data).toEqualTypeOf<string | ArrayBuffer>();
      // @ts-expect-error tags are set in `connect`
      socket.tags = ["a"];
      // @ts-expect-error the object makes ids
      socket.id = "mine";
      // @ts-expect-error the state has a type
      socket.state = { user: 1 };
      this.#sockets.broadcast(data, { except: socket });
      this.#sockets.broadcast(data, { except: this.#sockets.all() });
    },
    close: async (socket, end) => {
      expectTypeOf(end).toEqualTypeOf<SocketEnd>();
      await Promise.resolve(socket);
    },
    error: (_, error) => {
      expectTypeOf(error).toBeUnknown();
    },
  });

  check(): void {
    expectTypeOf(this.#sockets).toEqualTypeOf<Sockets<State>>();
    expectTypeOf(this.#sockets.get("id")).toEqualTypeOf<Socket<State> | undefined>();
    // @ts-expect-error a handler returns nothing else
    sockets(this, { connect: () => true });
    // @ts-expect-error no such option
    sockets(this, { messages: () => {} });
    expectTypeOf(sockets(this)).toEqualTypeOf<Sockets>();
  }
}
