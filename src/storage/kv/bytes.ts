/**
 * @module
 * Bytes that lie in a larger buffer.
 */
/** What all typed arrays inherit from. */
const TypedArray: object = Object.getPrototypeOf(Uint8Array.prototype) as object;

/** A view of the same built-in kind over a copy of its bytes, in a buffer that has no others. */
export function cutOut(view: ArrayBufferView): ArrayBufferView {
  // Not the buffer's own `slice`, which would make another of its subclass.
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice().buffer;
  if (view instanceof DataView) return new DataView(bytes);
  // By the built-in's name, so that a subclass (Node's Buffer) becomes what storage will give back.
  const kind = Reflect.get(TypedArray, Symbol.toStringTag, view) as "Uint8Array";
  return new globalThis[kind](bytes);
}

/** The view over bytes of its own where it lies in a larger buffer; any other value as it is. */
export function trimmed(value: unknown): unknown {
  if (!ArrayBuffer.isView(value) || !(value.buffer instanceof ArrayBuffer)) return value;
  return value.byteLength < value.buffer.byteLength ? cutOut(value) : value;
}
