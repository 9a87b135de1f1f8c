/**
 * The program that is stopped at every step of storage, and what may be found afterwards.
 *
 * `test/persisted/steps.test.ts` stops it by errors and aborts, `npm run crash -- steps` by SIGKILL.
 */

/** What the program changes, on the object and on plain JavaScript alike. */
export interface State {
  count: number;
  label: string;
  list: Entry[];
  map: Map<string, Entry>;
  tree: { groups: Record<string, Entry[]> };
  /** Stored by older code, as version 1, whole in one row; see {@link OLD}. */
  moved: Entry[];
  /** A row of the user's own, by `ctx.storage.kv`. */
  own: number;
}

interface Entry {
  id: number;
  note: string;
}

/** One call of the object. */
export interface Call {
  /**
   * `plain` is written after each stretch, with an await between two; the others are all or nothing: `@Atomic`
   * methods, sync and async, and the user's own `transactionSync`.
   */
  readonly how: "plain" | "atomic" | "atomicLater" | "transactionSync";
  readonly stretches: readonly ((state: State) => void)[];
  /** It throws at its end, by itself. */
  readonly throws?: true;
}

/** What older code has stored. */
export const OLD: readonly Entry[] = Array.from({ length: 120 }, (_, id) => ({ id, note: `old ${id}` }));

/** What the code of today makes of it. */
export const migrate = (old: readonly Entry[]): Entry[] => old.map(({ id, note }) => ({ id, note: `${note}, moved` }));

export const begin = (): State => ({
  count: 0,
  label: "",
  list: [],
  map: new Map(),
  tree: { groups: {} },
  moved: migrate(OLD),
  own: 0,
});

const entry = (id: number): Entry => ({ id, note: `entry ${id}` });
/** Where a call was stopped, what a later one changes may not be there. */
const mark = (one: Entry | undefined, note: string): void => {
  if (one !== undefined) one.note = note;
};
const grow = ({ list, map }: State, by: number): void => {
  for (let i = 0; i < by; i++) {
    list.push(entry(list.length));
    map.set(`key${map.size}`, entry(map.size));
  }
};

export const PROGRAM: readonly Call[] = [
  { how: "plain", stretches: [(s) => (s.count = 1)] },
  // From the record to rows of their own, to many, in several changes of form.
  { how: "plain", stretches: [(s) => grow(s, 10), (s) => grow(s, 30)] },
  { how: "plain", stretches: [(s) => grow(s, 100), (s) => grow(s, 300), (s) => s.list.push(entry(-1))] },
  // Several fields at once.
  {
    how: "plain",
    stretches: [
      (s) => {
        s.count++;
        mark(s.list[5], "changed");
        mark(s.list[400], "changed");
        mark(s.map.get("key7"), "changed");
        s.map.delete("key9");
        s.tree.groups["a"] = [entry(1)];
      },
    ],
  },
  {
    how: "plain",
    stretches: [
      (s) => s.list.splice(100, 50),
      (s) => s.list.unshift(entry(-2), entry(-3)),
      (s) => (s.tree.groups["b"] = Array.from({ length: 200 }, (_, i) => entry(i))),
      (s) => s.list.sort((a, b) => b.id - a.id),
    ],
  },
  {
    how: "atomic",
    stretches: [
      (s) => {
        s.count++;
        s.own = 1;
        s.list.shift();
        s.tree.groups["b"]?.splice(3);
      },
    ],
  },
  {
    how: "atomic",
    throws: true,
    stretches: [
      (s) => {
        s.own = 99;
        s.list.length = 0;
        s.map.clear();
      },
    ],
  },
  {
    how: "atomicLater",
    stretches: [
      (s) => void s.list.reverse(),
      (s) => {
        s.own++;
        s.map.set("later", entry(5));
      },
      (s) => {
        s.count++;
        s.own++;
        grow(s, 40);
      },
    ],
  },
  { how: "atomicLater", throws: true, stretches: [(s) => (s.own = 98), (s) => s.list.splice(3, 200)] },
  {
    how: "transactionSync",
    stretches: [
      (s) => {
        s.own++;
        mark(s.list[0], "own");
        s.own++;
        mark(s.map.get("key11"), "own");
      },
    ],
  },
  {
    how: "transactionSync",
    throws: true,
    stretches: [
      (s) => {
        s.own = 97;
        s.label = "undone";
        s.list.pop();
      },
    ],
  },
  // Back to the record.
  {
    how: "plain",
    stretches: [
      (s) => s.list.splice(60),
      (s) => s.list.splice(2),
      (s) => {
        for (const key of [...s.map.keys()].slice(20)) s.map.delete(key);
      },
      (s) => s.map.clear(),
    ],
  },
  {
    how: "plain",
    stretches: [
      (s) => {
        s.list = Array.from({ length: 250 }, (_, i) => entry(i));
        s.map = new Map([["only", entry(0)]]);
        s.label = "replaced";
      },
      (s) => (s.tree = { groups: {} }),
    ],
  },
  // Migrated by its first write: undone, then done, then changed and emptied.
  { how: "atomic", throws: true, stretches: [(s) => s.moved.push(entry(1))] },
  {
    how: "plain",
    stretches: [
      (s) => {
        s.moved.push(entry(2));
        s.count++;
      },
      (s) => mark(s.moved[60], "changed"),
      (s) => (s.moved = []),
    ],
  },
];

/** The states that a call may leave when it is stopped: the one before it first, the complete one last. */
export function boundaries({ how, stretches, throws }: Call, before: State): State[] {
  if (throws && how !== "plain") return [before];
  const states = [before];
  const state = structuredClone(before);
  for (const [i, stretch] of stretches.entries()) {
    stretch(state);
    if (how === "plain" || i === stretches.length - 1) states.push(structuredClone(state));
  }
  return states;
}

/** A state as text. */
export function textOf({ count, label, list, map, tree, moved, own }: State): string {
  return JSON.stringify({ count, label, list, map: [...map], tree, moved, own });
}
