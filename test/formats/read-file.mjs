import { DatabaseSync } from "node:sqlite";
import { Deserializer } from "node:v8";

/** What `readField` gets the rows of an object's file with. */
export function openRows(path) {
  const select = new DatabaseSync(path, { readOnly: true }).prepare("SELECT value FROM _cf_KV WHERE key = ?");
  return (key) => {
    const row = select.get(key);
    if (row === undefined) return undefined;
    const value = new Value(row.value);
    value.readHeader();
    return value.readValue();
  };
}

// By workerd's number; those of WebAssembly between them are Errors here.
const ERRORS = [Error, Error, TypeError, RangeError, ReferenceError, SyntaxError];
ERRORS.push(Error, Error, Error, Error, EvalError, URIError, AggregateError);

/** A value as `v8.deserialize` reads it, but with workerd's own form of an Error. */
class Value extends Deserializer {
  _readHostObject() {
    if (this.readUint32() !== 10) throw new Error("This is no value of a field.");
    const kind = this.readUint32();
    const named = kind === 0 ? { name: this.readValue() } : {};
    const error = Object.setPrototypeOf(new Error(this.readValue()), (ERRORS[kind] ?? Error).prototype);
    for (const [key, value] of Object.entries({ ...named, ...this.readValue() }))
      Object.defineProperty(error, key, { value, configurable: true, writable: true });
    return error;
  }
}
