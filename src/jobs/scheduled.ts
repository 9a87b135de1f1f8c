/**
 * @module
 * The `@Scheduled` decorator: a method that every object of the class runs again and again.
 */
import { DurableError } from "../core/errors.ts";
import { record } from "../core/part/part.ts";
import { levelOf } from "../core/plan.ts";
import { jobs } from "./jobs-part.ts";
import { checkOptions, type JobOptions } from "./options.ts";
import { checkRecurrence, isRecurring, type Recurrence } from "./when.ts";

/** Decorates a method without parameters, in the standard and in the legacy dialect. */
export interface ScheduledDecorator {
  <This extends object>(method: (this: This) => unknown, context: ClassMethodDecoratorContext<This>): void;
  <Method extends () => unknown>(prototype: object, name: string, descriptor: TypedPropertyDescriptor<Method>): void;
}

/**
 * Runs a method again and again in every object that holds something, without a call of `schedule`.
 *
 * The declaration is stored with the object's first write of a persisted field, with its first job, or by
 * `start()` of `jobs(this)`; an object that was only read stores nothing. When the object next wakes up after a deploy,
 * a new declaration begins, a changed one moves to its next time, and one that is gone is removed. Subclasses inherit
 * it. It is listed as `"@method"`, and run, tried again and caught up as any recurring job; one that fails for good
 * goes on with its next time.
 *
 * @throws DurableError `bad-decorator`, `bad-time`, `bad-cron` or `bad-option` when the class is evaluated.
 *
 * @example
 * ```ts
 * @Scheduled(cron("0 3 * * *", { timeZone: "Europe/Berlin" }), { missed: "skip" })
 * sweep() {
 *   this.sessions.clear();
 * }
 * ```
 */
export function Scheduled(when: Recurrence, options: JobOptions = {}): ScheduledDecorator {
  const label = "@Scheduled()";
  if (!isRecurring(when)) {
    throw new DurableError(
      "bad-time",
      `${label}: a declaration comes again and again. Write \`@Scheduled({ every: 60_000 })\` or \`@Scheduled(cron("0 3 * * *"))\`.`,
    );
  }
  checkRecurrence(when, label);
  checkOptions(options, label);
  return ((
    target: unknown,
    nameOrContext: string | symbol | ClassMethodDecoratorContext,
    property?: PropertyDescriptor,
  ) => {
    if (typeof nameOrContext === "object") {
      const { kind, name, private: isPrivate, static: isStatic, metadata } = nameOrContext;
      declare(metadata, name, kind === "method" && !isPrivate && !isStatic);
    } else {
      declare(target as object, nameOrContext, typeof target === "object" && typeof property?.value === "function");
    }
  }) as ScheduledDecorator;

  function declare(holder: object, name: string | symbol | undefined, isMethod: boolean): void {
    const why =
      !isMethod || typeof name !== "string"
        ? "it isn't a method that a later run could find by its name"
        : levelOf(holder).parts.get("jobs")?.members.has(name) === true
          ? "it has a schedule already, so give this one a method of its own"
          : undefined;
    if (why !== undefined) {
      throw new DurableError(
        "bad-decorator",
        `${label} cannot stand on ${String(name ?? "a class")}: ${why}. Write \`@Scheduled({ every: 60_000 }) sweep() { … }\`.`,
      );
    }
    record(holder, { part: "jobs", attach: jobs, member: name as string, value: { ...options, when } });
  }
}
