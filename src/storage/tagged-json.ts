/**
 * @module
 * Values as JSON, and back: every value that storage holds, exactly, with shared parts and cycles.
 *
 * A value becomes a list of nodes, one for each object in it; the first node is the value itself. A member refers to another
 * object by its place in the list, so nothing nests, and no value is too deep. `docs/transfer-format.md` has the table.
 */
import { quote } from "../core/errors.ts";
import { setOwn } from "../core/values/snapshot.ts";

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

const VIEWS = [
  ..."Int8Array,Uint8Array,Uint8ClampedArray,Int16Array,Uint16Array,Int32Array,Uint32Array".split(","),
  ..."Float16Array,Float32Array,Float64Array,BigInt64Array,BigUint64Array,DataView".split(","),
];

const ERRORS = [
  ..."Error,TypeError,RangeError,ReferenceError,SyntaxError,EvalError,URIError,AggregateError".split(","),
  ..."CompileError,LinkError,RuntimeError".split(","),
];

type View = new (buffer: ArrayBuffer, offset?: number, length?: number) => ArrayBufferView & { length?: number };

/** The class of errors or views by its name. */
function classOf<Class>(name: string): Class {
  const { WebAssembly } = globalThis as { WebAssembly?: object };
  return ((globalThis as Record<string, unknown>)[name] ?? (WebAssembly as Record<string, unknown>)[name]) as Class;
}

/**
 * The nodes of a value that storage gave.
 *
 * @throws TypeError naming what cannot be written, such as a Blob.
 */
export function encodeValue(value: unknown): Json[] {
  const places = new Map<object, number>();
  const found: object[] = [];
  const member = (value: unknown): Json => {
    switch (typeof value) {
      case "undefined":
        return [];
      case "bigint":
        return ["bigint", String(value)];
      case "number":
        if (Object.is(value, -0)) return ["number", "-0"];
        return Number.isFinite(value) ? value : ["number", String(value)];
      case "string":
      case "boolean":
        return value;
      default: {
        if (value === null) return null;
        const known = places.get(value as object);
        if (known !== undefined) return [known];
        places.set(value as object, found.length);
        return [found.push(value as object) - 1];
      }
    }
  };
  const first = member(value);
  if (found.length === 0) return [first];
  const nodes: Json[] = [];
  // It grows as members are found.
  for (const object of found) nodes.push(nodeOf(object, member));
  return nodes;
}

function nodeOf(value: object, member: (value: unknown) => Json): Json {
  if (Array.isArray(value)) return arrayNode(value, member);
  if (value instanceof Map) return ["map", ...[...value].flat().map(member)];
  if (value instanceof Set) return ["set", ...Array.from(value, member)];
  if (value instanceof Date) return ["date", member(value.getTime())];
  if (value instanceof RegExp) return ["regexp", value.source, value.flags];
  if (value instanceof ArrayBuffer) {
    const bytes = base64(new Uint8Array(value));
    return value.resizable ? ["buffer", bytes, value.maxByteLength] : ["buffer", bytes];
  }
  if (ArrayBuffer.isView(value)) return viewNode(value, member);
  if (isBoxed(value)) return ["boxed", member(value.valueOf())];
  const proto = Object.getPrototypeOf(value) as { constructor?: { name?: string } } | null;
  const name = proto?.constructor?.name ?? "";
  if (value instanceof Error && ERRORS.includes(name) && proto === classOf<ErrorConstructor>(name).prototype) {
    return ["error", name, propertiesOf(value, Object.getOwnPropertyNames(value), member)];
  }
  if (proto === Object.prototype || proto === null) return propertiesOf(value, Object.keys(value), member);
  throw new TypeError(`it holds a ${name === "" ? "value of another kind" : name}`);
}

function arrayNode(value: readonly unknown[], member: (value: unknown) => Json): Json {
  const keys = Object.keys(value);
  if (isDense(value, keys)) return ["array", ...value.map(member)];
  return ["sparse", value.length, propertiesOf(value, keys, member)];
}

/** Returns true for an array without holes and without other keys. */
function isDense({ length }: readonly unknown[], keys: readonly string[]): boolean {
  // Indexes come first, so the last key is an index only if there are no other keys.
  return keys.length === length && (length === 0 || keys.at(-1) === String(length - 1));
}

