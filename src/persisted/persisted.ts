/**
 * @module
 * The `@Persisted()` decorator.
 */
import { PART_CALL } from "../core/part/call-part.ts";
import { DurableError } from "../core/errors.ts";
import { levelOf, type FieldPlan } from "../core/plan.ts";
import { accessorFor, fieldsOf } from "./accessors.ts";
import { readOptions, verifyOptions, type Codec, type PersistedOptions } from "./options.ts";
import type { HoldsMethod } from "./holds-method.ts";

/** Names the framework, the platform or JavaScript owns on an instance. */
const RESERVED = new Set([
  ...["constructor", "__proto__", "then", "ctx", "env", "dup", PART_CALL],
  ...["name", "fetch", "onStart", "onDestroy", "onError", "destroy"],
  ...["alarm", "webSocketMessage", "webSocketClose", "webSocketError"],
]);

/**
 * A decorator for a standard `accessor`, a standard field or a legacy field, as `@Persisted()` returns it. The field's
 * type must include `Given`, the type that the options return, and be assignable to `Taken`, the type that they take. A
 * type that holds a function or a Promise is an error, unless the field is `Encoded` by a codec.
 */
export interface PersistedDecorator<Given = never, Taken = unknown, Encoded extends boolean = false> {
  // The first three take types that can't be stored, and return a type that no decorator may return: the compiler's
  // message shows its name.
  <This extends object, Value>(
    target: ClassAccessorDecoratorTarget<This, Value>,
    context: ClassAccessorDecoratorContext<This, Value> & Unfit<Value, Encoded>,
  ): { "no field can store functions, methods, symbols or Promises: await it in onStart, or give a codec": Value };
  <This extends object, Value>(
    target: undefined,
    context: ClassFieldDecoratorContext<This, Value> & Unfit<Value, Encoded>,
  ): { "no field can store functions, methods, symbols or Promises: await it in onStart, or give a codec": Value };
  <This extends object, Name extends keyof This>(
    target: This,
    name: Name & Unfit<This[Name], Encoded>,
  ): { "no field can store functions, methods, symbols or Promises: await it in onStart, or give a codec": This[Name] };
  <This extends object, Value>(
    target: ClassAccessorDecoratorTarget<This, Value>,
    context: ClassAccessorDecoratorContext<This, Value> & Fits<Value, Given, Taken>,
  ): ClassAccessorDecoratorResult<This, Value>;
  <This extends object, Value>(
    target: undefined,
    context: ClassFieldDecoratorContext<This, Value> & Fits<Value, Given, Taken>,
  ): (this: This, value: Value) => Value;
  <This extends object, Name extends string | symbol>(
    target: This,
    name: Name & (Name extends keyof This ? Fits<This[Name], Given, Taken> : unknown),
  ): void;
}

/** `unknown` if a field of type `Value` can't be stored; else, or if that depends on a type parameter, `never`. */
type Unfit<Value, Encoded> = true extends (Encoded extends true ? false : HoldsMethod<Value>) ? unknown : never;

/** Anything where options fit a field of type `Value`; else the types that don't. */
type Fits<Value, Given, Taken> = [Given] extends [Value]
  ? [Value] extends [Taken]
    ? unknown
    : { "the options take": Taken; "the field holds": Value }
  : { "the options give": Given; "the field holds": Value };

/** The type of {@link Persisted}: it works bare, called, and with options. */
// The decorator's own signatures come first: a factory's single parameter fits a decorator's two arguments, too.
export type PersistedFactory = PersistedDecorator & {
  <Value, Input = unknown>(
    options: PersistedOptions<Value, Input> & { readonly codec: Codec<Value> },
  ): PersistedDecorator<Value, Input & (Value | null | undefined), true>;
  <Value = never, Input = unknown>(options?: PersistedOptions<Value, Input>): PersistedDecorator<Value, Input>;
};

