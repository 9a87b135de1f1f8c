/**
 * @module
 * Values as JSON that stays bare where it can, for server and client. `docs/reference/sync-protocol.md` has the table.
 *
 * Every other value becomes an object with the one key `$`, whose value is a list that begins with a letter.
 */

/** The key of a value that bare JSON can't hold, and of an object that has that key itself. */
const TAG = "$";

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

const VIEWS = [
  ..."Int8Array,Uint8ClampedArray,Int16Array,Uint16Array,Int32Array,Uint32Array,Float16Array".split(","),
  ..."Float32Array,Float64Array,BigInt64Array,BigUint64Array,DataView".split(","),
];

/**
 * Makes JSON of plain data.
 *
 * @throws TypeError for anything else: functions, symbols, instances of classes.
 */
export function toWire(value: unknown): Json {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      return Number.isFinite(value) && !Object.is(value, -0)
        ? value
        : tagged("n", Object.is(value, -0) ? "-0" : `${value}`);
    case "undefined":
      return tagged("u");
    case "bigint":
      return tagged("i", `${value}`);
    case "object":
      return value === null ? null : objectToWire(value);
    default:
      throw new TypeError(`A ${typeof value} can't be sent.`);
  }
}

function tagged(...list: Json[]): Json {
  return { [TAG]: list };
}

function objectToWire(value: object): Json {
  if (Array.isArray(value)) return Array.from(value, (item, i) => (i in value ? toWire(item) : tagged("h")));
  if (value instanceof Map) return tagged("m", ...[...value].flat().map(toWire));
  if (value instanceof Set) return tagged("s", ...Array.from(value, toWire));
  if (value instanceof Date) return tagged("d", Number.isNaN(value.getTime()) ? null : value.getTime());
  if (value instanceof RegExp) return tagged("r", value.source, value.flags);
  if (value instanceof Error) return tagged("e", value.name, value.message);
  if (value instanceof ArrayBuffer) return tagged("b", base64(new Uint8Array(value)), "ArrayBuffer");
  if (value instanceof Uint8Array) return tagged("b", base64(value));
  if (ArrayBuffer.isView(value)) return viewToWire(value);
  const proto: unknown = Object.getPrototypeOf(value);
  if (proto !== Object.prototype && proto !== null) throw new TypeError(`A ${value.constructor.name} can't be sent.`);
  const json: Record<string, Json> = {};
  for (const [key, member] of Object.entries(value)) setProperty(json, key, toWire(member));
  return Object.hasOwn(json, TAG) ? tagged("o", json) : json;
}

function viewToWire(value: ArrayBufferView): Json {
  const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return tagged("b", base64(bytes), value.constructor.name);
}

/**
 * Returns the value of JSON that {@link toWire} has made.
 *
 * @throws TypeError, RangeError or SyntaxError for tags that it can't have made.
 */
export function fromWire(json: unknown): unknown {
  if (typeof json !== "object" || json === null) return json;
  if (Array.isArray(json)) return arrayFromWire(json);
  if (Object.hasOwn(json, TAG)) return taggedFromWire((json as { readonly [TAG]: unknown })[TAG]);
  return membersFromWire(json);
}

function arrayFromWire(json: readonly unknown[]): unknown[] {
  const value: unknown[] = new Array(json.length);
  for (const [i, item] of json.entries()) if (!isHole(item)) value[i] = fromWire(item);
  return value;
}

function isHole(json: unknown): boolean {
  if (typeof json !== "object" || json === null) return false;
  const { [TAG]: list } = json as { readonly [TAG]?: unknown };
  return Array.isArray(list) && list[0] === "h";
}

/** Returns an object's members as values, whatever their names are: the fields of a state. */
export function membersFromWire(json: object): Record<string, unknown> {
  const value: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(json)) setProperty(value, key, fromWire(member));
  return value;
}

function taggedFromWire(list: unknown): unknown {
  const [kind, first, second] = Array.isArray(list) ? (list as unknown[]) : [];
  switch (kind) {
    case "u":
      return undefined;
    case "n":
      return Number(first);
    case "i":
      return BigInt(first as string);
    case "d":
      return new Date(first === null ? NaN : (first as number));
    case "m": {
      const flat = (list as unknown[]).slice(1).map(fromWire);
      return new Map(Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i], flat[2 * i + 1]]));
    }
    case "s":
      return new Set((list as unknown[]).slice(1).map(fromWire));
    case "r":
      return new RegExp(first as string, second as string);
    case "e":
      return Object.assign(new Error(String(second)), { name: String(first) });
    case "b":
      return viewFromWire(bytesOf(String(first)), second);
    case "o":
      return membersFromWire(first as object);
    default:
      throw new TypeError("The value has an unknown tag.");
  }
}

function viewFromWire(bytes: Uint8Array<ArrayBuffer>, name: unknown): unknown {
  if (name === undefined) return bytes;
  if (name === "ArrayBuffer") return bytes.buffer;
  if (!VIEWS.includes(name as string)) throw new TypeError("The bytes have an unknown view.");
  type View = new (buffer: ArrayBuffer) => ArrayBufferView;
  return new (globalThis as unknown as Record<string, View>)[name as string]!(bytes.buffer);
}

/** Sets a property, even one called `__proto__`. */
export function setProperty(on: object, key: string, value: unknown): void {
  if (key !== "__proto__") (on as Record<string, unknown>)[key] = value;
  else Object.defineProperty(on, key, { value, enumerable: true, writable: true, configurable: true });
}

function base64(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 8_192) text += String.fromCharCode(...bytes.subarray(i, i + 8_192));
  return btoa(text);
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}
