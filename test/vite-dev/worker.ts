/** A class whose stubs `scripts/check/vite-dev.mjs` tries under vite's dev server, which reads members of the prototype. */
import { Atomic, DurableBase, Internal, Object, Persisted, Route, serve } from "durable-base";
import { exactlyOnce, once } from "durable-base/once";
import { sockets } from "durable-base/sockets";

interface Env {
  ROOM: DurableObjectNamespace<Room>;
  OPEN: DurableObjectNamespace<Open>;
}

class Base extends DurableBase<Env> {
  static override parts = [exactlyOnce()];

  @Persisted() accessor secret = "s3cret";
  starts = 0;

  override onStart(): void {
    this.starts++;
  }

  helper(from: string): string {
    return `${from}: base`;
  }

  async slowHelper(from: string): Promise<string> {
    await scheduler.wait(1);
    return `${from}: slow base`;
  }
}

export class Room extends Base {
  static override rpc: readonly string[] = ["hit", "total", "inside", "fail"];

  @Persisted() accessor hits = 0;
  readonly #constructed: Promise<string[]>;
  readonly #sockets = sockets<string>(this, {
    connect: (socket, request) => {
      socket.state = new URL(request.url).searchParams.get("user")!;
    },
    message: (socket, data) => {
      this.hits++;
      this.#sockets.broadcast(`${socket.state} ${String(data)} ${this.hits}, ${this.helper("socket")}`);
    },
  });

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const floating = this.#later("floating promise");
    const blocking = ctx.blockConcurrencyWhile(() => this.#later("blockConcurrencyWhile"));
    this.#constructed = Promise.all([floating, blocking, this.slowHelper("constructor")]).then((all) => all.flat());
  }

  override helper(from: string): string {
    return `${super.helper(from)}, room`;
  }

  override async slowHelper(from: string): Promise<string> {
    await scheduler.wait(1);
    return `${await super.slowHelper(from)}, slow room`;
  }

  override destroy(): void {
    super.destroy();
  }

  hit(): number {
    return ++this.hits;
  }

  get total(): number {
    return this.hits;
  }

  @Atomic() fail(): void {
    this.hits++;
    throw new Error(this.helper("atomic"));
  }

  @Route.get("/hidden") hidden(): string {
    return this.helper("route");
  }

  /** Calls hidden members from every kind of code that belongs to the object. */
  async inside(): Promise<string[]> {
    return [
      this.helper("method"),
      await this.slowHelper("method"),
      ...(await this.#constructed),
      await this.#heard(),
      await this.#pulled(),
      `${this.name} ${this.secret} ${this.starts}`,
    ];
  }

  /** Continues outside of every entry. */
  async #later(from: string): Promise<string[]> {
    await scheduler.wait(1);
    return [this.helper(from), await this.slowHelper(from), `${this.name} ${this.secret}`];
  }

  /** Returns the results of calls in a listener of an accepted socket. */
  async #heard(): Promise<string> {
    const { 0: client, 1: server } = new WebSocketPair();
    const heard = Promise.withResolvers<string>();
    client.accept();
    server.accept();
    server.addEventListener(
      "message",
      ({ data }) => void this.slowHelper(String(data)).then(heard.resolve, heard.reject),
    );
    client.send("socket");
    return await heard.promise;
  }

  /** Returns the result of a call in a stream's callback. */
  async #pulled(): Promise<string> {
    const stream = new ReadableStream<string>({
      pull: async (controller) => {
        controller.enqueue(await this.slowHelper("stream"));
        controller.close();
      },
    });
    return (await stream.getReader().read()).value ?? "";
  }
}

/** Has no list, but hides single members. */
export class Open extends Base {
  @Internal() prune(): string {
    return "pruned";
  }

  @Internal() get size(): number {
    return 1;
  }

  useBoth(): string {
    return `${this.prune()} ${this.size}`;
  }
}

type Reached = Record<string, (...args: unknown[]) => Promise<unknown>>;

/** Calls a member, or reads it if it isn't a method. */
async function reach(stub: Reached, name: string): Promise<string> {
  try {
    return `called: ${String(await stub[name]!("stub"))}`;
  } catch (error) {
    return await (stub[name] as unknown as Promise<unknown>).then(
      (value) => (typeof value === "function" ? String(error) : `read: ${String(value)}`),
      String,
    );
  }
}

const app = serve<Env>({ "/rooms/:name": Room });

app.get("/reach/:name/:members", async (c) => {
  const name = c.req.param("name");
  const stub = (name === "open" ? c.env.OPEN : c.env.ROOM).getByName(name) as unknown as Reached;
  const answers: Record<string, string> = {};
  for (const name of c.req.param("members").split(",")) answers[name] = await reach(stub, name);
  return c.json(answers);
});

app.get("/inside/:name", async (c) => c.json(await Object.from(c.env.ROOM).byName(c.req.param("name")).inside()));

app.get("/once/:name/:member", async (c) => {
  const room = Object.from(c.env.ROOM).byName(c.req.param("name"));
  const call = once(room, "key") as unknown as Reached;
  return c.json(await call[c.req.param("member")]!().catch(String));
});

export default app;
