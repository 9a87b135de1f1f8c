/**
 * @module
 * The decorators of the part: `@Synced` fields and `@Callable` methods.
 */
import { DurableError } from "../core/errors.ts";
import { record } from "../core/part/part.ts";
import { levelOf } from "../core/plan.ts";
import { isSchema, type StandardSchema } from "../core/values/schema.ts";
import { validated } from "../core/values/validated.ts";
import { optionsOf } from "../persisted/options.ts";
import type { Recorded, SyncedOptions } from "./options.ts";
import { sync } from "./sync-part.ts";

/** The part's name. */
const PART = "sync";

/** Decorates a persisted field, in the standard and in the legacy dialect. */
export interface SyncedDecorator {
  <This extends object>(
    target: unknown,
    context: ClassAccessorDecoratorContext<This> | ClassFieldDecoratorContext<This>,
  ): void;
  (prototype: object, name: string | symbol): void;
}

/**
 * Shows a persisted field to every connected client: its value when the client connects, and then each change, once it is stored.
 * Write it above `@Persisted()`.
 *
 * A client connects with `durable-base/client`. A class without `sockets(this)` accepts such clients alone, and all of them: to
 * refuse some, give `sockets(this, { connect })`, or let `serve` authorize them.
 *
 * @throws DurableError when the class is evaluated: `bad-decorator` for a field that isn't persisted, or has a codec.
 *
 * @example
 * ```ts
 * export class Room extends DurableBase {
 *   @Synced() @Persisted() accessor messages: Message[] = [];
 *   @Synced({ visibleTo: (state?: { isHost: boolean }) => state?.isHost === true }) @Persisted() accessor reports: Report[] = [];
 * }
 * ```
 */
export function Synced<State = unknown>({ visibleTo }: SyncedOptions<State> = {}): SyncedDecorator {
  if (visibleTo !== undefined && typeof visibleTo !== "function") {
    throw new DurableError(
      "bad-option",
      "@Synced(): `visibleTo` isn't a function. Write `@Synced({ visibleTo: (state) => state?.isHost === true })`.",
    );
  }
  return ((target: object, nameOrContext: string | symbol | ClassAccessorDecoratorContext) => {
    const isStandard = typeof nameOrContext === "object";
    const holder = isStandard ? nameOrContext.metadata : target;
    const name = isStandard ? nameOrContext.name : nameOrContext;
    const field = typeof holder === "object" ? levelOf(holder).fields.get(name as string) : undefined;
    const codec = optionsOf(field).codec !== undefined;
    if (field === undefined || codec) {
      throw new DurableError(
        "bad-decorator",
        `@Synced() cannot stand on ${String(name)}: ${codec ? "a field with a codec holds no plain data" : "it isn't persisted"}. Write \`@Synced() @Persisted() accessor ${String(name)} = …\`.`,
      );
    }
    const value: Recorded = { kind: "field", visibleTo: visibleTo as SyncedOptions["visibleTo"] };
    record(holder, { part: PART, attach: sync, member: name as string, value });
  }) as SyncedDecorator;
}

/** Decorates a method whose one parameter takes `Input`, in the standard and in the legacy dialect. */
export interface CallableDecorator<Input> {
  <This extends object, Method extends (this: This, input: Input) => unknown>(
    method: Method,
    context: ClassMethodDecoratorContext<This, Method>,
  ): void;
  <Method extends (input: Input) => unknown>(
    prototype: object,
    name: string | symbol,
    descriptor: TypedPropertyDescriptor<Method>,
  ): void;
}

/**
 * Lets connected clients call a method, with one argument at most. Its result and errors go back on the same socket; an async
 * generator's items too, one by one.
 *
 * With `input`, a Standard Schema that may be asynchronous, the argument is validated and converted, in calls through a stub
 * too: see {@link Validated}. Beside a route with an `input`, pass the same schema.
 *
 * @throws DurableError when the class is evaluated: `bad-decorator` on a member that isn't a method that a stub could call;
 * `bad-option` for an `input` that isn't a Standard Schema. A caller gets `invalid-input`.
 *
 * @example
 * ```ts
 * const Say = z.object({ text: z.string().min(1) });
 *
 * @Callable({ input: Say }) say({ text }: Validated<typeof Say>): void {
 *   this.messages.push({ text, at: Date.now() });
 * }
 * ```
 */
export function Callable(): CallableDecorator<unknown>;
export function Callable<Input, Output>(options: {
  readonly input: StandardSchema<Input, Output>;
}): CallableDecorator<Output>;
export function Callable({ input }: { readonly input?: unknown } = {}): CallableDecorator<never> {
  const label = "@Callable()";
  if (input !== undefined && !isSchema(input)) {
    throw new DurableError(
      "bad-option",
      `${label}: \`input\` isn't a Standard Schema. Write \`@Callable({ input: z.object({ … }) })\`.`,
    );
  }
  return ((
    target: object,
    nameOrContext: string | symbol | ClassMethodDecoratorContext,
    property?: PropertyDescriptor,
  ) => {
    const isStandard = typeof nameOrContext === "object";
    const name = isStandard ? nameOrContext.name : nameOrContext;
    const isMethod = isStandard
      ? nameOrContext.kind === "method" && !nameOrContext.private && !nameOrContext.static
      : typeof target === "object" && typeof property?.value === "function";
    if (!isMethod || typeof name !== "string") {
      throw new DurableError(
        "bad-decorator",
        `${label} cannot stand on ${String(name ?? "a class")}: it isn't a method that a stub could call. Write \`${label} say(input) { … }\`.`,
      );
    }
    const holder = isStandard ? nameOrContext.metadata : target;
    if (input !== undefined) {
      levelOf(holder).prepare.set(name, ([given], self) => validated(input, given, `${self.constructor.name}.${name}`));
    }
    record(holder, { part: PART, attach: sync, member: name, value: { kind: "method" } satisfies Recorded });
  }) as CallableDecorator<never>;
}
