/**
 * @module
 * Values of SQL as JSON, and back: with their types, and digits that a number of JavaScript cannot hold.
 *
 * A text is a string, an INTEGER a number without a fraction, NULL null, and a REAL a number with a fraction; what
 * is none of these so is a pair of its type and a text.
 */
import { base64, bytesOfBase64 } from "../storage/tagged-json.ts";

/** One value of a row. */
export type Cell =
  | string
  | number
  | null
  | readonly ["real", string]
  | readonly ["integer", string]
  | readonly ["blob", string]
  | readonly ["text", string];

/** What to select for a column, so that {@link cellOf} sees its type and all of its digits. */
export function selected(column: string): string {
  return `typeof(${column}), case typeof(${column}) when 'integer' then cast(${column} as text) else ${column} end`;
}

/** The cell of what {@link selected} gave; undefined for a text whose bytes have to be asked for, by {@link badText}. */
export function cellOf(type: string, value: SqlStorageValue): Cell | undefined {
  switch (type) {
    case "integer":
      return Number.isSafeInteger(Number(value)) ? Number(value) : ["integer", value as string];
    case "real": {
      const number = value as number;
      const isPlain = Number.isFinite(number) && !Number.isInteger(number);
      return isPlain ? number : ["real", Object.is(number, -0) ? "-0" : String(number)];
    }
    case "blob":
      return ["blob", base64(new Uint8Array(value as ArrayBuffer))];
    case "text":
      // What is no UTF-8 is read as this.
      return (value as string).includes("\ufffd") ? undefined : (value as string);
    default:
      return null;
  }
}

/** The cell of a text by its bytes. */
export function badText(bytes: ArrayBuffer): Cell {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return ["text", base64(new Uint8Array(bytes))];
  }
}

/** The expression to bind a cell by: the platform binds every number as a REAL. */
export function expressionOf(cell: Cell): string {
  if (typeof cell === "number") return Number.isInteger(cell) ? "cast(? as integer)" : "?";
  if (!Array.isArray(cell)) return "?";
  return cell[0] === "integer" ? "cast(? as integer)" : cell[0] === "text" ? "cast(? as text)" : "?";
}

/** A cell as it can be laid aside in a row that holds no more than the platform allows: base64 takes a third more. */
export function compact(cell: unknown): unknown {
  if (!Array.isArray(cell) || (cell[0] !== "blob" && cell[0] !== "text")) return cell;
  return [cell[0] as unknown, bytesOfBase64(cell[1] as string)];
}

/** @throws any error for what is no cell, nor one that {@link compact} gave. */
export function bindingOf(cell: unknown): string | number | null | Uint8Array {
  if (cell === null) return null;
  if (typeof cell === "number") return cell;
  if (typeof cell === "string") {
    if (cell.isWellFormed()) return cell;
  } else if (Array.isArray(cell) && cell[1] instanceof Uint8Array) {
    return cell[1];
  } else if (Array.isArray(cell) && typeof cell[1] === "string") {
    const [type, text] = cell as [string, string];
    if (type === "real") return Number(text);
    if (type === "integer" && /^-?\d+$/.test(text)) return text;
    if (type === "blob" || type === "text") return bytesOfBase64(text);
  }
  throw new TypeError("a value of a row is none");
}
