import { useEffect, useRef, useState, type PointerEvent as ReactPointerEvent } from "react";
import type { Column } from "../cards.ts";

/** How far the pointer moves before a press is a drag, in pixels. */
const STARTS_AFTER = 6;
/** How near to the edge of the window the page scrolls, and how far at a time, in pixels. */
const EDGE = 60;
const STEP = 12;

/** Where a card would be put: before another one of a column, or at its end. */
export interface Target {
  readonly column: Column;
  readonly before: string | undefined;
}

export interface Drag {
  readonly id: string;
  /** How far the card has been dragged, in pixels. */
  readonly x: number;
  readonly y: number;
  readonly target: Target | undefined;
}

/**
 * Drags elements with `data-card` between those with `data-column`, by mouse, pen or finger.
 *
 * Returns the drag as it is, and what makes a card draggable: call it in `onPointerDown`.
 */
export function useDrag(onDrop: (id: string, target: Target) => void) {
  const [drag, setDrag] = useState<Drag>();
  const stop = useRef<() => void>(undefined);
  useEffect(() => () => stop.current?.(), []);
  // The board may change during a drag.
  const latest = useRef(onDrop);
  useEffect(() => {
    latest.current = onDrop;
  });

  const start = (id: string, event: ReactPointerEvent): void => {
    if (event.button !== 0 || (event.target as Element).closest("button, input") !== null) return;
    stop.current?.();
    const { pageX, pageY, pointerId } = event;
    const listeners = new AbortController();
    let last: Drag | undefined;
    const show = (next: Drag | undefined): void => setDrag((last = next));
    const end = (): void => {
      listeners.abort();
      show(undefined);
    };
    stop.current = end;
    // On the window: the card may move elsewhere meanwhile, by somebody else.
    const on = <K extends keyof WindowEventMap>(type: K, listener: (event: WindowEventMap[K]) => void): void =>
      window.addEventListener(type, listener, { signal: listeners.signal });
    on("pointermove", (move) => {
      if (move.pointerId !== pointerId) return;
      const [x, y] = [move.pageX - pageX, move.pageY - pageY];
      if (last === undefined && Math.hypot(x, y) < STARTS_AFTER) return;
      if (move.clientY < EDGE) window.scrollBy(0, -STEP);
      if (move.clientY > window.innerHeight - EDGE) window.scrollBy(0, STEP);
      show({ id, x, y, target: targetAt(move.clientX, move.clientY, id) });
    });
    on("pointerup", (up) => {
      if (up.pointerId !== pointerId) return;
      const target = last?.target;
      end();
      if (target !== undefined) latest.current(id, target);
    });
    on("pointercancel", end);
    on("keydown", ({ key }) => key === "Escape" && end());
  };
  return { drag, start };
}

/** The place in the column below a point. */
function targetAt(x: number, y: number, id: string): Target | undefined {
  const column = document.elementFromPoint(x, y)?.closest<HTMLElement>("[data-column]");
  if (!column) return undefined;
  const next = [...column.querySelectorAll<HTMLElement>("[data-card]")].find((card) => {
    const { top, height } = card.getBoundingClientRect();
    return card.dataset["card"] !== id && y < top + height / 2;
  });
  return { column: column.dataset["column"] as Column, before: next?.dataset["card"] };
}
