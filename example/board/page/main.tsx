import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { BoardPage } from "./board-page.tsx";

const board = new URLSearchParams(location.search).get("board") ?? "main";

function App() {
  /** Kept by the tab, so that a reload comes back as the same person. */
  const [name, setName] = useState(() => sessionStorage.getItem("name"));
  const leave = (): void => {
    sessionStorage.removeItem("name");
    setName(null);
  };
  if (name !== null) return <BoardPage board={board} name={name} onLeave={leave} />;
  const join = (form: FormData): void => {
    const chosen = (form.get("name") as string).trim();
    if (chosen === "") return;
    sessionStorage.setItem("name", chosen);
    setName(chosen);
  };
  return (
    <main className="join">
      <form action={join}>
        <h1>Board “{board}”</h1>
        <label htmlFor="name">Your name</label>
        <input id="name" name="name" required maxLength={24} autoComplete="nickname" autoFocus />
        <button className="main">Open the board</button>
      </form>
    </main>
  );
}

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
