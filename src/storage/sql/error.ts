/**
 * @module
 * What SQLite refused, told with the statement and without its values.
 */
import { DurableError } from "../../core/errors.ts";
import type { Bound } from "./values.ts";

/** How much of a long statement a message shows, before and behind the place. */
const SHOWN = 500;

/** The error for what `exec` threw: the statement as it was written, the place SQLite names, and no bound value. */
export function sqlFailed(text: string, values: readonly Bound[], cause: unknown): DurableError {
  const { what, shown } = sayingOf(text, cause);
  return new DurableError(
    "sql-failed",
    `Storage.sql: ${withoutValues(what, text, values)}\n\n${shown}\n\n\`error.cause\` is the platform's own error.`,
    { cause },
  );
}

/** What SQLite said, without its codes, and the statement with a mark under the place. */
export function sayingOf(text: string, cause: unknown): { what: string; shown: string } {
  const said = cause instanceof Error ? cause.message : String(cause);
  const [, what = said, offset] = /^(.*?)(?: at offset (\d+))?(?:: SQLITE_\w+.*)?$/s.exec(said)!;
  const at = offset === undefined ? undefined : placeOf(text, Number(offset), what);
  return { what, shown: show(text, at) };
}

/** The index of what SQLite names; undefined if that isn't there. */
function placeOf(text: string, bytes: number, what: string): number | undefined {
  const at = new TextDecoder().decode(new TextEncoder().encode(text).subarray(0, bytes)).length;
  const [, named] = /(?:near |: )"(.*)"/s.exec(what) ?? /: (?:.*\.)?(.*)$/s.exec(what) ?? [];
  if (named === undefined) return at;
  // It may be quoted there, and have a table before it.
  return text
    .slice(at)
    .replace(/^(?:[\w"`[\]]+\.)?["`[]?/, "")
    .startsWith(named) || text.startsWith(named, at)
    ? at
    : undefined;
}

/** The statement, with a mark under the place. */
function show(text: string, at: number | undefined): string {
  const middle = at ?? 0;
  const begin = Math.max(0, middle - SHOWN);
  const shown = text.slice(begin, middle + SHOWN);
  if (at === undefined) return shown;
  const lineEnd = shown.indexOf("\n", at - begin);
  const [before, behind] = lineEnd === -1 ? [shown, ""] : [shown.slice(0, lineEnd), shown.slice(lineEnd)];
  const column = at - begin - (shown.lastIndexOf("\n", at - begin - 1) + 1);
  return `${before}\n${" ".repeat(column)}^${behind}`;
}

/** Names of the schema, never values. */
const OF_SCHEMA = /^(?:UNIQUE|NOT NULL|CHECK|FOREIGN KEY) constraint failed/;

/**
 * SQLite's words, with what came from a bound value, such as a bad JSON path or the text of a trigger's `raise()`,
 * replaced by `…`.
 */
function withoutValues(what: string, text: string, values: readonly Bound[]): string {
  if (OF_SCHEMA.test(what)) return what;
  const texts = values.filter((value) => typeof value === "string" || typeof value === "number").map(String);
  const isBound = (piece: string): boolean =>
    piece !== "" && !text.includes(piece) && texts.some((value) => value.includes(piece) || holds(piece, value));
  const quoted = what.replace(/'(?:[^']|'')*'|"(?:[^"]|"")*"/g, (piece) => {
    const [quote] = piece as string & [string];
    return isBound(piece.slice(1, -1).replaceAll(quote + quote, quote)) ? `${quote}…${quote}` : piece;
  });
  const last = quoted.slice(quoted.lastIndexOf(": ") + 2);
  if (quoted.includes(": ") && isBound(last)) return `${quoted.slice(0, -last.length)}…`;
  return isBound(quoted) ? "…" : quoted;
}

/** Tells whether a text holds a value as words of its own. */
function holds(text: string, value: string): boolean {
  for (let at = text.indexOf(value); value !== "" && at !== -1; at = text.indexOf(value, at + 1)) {
    const around = [text.charAt(at - 1), text.charAt(at + value.length)];
    if (!around.some((character) => /[\p{L}\p{N}_]/u.test(character))) return true;
  }
  return false;
}
