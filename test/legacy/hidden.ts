import { DurableBase, Idempotent, Internal, Persisted, Route } from "../../src/index.ts";
import { exactlyOnce } from "../../src/once/once.ts";
import { jobs, type Jobs } from "../../src/jobs/jobs.ts";

class LegacyBase extends DurableBase {
  static override parts = [exactlyOnce()];

  @Persisted() secret = "s3cret";
  starts = 0;

  override onStart(): void {
    this.starts++;
  }

  @Internal() prune(from: string): string {
    return `${from}: base`;
  }

  @Internal async pruneLater(from: string): Promise<string> {
    await scheduler.wait(1);
    return `${from}: base, later`;
  }

  @Internal() get size(): number {
    return 7;
  }

  @Idempotent() shared(): string {
    return `shared by ${this.constructor.name}`;
  }

  get total(): number {
    return this.size + 1;
  }
}

/** Inherits hidden members, overrides some, which stay hidden, and calls them from every kind of code. */
export class LegacyHidden extends LegacyBase {
  readonly jobs: Jobs = jobs(this);
  readonly constructed: Promise<string[]>;
  readonly ran: string[] = [];

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    const blocking = ctx.blockConcurrencyWhile(() => this.#later("blockConcurrencyWhile"));
    this.constructed = Promise.all([this.#later("floating"), blocking, this.pruneLater("constructor")]).then((all) =>
      all.flat(),
    );
  }

  override prune(from: string): string {
    return `${super.prune(from)}, child`;
  }

  override async pruneLater(from: string): Promise<string> {
    await scheduler.wait(1);
    return `${await super.pruneLater(from)}, child`;
  }

  override destroy(): void {
    super.destroy();
  }

  @Internal() @Route.get("/job") job(): string {
    this.ran.push(this.prune("job"));
    return this.ran.join("; ");
  }

  plan(time: number): string {
    return this.jobs.schedule(new Date(time), this.job, undefined, { id: "job" });
  }

  byPrototype(): string {
    return (this.constructor.prototype as this).prune.call(this, "prototype");
  }

  inside(): unknown {
    return [this.prune("method"), this.size, this.total, this.secret, this.starts];
  }

  async heard(): Promise<string> {
    const { 0: client, 1: server } = new WebSocketPair();
    const heard = Promise.withResolvers<string>();
    client.accept();
    server.accept();
    server.addEventListener("message", ({ data }) => {
      void this.pruneLater(String(data)).then(heard.resolve, heard.reject);
    });
    client.send("socket");
    return await heard.promise;
  }

  async #later(from: string): Promise<string> {
    await scheduler.wait(1);
    return `${this.prune(from)}; ${await this.pruneLater(from)}`;
  }
}

/** Hides members by a list that its sibling offers. */
export class LegacyListed extends LegacyBase {
  static override rpc: readonly string[] = ["fetch", "total"];
}

/** Uses that are refused: their names, the code, and a part of the message. */
export const misplacedLegacy: readonly (readonly [string, () => unknown, string])[] = [
  [
    "a class",
    () => {
      // @ts-expect-error a class isn't a method
      @Internal()
      class Wrong {}
      return Wrong;
    },
    "`@Internal() answer() { … }`",
  ],
  [
    "a field",
    () => {
      class Wrong {
        // @ts-expect-error a stub reaches no field
        @Internal() own = 1;
      }
      return Wrong;
    },
    "a stub reaches methods and getters only",
  ],
  ["a setter", () => Internal()({}, "size", { set() {} }), "a stub reaches methods and getters only"],
  [
    "a static method",
    () => {
      class Wrong {
        own = 1;
        @Internal() static make(): void {}
      }
      return Wrong;
    },
    "a static member belongs to no object",
  ],
  [
    "a symbol",
    () => {
      class Wrong {
        own = 1;
        @Internal() [Symbol.dispose](): void {}
      }
      return Wrong;
    },
    "a stub can't reach a symbol",
  ],
  [
    "fetch",
    () => {
      class Wrong {
        own = 1;
        @Internal() fetch(): void {}
      }
      return Wrong;
    },
    "HTTP requests reach an object by it",
  ],
];
