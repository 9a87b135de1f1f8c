import { useLayoutEffect, useRef, useState } from "react";
import { type Card, cardsIn, type Column, COLUMNS } from "../cards.ts";
import type { Actions } from "./actions.ts";
import { CardItem, type Way } from "./card-item.tsx";
import { type Target, useDrag } from "./use-drag.ts";

const ORDER = Object.keys(COLUMNS) as Column[];

export function Columns({ cards, actions }: { cards: ReadonlyMap<string, Card>; actions: Actions }) {
  const [told, setTold] = useState("");
  /** The button to focus when the card is in its new place: in another column it's another element. */
  const focus = useRef<{ id: string; way: Way }>(undefined);
  useLayoutEffect(() => {
    if (focus.current === undefined) return;
    const { id, way } = focus.current;
    focus.current = undefined;
    const card = `[data-card="${CSS.escape(id)}"]`;
    const button =
      document.querySelector<HTMLElement>(`${card} [data-way="${way}"]:enabled`) ??
      document.querySelector<HTMLElement>(`${card} [data-way]:enabled`);
    button?.focus();
  });

  const move = (id: string, { column, before }: Target): void => {
    const card = cards.get(id);
    // Somebody has deleted it while it was dragged.
    if (card === undefined) return;
    const ids = cardsIn(cards, column).map(([other]) => other);
    if (card.column === column && ids[ids.indexOf(id) + 1] === before) return;
    const others = ids.filter((other) => other !== id);
    const place = before === undefined ? others.length : others.indexOf(before);
    setTold(`${card.title}: ${COLUMNS[column]}, ${place + 1} of ${others.length + 1}`);
    actions.move(id, column, before);
  };
  const { drag, start } = useDrag(move);

  /** Where the buttons of a card move it. */
  const ways = (column: Column, ids: readonly string[], at: number): Partial<Record<Way, Target>> => {
    const [left, right] = [ORDER[ORDER.indexOf(column) - 1], ORDER[ORDER.indexOf(column) + 1]];
    return {
      ...(left !== undefined && { left: { column: left, before: undefined } }),
      ...(at > 0 && { up: { column, before: ids[at - 1] } }),
      ...(at < ids.length - 1 && { down: { column, before: ids[at + 2] } }),
      ...(right !== undefined && { right: { column: right, before: undefined } }),
    };
  };

  return (
    <>
      <div id="columns">
        {ORDER.map((column) => {
          const list = cardsIn(cards, column);
          const ids = list.map(([id]) => id);
          const target = drag?.target?.column === column ? drag.target : undefined;
          return (
            <section key={column} className={target && "target"} data-column={column} aria-labelledby={column}>
              <h2 id={column}>
                {COLUMNS[column]} <span>{list.length}</span>
              </h2>
              <ol className={target && target.before === undefined ? "drop" : undefined}>
                {list.map(([id, card], at) => (
                  <CardItem
                    key={id}
                    id={id}
                    card={card}
                    drag={drag?.id === id ? drag : undefined}
                    isTarget={target?.before === id}
                    ways={ways(column, ids, at)}
                    actions={actions}
                    onPress={(event) => start(id, event)}
                    onMove={(way, to) => {
                      focus.current = { id, way };
                      move(id, to);
                    }}
                  />
                ))}
              </ol>
              <form
                action={(form) => {
                  actions.add(form.get("title") as string, column);
                }}
              >
                <input
                  name="title"
                  aria-label={`New card in ${COLUMNS[column]}`}
                  placeholder="New card"
                  autoComplete="off"
                  enterKeyHint="done"
                />
                <button>Add</button>
              </form>
            </section>
          );
        })}
      </div>
      <p className="unseen" role="status">
        {told}
      </p>
    </>
  );
}
