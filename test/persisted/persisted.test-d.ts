/** What `@Persisted({ … })` accepts and refuses at compile time: options that fit the field's type. */
import { type } from "arktype";
import { type Codec, DurableBase, Persisted, type PersistedOptions } from "durable-base";
import * as v from "valibot";
import { z } from "zod";

class Money {
  cents = 0;
  readonly #secret = 1;

  get secret(): number {
    return this.#secret;
  }
}

const money: Codec<Money> = { encode: ({ cents }) => cents, decode: () => new Money() };
const given: PersistedOptions<number> = { version: 2, migrate: (old, from) => Number(old) * from };
const User = z.object({ name: z.string().trim(), age: z.number().default(1) });

export class Accepted extends DurableBase {
  @Persisted accessor bare = 0;
  @Persisted({}) accessor none = 0;
  @Persisted({ key: "count", eager: true, renamedFrom: ["a", "b"] }) accessor plain: { n: number }[] = [];
  @Persisted(given) accessor given = 0;
  @Persisted({ version: 2, migrate: () => [] }) accessor list: { at: Date }[] = [];
  @Persisted({ version: 2, migrate: (old) => Number(old) }) field: number | undefined = 0;
  @Persisted<string>({ version: 2, migrate: String }) accessor explicit: string | number = "";
  @Persisted({ schema: User }) accessor user: z.output<typeof User> = { name: "a", age: 1 };
  @Persisted({ schema: z.coerce.number() }) accessor coerced = 0;
  @Persisted({ schema: v.object({ n: v.number() }) }) accessor valibot = { n: 1 };
  @Persisted({ schema: type({ n: "number" }) }) accessor arktype = { n: 1 };
  @Persisted({ codec: money }) accessor money = new Money();
  @Persisted({ codec: money }) maybe: Money | null | undefined;
  @Persisted({ codec: { encode: (value: Money) => value.cents, decode: () => new Money() } }) accessor inline =
    new Money();
  @Persisted<Money>({ codec: { encode: (value) => value.cents, decode: () => new Money() } }) accessor typed =
    new Money();
  @Persisted({ codec: money, schema: z.instanceof(Money) }) accessor both = new Money();
  @Persisted({ eager: true }) accessor hidden = 0;
  @Persisted({ version: 2, migrate: Number }) protected accessor inherited = 0;
  @Persisted({ onUnreadable: () => [] }) accessor mended: { at: Date }[] = [];
  @Persisted({ onUnreadable: (error, stored) => (error.issues === undefined ? Number(stored) : 0) }) mendedField = 0;
  @Persisted({ schema: User, onUnreadable: () => ({ name: "a", age: 1 }) }) accessor checked: z.output<typeof User> = {
    name: "a",
    age: 1,
  };
  @Persisted({ codec: money, onUnreadable: () => new Money() }) accessor coded = new Money();
}

export class Refused extends DurableBase {
  // @ts-expect-error migrate gives another type
  @Persisted({ version: 2, migrate: String }) accessor migrated = 0;
  // @ts-expect-error also for a field
  @Persisted({ version: 2, migrate: String }) field = 0;
  // @ts-expect-error onUnreadable gives another type
  @Persisted({ onUnreadable: String }) accessor mended = 0;
  // @ts-expect-error it gives what the schema does
  @Persisted({ schema: User, onUnreadable: () => ({ name: 1 }) }) accessor checked: z.output<typeof User> | undefined;
  // @ts-expect-error what was stored is unknown
  @Persisted({ version: 2, migrate: (old) => old.length }) accessor old = 0;
  // @ts-expect-error the schema gives another type
  @Persisted({ schema: z.string() }) accessor schema = 0;
  // @ts-expect-error the schema refuses a part of what the field holds
  @Persisted({ schema: z.string() }) accessor optional: string | undefined;
  // @ts-expect-error the schema does not take what it gives
  @Persisted({ schema: z.string().transform(Number) }) accessor converted = 0;
  // @ts-expect-error the codec is for another class
  @Persisted({ codec: money }) accessor date = new Date();
  // @ts-expect-error the codec takes only a part of what the field holds
  @Persisted({ codec: money }) accessor either: Money | string = "";
  // @ts-expect-error a codec has both
  @Persisted({ codec: { encode: String } }) accessor half = "";
  // @ts-expect-error there is no such option
  @Persisted({ keys: "a" }) accessor keys = 0;
  // @ts-expect-error a version is a number
  @Persisted({ version: "2", migrate: Number }) accessor version = 0;
}

/** Types that say nothing about functions, or hold none. */
type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

interface Person {
  name: string;
  friends: Person[];
  born?: Date;
}

export class Plain<T, U extends Person, O extends object> extends DurableBase {
  @Persisted() accessor unknown: unknown;
  @Persisted() accessor object: object = {};
  @Persisted() accessor person: Person = { name: "", friends: [] };
  @Persisted() accessor json: Json = null;
  @Persisted() accessor generic: T | undefined;
  @Persisted() genericField: T[] = [];
  @Persisted accessor genericMap = new Map<string, T>();
  @Persisted({}) accessor partly: { value: T; n: number } | undefined;
  @Persisted() accessor bound: U | undefined;
  @Persisted() accessor boundName: U["name"] | undefined;
  @Persisted() accessor boundList: Partial<U>[] = [];
  @Persisted() accessor boundObject: O | undefined;
  @Persisted() accessor readonly: ReadonlyMap<string, readonly ReadonlySet<number>[]> = new Map();
  @Persisted() accessor branded = "" as string & { readonly __brand: "Id" };
  @Persisted() accessor record: Record<string, unknown> = {};
  @Persisted() accessor error: Error | undefined;
  @Persisted() accessor bytes: Uint8Array | ArrayBuffer | DataView = new Uint8Array();
  @Persisted() accessor tuple: [label: string, at?: Date, pattern?: RegExp] = [""];
  @Persisted() accessor empty: never[] = [];
  @Persisted() accessor printable: { toString(): string } = "a";
  @Persisted() accessor iterable: Iterable<number> = [];
  @Persisted() accessor numbered: Record<number, Person> & ArrayLike<Person> = [];
}

export class Unfit<T> extends DurableBase {
  // @ts-expect-error a Promise is awaited first
  @Persisted() accessor promise = Promise.resolve(1);
  // @ts-expect-error also of a type parameter
  @Persisted() accessor later: Promise<T> | undefined;
  // @ts-expect-error a function belongs into the class
  @Persisted() accessor call = (): number => 1;
  // @ts-expect-error also as a field
  @Persisted() field = Promise.resolve(1);
  // @ts-expect-error also with options
  @Persisted({ eager: true }) accessor eager = Promise.resolve(1);
  // @ts-expect-error also one member of a union
  @Persisted() accessor either: string | (() => void) = "";
  // @ts-expect-error also in an array, with options
  @Persisted({ key: "a" }) accessor list: Promise<string>[] = [];
  // @ts-expect-error also bare
  @Persisted accessor bare: readonly { run(): void }[] = [];
  // @ts-expect-error also deep inside
  @Persisted() accessor deep: { a: { b?: () => void } } = { a: {} };
  // @ts-expect-error also in a Map
  @Persisted() accessor map = new Map<string, Promise<number>>();
  // @ts-expect-error also under a number
  @Persisted() accessor numbered: Record<number, () => void> = {};
  // @ts-expect-error a symbol in a Set
  @Persisted() accessor set = new Set<symbol>();
  // @ts-expect-error a class with methods wants a codec
  @Persisted() accessor url = new URL("http://a");
  // @ts-expect-error a class itself
  @Persisted() accessor constructors: (typeof Money)[] = [];
}
