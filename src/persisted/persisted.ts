/**
 * @module
 * The `@Persisted()` decorator.
 */
import { DurableError } from "../errors.ts";
import { levelOf, type FieldPlan } from "../plan.ts";
import { accessorFor, fieldsOf } from "./accessors.ts";

/** Names the framework, the platform or JavaScript owns on an instance. */
const RESERVED = new Set([
  ...["constructor", "__proto__", "then", "ctx", "env", "dup"],
  ...["name", "fetch", "onStart", "onDestroy", "onError", "destroy", "schedule", "schedules"],
  ...["alarm", "webSocketMessage", "webSocketClose", "webSocketError"],
]);

/** What `@Persisted()` gives: a decorator for a standard `accessor`, a standard field or a legacy field. */
export interface PersistedDecorator {
  <This extends object, Value>(
    target: ClassAccessorDecoratorTarget<This, Value>,
    context: ClassAccessorDecoratorContext<This, Value>,
  ): ClassAccessorDecoratorResult<This, Value>;
  <This extends object, Value>(
    target: undefined,
    context: ClassFieldDecoratorContext<This, Value>,
  ): (this: This, value: Value) => Value;
  (target: object, name: string | symbol): void;
}

/**
 * Makes a field survive: its value is loaded from the object's storage when first read and written when
 * it, or anything inside it, changes.
 *
 * The initializer is the default and writes nothing by itself; a stored value always wins. The first
 * write of an object stores all its defaults, and from then on a changed initializer no longer reaches
 * that object. A value is a tree of structured-cloneable data; what is assigned, pushed or set is checked
 * and copied at that line. Changes are written once per synchronous stretch, at the latest before the
 * entry's answer goes out; if that fails, the call rejects and memory goes back to what is stored. A
 * persisted field cannot be reached through a stub.
 *
 * @throws DurableError `bad-decorator` or `reserved-name` when the class is evaluated; `not-persistable`,
 * `too-large`, `changed-in-constructor` or `stale-value` at the line of a change.
 *
 * @example
 * ```ts
 * class Counter extends DurableBase {
 *   @Persisted() accessor count = 0;
 *   @Persisted() accessor log: { at: Date; by: number }[] = [];
 * }
 * ```
 */
export const Persisted: PersistedDecorator & (() => PersistedDecorator) = ((
  ...args: [] | Parameters<typeof decorate>
) => {
  if (args.length === 0) return decorate;
  if (args.length > 1) return decorate(...args);
  throw new DurableError("bad-option", "@Persisted() takes no options yet. Write `@Persisted() accessor count = 0`.");
}) as PersistedDecorator & (() => PersistedDecorator);

type Context = ClassAccessorDecoratorContext<object> | ClassFieldDecoratorContext<object>;

function decorate(target: unknown, nameOrContext: Context | string | symbol, property?: PropertyDescriptor): unknown {
  return typeof nameOrContext === "object"
    ? standard(nameOrContext)
    : legacy(target as object, nameOrContext, property);
}

function standard(context: Context): unknown {
  const { kind, name } = context;
  if (context.private)
    throw misplaced(name, "a #private member is out of reach of the base class", name.toString().slice(1));
  if (context.static) throw misplaced(name, "a static member belongs to no object");
  if (kind !== "accessor" && kind !== "field") throw misplaced(name, `a ${String(kind)} holds no value`);
  const field = declare(context.metadata, name, kind);
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

function legacy(target: object, name: string | symbol, property: PropertyDescriptor | undefined): void {
  if (typeof target === "function") throw misplaced(name, "a static member belongs to no object");
  if (property !== undefined) {
    throw misplaced(
      name,
      "a method or accessor holds no value, and legacy decorators cannot see the initializer of an `accessor`",
      String(name),
      "",
    );
  }
  declare(target, name, "legacy");
}

function declare(holder: object, name: string | symbol, dialect: FieldPlan["dialect"]): string {
  if (typeof name === "symbol")
    throw misplaced(name, "a field is stored by its name, which must be a string", name.description);
  if (RESERVED.has(name)) {
    throw new DurableError(
      "reserved-name",
      `@Persisted() ${name}: the name belongs to the framework. Choose another: \`@Persisted() accessor my${name[0]?.toUpperCase()}${name.slice(1)} = …\`.`,
    );
  }
  levelOf(holder).fields.set(name, { name, dialect });
  return name;
}

function misplaced(name: string | symbol, why: string, better = String(name), keyword = "accessor "): DurableError {
  return new DurableError(
    "bad-decorator",
    `@Persisted() cannot stand on ${String(name)}: ${why}. Write \`@Persisted() ${keyword}${better} = …\`.`,
  );
}