function viewNode(value: ArrayBufferView, member: (value: unknown) => Json): Json {
  const { buffer, byteOffset } = value;
  const name = value.constructor.name;
  const length = (value as { length?: number }).length ?? value.byteLength;
  const node = ["view", name, member(buffer), byteOffset];
  return buffer instanceof ArrayBuffer && buffer.resizable && follows(value, buffer) ? node : [...node, length];
}

/** Tells whether a view has no length of its own, and so is always as long as its buffer: there is no property for it. */
function follows(view: ArrayBufferView, buffer: ArrayBuffer): boolean {
  const { byteLength } = view;
  const whole = buffer.byteLength;
  if (view.byteOffset + byteLength + 8 <= whole) return false;
  if (whole + 8 > buffer.maxByteLength) return true;
  buffer.resize(whole + 8);
  const isLonger = view.byteLength > byteLength;
  buffer.resize(whole);
  return isLonger;
}

function propertiesOf(value: object, keys: readonly string[], member: (value: unknown) => Json): Json {
  const node = {};
  for (const key of keys) {
    const { value: own, get } = Object.getOwnPropertyDescriptor(value, key)!;
    // Of an error without a stack, that is an accessor.
    if (get === undefined) setOwn(node, key, member(own));
  }
  return node;
}

function isBoxed(value: object): boolean {
  return value instanceof String || value instanceof Number || value instanceof Boolean || value instanceof BigInt;
}

/**
 * The value of nodes.
 *
 * @throws any error for nodes that {@link encodeValue} cannot have given.
 */
export function decodeValue(nodes: readonly unknown[]): unknown {
  const made = new Array<unknown>(nodes.length);
  const member = (json: unknown): unknown => {
    if (!Array.isArray(json)) return json;
    const [kind, text] = json as unknown[];
    if (kind === undefined) return undefined;
    if (kind === "bigint") return BigInt(text as string);
    if (kind === "number") return Number(text);
    if (typeof kind !== "number" || !(kind in made)) throw new TypeError(`there is no node ${quote(kind)}`);
    return made[kind];
  };
  const [first] = nodes;
  if (!isNode(first)) return member(first);
  // All buffers are there before the views on them, and all objects before what they hold.
  for (const [i, node] of nodes.entries()) if (!isView(node)) made[i] = shellOf(node as Node, member);
  for (const [i, node] of nodes.entries()) if (isView(node)) made[i] = viewOf(node, member);
  for (const [i, node] of nodes.entries()) fill(made[i] as object, node as Node, member);
  return made[0];
}

type Node = readonly [kind: string, ...unknown[]] | Readonly<Record<string, unknown>>;

function isView(node: unknown): node is readonly unknown[] {
  return Array.isArray(node) && node[0] === "view";
}

/** Tells nodes from a value that is no object, and so has none. */
function isNode(json: unknown): boolean {
  if (!Array.isArray(json)) return typeof json === "object" && json !== null;
  return json.length > 0 && json[0] !== "bigint" && json[0] !== "number";
}

function shellOf(node: Node, member: (json: unknown) => unknown): object {
  if (!Array.isArray(node)) return {};
  const [kind, a, b] = node as [string, unknown, unknown];
  switch (kind) {
    case "array":
      return [];
    case "sparse":
      return new Array(a as number);
    case "map":
      return new Map();
    case "set":
      return new Set();
    case "date":
      return new Date(member(a) as number);
    case "regexp":
      return new RegExp(a as string, b as string);
    case "boxed":
      return Object(member(a)) as object;
    case "buffer":
      return bufferOf(bytesOfBase64(a as string), b as number | undefined);
    case "error":
      return emptyError(a as string);
    default:
      throw new TypeError(`there is no kind ${kind}`);
  }
}

function bufferOf(bytes: Uint8Array<ArrayBuffer>, maxByteLength: number | undefined): ArrayBuffer {
  if (maxByteLength === undefined) return bytes.buffer;
  const buffer = new ArrayBuffer(bytes.length, { maxByteLength });
  new Uint8Array(buffer).set(bytes);
  return buffer;
}

