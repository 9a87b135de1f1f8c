/**
 * @module
 * Standard Schema v1, as far as it is used here: routes check their input by one, fields their values.
 */
import type { Issue } from "../errors.ts";

/**
 * A schema of any library that follows {@link https://standardschema.dev | Standard Schema}: zod, valibot, arktype.
 * `Input` is what it takes, `Output` what it gives.
 *
 * @example
 * ```ts
 * const positive: StandardSchema<number> = z.number().positive();
 * ```
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/**
 * The name under which a type carries a schema's input; no value has this property. A symbol of the language that no
 * type uses: the compiler can't name a library's own symbol in the declaration files of your project.
 */
export type INPUT = typeof Symbol.isConcatSpreadable;

/**
 * The type of a routed method's parameter that a schema validates. Inside the method it is the schema's output; callers
 * by `Stub`, `Handle` and `once` pass the schema's input.
 *
 * If parts of the input have their own schemas, join the types: `Validated<typeof Params> & Validated<typeof Body>`. For a
 * path parameter without a schema write `{ id: string } & Validated<typeof Body>`, and for a body that isn't a plain
 * object `{ body: Validated<typeof List> }`. Calls from inside the object and jobs pass the output, which is assignable to it.
 *
 * @example
 * ```ts
 * const Increment = z.object({ by: z.number().default(1) });
 *
 * @Route.post("/increment", { input: Increment })
 * increment({ by }: Validated<typeof Increment>): number { // by: number; a stub takes { by?: number }
 *   return (this.count += by);
 * }
 * ```
 */
export type Validated<S extends StandardSchema> = Marked<Sides<S>["output"], Sides<S>["input"]>;

type Sides<S extends StandardSchema> = NonNullable<S["~standard"]["types"]>;

/** Marks each part of a union, except types that an intersection would change, for example to `never`. */
type Marked<Output, Input> = unknown extends Output
  ? Output
  : Output extends null | undefined
    ? Output
    : Output & Mark<Input, Output>;

// Not an interface, which wouldn't be assignable to a record.
type Mark<Input, Output> = {
  readonly [Symbol.isConcatSpreadable]?: { readonly input: Input; readonly output: Output };
};

/** A parameter as a caller passes it: each {@link Validated} in it is replaced by the schema's input. */
export type Unvalidated<T> = T extends unknown
  ? IsMarked<T> extends true
    ? T extends Mark<infer Input, infer Output>
      ? Beside<Input, Pick<T, Exclude<NameOf<T>, NameOf<Output> | INPUT>>>
      : never
    : true extends IsValidated<T>
      ? { [K in keyof T]: K extends "body" ? Unvalidated<T[K]> : T[K] }
      : T
  : never;

/** An input joined with the parameter's other members, such as a path parameter without a schema. */
type Beside<Input, Others> = [keyof Others] extends [never] ? Input : Input & Unvalidated<Others>;

/** The names of members, without index signatures, which hide all names in `keyof`. */
type NameOf<T> = keyof { [K in keyof T as string extends K ? never : number extends K ? never : K]: 0 } & keyof T;

/** `true` for a type that is {@link Validated} or has such a body, and for a union with such a part. */
export type IsValidated<T> = IsMarked<T> | (T extends { readonly body?: infer Body } ? IsMarked<Body> : false);

type IsMarked<T> = 0 extends 1 & T
  ? false
  : T extends { readonly [Symbol.isConcatSpreadable]?: infer Sides }
    ? INPUT extends keyof T
      ? NonNullable<Sides> extends { readonly input: unknown; readonly output: unknown }
        ? true
        : false
      : false
    : false;

/** The result of a Standard Schema: the converted value, or the issues. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/** One thing that is wrong, as a Standard Schema reports it. */
export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

// A value can be wrong in half a million places; nobody reads so many.
const MAX_ISSUES = 100;

/** Returns true for a Standard Schema; arktype's are functions. */
export function isSchema(value: unknown): value is StandardSchema {
  return typeof (value as Partial<StandardSchema> | null | undefined)?.["~standard"]?.validate === "function";
}

/** A schema's issues as plain data that can be sent, the first hundred. */
export function plainIssues(issues: readonly SchemaIssue[]): Issue[] {
  return issues.slice(0, MAX_ISSUES).map(({ message, path = [] }) => {
    // Not `path.map`, which makes another of the schema's own arrays.
    const keys = Array.from(path, (part) => (typeof part === "object" ? part.key : part));
    return { path: keys.map((key) => (typeof key === "number" ? key : String(key))), message };
  });
}

/** Names each place and what is wrong there; `whole` is the name of the value itself. */
export function listIssues(issues: readonly Issue[], whole: string): string {
  return issues.map(({ path, message }) => `${path.length === 0 ? whole : path.join(".")}: ${message}`).join("; ");
}
