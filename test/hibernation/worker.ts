/** Objects with sockets, and beside each the same by hand, for `scripts/check/hibernation.mjs`. */
import { DurableObject } from "cloudflare:workers";
import { dataOf, DurableBase, Persisted, serve } from "durable-base";
import { jobs } from "durable-base/jobs";
import { sockets, type SocketOptions } from "durable-base/sockets";

/** Counts of an object's events since this Worker began: reading them doesn't wake it. */
interface Seen {
  boots: number;
  /** Clients that wait in `connect`, and those that went on. */
  held: number;
  released: number;
  messages: number;
}

const seen = new Map<string, Seen>();
/** Keys of objects whose clients need not wait any more. */
const released = new Set<string>();
const FAR = 3_600_000;
const RATE = { messages: 1_000, per: 60_000 };

/** By the class and name of an object. */
function seenOf(self: object, { id }: DurableObjectState): Seen {
  const key = `${self.constructor.name}/${id.name}`;
  const one = seen.get(key) ?? { boots: 0, held: 0, released: 0, messages: 0 };
  seen.set(key, one);
  return one;
}

/** Lets a client with `held` in its URL wait until `/release` was asked for. */
async function hold(self: object, ctx: DurableObjectState, request: Request): Promise<void> {
  if (!new URL(request.url).searchParams.has("held")) return;
  const one = seenOf(self, ctx);
  one.held++;
  while (!released.has(`${self.constructor.name}/${ctx.id.name}`)) await scheduler.wait(10);
  one.released++;
}

/** Does what a message asks for. */
interface Answers {
  /** Sends to all. */
  all(text: string): void;
  /** Sends how often the object was constructed. */
  boots(text: string): void;
  /** Closes all other sockets. */
  close(text: string): void;
  /** Sends how many sockets there are. */
  size(text: string): void;
  /** Sets the state to a text; without a text, sends it. */
  state(text: string): void;
}

/** As by any user: everything is counted in a field that is stored. */
export class Room extends DurableBase {
  readonly #seen = seenOf(this, this.ctx);
  @Persisted() accessor messages = 0;

