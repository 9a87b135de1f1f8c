import { DurableBase, Idempotent, Persisted, Route, type Validated } from "durable-base";
import { sockets } from "durable-base/sockets";
import { Callable, Synced } from "durable-base/sync";
import { HTTPException } from "hono/http-exception";
import { z } from "zod";
import { addCard, type Card, cardsIn, type Column, COLUMNS, moveCard } from "./cards.ts";

/** The most cards of a board. */
const MAX_CARDS = 100;

const Id = z.uuid();
const Title = z.string().trim().min(1, "A card needs a title").max(200, "A title has at most 200 characters");
const InColumn = z.enum(Object.keys(COLUMNS) as Column[]);
const NewCard = z.object({ id: Id, title: Title, column: InColumn });
const Renamed = z.object({ id: Id, title: Title });
const Moved = z.object({ id: Id, column: InColumn, before: Id.optional() });
const Removed = z.object({ id: Id });
const Name = z.string().trim().min(1).max(24);

/** A board of cards in columns. Whoever is connected sees each change at once, and who else is there. */
export class Board extends DurableBase {
  @Synced() @Persisted() accessor cards = new Map<string, Card>();
  /** The names of those who are connected, by socket. */
  @Synced() @Persisted() accessor people = new Map<string, string>();

  readonly #sockets = sockets(this, {
    maxMessage: 8_000,
    maxSockets: 500,
    // Whoever comes back after an hour on a train sends all changes at once.
    rate: { messages: 1_000, per: 10_000 },
    connect: (socket, request) => {
      const { success, data: name } = Name.safeParse(new URL(request.url).searchParams.get("name"));
      if (!success) return new Response("Say who you are: ?name=Ann, with 1 to 24 characters.\n", { status: 400 });
      this.people.set(socket.id, name);
      return undefined;
    },
    close: (socket) => {
      this.people.delete(socket.id);
    },
  });

  // After a deploy or a crash the sockets are gone, and no `close` has run.
  override onStart(): void {
    for (const id of [...this.people.keys()]) {
      if (this.#sockets.get(id) === undefined) this.people.delete(id);
    }
  }

  /** The cards, column by column. */
  @Route.get("/cards")
  list(): { id: string; title: string; column: Column }[] {
    const sorted = (Object.keys(COLUMNS) as Column[]).flatMap((column) => cardsIn(this.cards, column));
    return sorted.map(([id, { title, column }]) => ({ id, title, column }));
  }

  /** Adds a card at the end of a column. The caller makes the id, so a card that is added twice is there once. */
  @Callable({ input: NewCard })
  @Idempotent()
  @Route.put("/cards/:id", { input: NewCard })
  add(card: Validated<typeof NewCard>): void {
    if (this.cards.has(card.id)) return;
    if (this.cards.size >= MAX_CARDS) {
      throw new HTTPException(409, { message: `The board is full: it has ${MAX_CARDS} cards.` });
    }
    addCard(this.cards, card);
  }

  @Callable({ input: Renamed })
  @Idempotent()
  rename({ id, title }: Validated<typeof Renamed>): void {
    this.#card(id).title = title;
  }

  /** Moves a card before another card of a column, or to its end. */
  @Callable({ input: Moved })
  @Idempotent()
  move(to: Validated<typeof Moved>): void {
    this.#card(to.id);
    moveCard(this.cards, to);
  }

  @Callable({ input: Removed })
  @Idempotent()
  remove({ id }: Validated<typeof Removed>): void {
    this.cards.delete(id);
  }

  #card(id: string): Card {
    const card = this.cards.get(id);
    if (card === undefined) throw new HTTPException(404, { message: "Somebody has deleted the card." });
    return card;
  }
}
