/**
 * @module
 * How an object destroys itself: at the end of the entry that asked for it, all or nothing, and nobody runs after it.
 */
import { run } from "./entry/run.ts";
import { checkWritable, openScope, type Owner, type Scope, type Source } from "./entry/scope.ts";
import { DurableError } from "./errors.ts";
import { stateOf } from "../storage/storage-state.ts";
import { reasonOf } from "./destroy-reason.ts";

/** How long the answer has to leave the object before its reset, in milliseconds; calls that come meanwhile wait. */
const ANSWERING = 10;

/**
 * How long the last bytes of a body have to leave as well, in milliseconds, if it is larger than what the platform keeps in
 * buffers: whoever reads it may still be reading these when the object has sent them.
 */
const DRAINING = 250;
const BUFFERED = 65_536;

/** How long the body of an answer may take before that, in milliseconds: the platform ends the block after 30 s. */
const SENDING = 20_000;

const ON_DESTROY: Source = { kind: "destroy", name: "onDestroy", staysInside: true };

/** The object to destroy. */
interface DestroyedOwner extends Owner {
  readonly self: { onDestroy?(): unknown };
  readonly ctx: DurableObjectState;
  readonly parts: { end(): Promise<void> | undefined; resume(): void } | undefined;
}

/** What destroys one object, made when it is first asked to. */
export class Destroyer {
  readonly #owner: DestroyedOwner;
  /** The entry of the hook, which needs not ask again. */
  #hook: Scope | undefined;
  #destroyed: Promise<void> | undefined;
  /** What sends the bodies of the answers. */
  #sends: (() => Promise<void>)[] = [];
  /** Rejects once everything is deleted: for whom it comes too early. */
  readonly #gone: PromiseWithResolvers<never> = Promise.withResolvers();

  constructor(owner: DestroyedOwner) {
    this.#owner = owner;
    this.#gone.promise.catch(() => {});
  }

  /** Lets the object be destroyed at the end of the running entry; outside any, in a microtask. */
  ask(): void {
    checkWritable(this.#owner, `${this.#className}.destroy`);
    const scope = openScope(this.#owner);
    this.#owner.fields.afterWrite(() => {
      if (scope?.isOpen !== true) void this.#destroy();
      else if (scope !== this.#hook) scope.finish = (answer) => this.#finish(answer);
    });
  }

  get #className(): string {
    return this.#owner.self.constructor.name;
  }

  async #finish(answer: unknown): Promise<unknown> {
    const [held, send] = await Promise.race([inMemory(answer), this.#gone.promise]);
    if (send !== undefined) this.#sends.push(send);
    await this.#destroy();
    // Entries that waited for `onStart` have not begun, and begin in the next object.
    return this.#owner.isStarting ? await forever() : held;
  }

  /** Once for all entries that ask for it, unless it failed. */
  #destroy(): Promise<void> {
    return (this.#destroyed ??= this.#begin().catch((error: unknown) => {
      this.#destroyed = undefined;
      this.#sends = [];
      throw error;
    }));
  }

  async #begin(): Promise<void> {
    const { ctx, self, parts } = this.#owner;
    if (self.onDestroy !== undefined) {
      const hook = (): unknown => {
        this.#hook = openScope(this.#owner);
        return self.onDestroy!();
      };
      await run(this.#owner, hook, ON_DESTROY);
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // From here on nothing else of the object runs, neither a new call nor one that waits for a timer, another object or
    // storage: nobody writes what was deleted back. Only the answer still goes out.
    void ctx.blockConcurrencyWhile(async () => {
      try {
        await this.#delete();
      } catch (cause) {
        parts?.resume();
        reject(
          new DurableError(
            "write-failed",
            `${this.#className} was not destroyed: its storage could not be deleted. The cause is in \`error.cause\`.`,
            { cause },
          ),
        );
        return;
      }
      this.#refuse();
      for (const socket of ctx.getWebSockets()) socket.close(1001, "destroyed");
      resolve();
      await Promise.race([Promise.allSettled(this.#sends.map((send) => send())), scheduler.wait(SENDING)]);
      await scheduler.wait(ANSWERING);
      ctx.abort(reasonOf(ctx.id));
      await forever();
    });
    await promise;
  }

  /** Ends what is open, so that whoever meets the reset itself has not begun; nothing can begin or be changed any more. */
  #refuse(): void {
    const owner = this.#owner;
    const error = new DurableError(
      "destroyed",
      `${this.#className}: the object destroyed itself during this call. Call again to reach the next object.`,
    );
    owner.refusal = () => error;
    owner.start = () => {
      throw error;
    };
    owner.fields.drop();
    for (const end of [...owner.parked.values(), this.#gone.reject]) end(error);
  }

  async #delete(): Promise<void> {
    const { ctx, parts } = this.#owner;
    await parts?.end();
    const { storage } = stateOf(ctx.storage);
    // By the platform's own function: a part may have replaced the storage's `deleteAlarm`.
    const { deleteAlarm } = Object.getPrototypeOf(storage) as DurableObjectStorage;
    // Before compatibility date 2026-02-24, `deleteAll` leaves the alarm in place.
    await Promise.all([deleteAlarm.call(storage), ctx.storage.deleteAll()]);
    await ctx.storage.sync();
  }
}

function forever(): Promise<never> {
  return new Promise(() => {});
}

/**
 * An answer in memory, and what sends its bytes: a body or stream comes from the object while it is read, so it is read
 * before there is none.
 */
async function inMemory(answer: unknown): Promise<[answer: unknown, send?: () => Promise<void>]> {
  const body = answer instanceof Response ? answer.body : answer;
  if (!(body instanceof ReadableStream)) return [answer];
  const bytes = await new Response(body).arrayBuffer();
  const { readable, writable } = new FixedLengthStream(bytes.byteLength);
  const send = async (): Promise<void> => {
    const writer = writable.getWriter();
    await writer.write(bytes);
    await writer.close();
    if (bytes.byteLength > BUFFERED) await scheduler.wait(DRAINING);
  };
  return [answer instanceof Response ? new Response(readable, answer) : readable, send];
}