function emptyError(name: string): Error {
  if (!ERRORS.includes(name)) throw new TypeError(`there is no error ${name}`);
  const Class = classOf<ErrorConstructor>(name);
  const error = name === "AggregateError" ? new AggregateError([]) : new Class();
  for (const own of Object.getOwnPropertyNames(error)) delete (error as unknown as Record<string, unknown>)[own];
  return error;
}

function viewOf([, name, buffer, offset, length]: readonly unknown[], member: (json: unknown) => unknown): object {
  if (!VIEWS.includes(name as string)) throw new TypeError(`there is no view ${quote(name)}`);
  const Class = classOf<View>(name as string);
  return new Class(member(buffer) as ArrayBuffer, offset as number, length as number | undefined);
}

function fill(made: object, node: Node, member: (json: unknown) => unknown): void {
  if (!Array.isArray(node)) return fillProperties(made, node as Readonly<Record<string, unknown>>, member);
  const [kind, ...members] = node as [string, ...unknown[]];
  if (kind === "array") for (const json of members) (made as unknown[]).push(member(json));
  else if (kind === "set") for (const json of members) (made as Set<unknown>).add(member(json));
  else if (kind === "map") {
    for (let i = 0; i < members.length; i += 2)
      (made as Map<unknown, unknown>).set(member(members[i]), member(members[i + 1]));
  } else if (kind === "sparse") fillProperties(made, members[1] as Readonly<Record<string, unknown>>, member);
  else if (kind === "error") {
    for (const [key, json] of Object.entries(members[1] as object)) {
      // As storage itself returns them.
      const enumerable = key !== "message";
      Object.defineProperty(made, key, { value: member(json), enumerable, writable: true, configurable: true });
    }
  }
}

function fillProperties(
  made: object,
  properties: Readonly<Record<string, unknown>>,
  member: (json: unknown) => unknown,
): void {
  for (const key of Object.keys(properties)) setOwn(made, key, member(properties[key]));
}

/** The only key of the object that stands for a value that bare JSON can't hold. */
const TAG = "durable-base";

/** How deep bare JSON may nest. */
const DEEPEST = 100;

/**
 * A value as JSON text: bare where JSON returns the same value, else its nodes under a key of their own.
 *
 * @throws TypeError naming what can't be stored; Error named `DataCloneError`.
 */
export function textOf(value: unknown): string {
  return JSON.stringify(isBare(value, new Set(), DEEPEST) ? value : { [TAG]: encodeValue(structuredClone(value)) });
}

/**
 * The value of a text that {@link textOf} returned.
 *
 * @throws any error for other texts.
 */
export function valueOf(text: string): unknown {
  const json: unknown = JSON.parse(text);
  return isTagged(json) ? decodeValue(json[TAG]) : json;
}

function isTagged(json: unknown): json is { readonly [TAG]: readonly unknown[] } {
  return typeof json === "object" && json !== null && Object.hasOwn(json, TAG) && Object.keys(json).length === 1;
}

/** Returns true if JSON returns the same value; of what is shared it would make copies. */
function isBare(value: unknown, seen: Set<object>, deepest: number): boolean {
  if (typeof value === "number") return Number.isFinite(value) && !Object.is(value, -0);
  if (typeof value !== "object") return typeof value === "string" || typeof value === "boolean";
  if (value === null) return true;
  // JSON would call `toJSON`, which structured clone doesn't.
  if (seen.has(value) || deepest === 0 || "toJSON" in value) return false;
  seen.add(value);
  const keys = Object.keys(value);
  if (Array.isArray(value)) {
    if (!isDense(value, keys)) return false;
  } else if (Object.getPrototypeOf(value) !== Object.prototype || isTagged(value)) return false;
  return keys.every((key) => isBare((value as Record<string, unknown>)[key], seen, deepest - 1));
}

/** ES2026's, which TypeScript's library of ES2024 lacks; workerd has them. */
interface WithBase64 {
  toBase64(): string;
}

/** Bytes as base64. */
export function base64(bytes: Uint8Array): string {
  return (bytes as unknown as WithBase64).toBase64();
}

/** @throws SyntaxError, TypeError for what is no base64. */
export function bytesOfBase64(text: string): Uint8Array<ArrayBuffer> {
  return (Uint8Array as unknown as { fromBase64(text: string): Uint8Array<ArrayBuffer> }).fromBase64(text);
}
