/**
 * @module
 * The options of `@Persisted({ … })`: what they are, and whether they can work.
 */
import { DurableError, quote } from "../core/errors.ts";
import type { FieldPlan, Plan } from "../core/plan.ts";
import { isSchema, type StandardSchema } from "../core/values/schema.ts";
import { usable } from "../storage/kv/keys.ts";

/**
 * How a field's value, such as an instance of a class, becomes plain data and back.
 *
 * What `encode` gives for an instance is compared with what was stored whenever fields are written, so a change
 * inside the instance is noticed: it must give the same for the same, and may not change anything. `decode` must take
 * everything that `encode` gives. `null` and `undefined` stand for no value and go past both.
 *
 * @example
 * ```ts
 * const money: Codec<Money> = {
 *   encode: (value) => value.cents,
 *   decode: (stored) => new Money(stored as number),
 * };
 * ```
 */
export interface Codec<Value> {
  readonly encode: (value: Value) => unknown;
  readonly decode: (stored: unknown) => Value;
}

/**
 * Options of `@Persisted({ … })`. `Value` is what they give, which the field's type must take; `Input` is what their
 * `schema` takes, which must include the field's type.
 *
 * @example
 * ```ts
 * const counted: PersistedOptions<number> = { version: 2, migrate: (old) => Number(old) };
 * ```
 */
export interface PersistedOptions<Value = unknown, Input = unknown> {
  /** The version of the value's shape, 1 by default: raise it with `migrate` when stored values of old code don't fit. */
  readonly version?: number | undefined;
  /**
   * Makes this version's value of what the code of version `from` stored: plain data, before any `codec`.
   * Synchronous and pure: it runs when the field is first used, and its result is stored with the field's next write.
   */
  readonly migrate?: ((old: unknown, from: number) => Value) | undefined;
  /** Stores the value in a row of its own under exactly this key of `ctx.storage.kv`: an existing object's data. */
  readonly key?: string | undefined;
  /** Stores the default, and with it all others, when the object first wakes up, not with its first write. */
  readonly eager?: boolean | undefined;
  /** Validates what is loaded and what is written: any synchronous Standard Schema that takes what it gives. */
  readonly schema?: StandardSchema<Input, Value> | undefined;
  /** Turns the value into plain data and back. */
  readonly codec?: Codec<Value> | undefined;
  /**
   * Returns the value to go on with when the stored one can't be read (`field-unreadable`): `stored` is its plain data,
   * undefined if it can't be decoded. The result is stored with the field's next write, and the rows of the unreadable
   * value are kept. Synchronous. A field with this option is read as a whole when it is first used.
   */
  readonly onUnreadable?: ((error: DurableError, stored: unknown) => Value) | undefined;
  /** Names the field had in older code: a value stored under one is this field's, and moves with its next write. */
  readonly renamedFrom?: string | readonly string[] | undefined;
}

/** Options as the rest of the folder uses them. */
export interface FieldOptions extends PersistedOptions {
  readonly version: number;
  readonly renamedFrom: readonly string[];
}

/** By option: tells whether a value of it can work, and how to write it. */
const RULES: Record<keyof PersistedOptions, [isRight: (value: never) => boolean, fix: string]> = {
  version: [(value: number) => Number.isSafeInteger(value) && value > 0, "version: 2, migrate: (old) => …"],
  migrate: [isFunction, "version: 2, migrate: (old) => …"],
  key: [() => true, 'key: "count"'],
  eager: [(value: unknown) => typeof value === "boolean", "eager: true"],
  schema: [isSchema, "schema: z.number()"],
  codec: [
    (value: Partial<Codec<unknown>> | null) => isFunction(value?.encode) && isFunction(value?.decode),
    "codec: { encode: (value) => …, decode: (stored) => … }",
  ],
  onUnreadable: [isFunction, "onUnreadable: (error, stored) => …"],
  renamedFrom: [
    (value: unknown) => {
      const names = namesOf(value);
      return names.length > 0 && names.every((name) => typeof name === "string" && name !== "");
    },
    'renamedFrom: "oldName"',
  ],
};

