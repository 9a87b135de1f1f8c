/** What `@Persisted({ … })` accepts and refuses at compile time, with legacy decorators. */
import { z } from "zod";
import { DurableBase } from "../../src/core/durable-base.ts";
import { Persisted } from "../../src/persisted/persisted.ts";
import { options, type Money } from "../persisted/fixtures/evolve-options.ts";

export class Accepted extends DurableBase {
  @Persisted bare = 0;
  @Persisted({ key: "count", eager: true, renamedFrom: "a" }) plain: { n: number }[] = [];
  @Persisted({ version: 2, migrate: () => [] }) list: { at: Date }[] = [];
  @Persisted({ schema: z.string().trim() }) text = "";
  @Persisted(options.price) money: Money | undefined;
  @Persisted({ version: 2, migrate: Number }) protected hidden = 0;
}

export class Refused extends DurableBase {
  // @ts-expect-error migrate gives another type
  @Persisted({ version: 2, migrate: String }) migrated = 0;
  // @ts-expect-error the schema gives another type
  @Persisted({ schema: z.string() }) schema = 0;
  // @ts-expect-error the schema refuses a part of what the field holds
  @Persisted({ schema: z.string() }) optional: string | undefined;
  // @ts-expect-error the schema does not take what it gives
  @Persisted({ schema: z.string().transform(Number) }) converted = 0;
  // @ts-expect-error the codec is for another class
  @Persisted(options.price) date = new Date();
  // @ts-expect-error there is no such option
  @Persisted({ keys: "a" }) keys = 0;
}

/** Types that say nothing about functions, or hold none. */
type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

interface Person {
  name: string;
  friends: Person[];
  born?: Date;
}

export class Plain<T, U extends Person, O extends object> extends DurableBase {
  @Persisted() unknown: unknown;
  @Persisted() object: object = {};
  @Persisted() person: Person = { name: "", friends: [] };
  @Persisted() json: Json = null;
  @Persisted() generic: T | undefined;
  @Persisted() genericField: T[] = [];
  @Persisted genericMap = new Map<string, T>();
  @Persisted({}) partly: { value: T; n: number } | undefined;
  @Persisted() bound: U | undefined;
  @Persisted() boundName: U["name"] | undefined;
  @Persisted() boundList: Partial<U>[] = [];
  @Persisted() boundObject: O | undefined;
  @Persisted() readonly: ReadonlyMap<string, readonly ReadonlySet<number>[]> = new Map();
  @Persisted() branded = "" as string & { readonly __brand: "Id" };
  @Persisted() record: Record<string, unknown> = {};
  @Persisted() error: Error | undefined;
  @Persisted() bytes: Uint8Array | ArrayBuffer | DataView = new Uint8Array();
  @Persisted() tuple: [label: string, at?: Date, pattern?: RegExp] = [""];
  @Persisted() empty: never[] = [];
  @Persisted() printable: { toString(): string } = "a";
  @Persisted() iterable: Iterable<number> = [];
}

export class Unfit<T> extends DurableBase {
  // @ts-expect-error a Promise is awaited first
  @Persisted() promise = Promise.resolve(1);
  // @ts-expect-error also of a type parameter
  @Persisted() later: Promise<T> | undefined;
  // @ts-expect-error a function belongs into the class
  @Persisted() call = (): number => 1;
  // @ts-expect-error also with options
  @Persisted({ eager: true }) field = Promise.resolve(1);
  // @ts-expect-error also one member of a union
  @Persisted() either: string | (() => void) = "";
  // @ts-expect-error also in an array, with options
  @Persisted({ key: "a" }) list: Promise<string>[] = [];
  // @ts-expect-error also bare
  @Persisted bare: readonly { run(): void }[] = [];
  // @ts-expect-error also deep inside
  @Persisted() deep: { a: { b?: () => void } } = { a: {} };
  // @ts-expect-error also in a Map
  @Persisted() map = new Map<string, Promise<number>>();
  // @ts-expect-error a symbol in a Set
  @Persisted() set = new Set<symbol>();
  // @ts-expect-error a class with methods wants a codec
  @Persisted() url = new URL("http://a");
  // @ts-expect-error a class itself
  @Persisted() constructors: (typeof Date)[] = [];
}
