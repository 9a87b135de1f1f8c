/** Exports of other packages for the tests, whose own types need Node's. */
export function serialize(value: unknown): string;
export function deserialize(text: string): unknown;
export function stringify(value: unknown): string;
export function uneval(value: unknown): string;
export function parse(text: string): unknown;
export function isEqual(a: unknown, b: unknown): boolean;
export function inspect(value: unknown, options?: { depth?: number; maxArrayLength?: number | null }): string;
export function isDeepStrictEqual(a: unknown, b: unknown): boolean;
export const types: Record<"isDate" | "isMap" | "isSet", (value: unknown) => boolean>;
export const Buffer: { from(text: string): Uint8Array };
