/** The messages of the model, for the object that handles them and the script that compares. */

/** A kind of message. */
export interface Kind {
  /** The tokens that it stores and sends, in order, when nothing cuts it off. */
  readonly tokens: readonly string[];
  /** True if its socket ends with it: what its client sends after it is dropped. */
  readonly isLast?: boolean;
}

export const KINDS = {
  note: { tokens: ["a"] },
  later: { tokens: ["a"] },
  steps: { tokens: ["a", "b", "c"] },
  big: { tokens: ["a"] },
  counted: { tokens: ["a"] },
  broadcast: { tokens: ["a"] },
  atomic: { tokens: ["a"] },
  atomicLater: { tokens: ["a", "b"] },
  undone: { tokens: ["a"] },
  undoneLater: { tokens: ["a"] },
  nested: { tokens: ["a", "b"] },
  native: { tokens: ["a"] },
  throws: { tokens: ["a"], isLast: true },
  throwsLater: { tokens: ["a", "b"], isLast: true },
  unwritable: { tokens: [], isLast: true },
  close: { tokens: ["a"], isLast: true },
  abort: { tokens: [], isLast: true },
} as const satisfies Record<string, Kind>;

export type KindName = keyof typeof KINDS;

/** A message of a client. */
export interface Asked {
  readonly n: number;
  readonly kind: KindName;
}

/** An answer, or a broadcast. `token` is that of {@link Stored}. */
export interface Told {
  readonly token: string;
  readonly isForAll?: boolean;
}

/** An entry of the journal: the connection's name, the socket's id, and the token. */
export type Stored = readonly [as: string, id: string, token: string];

/** An object, as the script sees it. */
export interface ChatState {
  readonly journal: readonly Stored[];
  /** The ids that refused clients had in `connect`. */
  readonly refused: readonly string[];
  /** The open sockets: the connection's name, the id, and how many `counted` messages it has handled. */
  readonly open: readonly (readonly [as: string, id: string, counted: number])[];
  readonly size: number;
  readonly build: string;
}