function isFunction(value: unknown): boolean {
  return typeof value === "function";
}

function namesOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}

/**
 * The options of a field as its decorator got them; undefined when there are none.
 *
 * @throws DurableError `bad-option`, `bad-key` or `reserved-key`, with what to write.
 */
export function readOptions(given: unknown, field: string): FieldOptions | undefined {
  if (given === undefined) return undefined;
  if (typeof given !== "object" || given === null)
    throw wrong(field, quote(given), "options are an object", "eager: true");
  const options = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  for (const [name, value] of Object.entries(options)) {
    const rule = Object.hasOwn(RULES, name) ? RULES[name as keyof PersistedOptions] : undefined;
    if (rule === undefined) {
      throw wrong(
        field,
        `{ ${name} }`,
        `there is no such option, only ${Object.keys(RULES).join(", ")}`,
        "eager: true",
      );
    }
    if (!rule[0](value as never))
      throw wrong(field, `{ ${name}: ${quote(value)} }`, "it cannot have that value", rule[1]);
  }
  const { version = 1, migrate, key, renamedFrom } = options as PersistedOptions;
  if (version > 1 !== (migrate !== undefined)) {
    const why =
      migrate === undefined
        ? "values of older versions need `migrate`"
        : "`migrate` runs for versions before `version`";
    throw wrong(field, migrate === undefined ? `{ version: ${version} }` : "{ migrate }", why, RULES.version[1]);
  }
  if (key !== undefined) usable(key, `@Persisted({ key }) ${field}: `);
  const names = renamedFrom === undefined ? [] : (namesOf(renamedFrom) as string[]);
  return { ...options, version, renamedFrom: names };
}

function wrong(field: string, given: string, why: string, fix: string): DurableError {
  return new DurableError(
    "bad-option",
    `@Persisted(${given}) ${field}: ${why}. Write \`@Persisted({ ${fix} }) accessor ${field} = …\`.`,
  );
}

/** The options of a field, if it has any. */
function optionsOf(field: FieldPlan): FieldOptions | undefined {
  return field.options as FieldOptions | undefined;
}

const byPlan = new WeakMap<Plan, ReadonlyMap<string, FieldOptions> | null>();

/** The options of the fields that have any, by name; null when none has. */
export function allOptions(plan: Plan): ReadonlyMap<string, FieldOptions> | null {
  let all = byPlan.get(plan);
  if (all === undefined) {
    const some = [...plan.fields.values()].flatMap((field) => {
      const options = optionsOf(field);
      return options === undefined ? [] : [[field.name, options] as const];
    });
    byPlan.set(plan, (all = some.length === 0 ? null : new Map(some)));
  }
  return all;
}

/** By key of the user's: the field that lies under it. */
export function fieldsByKey(all: ReadonlyMap<string, FieldOptions>): ReadonlyMap<string, string> {
  return new Map([...all].flatMap(([name, { key }]) => (key === undefined ? [] : [[key, name]])));
}

/**
 * Checks that no two fields claim the same stored value.
 *
 * @throws DurableError `bad-option`, naming both.
 */
export function verifyOptions(fields: ReadonlyMap<string, FieldPlan>): void {
  const claiming = [...fields.values()].filter((field) => optionsOf(field) !== undefined);
  if (claiming.length === 0) return;
  const names = new Map([...fields.keys()].map((name) => [name, name]));
  const keys = new Map<string, string>();
  const claim = (claimed: Map<string, string>, what: string, field: string, option: "key" | "renamedFrom"): void => {
    const other = claimed.get(what);
    claimed.set(what, field);
    if (other === undefined) return;
    const given = `@Persisted({ ${option}: ${quote(what)} }) ${field}`;
    const clash = option === "key" ? `the field ${other} has that key` : `that name is taken by the field ${other}`;
    throw new DurableError("bad-option", `${given}: ${clash}. Write another, or remove one of the two.`);
  };
  for (const field of claiming) {
    const { key, renamedFrom } = optionsOf(field)!;
    if (key !== undefined) claim(keys, key, field.name, "key");
    for (const old of renamedFrom) claim(names, old, field.name, "renamedFrom");
  }
}
