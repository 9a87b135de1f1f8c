import { env } from "cloudflare:workers";
import { Object, type Handle } from "durable-base";
import { connect, crash, evict, rows, wakeUps, type SocketClient } from "durable-base/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Board } from "./board.ts";
import { addCard, type Card, cardsIn, type Column, moveCard } from "./cards.ts";

const boardOf = (name: string): Handle<Board> => Object.from(env.BOARD).byName(name);

/** The id of a card, by a number. */
const id = (nth: number): string => `00000000-0000-4000-8000-${String(nth).padStart(12, "0")}`;
const idOf = (title: string): string => id(Number(title));

/** The titles of a column, which are the numbers of the cards. */
const shown = async (board: Handle<Board>, column: Column): Promise<string[]> =>
  (await board.list()).filter((card) => card.column === column).map(({ title }) => title);

type Frame = readonly [unknown, ...unknown[]];

/** Connects as the page does. */
const join = async (board: Parameters<typeof connect>[0], name: string): Promise<SocketClient<Frame>> =>
  await connect<Frame>(board, `/?${String(new URLSearchParams({ name }))}`, { protocols: ["durable-base.sync.1"] });

/** The names in the frame with the state. */
const peopleIn = ([kind, , , state]: Frame): unknown[] => {
  expect(kind).toBe("state");
  const [, ...entries] = (state as { people: { $: unknown[] } }).people.$;
  return entries.filter((_, nth) => nth % 2 === 1);
};

describe("moveCard", () => {
  it("puts a card where an array would have it", () => {
    const column = fc.constantFrom<Column>("todo", "doing", "done");
    const move = fc.record({ card: fc.nat(7), column, before: fc.option(fc.nat(7), { nil: undefined }) });
    const play = (moves: { card: number; column: Column; before: number | undefined }[]): void => {
      const cards = new Map<string, Card>();
      const lists: Record<Column, string[]> = { todo: [], doing: [], done: [] };
      for (let nth = 0; nth < 8; nth++) {
        addCard(cards, { id: id(nth), title: "", column: "todo" });
        lists.todo.push(id(nth));
      }
      for (const { card, column, before } of moves) {
        moveCard(cards, { id: id(card), column, before: before === undefined ? undefined : id(before) });
        for (const list of [lists.todo, lists.doing, lists.done]) {
          if (list.includes(id(card))) list.splice(list.indexOf(id(card)), 1);
        }
        const at = before === undefined ? -1 : lists[column].indexOf(id(before));
        lists[column].splice(at < 0 ? lists[column].length : at, 0, id(card));
        for (const name of ["todo", "doing", "done"] as const) {
          expect(cardsIn(cards, name).map(([key]) => key)).toEqual(lists[name]);
        }
      }
    };
    fc.assert(fc.property(fc.array(move, { maxLength: 40 }), play), { seed: 1, numRuns: 300 });
  });

  it("keeps the order when a gap is used up, and numbers the column anew", () => {
    const cards = new Map<string, Card>();
    for (let nth = 0; nth < 4; nth++) addCard(cards, { id: id(nth), title: "", column: "todo" });
    let changed = 0;
    for (let nth = 0; nth < 200; nth++) {
      const before = JSON.stringify(cards.get(id(0)));
      // The last two change places, always right behind the second.
      const [, , third, last] = cardsIn(cards, "todo").map(([key]) => key);
      moveCard(cards, { id: last!, column: "todo", before: third });
      expect(cardsIn(cards, "todo").map(([key]) => key)).toEqual([id(0), id(1), last, third]);
      if (JSON.stringify(cards.get(id(0))) !== before) changed++;
    }
    expect(new Set(Array.from(cards.values(), ({ order }) => order)).size).toBe(4);
    expect(changed).toBeLessThan(5);
  });
});

