/**
 * @module
 * Changes of an object's tables and stored data, made once each, in order.
 */
import { DurableError, quote } from "../core/errors.ts";
import { isThenable, kindOf } from "../core/values/async.ts";
import { attach, type Host, type ListedPart, type Part } from "../core/part/part.ts";
import { flawOf, PREFIX, withoutFields } from "../storage/kv/keys.ts";
import { sayingOf } from "../storage/sql/error.ts";
import { storageOf, type StorageHandle } from "../storage/handle.ts";
import { statementsOf, type Statement } from "../storage/sql/statements.ts";
import { stateOf } from "../storage/storage-state.ts";
import { transaction } from "../storage/transaction.ts";

/**
 * One step: what it does is done once in an object's life.
 *
 * @example
 * ```ts
 * const migrations: readonly Migration[] = [
 *   { id: "1-todos", up: "create table todos (id integer primary key, title text not null)" },
 *   { id: "2-names", up: (storage) => Storage.put(storage, "name", Storage.get(storage, "title")) },
 * ];
 * ```
 */
export interface Migration {
  /** Its name for ever, by which it is known to be done: unique in its list, of up to 256 bytes. */
  readonly id: string;
  /**
   * SQL, of any number of statements, or a function, which must be synchronous. The text of an applied step must stay,
   * blanks and comments aside; a function is known by its id alone, since a bundler changes its text.
   */
  readonly up: string | ((storage: DurableObjectStorage) => void);
}

/** The part's name. */
const PART = "migrations";

/**
 * Brings each object of the class to the end of the list before its `onStart`: for `static override parts`. A subclass's list
 * continues its parent's.
 *
 * Each wake-up costs one row read. If a step fails, the entry gets the error, nothing is kept, and the next entry tries again.
 * After `ctx.storage.deleteAll()` all steps run again, before the next entry. See {@link migrate} for the rules and errors.
 *
 * @example
 * ```ts
 * export class Todos extends DurableBase {
 *   static override parts = [migrations([{ id: "1-todos", up: "create table todos (id integer primary key, title text not null)" }])];
 * }
 * ```
 */
export function migrations(list: readonly Migration[]): ListedPart {
  const part: MigrationsPart = {
    name: PART,
    list,
    attach: (object) => void attach(object, PART, (host) => partOf(host, list)),
    join: (inherited) => migrations(joined((inherited as MigrationsPart).list, list)),
  };
  return part;
}

interface MigrationsPart extends ListedPart {
  readonly list: readonly Migration[];
}

/** Anything that isn't a list stays as it is, so that the check at the start names it. */
function joined(inherited: readonly Migration[], list: readonly Migration[]): readonly Migration[] {
  return Array.isArray(inherited) && Array.isArray(list) ? [...inherited, ...list] : list;
}

function partOf(host: Host, list: readonly Migration[]): Part {
  return {
    starting: () => {
      const { name } = host.object.constructor;
      const { storage } = stateOf(storageOf(host.ctx.storage, name));
      const ran = withoutFields(storage, () => migrateObject(storage, list, `${name}: migrations`));
      // A step may have changed values that the constructor has read.
      if (ran.length > 0) host.reload();
    },
  };
}

/** The row of what was applied. */
const KEY = `${PREFIX}migrations`;
const FORMAT = 1;
const MAX_ID = 256;

/** A step that was applied, as it is stored. */
interface Applied {
  readonly id: string;
  /** Of a step in SQL. */
  readonly hash?: string;
}

/** A step that was checked. */
interface Step extends Applied {
  readonly run: readonly Statement[] | ((storage: DurableObjectStorage) => unknown);
}

/**
 * Brings an object to the end of a list of migrations: runs those that were not applied to it yet, in order, all in one
 * transaction with the note of it. Gives their ids; none is the rule, and costs one row read.
 *
 * An object has one list. Steps are added at its end; one that was applied anywhere stays as it is.
 *
 * @throws DurableError `bad-migration` for a list that cannot work, `migration-changed`, `migration-missing` and
 * `schema-newer` when the object has steps that this list has not, `migration-failed` with the step's error as `cause`,
 * `returned-promise`, `record-unreadable`, `no-sqlite-storage`. Nothing is kept then.
 *
 * @example
 * ```ts
 * migrate(ctx, [{ id: "1-todos", up: "create table todos (id integer primary key, title text not null)" }]);
 * ```
 */
export function migrate(handle: StorageHandle, migrations: readonly Migration[]): string[] {
  return migrateObject(storageOf(handle), migrations, "migrate");
}

/** As {@link migrate}; `where` begins the messages of errors. */
function migrateObject(storage: DurableObjectStorage, migrations: readonly Migration[], where: string): string[] {
  const steps = checked(migrations, where);
  const { length } = appliedOf(storage.kv, steps, where);
  const pending = steps.slice(length);
  if (pending.length === 0) return [];
  transaction(storage, () => {
    for (const step of pending) apply(step, storage, where);
    storage.kv.put(KEY, {
      format: FORMAT,
      applied: steps.map(({ id, hash }) => (hash === undefined ? { id } : { id, hash })),
    });
  });
  return pending.map(({ id }) => id);
}

/** @throws DurableError `bad-migration`. */
function checked(migrations: readonly Migration[], where: string): Step[] {
  if (!Array.isArray(migrations)) throw bad(where, "the migrations are no array");
  const ids = new Set<unknown>();
  return Array.from(migrations, (migration: Partial<Migration> | null | undefined, i): Step => {
    const { id, up } = migration ?? {};
    const flaw = flawOf(id, MAX_ID) ?? (ids.has(id) ? "is that of an earlier step" : undefined);
    if (flaw !== undefined) throw bad(where, `the id of step ${i + 1}, ${quote(id)}, ${flaw}`);
    ids.add(id);
    return { id: id!, ...parsed(up, `step ${quote(id)}`, where) };
  });
}

