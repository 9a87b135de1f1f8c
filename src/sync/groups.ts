/**
 * @module
 * Groups of clients that see the same fields: the numbers of their patches, and the last ones for clients that come back.
 */
import { SINCE } from "./frames.ts";

/** The most characters of a group's patches that are kept for clients that come back. */
const MAX_KEPT = 200_000;

/** How long a group's patches are kept while nobody is connected, in milliseconds. */
const KEPT_FOR = 60_000;

/** A change as JSON, with the field that it belongs to. */
export interface Sendable {
  readonly field: string;
  readonly text: string;
}

/** The version and number of a client that comes back. */
export interface Since {
  readonly version: string;
  readonly number: number;
}

/** Clients that see the same fields. */
export class Group {
  readonly version: string;
  readonly fields: ReadonlySet<string>;
  /** The number of the last patch. */
  number = 0;
  /** The last patches in order, without a gap. */
  readonly #kept: string[] = [];
  #size = 0;
  /** The state as a frame, until the next change. */
  #state: string | undefined;
  /** When it last had a client, as far as it knows. */
  #seen = Date.now();

  constructor(version: string, fields: ReadonlySet<string>) {
    this.version = version;
    this.fields = fields;
  }

  /** Counts a patch of the changes that the group sees; returns its text, or undefined without such changes, or if nobody needs it. */
  add(changes: readonly Sendable[], hasClients: boolean): string | undefined {
    const seen = changes.filter(({ field }) => this.fields.has(field));
    if (seen.length === 0) return undefined;
    this.number++;
    this.#state = undefined;
    const now = Date.now();
    if (hasClients) this.#seen = now;
    if (now - this.#seen > KEPT_FOR) {
      this.#kept.length = this.#size = 0;
      return undefined;
    }
    const head = this.number === 1 ? JSON.stringify([this.version, 1]) : this.number;
    const text = `[${head},${seen.map((change) => change.text).join(",")}]`;
    this.#kept.push(text);
    this.#size += text.length;
    while (this.#size > MAX_KEPT) this.#size -= this.#kept.shift()!.length;
    return text;
  }

  /** One of its clients is gone, and may come back. */
  left(): void {
    this.#seen = Date.now();
  }

  /** The state as a frame, made once for all clients that come before the next change. */
  stateText(state: () => Record<string, unknown>): string {
    return (this.#state ??= JSON.stringify(["state", this.version, this.number, state()]));
  }

  /** The patches that a client has missed, as one frame; undefined if not all of them are there. */
  missed({ version, number }: Since): string | undefined {
    const count = this.number - number;
    if (version !== this.version || count < 0 || count > this.#kept.length) return undefined;
    return `[${['"missed"', ...this.#kept.slice(this.#kept.length - count)].join(",")}]`;
  }
}

/** Finds what a client has among the subprotocols that it asks for. */
export function sinceOf(asked: readonly string[]): Since | undefined {
  const found = asked.find((name) => name.startsWith(SINCE))?.slice(SINCE.length);
  const [version, number = ""] = found?.split(".") ?? [];
  return version !== undefined && /^\d{1,15}$/.test(number) ? { version, number: Number(number) } : undefined;
}
