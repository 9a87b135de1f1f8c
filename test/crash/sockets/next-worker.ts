/** The next build of the Worker, whose class has a field more. */
import { Persisted } from "durable-base";
import { sockets } from "durable-base/sockets";
import { Chat as First } from "./worker.ts";

export { default } from "./worker.ts";

export class Chat extends First {
  @Persisted() accessor topic = "none";
  readonly #inherited = sockets(this);

  override get build(): string {
    return this.#inherited.size >= 0 ? `second, ${this.topic}` : "";
  }
}
