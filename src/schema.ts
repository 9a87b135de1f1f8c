/**
 * @module
 * Standard Schema v1, as far as it is used here: routes check their input by one, fields their values.
 */
import type { Issue } from "./errors.ts";

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

/** What a Standard Schema answers: the converted value, or what is wrong. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/** One thing that is wrong, as a Standard Schema tells it. */
export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

// A value can be wrong in half a million places; nobody reads so many.
const MAX_ISSUES = 100;

/** Tells whether a value is a Standard Schema; arktype's are functions. */
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
