/**
 * @module
 * The `@Internal` decorator: hides a member from stubs.
 */
import { levelOf } from "../core/plan.ts";
import { misplaced } from "./replace-method.ts";

/** Decorates a method or getter, in the standard and in the legacy dialect. */
export interface InternalDecorator {
  (
    member: unknown,
    context: { readonly kind: "method" | "getter" | "accessor"; readonly metadata: DecoratorMetadata },
  ): void;
  (prototype: object, name: string | symbol, descriptor: PropertyDescriptor): void;
}

/**
 * Hides a method or getter from stubs: a job's method, for example, or a helper that subclasses override.
 *
 * Code inside the object calls it as before, and routes, jobs and recurring jobs reach it. A stub gets the platform's error for a
 * method that doesn't exist. The mark is inherited, and an override is hidden with the method it overrides.
 * `Stub<T>` still lists the method, since TypeScript can't see decorators. Use `#private` where no subclass, route or job
 * needs the method.
 *
 * @throws DurableError `bad-decorator` when the class is evaluated: on a member that a stub can't reach anyway, and on `fetch`.
 *
 * @example
 * ```ts
 * @Internal()
 * prune({ keep }: { keep: number }) {
 *   this.messages.splice(0, this.messages.length - keep);
 * }
 * ```
 */
export const Internal: InternalDecorator & (() => InternalDecorator) = ((...args: unknown[]) =>
  args.length === 0 ? decorate : decorate(...args)) as InternalDecorator & (() => InternalDecorator);

const WRITTEN = "@Internal()";

/** The kinds of members that a stub reaches. */
const REACHED = new Set(["method", "getter", "accessor"]);

function decorate(...[target, nameOrContext, property]: unknown[]): void {
  const standard = typeof nameOrContext === "object" ? (nameOrContext as ClassMemberDecoratorContext) : undefined;
  const name = standard?.name ?? (nameOrContext as string | symbol | undefined);
  const { value, get } = (property ?? {}) as PropertyDescriptor;
  if (typeof name === "symbol") throw misplaced(WRITTEN, name, "a stub can't reach a symbol");
  if (name === undefined || standard?.kind === ("class" as string))
    throw misplaced(WRITTEN, undefined, "a class isn't a method");
  if (standard?.private === true) throw misplaced(WRITTEN, name.slice(1), "a #private member is hidden already");
  if (standard?.static ?? typeof target === "function")
    throw misplaced(WRITTEN, name, "a static member belongs to no object");
  if (!(standard === undefined ? typeof value === "function" || get !== undefined : REACHED.has(standard.kind)))
    throw misplaced(WRITTEN, name, "a stub reaches methods and getters only");
  if (name === "fetch") throw misplaced(WRITTEN, name, "HTTP requests reach an object by it");
  levelOf(standard === undefined ? (target as object) : standard.metadata).internal.add(name);
}
