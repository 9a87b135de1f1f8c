/** How a program is played: on a field of an object and on plain JavaScript at once, whatever befalls the object. */
import { DurableError } from "durable-base";
import { FIELDS, type Fields } from "../../src/persisted/fields.ts";
import { rawBehind } from "../../src/core/values/snapshot.ts";
import { sizeOf } from "../../src/storage/size.ts";
import type { AccessorThings } from "./fixtures/persisted.ts";
import { changeSurely, handFor, isObject, opFor, TAKES_OUT } from "./model-ops.ts";
import { cook, Large } from "./model-recipes.ts";
import { storedAny } from "../storage/stored.ts";
import { show, type Act, type Program, type Step } from "./model.ts";

/** The most bytes a program's field grows to by what it puts in, and one value that is put in. */
const MOST = 300_000;
const MOST_AT_ONCE = 2_000;

/** A value that a program got in one step and uses in later ones, on both sides. */
interface Held {
  readonly plain: object;
  readonly tracked: object;
  /** True when the tracked one is from before a reload, a rollback or a failed write. */
  isStale: boolean;
}

/** Why a method stops. */
class Stop extends Error {}

/** A program that is being played; it outlives the instances that it is played on. */
export class Run {
  readonly #acts: readonly Act[];
  readonly #plain: { any: unknown; count: number };
  #next = 0;
  #hasBegun = false;
  #holds: Held[] = [];
  /** The first difference, kept until the entry in which it came up has ended. */
  #problem: Error | undefined;
  /** What was inside at some time of an act that may be undone. */
  #between: Set<object> | undefined;
  readonly #trace: string[] = [];
  /** Compares the object with plain JavaScript in a way of its own. */
  compare: ((plain: { readonly any: unknown; readonly count: number }) => Error | undefined) | undefined;
  #self!: AccessorThings;
  #storage!: DurableObjectStorage;

  constructor({ start, acts }: Program) {
    this.#plain = { any: start instanceof Large ? cook(start.recipe) : structuredClone(start), count: 0 };
    this.#acts = acts;
  }

  /** Plays on, up to what only others can do to the object: throws where the two sides differ. */
  play(self: AccessorThings, storage: DurableObjectStorage): "evict" | "abort" | "end" {
    this.#self = self;
    this.#storage = storage;
    if (!this.#hasBegun) {
      const start: unknown = structuredClone(this.#plain.any);
      self.run(() => {
        self.count = 0;
        self.any = start;
      });
      this.#hasBegun = true;
    }
    for (let act = this.#acts[this.#next]; act !== undefined; act = this.#acts[this.#next]) {
      if (act.kind === "evict") {
        this.#next++;
        const inside = reachable(this.#plain.any);
        this.#holds = this.#holds.filter(({ plain }) => !inside.has(plain));
      }
      if (act.kind === "evict" || act.kind === "abort") return act.kind;
      this.#next++;
      this.#trace.push(act.kind);
      this.#do(act);
      if (act.isLooking) this.#look();
      if (this.#problem !== undefined) throw this.#problem;
    }
    this.#turnStale(reachable(this.#plain.any));
    fieldsOf(self).forget();
    this.#look();
    if (this.#problem !== undefined) throw this.#problem;
    return "end";
  }

  /** Changes the object and resets it at once, so that nothing of it is stored. */
  abort(self: AccessorThings, state: DurableObjectState): void {
    const act = this.#acts[this.#next++]!;
    const undo = this.#mark();
    this.#self = self;
    self.run(() => this.#steps(act.steps, act));
    undo("dead");
    state.abort("reset by the program");
  }

  /** What was done, in words. */
  get story(): string {
    return this.#trace.join("\n");
  }

  #do(act: Act): void {
    const self = this.#self;
    switch (act.kind) {
      case "reload":
        this.#turnStale(reachable(this.#plain.any));
        return fieldsOf(self).forget();
      case "throw":
        return this.#expectStop(() =>
          self.run(() => {
            this.#steps(act.steps, act);
            throw new Stop();
          }),
        );
      case "commit":
        return self.run(() => {
          this.#transact(act, () => this.#steps(act.steps, act));
          this.#steps(act.after);
        });
      case "rollback":
        return self.run(() => {
          this.#steps(act.after, act);
          const undo = this.#mark();
          this.#expectStop(() =>
            this.#transact(act, () => {
              this.#steps(act.steps, act);
              throw new Stop();
            }),
          );
          undo("stale");
          this.#steps(act.after);
        });
      case "fail":
        return this.#fail(act);
      default:
        return self.run(() => this.#steps(act.steps, act));
    }
  }

  #transact({ by }: Act, work: () => void): void {
    if (by === "@Atomic") this.#self.atomically(work);
    else this.#storage.transactionSync(work);
  }

