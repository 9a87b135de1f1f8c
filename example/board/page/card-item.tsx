import { type PointerEvent, useLayoutEffect, useRef, useState } from "react";
import { type Card, COLUMNS } from "../cards.ts";
import type { Actions } from "./actions.ts";
import type { Drag, Target } from "./use-drag.ts";

export type Way = "left" | "up" | "down" | "right";

const ARROWS: Record<Way, string> = { left: "←", up: "↑", down: "↓", right: "→" };

interface CardItemProps {
  readonly id: string;
  readonly card: Card;
  readonly drag: Drag | undefined;
  /** True if the card that is dragged would be put before this one. */
  readonly isTarget: boolean;
  readonly ways: Partial<Record<Way, Target>>;
  readonly actions: Actions;
  readonly onPress: (event: PointerEvent) => void;
  readonly onMove: (way: Way, to: Target) => void;
}

export function CardItem({ id, card, drag, isTarget, ways, actions, onPress, onMove }: CardItemProps) {
  const [isEditing, setIsEditing] = useState(false);
  const edit = useRef<HTMLButtonElement>(null);
  const wasEditing = useRef(false);
  useLayoutEffect(() => {
    if (wasEditing.current && !isEditing) edit.current?.focus();
    wasEditing.current = isEditing;
  }, [isEditing]);

  const className = [drag && "dragged", isTarget && "drop"].filter(Boolean).join(" ");
  const style = drag && { translate: `${drag.x}px ${drag.y}px` };
  if (isEditing) {
    const rename = (form: FormData): void => {
      actions.rename(id, form.get("title") as string);
      setIsEditing(false);
    };
    return (
      <li data-card={id} className={className}>
        <form action={rename} onKeyDown={({ key }) => key === "Escape" && setIsEditing(false)}>
          <input name="title" aria-label="Title" defaultValue={card.title} autoComplete="off" autoFocus />
          <button>Save</button>
        </form>
      </li>
    );
  }
  return (
    <li data-card={id} className={className} style={style} onPointerDown={onPress}>
      <p>{card.title}</p>
      <div className="grip" aria-hidden="true" />
      <div className="buttons">
        {(Object.keys(ARROWS) as Way[]).map((way) => {
          const to = ways[way];
          const where = way === "up" || way === "down" || to === undefined ? way : `to ${COLUMNS[to.column]}`;
          return (
            <button
              key={way}
              type="button"
              data-way={way}
              disabled={to === undefined}
              aria-label={`Move “${card.title}” ${where}`}
              title={`Move ${where}`}
              onClick={() => to && onMove(way, to)}
            >
              {ARROWS[way]}
            </button>
          );
        })}
        <button
          ref={edit}
          type="button"
          aria-label={`Rename “${card.title}”`}
          title="Rename"
          onClick={() => setIsEditing(true)}
        >
          ✎
        </button>
        <button type="button" aria-label={`Delete “${card.title}”`} title="Delete" onClick={() => actions.remove(id)}>
          ✕
        </button>
      </div>
    </li>
  );
}
