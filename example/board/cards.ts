/** The rules of cards: the object applies them to what it stores, and a page to what it shows until the object has answered. */
export const COLUMNS = { todo: "To do", doing: "Doing", done: "Done" };
export type Column = keyof typeof COLUMNS;

export interface Card {
  title: string;
  column: Column;
  /** The cards of a column are sorted by it. */
  order: number;
}

/** The cards of a column with their ids, in order. */
export function cardsIn<C extends Readonly<Card>>(cards: ReadonlyMap<string, C>, column: Column): [string, C][] {
  return [...cards].filter(([, card]) => card.column === column).sort(([, a], [, b]) => a.order - b.order);
}

/** Adds a card at the end of a column. */
export function addCard(cards: Map<string, Card>, card: { id: string; title: string; column: Column }): void {
  const last = cardsIn(cards, card.column).at(-1)?.[1].order ?? -1;
  cards.set(card.id, { title: card.title, column: card.column, order: last + 1 });
}

/**
 * Moves a card before another card of a column, or to its end.
 *
 * Its new order is between its neighbours', so no other card changes. About 50 moves into the same gap use it up: then
 * the column is numbered anew.
 */
export function moveCard(
  cards: Map<string, Card>,
  to: { id: string; column: Column; before?: string | undefined },
): void {
  const card = cards.get(to.id)!;
  const others = cardsIn(cards, to.column).filter(([id]) => id !== to.id);
  const found = others.findIndex(([id]) => id === to.before);
  const at = found < 0 ? others.length : found;
  const [low, high] = [others[at - 1]?.[1].order, others[at]?.[1].order];
  card.column = to.column;
  card.order = low === undefined ? (high ?? 1) - 1 : high === undefined ? low + 1 : (low + high) / 2;
  if (card.order !== low && card.order !== high) return;
  others.splice(at, 0, [to.id, card]);
  others.forEach(([, other], nth) => (other.order = nth));
}
