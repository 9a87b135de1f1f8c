import { Atomic, DurableBase, Persisted } from "durable-base";
import { begin, migrate, OLD, PROGRAM, textOf, type Call, type State } from "./program.ts";

/** Where an object is stopped. */
export interface Trap {
  /** At which step, counted from 1 since the trap was set. */
  readonly at: number;
  /** Stops it; what it throws, the storage call throws. */
  spring(ctx: DurableObjectState): void;
  /** True if the steps right after a write or a commit count too; an error there would be a lie of storage. */
  readonly isAfter: boolean;
  /** The steps that there were so far. */
  count: number;
}

/** By the object's id: a trap outlives what is in memory of its object. */
const traps = new Map<string, Trap>();

/** Sets the trap of one object, for as long as this process lives. */
export function setTrap({ id }: { readonly id: DurableObjectId }, trap: Trap): void {
  traps.set(id.toString(), trap);
}

/** Stores what older code has. */
function seeded(ctx: DurableObjectState): DurableObjectState {
  const { kv } = ctx.storage;
  if (kv.get("durable-base:record") === undefined) {
    kv.put("durable-base:record", { format: 1, fields: {}, rows: new Set(["moved"]) });
    kv.put("durable-base:field:moved", OLD);
  }
  return ctx;
}

/** Ends only with the process: nothing after the step can happen. */
export function hang(): void {
  console.log("stopped");
  for (;;);
}

/** Makes every put, delete, SQL, begin and end of a transaction a step; for a constructor, before it calls `super`. */
export function stepped(ctx: DurableObjectState): DurableObjectState {
  const { storage } = ctx;
  const { kv, sql, transaction, transactionSync } = storage;
  const { put, delete: remove } = kv;
  const { exec } = sql;
  const step = (isAfter = false): void => {
    const trap = traps.get(ctx.id.toString());
    if (trap === undefined || (isAfter && !trap.isAfter)) return;
    if (++trap.count === trap.at) trap.spring(ctx);
  };
  kv.put = (key, value) => {
    step();
    put.call(kv, key, value);
    step(true);
  };
  kv.delete = (key) => {
    step();
    const existed = remove.call(kv, key);
    step(true);
    return existed;
  };
  sql.exec = <T extends Record<string, SqlStorageValue>>(query: string, ...bindings: unknown[]) => {
    step();
    const cursor = exec.call(sql, query, ...bindings) as SqlStorageCursor<T>;
    step(true);
    return cursor;
  };
  storage.transactionSync = <T>(work: () => T): T => {
    step();
    const result = transactionSync.call(storage, () => {
      step();
      const result = work();
      step();
      return result;
    }) as T;
    step(true);
    return result;
  };
  storage.transaction = async <T>(work: (transaction: DurableObjectTransaction) => Promise<T>): Promise<T> => {
    step();
    const result = (await transaction.call(storage, async (transaction) => {
      step();
      const result = await work(transaction);
      step();
      return result;
    })) as T;
    step(true);
    return result;
  };
  return ctx;
}

/** Runs the program, call by call. */
export class Stepped extends DurableBase implements State {
  @Persisted() accessor count = 0;
  @Persisted() accessor label = "";
  @Persisted() accessor list: State["list"] = [];
  @Persisted() accessor map: State["map"] = new Map();
  @Persisted() accessor tree: State["tree"] = begin().tree;
  @Persisted({ version: 2, migrate: (old) => migrate(old as typeof OLD) }) accessor moved: State["moved"] = [];

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(stepped(seeded(ctx)), env);
  }

  get own(): number {
    return this.ctx.storage.kv.get("own") ?? 0;
  }

  set own(value: number) {
    this.ctx.storage.kv.put("own", value);
  }

  /** Runs the program's call of that number. */
  async play(nth: number): Promise<void> {
    const { how, throws } = PROGRAM[nth]!;
    try {
      await this.#play(nth, how);
    } catch (error) {
      // The method is undone by now.
      if (!throws || !(error instanceof RangeError)) throw error;
    }
  }

  async #play(nth: number, how: Call["how"]): Promise<void> {
    if (how === "transactionSync") this.ctx.storage.transactionSync(() => this.#atOnce(nth));
    else if (how === "atomic") this.atomic(nth);
    else if (how === "atomicLater") await this.atomicLater(nth);
    else await this.#later(nth);
  }

  @Atomic() atomic(nth: number): void {
    this.#atOnce(nth);
  }

  @Atomic() async atomicLater(nth: number): Promise<void> {
    await this.#later(nth);
  }

  /** The state as text. */
  state(): string {
    return textOf(this);
  }

  #atOnce(nth: number): void {
    const { stretches, throws } = PROGRAM[nth]!;
    for (const stretch of stretches) stretch(this);
    if (throws) throw new RangeError("by itself");
  }

  async #later(nth: number): Promise<void> {
    const { stretches, throws } = PROGRAM[nth]!;
    for (const stretch of stretches) {
      stretch(this);
      await scheduler.wait(0);
    }
    if (throws) throw new RangeError("by itself");
  }
}
