/**
 * @module
 * The exports of `durable-base/react`: an object's state and methods in React components.
 */
import { useEffect, useMemo, useRef, useSyncExternalStore } from "react";
import type { Query, Status } from "../client/connection.ts";
import { type ClientOptions, ObjectClient } from "../client/object-client.ts";
import type { CallsOf, Client, ConnectOptions, Names, StateOf } from "../client/types.ts";

/**
 * The result of {@link useObject}.
 *
 * @example
 * ```ts
 * const { state, status, call }: UsedObject<Room> = useObject<Room>("/rooms/lobby");
 * ```
 */
export interface UsedObject<T, N extends Names<T> = Names<T>, Slice = StateOf<T, N> | undefined> {
  /** The state, or what the selector returned for it. Without a selector it is undefined until the first state has come. */
  readonly state: Slice;
  readonly status: Status;
  readonly call: CallsOf<T, N>;
}

/**
 * Connects to the object at `url` while the component is mounted, and returns the client. Pass it to other components, which read
 * from it with {@link useObject}: it doesn't render anything anew by itself.
 *
 * The connection is opened after the first render, so nothing connects on a server. Another `url` is another client; `query` is
 * always the one of the last render.
 *
 * @throws DurableError `bad-option` for a malformed URL, when the component is mounted.
 *
 * @example
 * ```tsx
 * function Page({ name }: { name: string }) {
 *   const room = useClient<Room>(`/rooms/${name}`);
 *   return <Lines room={room} />;
 * }
 *
 * function Lines({ room }: { room: Client<Room> }) {
 *   const { state: messages = [] } = useObject(room, (state) => state?.messages);
 *   return messages.map(({ id, text }) => <p key={id}>{text}</p>);
 * }
 * ```
 */
export function useClient<T extends object, N extends Names<T> = Names<T>>(
  url: string | URL,
  options: ConnectOptions<T> = {},
): Client<T, N> {
  return useOwnClient(String(url), options) as unknown as Client<T, N>;
}

/**
 * Returns the state of an object and its methods, and renders the component anew when the state or the status changes.
 *
 * With a URL the component connects as with {@link useClient}, on a connection of its own. With a client, of `useClient` or
 * `connect`, several components share one, and a selector picks the part of the state that the component shows: it renders anew
 * only when the selector returns another value, or the status changes. Unchanged parts of the state stay the same objects, so a
 * selector that returns a part of it needs no memo.
 *
 * On a server, and in the first render in a browser, the state is undefined, for the selector too, and the status `connecting`.
 *
 * @example
 * ```tsx
 * function Topic() {
 *   const { state, status, call } = useObject<Room>("/rooms/lobby");
 *   if (state === undefined) return <p>{status}</p>;
 *   return <button onClick={() => call.rename("News")}>{state.topic}</button>;
 * }
 * ```
 */
export function useObject<T extends object, N extends Names<T> = Names<T>>(
  url: string | URL,
  options?: ConnectOptions<T>,
): UsedObject<T, N>;
export function useObject<T extends object, N extends Names<T>, Slice = StateOf<T, N> | undefined>(
  client: Client<T, N>,
  selector?: (state: StateOf<T, N> | undefined) => Slice,
): UsedObject<T, N, Slice>;
export function useObject(
  source: string | URL | Client<object>,
  second: ClientOptions | Selector | undefined,
): UsedObject<object, Names<object>, unknown> {
  const isUrl = typeof source === "string" || source instanceof URL;
  const own = useOwnClient(
    isUrl ? String(source) : undefined,
    isUrl ? (second as ClientOptions | undefined) : undefined,
  );
  const client = own ?? (source as unknown as ObjectClient);
  const selector = isUrl ? undefined : (second as Selector | undefined);
  const read = useMemo(() => remember(selector), [selector]);
  const { subscribe } = client;
  return {
    state: useSyncExternalStore(
      subscribe,
      () => read(client.state),
      () => read(undefined),
    ),
    status: useSyncExternalStore(
      subscribe,
      () => client.status,
      () => "connecting",
    ),
    call: client.call,
  };
}

type Selector = (state: never) => unknown;

/** Calls a selector once for each state: what it makes anew each time would else be another value in each render. */
function remember(selector: Selector = (state) => state): (state: unknown) => unknown {
  let last: { state: unknown; slice: unknown } | undefined;
  return (state) => {
    if (last === undefined || last.state !== state) last = { state, slice: selector(state as never) };
    return last.slice;
  };
}

/** A client that is open while the component is mounted; none without a URL. */
function useOwnClient(url: string | undefined, options: ClientOptions = {}): ObjectClient | undefined {
  const latest = useRef(options);
  const own = useMemo(() => {
    if (url === undefined) return undefined;
    const query = (): Query | Promise<Query> => {
      const { query = {} } = latest.current;
      return typeof query === "function" ? query() : query;
    };
    return { client: new ObjectClient(url, { ...options, query }), isMounted: false };
  }, [url]);
  useEffect(() => {
    latest.current = options;
  });
  useEffect(() => {
    if (own === undefined) return undefined;
    own.isMounted = true;
    own.client.start();
    return () => {
      own.isMounted = false;
      // StrictMode mounts the component again at once.
      queueMicrotask(() => own.isMounted || own.client.close());
    };
  }, [own]);
  return own?.client;
}
