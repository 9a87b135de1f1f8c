/**
 * @module
 * The argument of a method, validated by its schema.
 */
import { DurableError } from "../errors.ts";
import { listIssues, plainIssues, type SchemaResult, type StandardSchema } from "./schema.ts";

/**
 * Returns the arguments of a method after `schema` has validated and converted the only one; `label` names the method in messages.
 * Synchronous if the schema is.
 *
 * @throws DurableError `invalid-input`, with the schema's issues.
 */
export function validated(schema: StandardSchema, given: unknown, label: string): unknown[] | Promise<unknown[]> {
  const result = schema["~standard"].validate(given);
  const check = (known: SchemaResult<unknown>): unknown[] => [valueOf(known, label)];
  return result instanceof Promise ? result.then(check) : check(result);
}

/** @throws DurableError `invalid-input` if the result has issues; `label` names the method. */
export function valueOf(result: SchemaResult<unknown>, label: string): unknown {
  if (result.issues === undefined) return result.value;
  const issues = plainIssues(result.issues);
  throw new DurableError("invalid-input", `${label}: ${listIssues(issues, "input")}.`, { issues });
}