  #expectStop(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (error instanceof Stop) return;
      throw error;
    }
    throw new Error("the method's own error did not come out");
  }

  /** An entry of which one put or delete fails, if there are so many: then nothing of it may stay. */
  #fail(act: Act): void {
    const undo = this.#mark();
    const { kv } = this.#storage;
    const { put, delete: remove } = kv;
    let calls = 0;
    const failing =
      <A extends unknown[], R>(original: (...args: A) => R) =>
      (...args: A): R => {
        if (++calls === act.at) throw new Error("disk full");
        return original.apply(kv, args);
      };
    kv.put = failing(put) as typeof put;
    kv.delete = failing(remove);
    let code = "no error";
    let failure: unknown;
    try {
      if (act.after.length === 0) this.#self.run(() => this.#transact(act, () => this.#steps(act.steps, act)));
      else this.#self.run(() => this.#steps(act.steps, act));
    } catch (error) {
      if (!DurableError.is(error, "write-failed")) throw error;
      code = error.code;
      failure = error.cause;
    } finally {
      kv.put = put;
      kv.delete = remove;
    }
    const hasFailed = calls >= act.at;
    if ((code === "write-failed") !== hasFailed)
      throw new Error(`a write of ${calls} calls gave ${code}`, { cause: failure });
    if (hasFailed) undo("stale");
    else this.#between = undefined;
  }

  /** Remembers plain JavaScript's state, to go back to it. */
  #mark(): (fate: "stale" | "dead") => void {
    const before = reachable(this.#plain.any);
    const { count } = this.#plain;
    const any: unknown = structuredClone(this.#plain.any);
    const between = (this.#between = new Set());
    return (fate) => {
      this.#between = undefined;
      const now = reachable(this.#plain.any);
      // What was taken out by what is undone is the field's again; what was never read before was plain from then on.
      this.#holds = this.#holds.filter(({ plain, tracked }) => now.has(plain) || rawBehind(tracked) !== undefined);
      const inside = new Set([...before, ...between, ...now]);
      this.#turnStale(fate === "stale" ? inside : new Set());
      if (fate === "dead") this.#holds = this.#holds.filter(({ plain }) => !inside.has(plain));
      this.#plain.any = any;
      this.#plain.count = count;
    };
  }

  /** Bytes cannot throw when they are written; their entry does, which is another test's. */
  #turnStale(inside: Set<object>): void {
    this.#holds = this.#holds.filter(({ plain }) => !(inside.has(plain) && plain instanceof Uint8Array));
    for (const held of this.#holds) held.isStale ||= inside.has(held.plain);
  }

  #look(): void {
    const [expected, found] = [this.#plain, this.#self].map(({ any, count }) => `${count} ${show(any)}`);
    if (expected !== found) this.#problem ??= new Error(`it is ${found}, not ${expected}`);
    const stored = storedAny(this.#storage);
    if (stored !== show(this.#plain.any)) this.#problem ??= new Error(`stored is ${stored}, not ${expected}`);
    this.#problem ??= this.compare?.(this.#plain);
  }

  #steps(steps: readonly Step[], { isTicking = false }: Partial<Act> = {}): void {
    if (isTicking) for (const side of [this.#plain, this.#self]) side.count++;
    for (const step of steps) {
      if (this.#problem !== undefined) return;
      if (this.#between !== undefined) for (const part of reachable(this.#plain.any)) this.#between.add(part);
      this.#step(step);
    }
  }

  #step(step: Step): void {
    const start = step.held < 0 ? undefined : this.#holds[step.held % (this.#holds.length || 1)];
    if (start?.isStale) return this.#expectStale(start);
    const plainStart = start === undefined ? this.#plain.any : start.plain;
    const values = this.#valuesOf(step);
    if (!isObject(plainStart) || step.op === 0) {
      this.#trace.push("assign");
      for (const [i, side] of [this.#plain, this.#self].entries()) {
        const hand = handFor(i === 0, { value: step.value, held: values?.[i], bulk: step.bulk });
        side.any = hand.take(() => side.any);
      }
      return;
    }
    const { target: plain, way } = descend(plainStart, step.path);
    const tracked = follow(start === undefined ? this.#self.any : start.tracked, way) as object;
    const op = opFor(plain, step.op, step.m % 3 === 0);
    // A Date held since an earlier entry is no longer watched, as docs/fields.md says.
    if (op.name === "foreign" && start !== undefined && way.length === 0) return;
    this.#trace.push(`${op.name} at ${show(way)}${start === undefined ? "" : " of a held value"}`);
    const { size, keys } = membersOf(plain);
    const common = {
      n: step.n,
      m: step.m,
      i: Math.abs(step.n) % (size + 2),
      size,
      key: keys.length === 0 ? "new" : keys[Math.abs(step.m) % keys.length],
    };
    // What nobody had read when it was removed is plain data from then on, with plain JavaScript's sharing.
    const isUntracked = rawBehind(tracked) === undefined;
    const isFull = sizeOf(this.#plain.any) > MOST;
    const bulk = isFull ? { ...step.bulk, count: 1 } : step.bulk;
    const [expected, found] = [plain, tracked].map((target, i) =>
      attempt(() =>
        op(target as never, {
          ...common,
          ...handFor(i === 0 || isUntracked, { value: step.value, held: values?.[i], bulk }),
        }),
      ),
    );
    if (expected!.text !== found!.text) {
      this.#problem = new Error(`${op.name} gave ${found!.text}, not ${expected!.text}`, {
        cause: found!.error ?? expected!.error,
      });
      return;
    }
    if (step.hold) this.#hold(...(takenOut(op.name, expected!.value, found!.value) ?? [plain, tracked]));
  }

  /** What a step puts in that was held, on either side; undefined where it puts in something new. */
  #valuesOf({ from, held, path }: Step): [plain: object, tracked: object] | undefined {
    const one = from < 0 ? undefined : this.#holds[from % (this.#holds.length || 1)];
    if (one === undefined || one.isStale || sizeOf(one.plain) > MOST_AT_ONCE) return undefined;
    // In a field that is small as a rule, what holds itself would double at each step.
    return held === from && path.length > 3 ? undefined : [one.plain, one.tracked];
  }

  #hold(plain: object, tracked: object): void {
    this.#holds.push({ plain, tracked, isStale: false });
    if (this.#holds.length > 6) this.#holds.shift();
  }

  #expectStale({ tracked }: Held): void {
    try {
      changeSurely(tracked);
    } catch (error) {
      if (DurableError.is(error, "stale-value")) return;
      throw error;
    }
    this.#problem = new Error(`a stale value could be changed: ${show(tracked)}`);
  }
}

function fieldsOf(self: AccessorThings): Fields {
  return (self as unknown as { [FIELDS]: Fields })[FIELDS];
}

interface Attempt {
  readonly text: string;
  readonly value?: unknown;
  readonly error?: unknown;
}

/** An op's result as text, or the kind of what it threw. */
function attempt(work: () => unknown): Attempt {
  try {
    const value = work();
    return { text: show(value), value };
  } catch (error) {
    return { text: (error as Error).name, error };
  }
}

/** What an op took out of its target, on either side; undefined where that is no object. */
function takenOut(op: string, plain: unknown, tracked: unknown): [plain: object, tracked: object] | undefined {
  if (!TAKES_OUT.has(op)) return undefined;
  if (op === "pop" || op === "shift") return isObject(plain) ? [plain, tracked as object] : undefined;
  const at = (plain as unknown[]).findIndex(isObject);
  return at < 0 ? undefined : [(plain as object[])[at]!, (tracked as object[])[at]!];
}

/** A step down: by a key, or to the nth of a Map's keys or Set's members. */
type Turn = { readonly key: unknown } | { readonly nth: number };

/** Goes down as far as there are objects. */
function descend(root: object, path: readonly number[]): { target: object; way: Turn[] } {
  const way: Turn[] = [];
  let target = root;
  for (const number of path) {
    const turns = turnsOf(target);
    const [turn, child] = turns[number % (turns.length || 1)] ?? [];
    if (turn === undefined) break;
    way.push(turn);
    target = child!;
  }
  return { target, way };
}

function turnsOf(target: object): [turn: Turn, child: object][] {
  const turns: [Turn, object][] = [];
  const note = (turn: Turn, child: unknown): void => void (isObject(child) && turns.push([turn, child]));
  if (target instanceof Map) {
    [...target].forEach(([key, item], nth) => {
      note({ nth }, key);
      if (!isObject(key)) note({ key }, item);
    });
  } else if (target instanceof Set) [...target].forEach((member, nth) => note({ nth }, member));
  else if (!(target instanceof Date || target instanceof Uint8Array)) {
    for (const key of Object.keys(target)) note({ key }, (target as Record<string, unknown>)[key]);
  }
  return turns;
}

/** Goes the same way on the tracked side, reading no more than it needs. */
function follow(root: unknown, way: readonly Turn[]): unknown {
  let at = root;
  for (const turn of way) {
    if ("nth" in turn) {
      let i = 0;
      for (const key of (at as Map<unknown, unknown>).keys()) {
        if (i++ < turn.nth) continue;
        at = key;
        break;
      }
    } else {
      at = at instanceof Map ? at.get(turn.key) : (at as Record<string, unknown>)[turn.key as string];
    }
  }
  return at;
}

/** How many members a value has, and those of its keys that are primitive. */
function membersOf(target: object): { size: number; keys: unknown[] } {
  if (target instanceof Map || target instanceof Set) {
    return { size: target.size, keys: [...target.keys()].filter((key) => !isObject(key)) };
  }
  if (Array.isArray(target) || target instanceof Uint8Array) return { size: target.length, keys: [] };
  const keys = Object.keys(target);
  return { size: keys.length, keys };
}

/** Every object in a tree. */
function reachable(value: unknown, seen = new Set<object>()): Set<object> {
  if (!isObject(value)) return seen;
  seen.add(value);
  if (value instanceof Date || value instanceof Uint8Array) return seen;
  const members: Iterable<unknown> =
    value instanceof Map ? [...value].flat(1) : value instanceof Set ? value : Object.values(value);
  for (const member of members) reachable(member, seen);
  return seen;
}