/**
 * Makes a field survive: its value is loaded from the object's storage when first read and written when
 * it, or anything inside it, changes.
 *
 * The initializer is the default and writes nothing by itself; a stored value always wins. The first
 * write of an object stores all its defaults, and from then on a changed initializer no longer reaches
 * that object. A value is a tree of structured-cloneable data; what is assigned, pushed or set is checked
 * and copied at that line. Changes made in one synchronous run of code are written together, at the latest before the
 * entry's answer goes out; if that fails, the call rejects and memory goes back to what is stored. A
 * persisted field cannot be reached through a stub.
 *
 * {@link PersistedOptions | Options} let it evolve: `version` and `migrate`, `renamedFrom`, `schema`, `codec`, and say
 * where and when it is stored: `key`, `eager`. A stored value that can't be read throws when this field is used, unless
 * `onUnreadable` returns another; it is kept either way.
 *
 * @throws DurableError `bad-decorator`, `reserved-name`, `bad-option`, `bad-key` or `reserved-key` when the class is
 * evaluated; `not-persistable`, `schema-failed`, `too-large`, `changed-in-constructor` or `stale-value` at the line of
 * a change; `field-unreadable`, `field-newer` or `record-unreadable` when the field is used.
 *
 * @example
 * ```ts
 * class Counter extends DurableBase {
 *   @Persisted() accessor count = 0;
 *   @Persisted() accessor log: { at: Date; by: number }[] = [];
 *   @Persisted({ version: 2, migrate: (old) => [String(old)] }) accessor labels: string[] = [];
 * }
 * ```
 */
export const Persisted: PersistedFactory = ((...args: [options?: object] | Parameters<Decorate>) =>
  args.length > 1
    ? decorateWith(undefined)(...(args as Parameters<Decorate>))
    : decorateWith(args[0])) as PersistedFactory;

type Context = ClassAccessorDecoratorContext<object> | ClassFieldDecoratorContext<object>;

type Decorate = (target: unknown, nameOrContext: Context | string | symbol, property?: PropertyDescriptor) => unknown;

function decorateWith(options: unknown): Decorate {
  return (target, nameOrContext, property) =>
    typeof nameOrContext === "object"
      ? standard(nameOrContext, options)
      : legacy(target as object, nameOrContext, property, options);
}

function standard(context: Context, options: unknown): unknown {
  const { kind, name } = context;
  if (context.private) throw misplaced(name, "a #private member is out of reach", name.toString().slice(1));
  if (context.static) throw misplaced(name, "a static member belongs to no object");
  if (kind !== "accessor" && kind !== "field") throw misplaced(name, `a ${String(kind)} holds no value`);
  const field = declare(context.metadata, name, kind, options);
  const initialize = function (this: object, value: unknown): unknown {
    fieldsOf(this, field).assign(field, value);
    // Without [[Define]] semantics the compiler assigns what comes back, as the default once more.
    return value;
  };
  if (kind === "accessor") return { ...accessorFor(field), init: initialize };
  // The field is defined on the instance after its initializer ran, and the property put over it after that.
  context.addInitializer(function (this: unknown) {
    Object.defineProperty(this, field, accessorFor(field));
  });
  return initialize;
}

function legacy(
  target: object,
  name: string | symbol,
  property: PropertyDescriptor | undefined,
  options: unknown,
): void {
  if (typeof target === "function") throw misplaced(name, "a static member belongs to no object");
  if (property !== undefined) {
    throw misplaced(name, "legacy decorators work on plain fields only", String(name), "");
  }
  declare(target, name, "legacy", options);
}

function declare(holder: object, name: string | symbol, dialect: FieldPlan["dialect"], options: unknown): string {
  if (typeof name === "symbol")
    throw misplaced(name, "fields are stored by name, which must be a string", name.description);
  if (RESERVED.has(name)) {
    throw new DurableError(
      "reserved-name",
      `@Persisted() ${name}: the name belongs to the framework. Choose another: \`@Persisted() accessor my${name[0]?.toUpperCase()}${name.slice(1)} = …\`.`,
    );
  }
  const { fields } = levelOf(holder);
  if (fields.has(name)) throw misplaced(name, "it is persisted already");
  fields.set(name, { name, dialect, options: readOptions(options, name) });
  verifyOptions(fields);
  return name;
}

function misplaced(name: string | symbol, why: string, better = String(name), keyword = "accessor "): DurableError {
  return new DurableError(
    "bad-decorator",
    `@Persisted() cannot stand on ${String(name)}: ${why}. Write \`@Persisted() ${keyword}${better} = …\`.`,
  );
}
