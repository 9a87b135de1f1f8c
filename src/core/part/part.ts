/**
 * @module
 * Parts: optional features that attach to an object. `Host` is the object as its parts see it, and `Part` holds the hooks
 * that the object calls. A part attaches in one of three ways:
 *
 * - A part with an API is made in a field: `#jobs = jobs(this)`. Its function calls {@link attach} and returns the API.
 * - A part without one is listed: `static override parts = [exactlyOnce()]`, see `ListedPart`.
 * - A decorator brings its part: it calls {@link record}.
 *
 * The core imports no part, and not this file either. An object without parts pays nothing for them.
 */
import { COPY, mixedCopies } from "../two-copies.ts";
import { DurableError } from "../errors.ts";
import { observeEntries } from "./entries.ts";
import { hostOf } from "./host.ts";
import { PARTS } from "./key.ts";
import { forwardSockets } from "./sockets.ts";
import type { Host, Part } from "./types.ts";
import { levelOf } from "../plan.ts";
import { Parts, type Home } from "./attached.ts";

export { callPart, type MissingPart } from "./call-part.ts";
export type { EntryKind } from "../entry/scope.ts";
export type {
  CallOptions,
  Change,
  ChangeRecorder,
  EntryEnd,
  EntryInfo,
  Host,
  ListedPart,
  Part,
  SocketEvent,
  SocketEvents,
} from "./types.ts";

/**
 * Attaches a part to an object during its construction, and returns the part. `make` is called once per object: asking
 * again, in a subclass for example, returns the same part, even later.
 *
 * @throws DurableError `part-too-late` after construction; `bad-part` for an object of another class; `two-copies` for an object of
 * another copy of the library.
 *
 * @example
 * ```ts
 * export function visits(object: object): Visits {
 *   return attach(object, "visits", (host) => new VisitsPart(host));
 * }
 * ```
 */
export function attach<P extends Part>(object: object, name: string, make: (host: Host) => P): P {
  const home = (object as { readonly [PARTS]?: Home })[PARTS];
  if (home === undefined) {
    throw new DurableError(
      "bad-part",
      `The part ${name} attaches to an object of a class that extends DurableBase. Write it in a field of such a class: \`#${name} = ${name}(this)\`.`,
    );
  }
  if (home.copy !== COPY) throw new DurableError("two-copies", mixedCopies(`The part ${name}`));
  const known = home.parts?.get(name);
  // The name is the part's own.
  if (known !== undefined) return known as P;
  if (!home.isConstructing) {
    throw new DurableError(
      "part-too-late",
      `${object.constructor.name}: the part ${name} was asked for after the object was constructed. Write it in a field of the class: \`#${name} = ${name}(this)\`.`,
    );
  }
  const parts = (home.parts ??= new Parts(home));
  const part = equip(home, make(hostOf(name, home)));
  parts.add(name, part);
  return part;
}

/** Sets up the hooks that cost an object something. */
function equip<P extends Part>(home: Home, part: P): P {
  if (part.entry !== undefined) observeEntries(home, part);
  if (part.socket !== undefined) forwardSockets(home, part.socket);
  return part;
}

/**
 * Records what a part's decorator says about a member; the part is attached when an object of the class is constructed.
 * `holder` is what {@link levelOf} takes: `context.metadata`, or the prototype in the legacy dialect.
 *
 * @example
 * ```ts
 * record(context.metadata, { part: "visits", attach: visits, member: context.name, value: { every: 10 } });
 * ```
 */
export function record(holder: object | undefined, { part, attach, member, value }: PartRecord): void {
  const { parts } = levelOf(holder);
  const recorded = parts.get(part) ?? { attach, members: new Map<string, unknown>() };
  parts.set(part, recorded);
  recorded.members.set(member, value);
}

/**
 * The argument of {@link record}.
 *
 * @example
 * ```ts
 * const recorded: PartRecord = { part: "visits", attach: visits, member: "page", value: true };
 * ```
 */
export interface PartRecord {
  /** The part's name. */
  readonly part: string;
  /** Attaches the part to an object. */
  readonly attach: (object: object) => unknown;
  readonly member: string;
  readonly value: unknown;
}
