/**
 * @module
 * Sync as a part of an object: follows changes of its fields, and sends them to the clients that may see them.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { DurableError } from "../core/errors.ts";
import { attach, type Change, type Host, type Part } from "../core/part/part.ts";
import { planOf, type AnyClass } from "../core/plan.ts";
import { snapshot } from "../core/values/snapshot.ts";
import { optionsOf } from "../persisted/options.ts";
import { OWN, sendTo, type Connection } from "../sockets/connection.ts";
import { SocketsPart, type Protocol } from "../sockets/sockets-part.ts";
import { runningCall, type Call } from "./call.ts";
import { Calls } from "./calls.ts";
import type { Recorded, SyncedOptions } from "./options.ts";
import { PROTOCOL, type WireChange } from "./frames.ts";
import { Group, sinceOf, type Sendable, type Since } from "./groups.ts";
import { toWire } from "./values.ts";

/** Attaches the part to an object; a decorator of the part brings it. */
export function sync(object: object): SyncPart {
  return attach(object, "sync", (host) => new SyncPart(host));
}

/** A change that is stored. */
interface Stored extends Sendable {
  /** The call that made it. */
  readonly call: Call | undefined;
}

/** Sync as a part of one object. */
export class SyncPart implements Part, Protocol {
  readonly name: string = PROTOCOL;
  readonly tag: string = `${OWN}sync`;
  readonly #host: Host;
  readonly #sockets: SocketsPart;
  /** By field, who may see it. */
  readonly #fields = new Map<string, SyncedOptions["visibleTo"]>();
  readonly #calls: Calls;
  /** Runs something as if no entry had set it off: one that has failed, or has been cut off, can't ask for anything. */
  readonly #outside = AsyncLocalStorage.bind((work: () => void) => work());
  #epoch = newEpoch();
  /** By the fields that they see, a digit for each. */
  readonly #groups = new Map<string, Group>();
  #groupOf = new WeakMap<Connection, Group>();
  /** Clients that wait for the whole state, or for what they have missed since. */
  readonly #behind = new Map<Connection, Since | undefined>();
  /** The number of changes that aren't stored yet. */
  #unstored = 0;
  /** Changes that are stored, and not sent yet. */
  #stored: Stored[] = [];
  #isFollowing = false;