describe("Board", () => {
  it("adds, renames, moves and removes cards", async () => {
    const board = boardOf("basics");
    for (const nth of [1, 2, 3]) await board.add({ id: id(nth), title: ` ${nth} `, column: "todo" });
    await board.move({ id: id(3), column: "todo", before: id(1) });
    expect(await shown(board, "todo")).toEqual(["3", "1", "2"]);
    await board.move({ id: id(1), column: "done" });
    await board.move({ id: id(2), column: "done", before: id(1) });
    await board.remove({ id: id(3) });
    await board.rename({ id: id(2), title: "two" });
    await evict(board);
    expect(await board.list()).toEqual([
      { id: id(2), title: "two", column: "done" },
      { id: id(1), title: "1", column: "done" },
    ]);
  });

  it("does the same when a call runs twice", async () => {
    const board = boardOf("twice");
    for (let time = 0; time < 2; time++) await board.add({ id: id(1), title: "1", column: "todo" });
    for (let time = 0; time < 2; time++) await board.add({ id: id(2), title: "2", column: "todo" });
    for (let time = 0; time < 2; time++) await board.move({ id: id(2), column: "todo", before: id(1) });
    expect(await shown(board, "todo")).toEqual(["2", "1"]);
    for (let time = 0; time < 2; time++) await board.remove({ id: id(2) });
    expect(await shown(board, "todo")).toEqual(["1"]);
  });

  it("refuses bad titles, unknown columns and cards that are gone", async () => {
    const board = boardOf("refusals");
    const refused = async (call: () => Promise<void>): Promise<void> => {
      await expect(call).rejects.toMatchObject({ code: "invalid-input" });
    };
    await board.add({ id: id(1), title: "1", column: "todo" });
    for (const title of ["", "  ", "x".repeat(201), 7 as never]) {
      await refused(() => board.add({ id: id(2), title, column: "todo" }));
      await refused(() => board.rename({ id: id(1), title }));
    }
    await refused(() => board.move({ id: id(1), column: "later" as never }));
    await expect(() => board.rename({ id: id(9), title: "9" })).rejects.toThrow("Somebody has deleted the card.");
    await expect(() => board.move({ id: id(9), column: "done" })).rejects.toThrow("Somebody has deleted the card.");
    expect(await board.list()).toEqual([{ id: id(1), title: "1", column: "todo" }]);
  });

  it("takes 100 cards, and writes one row for most moves", async () => {
    const board = boardOf("full");
    for (let nth = 1; nth <= 100; nth++) await board.add({ id: id(nth), title: `${nth}`, column: "todo" });
    await expect(() => board.add({ id: id(101), title: "101", column: "todo" })).rejects.toThrow("The board is full");
    const written: number[] = [];
    for (let nth = 1; nth <= 20; nth++) {
      const to = { id: id(nth * 5), column: "doing" as const };
      written.push((await rows(board, () => board.move(to))).written);
    }
    // A row that has grown too long is split.
    expect(Math.max(...written)).toBeLessThanOrEqual(3);
    expect(written.filter((count) => count === 1).length).toBeGreaterThan(12);
    expect((await shown(board, "doing")).map(idOf)).toEqual(Array.from({ length: 20 }, (_, nth) => id(nth * 5 + 5)));
    await board.remove({ id: id(1) });
    await board.add({ id: id(101), title: "101", column: "todo" });
    expect(await board.list()).toHaveLength(100);
  });
});

describe("the clients of a board", () => {
  it("get a move as what it changes", async () => {
    const board = boardOf("synced");
    using ann = await join(board, "Ann");
    expect(peopleIn(await ann.nextJson())).toEqual(["Ann"]);
    for (const nth of [1, 2]) {
      await board.add({ id: id(nth), title: `${nth}`, column: "todo" });
      expect(await ann.nextJson()).toMatchObject({ 1: [["cards", id(nth)], { title: `${nth}` }] });
    }
    ann.send(["call", 1, "move", { id: id(2), column: "todo", before: id(1) }]);
    expect(await ann.nextJson()).toEqual(["mark", 1]);
    expect(await ann.nextJson()).toEqual([expect.any(Number), [["cards", id(2), "order"], -1]]);
    expect(await ann.nextJson()).toEqual(["ok", 1]);
  });

  it("get the reason of a refusal", async () => {
    const board = boardOf("told");
    using ann = await join(board, "Ann");
    await ann.nextJson();
    ann.send(["call", 1, "add", { id: id(1), title: "", column: "todo" }]);
    expect(await ann.nextJson()).toMatchObject([
      "error",
      1,
      { code: "invalid-input", issues: [{ message: "A card needs a title" }] },
    ]);
    ann.send(["call", 2, "rename", { id: id(1), title: "1" }]);
    expect(await ann.nextJson()).toEqual([
      "error",
      2,
      { code: "call-refused", message: "Somebody has deleted the card." },
    ]);
    ann.send(["call", 3, "list"]);
    expect(await ann.nextJson()).toMatchObject(["error", 3, { code: "not-callable" }]);
  });

  it("are there as long as they are connected, through an eviction too", async () => {
    const board = boardOf("presence");
    using ann = await join(board, "Ann");
    expect(peopleIn(await ann.nextJson())).toEqual(["Ann"]);
    const bob = await join(board, "Bob");
    expect(peopleIn(await bob.nextJson())).toEqual(["Ann", "Bob"]);
    expect(await ann.nextJson()).toMatchObject({ 1: [["people", expect.any(String)], "Bob"] });
    const before = wakeUps(board);
    await evict(board);
    bob.close();
    expect(await ann.nextJson()).toMatchObject({ 1: [["people", expect.any(String)]] });
    expect(wakeUps(board)).toBe(before + 1);
    using cid = await join(board, "Cid");
    expect(peopleIn(await cid.nextJson())).toEqual(["Ann", "Cid"]);
  });

  it("cost a row when they come, and none while the board wakes up", async () => {
    const board = boardOf("rows");
    await board.add({ id: id(1), title: "1", column: "todo" });
    const { written, result } = await rows(board, () => join(board, "Ann"));
    expect(written).toBe(1);
    await evict(board);
    expect((await rows(board, () => board.list())).written).toBe(0);
    result.close();
  });

  it("are gone after a crash", async () => {
    const board = boardOf("crash");
    using ann = await join(board, "Ann");
    await ann.nextJson();
    await crash(board);
    using bob = await join(board, "Bob");
    expect(peopleIn(await bob.nextJson())).toEqual(["Bob"]);
  });

  it.each(["", " ", "x".repeat(25)])("can't be called %j", async (name) => {
    await expect(() => join(boardOf("names"), name)).rejects.toMatchObject({ code: "upgrade-refused", status: 400 });
  });
});
