import { DurableBase, Persisted, Route } from "durable-base";
import { sockets } from "durable-base/sockets";
import { z } from "zod";

/** How many lines of its history a chat shows. */
const SHOWN = 100;
/** How many lines are deleted at once: to delete one for each that is added would take as many rows again. */
const AT_ONCE = 50;

const Name = z.string().regex(/^[\p{L}\p{N}][\p{L}\p{N}\p{M} _.'-]{0,23}$/u);
const Text = z.string().trim().min(1).max(1_000);
const Said = z.object({ text: Text });
const SaidBy = z.object({ user: Name, text: Text });

/** One line of a chat. Lines are numbered from 1. */
export interface Line {
  id: number;
  user: string;
  text: string;
  at: Date;
}

/** A message to clients, as JSON. */
export type ChatEvent =
  | { type: "welcome"; user: string; users: string[]; lines: Line[] }
  | { type: "users"; users: string[] }
  | { type: "line"; line: Line };

interface Client {
  user: string;
}

/** A chat: whoever is connected sees who is there, what was said last, and each new line. */
export class Chat extends DurableBase {
  @Persisted() accessor lines: Line[] = [];

  readonly #sockets = sockets<Client>(this, {
    path: "/socket",
    maxMessage: 8_000,
    maxSockets: 500,
    rate: { messages: 30, per: 10_000 },
    connect: (socket, request) => {
      const { success, data: user } = Name.safeParse(new URL(request.url).searchParams.get("user"));
      if (!success) return new Response("Choose a name: ?user=ann, with 1 to 24 letters or digits.\n", { status: 400 });
      socket.state = { user };
      // The socket isn't among the others before it is accepted.
      const users = this.#users([user]);
      this.#tell({ type: "users", users });
      socket.send({ type: "welcome", user, users, lines: this.history() } satisfies ChatEvent);
      return undefined;
    },
    message: (socket, data) => {
      const said = Said.safeParse(fromJson(data));
      if (said.success) this.say({ user: socket.state.user, text: said.data.text });
      else socket.close(4400, 'send {"text":"…"}');
    },
    close: () => {
      this.#tell({ type: "users", users: this.#users() });
    },
  });

  @Route.get("/lines")
  history(): Line[] {
    return this.lines.slice(-SHOWN);
  }

  /** Adds a line. Workers and other objects may call it, too. */
  @Route.post("/lines", { input: SaidBy, status: 201 })
  say({ user, text }: z.output<typeof SaidBy>): Line {
    const line = { id: (this.lines.at(-1)?.id ?? 0) + 1, user, text, at: new Date() };
    this.lines.push(line);
    if (this.lines.length > SHOWN + AT_ONCE) this.lines.splice(0, AT_ONCE);
    // Sent once the line is stored.
    this.#tell({ type: "line", line });
    return line;
  }

  /** The names of those who are connected, each once. */
  @Route.get("/users")
  users(): string[] {
    return this.#users();
  }

  #users(more: string[] = []): string[] {
    const names = this.#sockets.all().map(({ state }) => state.user);
    return [...new Set([...names, ...more])].toSorted((a, b) => a.localeCompare(b));
  }

  #tell(event: ChatEvent): void {
    this.#sockets.broadcast(event);
  }
}

/** The value of a message; undefined if it isn't JSON. */
function fromJson(data: string | ArrayBuffer): unknown {
  try {
    return JSON.parse(data as string);
  } catch {
    return undefined;
  }
}
