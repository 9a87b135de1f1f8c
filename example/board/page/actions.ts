import { DurableError, type Client } from "durable-base/client";
import type { Board } from "../board.ts";
import { addCard, type Column, moveCard } from "../cards.ts";

/** The members of the class that the page uses, since TypeScript can't see decorators. */
export interface Used {
  call: "add" | "rename" | "move" | "remove";
  state: "cards" | "people";
}

export interface Actions {
  add(title: string, column: Column): void;
  rename(id: string, title: string): void;
  move(id: string, column: Column, before: string | undefined): void;
  remove(id: string): void;
}

/** Changes a board, for the page at once. It takes back a change that the object refuses, and `onRefused` gets the reason. */
export function actionsOf({ call }: Client<Board, Used>, onRefused: (reason: string) => void): Actions {
  const run = async (done: Promise<void>): Promise<void> => {
    try {
      await done;
    } catch (error) {
      onRefused(reasonOf(error));
    }
  };
  return {
    add(title, column) {
      const card = { id: crypto.randomUUID(), title, column };
      void run(call.add(card, { optimistic: ({ cards }) => addCard(cards, card) }));
    },
    rename(id, title) {
      void run(call.rename({ id, title }, { optimistic: ({ cards }) => void (cards.get(id)!.title = title) }));
    },
    move(id, column, before) {
      const to = { id, column, before };
      void run(call.move(to, { optimistic: ({ cards }) => moveCard(cards, to) }));
    },
    remove(id) {
      void run(call.remove({ id }, { optimistic: ({ cards }) => void cards.delete(id) }));
    },
  };
}

function reasonOf(error: unknown): string {
  if (!DurableError.is(error)) return "That didn't work.";
  if (error.code === "call-refused") return error.message;
  return error.issues?.[0]?.message ?? "That didn't work.";
}