  constructor(host: Host) {
    this.#host = host;
    this.#sockets = attach(host.object, "sockets", (own) => new SocketsPart(own));
    this.#sockets.speak(this);
    const methods = new Set<string>();
    for (const [member, recorded] of host.records() as ReadonlyMap<string, Recorded>) {
      if (recorded.kind === "field") this.#fields.set(member, recorded.visibleTo);
      else if (host.isReachable(member)) methods.add(member);
    }
    checkFields(host.object, this.#fields.keys());
    this.#calls = new Calls({
      host,
      methods,
      sendChanges: () => this.#send(),
      isBehind: (one) => this.#behind.has(one),
    });
  }

  // Before `onStart`, whose changes the clients of before the hibernation get, too.
  starting(): void {
    if (this.#connections().length > 0) this.#follow();
  }

  replaced(): void {
    this.#epoch = newEpoch();
    this.#groups.clear();
    this.#groupOf = new WeakMap();
    for (const connection of this.#connections()) this.#leaveBehind(connection);
  }

  opened(connection: Connection, asked: readonly string[]): void {
    this.#follow();
    this.#leaveBehind(connection, sinceOf(asked));
  }

  message(connection: Connection, data: string | ArrayBuffer): Promise<void> | undefined {
    return this.#calls.receive(connection, data);
  }

  // Before anything else is sent, so that nothing of a field leaves that the client may see no longer.
  changed(connection: Connection, before: unknown): void {
    const known = this.#groupOf.get(connection) ?? this.#groupFor(before);
    const group = this.#groupFor(connection.state);
    this.#groupOf.set(connection, group);
    if (known !== group) this.#leaveBehind(connection);
  }

  closed(connection: Connection): void {
    this.#behind.delete(connection);
    this.#groupOf.get(connection)?.left();
    this.#calls.end(connection);
  }

  #connections(): Connection[] {
    return this.#sockets.connections(this);
  }

  /** Records changes from now on: an object without clients doesn't. */
  #follow(): void {
    if (this.#isFollowing) return;
    this.#isFollowing = true;
    this.#host.onChange({ changed: (change) => this.#record(change), reset: () => {} });
  }

  /** Keeps a change until it is stored: each by itself, since an inner transaction may be undone alone. */
  #record(change: Change): void {
    if (!this.#fields.has(change.field)) return;
    const call = runningCall(this.#host.scope());
    const sendable = { field: change.field, text: JSON.stringify(wireChange(change)), call };
    this.#unstored++;
    this.#host.afterWrite(
      () => {
        this.#unstored--;
        // All that is stored at the same time makes one patch.
        if (this.#stored.push(sendable) === 1) void Promise.resolve().then(() => this.#send());
      },
      () => void this.#unstored--,
    );
  }

  /** Sends the changes that are stored, as one patch for each group. */
  #send(): void {
    const changes = this.#stored;
    if (changes.length === 0) return;
    this.#stored = [];
    const byGroup = new Map<Group, Connection[]>([...this.#groups.values()].map((group) => [group, []]));
    for (const connection of this.#connections()) {
      const group = this.#group(connection);
      if (!byGroup.has(group)) byGroup.set(group, []);
      if (!this.#behind.has(connection)) byGroup.get(group)!.push(connection);
    }
    for (const [group, members] of byGroup) {
      const text = group.add(changes, members.length > 0);
      if (text === undefined) continue;
      for (const { call, field } of changes) {
        if (call === undefined || call.isMarked || !group.fields.has(field)) continue;
        if (members.includes(call.connection)) this.#calls.mark(call);
      }
      for (const { native } of members) sendTo(native, text);
    }
  }

  /** The group of a client: the same for all that see the same fields. */
  #group(connection: Connection): Group {
    let group = this.#groupOf.get(connection);
    if (group === undefined) this.#groupOf.set(connection, (group = this.#groupFor(connection.state)));
    return group;
  }

  #groupFor(state: unknown): Group {
    const sees = [...this.#fields.values()].map((visibleTo) => visibleTo === undefined || isVisible(visibleTo, state));
    const key = sees.map(Number).join("");
    let group = this.#groups.get(key);
    if (group === undefined) {
      const fields = [...this.#fields.keys()].filter((_, nth) => sees[nth]);
      group = new Group(`${this.#epoch}-${this.#groups.size}`, new Set(fields));
      this.#groups.set(key, group);
    }
    return group;
  }

  /** Lets a client wait for the state: it gets nothing else before. */
  #leaveBehind(connection: Connection, since?: Since): void {
    this.#behind.set(connection, since);
    this.#catchUpLater();
  }

  #catchUpLater(): void {
    this.#outside(() =>
      this.#host.afterWrite(
        () => this.#catchUp(),
        () => {
          if (!this.#host.isOver) void Promise.resolve().then(() => this.#catchUpLater());
        },
      ),
    );
  }

  /** Sends the state, or what they have missed, to the clients that wait for it. */
  #catchUp(): void {
    if (this.#behind.size === 0) return;
    // The state in memory has changes that aren't stored.
    if (this.#unstored > 0) return this.#catchUpLater();
    this.#send();
    for (const [connection, since] of this.#behind) {
      this.#behind.delete(connection);
      const group = this.#group(connection);
      sendTo(connection.native, (since && group.missed(since)) ?? group.stateText(() => this.#stateOf(group)));
    }
  }

  /** The visible fields as JSON. One that can't be read is left out. */
  #stateOf({ fields }: Group): Record<string, unknown> {
    const object = this.#host.object as Readonly<Record<string, unknown>>;
    const state: Record<string, unknown> = {};
    for (const field of fields) {
      try {
        state[field] = toWire(snapshot(object[field]));
      } catch (error) {
        console.error(`durable-base: ${object.constructor.name}.${field} couldn't be sent.`, error);
      }
    }
    return state;
  }
}

/** @throws DurableError `bad-decorator` for a field that a subclass has given a codec. */
function checkFields(object: object, fields: Iterable<string>): void {
  const plan = planOf(object.constructor as AnyClass);
  for (const name of fields) {
    if (optionsOf(plan.fields.get(name)).codec === undefined) continue;
    throw new DurableError(
      "bad-decorator",
      `${object.constructor.name}.${name} is synced by a parent class, so it can't have a codec. Store plain data: \`@Persisted() accessor ${name} = …\`.`,
    );
  }
}

function newEpoch(): string {
  return crypto.randomUUID().slice(0, 8);
}

function isVisible(visibleTo: NonNullable<SyncedOptions["visibleTo"]>, state: unknown): boolean {
  try {
    // A promise would be true, too.
    const verdict: unknown = visibleTo(state as never);
    return verdict === true;
  } catch (error) {
    console.error("durable-base: `visibleTo` failed, so the client doesn't see the field.", error);
    return false;
  }
}

function wireChange(change: Change): WireChange {
  const path = [change.field, ...change.path].map(toWire);
  switch (change.op) {
    case "set":
      return [path, toWire(change.value)];
    case "delete":
      return [path];
    case "add":
      return ["+", path, toWire(change.value)];
    case "clear":
      return ["c", path];
    default:
      return ["s", path, change.start, change.count, toWire(change.items) as unknown[]];
  }
}