/** By text of SQL, since an isolate has many objects of a class: each comes through here whenever one wakes up. */
const known = new Map<string, Omit<Step, "id">>();
const MAX_KNOWN = 1_000;

/** What drizzle-kit, as SQLite's manual, writes before it rebuilds a table; to turn them on does no harm. */
const FOREIGN_KEYS_OFF =
  /^pragma ?(?:["`[]?main["`\]]? ?\. ?)?["`[]?foreign_keys["`\]]? ?[=(](?! ?['"`[]?(?:on|1|true|yes)\b)/i;

function parsed(up: unknown, what: string, where: string): Omit<Step, "id"> {
  if (typeof up === "function") {
    if (kindOf(up) === "Function") return { run: up as () => unknown };
    throw bad(where, `${what} has an \`up\` that is async or a generator, which cannot run in a transaction`);
  }
  if (typeof up !== "string") throw bad(where, `${what} has an \`up\` that is neither SQL nor a function`);
  const found = known.get(up);
  if (found !== undefined) return found;
  const run = statementsOf(up);
  if (run.length === 0) throw bad(where, `${what} has no statement`);
  if (up.includes("\0") || !up.isWellFormed()) throw bad(where, `${what} holds a NUL or a lone surrogate`);
  if (run.some(({ normal }) => FOREIGN_KEYS_OFF.test(normal))) {
    throw new DurableError(
      "bad-migration",
      `${where}: ${what} turns foreign keys off, which does nothing in a transaction: a dropped table would take rows that reference it along. Write as in "Rebuilding a table" of docs/storage.md.`,
    );
  }
  const step = { run, hash: hashOf(run.map(({ normal }) => normal).join(";")) };
  if (known.size < MAX_KNOWN) known.set(up, step);
  return step;
}

function bad(where: string, what: string): DurableError {
  return new DurableError(
    "bad-migration",
    `${where}: ${what}. Write \`{ id: "1-todos", up: "create table todos (…)" }\`, or \`up: (storage) => { … }\`.`,
  );
}

/** The length in bytes and 32-bit FNV-1a, both of the UTF-8: `crypto.subtle` is async. */
function hashOf(text: string): string {
  const bytes = new TextEncoder().encode(text);
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return `${bytes.length}-${(hash >>> 0).toString(16).padStart(8, "0")}`;
}

/** What was applied, if it is what the steps begin with. */
function appliedOf(kv: SyncKvStorage, steps: readonly Step[], where: string): readonly Applied[] {
  const applied = readApplied(kv, where);
  for (const [i, { id, hash }] of applied.entries()) {
    const step = steps[i];
    const name = quote(id);
    if (step === undefined) {
      throw new DurableError(
        "schema-newer",
        `${where}: the object has step ${name}, where this code's list ends. Newer code was deployed before: deploy it again, or put the step back. Nothing was changed.`,
      );
    }
    if (step.id !== id) {
      throw new DurableError(
        "migration-missing",
        `${where}: step ${i + 1} is ${quote(step.id)}, but ${name} was applied there. Put ${name} back in its place, and new steps at the end. Nothing was changed.`,
      );
    }
    if (step.hash !== hash) {
      throw new DurableError(
        "migration-changed",
        `${where}: step ${name} is not what was applied. Put its SQL back as it was, and write what is to change as a new step at the end. Nothing was changed.`,
      );
    }
  }
  return applied;
}

function readApplied(kv: SyncKvStorage, where: string): readonly Applied[] {
  let row: { format?: unknown; applied?: unknown } | null | undefined;
  let cause: unknown;
  try {
    row = kv.get(KEY);
    if (row === undefined) return [];
  } catch (error) {
    cause = error;
  }
  const { format, applied } = row ?? {};
  if (format === FORMAT && Array.isArray(applied) && applied.every((step) => typeof step?.id === "string"))
    return applied;
  throw new DurableError(
    "record-unreadable",
    `${where}: the row ${quote(KEY)} is damaged, or written by newer code. Deploy that code again, or repair the row with \`ctx.storage.kv\`; it was left as it is.`,
    { cause },
  );
}

function apply({ id, run }: Step, storage: DurableObjectStorage, where: string): void {
  const step = `${where}: step ${quote(id)}`;
  if (typeof run === "function") {
    let result: unknown;
    try {
      result = run(storage);
    } catch (cause) {
      throw failed(step, cause instanceof Error ? cause.message : quote(cause), cause);
    }
    if (!isThenable(result)) return;
    // Its code goes on by itself, and what becomes of it is no news after this error.
    Promise.resolve(result).catch(() => {});
    throw new DurableError(
      "returned-promise",
      `${step} gave a promise, so what it does later could not be undone; what it did was. Make it synchronous: \`up: (storage) => { … }\`, and do the rest in \`onStart\`.`,
    );
  }
  for (const [i, { text }] of run.entries()) {
    try {
      // To its end: half-read, an `insert … returning` resets the object.
      storage.sql.exec(text).toArray();
    } catch (cause) {
      const { what, shown } = sayingOf(text, cause);
      throw failed(`${step}, statement ${i + 1} of ${run.length},`, `${what}\n\n${shown}`, cause);
    }
  }
}

function failed(step: string, said: string, cause: unknown): DurableError {
  return new DurableError(
    "migration-failed",
    `${step} failed, and all that was done is undone: ${said}\n\nMend the step: the next call tries again.`,
    { cause },
  );
}
