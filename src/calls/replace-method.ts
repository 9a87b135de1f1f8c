/**
 * @module
 * Replacing a method, for the decorators of this folder, in both dialects.
 */
import { DurableError } from "../core/errors.ts";
import { kindOf } from "../core/values/async.ts";
import { levelOf } from "../core/plan.ts";

/** Decorates a method, in the standard and in the legacy dialect; the method keeps its type. */
export interface CallDecorator {
  <This extends object, Method extends (this: This, ...args: never) => unknown>(
    method: Method,
    context: ClassMethodDecoratorContext<This>,
  ): Method;
  <Method extends (...args: never) => unknown>(
    prototype: object,
    name: string | symbol,
    descriptor: TypedPropertyDescriptor<Method>,
  ): void;
}

/** A method as these decorators handle it. */
export type Method = (this: object, ...args: unknown[]) => unknown;

/** Gives what takes the place of a method called `name`. */
export type Wrap = (method: Method, name: string) => Method;

/**
 * Applies `wrap` to the method that a decorator, written as `written`, got with these arguments. The class gets a level even
 * where nothing is recorded, so that another copy of the library recognizes the class.
 */
export function replaceMethod(written: string, wrap: Wrap, args: readonly unknown[]): unknown {
  const [target, nameOrContext, property] = args;
  return typeof nameOrContext === "object"
    ? standard(written, wrap, target, nameOrContext as ClassMethodDecoratorContext)
    : legacy(written, wrap, target, nameOrContext as string | symbol | undefined, property as PropertyDescriptor);
}

function standard(written: string, wrap: Wrap, method: unknown, context: ClassMethodDecoratorContext): Method {
  const { kind, name } = context;
  if ((kind as string) === "class") throw misplaced(written, undefined, "a class isn't a method");
  if (kind !== "method") throw misplaced(written, name, `a ${String(kind)} isn't a method`);
  if (context.static) throw misplaced(written, name, "a static method belongs to no object");
  levelOf(context.metadata);
  return replacement(written, wrap, method as Method, name);
}

function legacy(
  written: string,
  wrap: Wrap,
  target: unknown,
  name: string | symbol | undefined,
  property: PropertyDescriptor | undefined,
): void {
  if (name === undefined) throw misplaced(written, undefined, "a class isn't a method");
  if (typeof target === "function") throw misplaced(written, name, "a static member belongs to no object");
  if (typeof property?.value !== "function") throw misplaced(written, name, "a field or accessor isn't a method");
  levelOf(target as object);
  property.value = replacement(written, wrap, property.value as Method, name);
}

function replacement(written: string, wrap: Wrap, method: Method, name: string | symbol): Method {
  if (kindOf(method).endsWith("GeneratorFunction"))
    throw misplaced(written, name, "a generator's body runs after the call. Collect what it yields in an array");
  const wrapped = wrap(method, String(name));
  Object.defineProperty(wrapped, "name", { value: method.name });
  Object.defineProperty(wrapped, "length", { value: method.length });
  return wrapped;
}

/** By a method that waits for its turn: gives the same with something put between the waiting and the method. */
const behindTurns = new WeakMap<Method, (change: (method: Method) => Method) => Method>();

/** Remembers how to get at the method behind one that waits for its turn. */
export function markTurn(waiting: Method, rebuild: (change: (method: Method) => Method) => Method): Method {
  behindTurns.set(waiting, rebuild);
  return waiting;
}

/** Changes a method; one that waits for its turn is changed behind the waiting. */
export function afterTurn(method: Method, change: (method: Method) => Method): Method {
  return behindTurns.get(method)?.(change) ?? change(method);
}

/** The error for a decorator that stands where it cannot work. */
export function misplaced(written: string, name: string | symbol | undefined, why: string): DurableError {
  return new DurableError(
    "bad-decorator",
    `${written} cannot stand on ${String(name ?? "a class")}: ${why}. Write \`${written} ${typeof name === "string" ? name : "answer"}() { … }\`.`,
  );
}
