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

/** The options of a field without any. */
export const PLAIN: FieldOptions = { version: 1, renamedFrom: [] };

/** The options of a field. */
export function optionsOf(field: FieldPlan | undefined): FieldOptions {
  return (field?.options ?? PLAIN) as FieldOptions;
}

const MIGRATED = "version: 2, migrate: (old) => …";

/** By option: tells whether a value of it can work, and how to write it. */
const RULES: Record<keyof PersistedOptions, [isRight: (value: never) => boolean, fix: string]> = {
  version: [(value: number) => Number.isSafeInteger(value) && value > 0, MIGRATED],
  migrate: [isFunction, MIGRATED],
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
  const wrong = (what: string, why: string, fix = "eager: true"): DurableError =>
    new DurableError(
      "bad-option",
      `@Persisted(${what}) ${field}: ${why}. Write \`@Persisted({ ${fix} }) accessor ${field} = …\`.`,
    );
  if (typeof given !== "object" || given === null) throw wrong(quote(given), "options are an object");
  const options = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(RULES, name)) throw wrong(`{ ${name} }`, `the options are ${Object.keys(RULES).join(", ")}`);
    const [isRight, fix] = RULES[name as keyof PersistedOptions];
    if (!isRight(value as never)) throw wrong(`{ ${name}: ${quote(value)} }`, "it cannot have that value", fix);
  }
  const { version = 1, migrate, key, renamedFrom } = options as PersistedOptions;
  if (version > 1 && migrate === undefined)
    throw wrong(`{ version: ${version} }`, "values of older versions need `migrate`", MIGRATED);
  if (version === 1 && migrate !== undefined)
    throw wrong("{ migrate }", "`migrate` runs for versions before `version`", MIGRATED);
  if (key !== undefined) usable(key, `@Persisted({ key }) ${field}: `);
  return { ...options, version, renamedFrom: renamedFrom === undefined ? [] : (namesOf(renamedFrom) as string[]) };
}

/** Made once a class: every wake-up asks for it. */
const keysOf = new WeakMap<Plan["fields"], ReadonlyMap<string, string>>();

/** By key of the user's: the field that lies under it. */
export function fieldsByKey(fields: Plan["fields"]): ReadonlyMap<string, string> {
  let byKey = keysOf.get(fields);
  if (byKey === undefined) {
    const found = [...fields].flatMap(([name, field]) => {
      const { key } = optionsOf(field);
      return key === undefined ? [] : [[key, name] as const];
    });
    keysOf.set(fields, (byKey = new Map(found)));
  }
  return byKey;
}

/**
 * Checks that no two fields claim the same stored value.
 *
 * @throws DurableError `bad-option`, naming both.
 */
export function verifyOptions(fields: Plan["fields"]): void {
  const claims = new Map(Array.from(fields.keys(), (name) => [`renamedFrom: ${JSON.stringify(name)}`, name]));
  for (const field of fields.values()) {
    const { key, renamedFrom } = optionsOf(field);
    const own = renamedFrom.map((old) => `renamedFrom: ${JSON.stringify(old)}`);
    if (key !== undefined) own.push(`key: ${JSON.stringify(key)}`);
    for (const claim of own) {
      const other = claims.get(claim);
      if (other !== undefined) {
        throw new DurableError(
          "bad-option",
          `@Persisted({ ${claim} }) ${field.name}: the field ${other} has that ${claim.startsWith("k") ? "key" : "name"}. Write another, or remove one of the two.`,
        );
      }
      claims.set(claim, field.name);
    }
  }
}