  readonly #sockets = sockets<string>(this, this.options());

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    this.#seen.boots++;
  }

  protected options(): SocketOptions<string> {
    return {
      connect: async (socket, request) => {
        await hold(this, this.ctx, request);
        const state = this.admit(request);
        if (state === undefined) return new Response("no", { status: 403 });
        socket.state = state;
        return undefined;
      },
      message: async (socket, data) => {
        this.messages++;
        this.#seen.messages++;
        await scheduler.wait(1);
        const answers: Answers = {
          all: (text) => this.#sockets.broadcast(text),
          boots: () => socket.send(String(this.#seen.boots)),
          close: () => {
            for (const other of this.#sockets.all()) if (other !== socket) other.close();
          },
          size: () => socket.send(String(this.#sockets.size)),
          state: (text) => (text === "" ? socket.send(socket.state) : void (socket.state = text)),
        };
        answer(answers, data as string);
      },
      close: (socket) => {
        this.#sockets.broadcast(`${socket.state} left`);
      },
    };
  }

  /** The state of a new socket; undefined to refuse it. */
  protected admit(request: Request): string | undefined {
    return new URL(request.url).searchParams.get("as") ?? undefined;
  }
}

export class QuietRoom extends Room {
  protected override options(): SocketOptions<string> {
    return { ...super.options(), ping: false };
  }
}

export class WatchedRoom extends Room {
  protected override options(): SocketOptions<string> {
    return { ...super.options(), maxUnread: 1_000_000 };
  }
}

export class RatedRoom extends Room {
  protected override options(): SocketOptions<string> {
    return { ...super.options(), rate: RATE, maxMessage: 1_000, maxSockets: 1_000 };
  }
}

export class BusyRoom extends Room {
  readonly #jobs = jobs(this);

  protected override admit(request: Request): string | undefined {
    this.#jobs.schedule(FAR, this.tidy, undefined, { id: "tidy", replace: true });
    return super.admit(request);
  }

  tidy(): void {}
}

export class ServedRoom extends Room {
  protected override admit(request: Request): string | undefined {
    return dataOf<{ user: string }>(request)?.user;
  }
}

/** The same by hand. */
export class Hand extends DurableObject<Env> {
  readonly #seen = seenOf(this, this.ctx);

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#seen.boots++;
    if (this.answersPings()) ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
  }

  protected answersPings(): boolean {
    return true;
  }

  override async fetch(request: Request): Promise<Response> {
    await hold(this, this.ctx, request);
    const state = await this.admit(request);
    if (state === null) return new Response("no", { status: 403 });
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    server.serializeAttachment(state);
    return new Response(null, { status: 101, webSocket: client });
  }

  protected async admit(request: Request): Promise<string | null> {
    return new URL(request.url).searchParams.get("as");
  }

  override async webSocketMessage(socket: WebSocket, data: string): Promise<void> {
    this.#seen.messages++;
    this.ctx.storage.kv.put("messages", 1);
    await scheduler.wait(1);
    const answers: Answers = {
      all: (text) => this.#toAll(text),
      boots: () => socket.send(String(this.#seen.boots)),
      close: () => {
        for (const other of this.#open()) if (other !== socket) other.close(1000);
      },
      size: () => socket.send(String(this.#open().length)),
      state: (text) => {
        if (text === "") socket.send(socket.deserializeAttachment());
        else socket.serializeAttachment(text);
      },
    };
    answer(answers, data);
  }

  override webSocketClose(socket: WebSocket): void {
    socket.close();
    this.#toAll(`${socket.deserializeAttachment()} left`);
  }

  #toAll(text: string): void {
    for (const socket of this.#open()) socket.send(text);
  }

  #open(): WebSocket[] {
    return this.ctx.getWebSockets().filter(({ readyState }) => readyState === WebSocket.READY_STATE_OPEN);
  }
}

export class QuietHand extends Hand {
  protected override answersPings(): boolean {
    return false;
  }
}

export class RatedHand extends Hand {
  #counted = { since: 0, messages: 0 };

  override async webSocketMessage(socket: WebSocket, data: string): Promise<void> {
    if (Date.now() - this.#counted.since > RATE.per) this.#counted = { since: Date.now(), messages: 0 };
    if (++this.#counted.messages > RATE.messages) socket.close(1008);
    else await super.webSocketMessage(socket, data);
  }
}

export class BusyHand extends Hand {
  protected override async admit(request: Request): Promise<string | null> {
    await this.ctx.storage.setAlarm(Date.now() + FAR);
    return await super.admit(request);
  }

  override alarm(): void {}
}

function answer(answers: Answers, message: string): void {
  const [what, text = ""] = message.split(" ");
  // A ping that isn't answered by the platform.
  if (what !== "ping") answers[what as keyof Answers](text);
}

interface Env {
  ROOM: DurableObjectNamespace<Room>;
  QUIET_ROOM: DurableObjectNamespace<QuietRoom>;
  WATCHED_ROOM: DurableObjectNamespace<WatchedRoom>;
  RATED_ROOM: DurableObjectNamespace<RatedRoom>;
  BUSY_ROOM: DurableObjectNamespace<BusyRoom>;
  SERVED_ROOM: DurableObjectNamespace<ServedRoom>;
  HAND: DurableObjectNamespace<Hand>;
  QUIET_HAND: DurableObjectNamespace<QuietHand>;
  RATED_HAND: DurableObjectNamespace<RatedHand>;
  BUSY_HAND: DurableObjectNamespace<BusyHand>;
}

const served = serve<Env>(
  { "/SERVED_ROOM/:name": (env) => env.SERVED_ROOM },
  {
    authorize: (request) => {
      const user = new URL(request.url).searchParams.get("as");
      return user !== null && { data: { user } };
    },
  },
);

/** `/ROOM/name` is an object of a binding; `/seen` counts the events of all, and `/release/Room/name` lets clients go on. */
export default {
  async fetch(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
    const [, binding, name, other] = new URL(request.url).pathname.split("/");
    if (binding === "release") {
      released.add(`${name}/${other}`);
      return new Response();
    }
    if (binding === "seen") return Response.json(Object.fromEntries(seen));
    if (binding === "SERVED_ROOM") return await served.fetch!(request as never, env, ctx);
    return await env[binding as Exclude<keyof Env, "SERVED_ROOM">].getByName(name!).fetch(request);
  },
};
