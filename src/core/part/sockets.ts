/**
 * @module
 * Telling parts about hibernating sockets: the hook `socket`.
 */
import { enter } from "../entry/run.ts";
import { isInside, type Method } from "../entry/scope.ts";
import type { SocketEvent, SocketEvents } from "./types.ts";
import type { Home } from "./attached.ts";

/** By object, in the order in which the parts were attached. */
const listeners = new WeakMap<object, SocketEvents[]>();

/** The platform's handlers, by the event of a part. */
const HANDLERS = { message: "webSocketMessage", close: "webSocketClose", error: "webSocketError" } as const;

/** Forwards the events of the sockets that a part owns to it, and the rest to the class's own methods. */
export function forwardSockets(home: Home, events: SocketEvents): void {
  const { self } = home;
  const known = listeners.get(self);
  if (known !== undefined) {
    known.push(events);
    return;
  }
  const all = [events];
  listeners.set(self, all);
  for (const [event, name] of Object.entries(HANDLERS) as [keyof typeof HANDLERS, string][]) {
    const value = (socket: WebSocket, ...rest: unknown[]): unknown => {
      const part = all.find((one) => one.owns(socket));
      const args = [socket, ...rest];
      if (part === undefined) return (Object.getPrototypeOf(self) as Record<string, Method>)[name]?.apply(self, args);
      const handle = (): unknown => (part[event] as Method | undefined)?.apply(part, args);
      const run = (): unknown =>
        isInside(home) ? handle() : enter(home, handle, { kind: "socket", name, staysInside: true });
      return part.around === undefined
        ? run()
        : part.around({ socket, kind: event, args: rest } as unknown as SocketEvent, run);
    };
    // The platform calls the handlers that it finds right after construction. Code that wraps the class may replace them.
    Object.defineProperty(self, name, { value, writable: true, configurable: true });
  }
}
