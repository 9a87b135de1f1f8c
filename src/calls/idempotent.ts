/**
 * @module
 * The `@Idempotent` decorator: a method that is safe to run more than once.
 */
import { levelOf, type MarkGate } from "../core/plan.ts";
import { platformRetryable, type Retryable } from "../core/platform.ts";
import { misplaced, replaceMethod, type CallDecorator } from "./replace-method.ts";

/**
 * Marks a method as safe to run more than once: what it does, it does also the second time without harm.
 *
 * A call of it that got lost on the way, or whose answer did, may then be made again: by the platform, where it has
 * `retryable` in `cloudflare:durable-objects`, else by a handle that knows of the mark, as those of
 * `Counter.from(namespace)` do. Nothing else is ever run twice. It changes nothing for calls from inside. A subclass
 * inherits the mark, but one that overrides the method has to repeat it.
 *
 * @throws DurableError `bad-decorator` when the class is evaluated: on a member that isn't a method, or that a stub can't call.
 *
 * @example
 * ```ts
 * @Idempotent()
 * rename(name: string) {
 *   this.title = name;
 * }
 * ```
 */
export const Idempotent: CallDecorator & (() => CallDecorator) = ((...args: unknown[]) =>
  args.length === 0 ? decorate : decorate(...args)) as CallDecorator & (() => CallDecorator);

const WRITTEN = "@Idempotent()";

/** Asked for by the first decorator, so that the answer is there before the first object is. */
let platform: Promise<Retryable | undefined> | undefined;

function decorate(...args: unknown[]): unknown {
  const [target, context] = args;
  return replaceMethod(
    WRITTEN,
    (method, name) => {
      const isStandard = typeof context === "object";
      if (typeof (isStandard ? (context as ClassMethodDecoratorContext).name : context) === "symbol")
        throw misplaced(WRITTEN, name, "a symbol cannot be called through a stub");
      if (isStandard && (context as ClassMethodDecoratorContext).private)
        throw misplaced(WRITTEN, name.slice(1), "a #private method cannot be called through a stub");
      platform ??= platformRetryable();
      levelOf(isStandard ? (context as ClassMethodDecoratorContext).metadata : (target as object)).idempotent.set(
        name,
        mark,
      );
      return method;
    },
    args,
  );
}

/** Marks what a stub calls, since the platform's mark sits on that very function. */
const mark: MarkGate = (gate) => {
  void platform!.then((retryable) => retryable?.(gate));
};
