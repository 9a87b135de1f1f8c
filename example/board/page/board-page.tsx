import { useClient, useObject } from "durable-base/react";
import { useEffect, useMemo, useState } from "react";
import type { Board } from "../board.ts";
import { actionsOf, type Used } from "./actions.ts";
import { Columns } from "./columns.tsx";

const STATUS = {
  connecting: "Connecting…",
  open: "Connected",
  reconnecting: "Offline. What you do is kept until you are back.",
  closed: "Closed. Load the page again.",
};

/** How long the reason of a refusal is shown, in milliseconds. */
const SHOWN = 8_000;

export function BoardPage({ board, name, onLeave }: { board: string; name: string; onLeave: () => void }) {
  const client = useClient<Board, Used>(`/boards/${encodeURIComponent(board)}`, {
    query: { name },
    // All may run twice. So what is lost on its way is sent again.
    idempotent: ["add", "rename", "move", "remove"],
  });
  const { state: cards, status } = useObject(client, (state) => state?.cards);
  const { state: people } = useObject(client, (state) => state?.people);
  const [refusal, setRefusal] = useState<{ reason: string }>();
  const actions = useMemo(() => actionsOf(client, (reason) => setRefusal({ reason })), [client]);
  useEffect(() => {
    const timer = setTimeout(() => setRefusal(undefined), SHOWN);
    return () => clearTimeout(timer);
  }, [refusal]);
  const others = [...new Set(people?.values())].filter((other) => other !== name).toSorted();

  return (
    <>
      <header>
        <h1>{board}</h1>
        <p id="status" className={status} role="status">
          {STATUS[status]}
        </p>
        <ul id="people" aria-label="Who is here">
          <li className="own">{name} (you)</li>
          {others.map((other) => (
            <li key={other}>{other}</li>
          ))}
        </ul>
        <button type="button" onClick={onLeave}>
          Leave
        </button>
      </header>
      <main>{cards !== undefined && <Columns cards={cards} actions={actions} />}</main>
      <div id="refusal" role="alert">
        {refusal !== undefined && <p>{refusal.reason}</p>}
      </div>
    </>
  );
}
