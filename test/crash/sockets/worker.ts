import { Atomic, DurableBase, Persisted } from "durable-base";
import { sockets, type Socket } from "durable-base/sockets";
import unsafe from "workerd:unsafe";
import { breakWrite } from "../../break-write.ts";
import type { Asked, ChatState, KindName, Stored } from "./kinds.ts";

interface State {
  /** The connection's name, which the client has chosen. */
  readonly as: string;
  readonly counted: number;
}

const PADDING = "x".repeat(200_000);

/** Stores a token for all that it does, and sends it in the same turn, so that whatever is sent can be looked up. */
export class Chat extends DurableBase {
  @Persisted() accessor journal: Stored[] = [];
  @Persisted() accessor refused: string[] = [];

  readonly #sockets = sockets<State>(this, {
    connect: async (socket, request) => {
      const { searchParams } = new URL(request.url);
      const how = searchParams.get("how")!;
      socket.state = { as: searchParams.get("as")!, counted: 0 };
      socket.tags = ["all"];
      socket.send({ token: "hello" });
      if (how.startsWith("later")) await scheduler.wait(15);
      if (how.endsWith("in")) return undefined;
      this.refused.push(socket.id);
      await scheduler.wait(0);
      if (how.endsWith("throws")) throw new Error("refused");
      if (how.endsWith("unwritable")) {
        breakWrite(this.ctx);
        this.refused.push("never");
        return undefined;
      }
      return new Response("refused", { status: 403 });
    },
    message: (socket, data) => {
      const { n, kind } = JSON.parse(data as string) as Asked;
      const tell = (token: string, padding?: string): void => {
        this.#store(socket, `${n}${token}`);
        socket.send({ token: `${n}${token}`, padding });
      };
      return this.#kinds[kind](tell, socket, n);
    },
    close: (socket) => this.#store(socket, "end"),
    error: () => {},
  });

  readonly #kinds: Record<
    KindName,
    (tell: (token: string, padding?: string) => void, socket: Socket<State>, n: number) => void | Promise<void>
  > = {
    note: (tell) => tell("a"),
    later: async (tell) => {
      await scheduler.wait(7);
      tell("a");
    },
    steps: async (tell) => {
      tell("a");
      await scheduler.wait(3);
      tell("b");
      await Promise.resolve();
      tell("c");
    },
    big: (tell) => tell("a", PADDING),
    counted: (tell, socket) => {
      socket.state = { ...socket.state, counted: socket.state.counted + 1 };
      tell("a");
    },
    broadcast: (tell, socket, n) => {
      tell("a");
      const message = { isForAll: true, token: `${socket.state.as} ${n}a` };
      this.#sockets.broadcast(message, { tag: "all", except: socket });
    },
    atomic: (tell) => this.atomic(() => tell("a")),
    atomicLater: (tell) =>
      this.atomicLater(async () => {
        tell("a");
        await scheduler.wait(2);
        tell("b");
      }),
    undone: (tell) => {
      swallow(() =>
        this.atomic(() => {
          tell("undone");
          throw new Error("undo");
        }),
      );
      tell("a");
    },
    undoneLater: async (tell) => {
      await this.atomicLater(async () => {
        tell("undone");
        await scheduler.wait(2);
        tell("undone");
        throw new Error("undo");
      }).catch(() => {});
      tell("a");
    },
    nested: (tell) => {
      this.ctx.storage.transactionSync(() => {
        tell("a");
        swallow(() =>
          this.ctx.storage.transactionSync(() => {
            tell("undone");
            throw new Error("undo");
          }),
        );
        tell("b");
      });
    },
    native: async (tell) => {
      await this.ctx.storage
        .transaction(async () => {
          tell("undone");
          await Promise.resolve();
          throw new Error("undo");
        })
        .catch(() => {});
      tell("a");
    },
    throws: (tell) => {
      tell("a");
      throw new Error("no");
    },
    throwsLater: async (tell) => {
      tell("a");
      await scheduler.wait(2);
      tell("b");
      throw new Error("no");
    },
    unwritable: (tell) => {
      breakWrite(this.ctx);
      tell("unwritten");
    },
    close: (tell, socket) => {
      tell("a");
      socket.close(4000, "enough");
    },
    abort: (tell) => {
      tell("aborted");
      this.ctx.abort("told to");
    },
  };

  @Atomic() atomic(work: () => void): void {
    work();
  }

  @Atomic() async atomicLater(work: () => Promise<void>): Promise<void> {
    await work();
  }

  /** Tells everybody, and takes it back if `isUndone`. */
  @Atomic() announce(token: string, isUndone: boolean): void {
    this.journal.push(["announcer", "", token]);
    this.#sockets.broadcast({ isForAll: true, token: `announcer ${token}` });
    if (isUndone) throw new Error("undo");
  }

  reset(): void {
    this.ctx.abort("told to");
  }

  state(): ChatState {
    const open = this.#sockets.all().map(({ id, state }) => [state.as, id, state.counted] as const);
    return { journal: this.journal, refused: this.refused, open, size: this.#sockets.size, build: this.build };
  }

  get build(): string {
    return "first";
  }

  #store(socket: Socket<State>, token: string): void {
    this.journal.push([socket.state.as, socket.id, token]);
  }

  // Only for the object's own sockets, which it never accepts.
  override webSocketMessage(): void {
    this.journal.push(["own", "", "message"]);
  }

  override webSocketClose(): void {
    this.journal.push(["own", "", "close"]);
  }
}

function swallow(work: () => void): void {
  try {
    work();
  } catch {}
}

interface Env {
  CHAT: DurableObjectNamespace<Chat>;
}

/** `/name/what` connects, or does something to the object. */
export default {
  async fetch(request: Request, { CHAT }: Env): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const [, name, what] = pathname.split("/");
    const chat = CHAT.getByName(name!);
    try {
      if (what === "connect") return await chat.fetch(request);
      if (what === "evict") await unsafe.evict(chat, { webSockets: "hibernate" });
      else if (what === "reset") await chat.reset();
      else if (what === "announce") await chat.announce(searchParams.get("token")!, searchParams.has("undone"));
      else return Response.json(await chat.state());
      return new Response("done");
    } catch (error) {
      return new Response(String(error), { status: 500 });
    }
  },
};
