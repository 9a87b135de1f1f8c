/**
 * @module
 * Telling parts about entries: the hook `entry`.
 */
import type { EntryKind, Observe, Source } from "../entry/scope.ts";
import type { Part } from "./types.ts";
import type { Home } from "./attached.ts";

/** The members that the platform or the library calls. Any other is a stub's. */
const KINDS: Readonly<Record<string, EntryKind>> = {
  alarm: "alarm",
  fetch: "fetch",
  onStart: "start",
  webSocketMessage: "socket",
  webSocketClose: "socket",
  webSocketError: "socket",
};

/** Calls the hook `entry` of a part around each entry of its object, inside the hooks of the parts before it. */
export function observeEntries(home: Home, part: Part): void {
  const outer = home.observe;
  const observe: Observe = (work, source) => {
    const begin = performance.now();
    const end = quietly(() => part.entry!({ ...describe(source), time: Date.now() }));
    if (typeof end !== "function") return work();
    const close = (outcome: "ok" | "error", error?: unknown): void => {
      quietly(() => end({ outcome, ...(outcome === "error" && { error }), duration: performance.now() - begin }));
    };
    let result: unknown;
    try {
      result = work();
    } catch (error) {
      close("error", error);
      throw error;
    }
    if (!(result instanceof Promise)) {
      close("ok");
      return result;
    }
    return result.then(
      (value: unknown) => {
        close("ok");
        return value;
      },
      (error: unknown) => {
        close("error", error);
        throw error;
      },
    );
  };
  home.observe = outer === undefined ? observe : (work, source) => outer(() => observe(work, source), source);
}

function describe({ kind, name: functionName }: Source): { kind: EntryKind; name: string } {
  if (kind !== "rpc" && kind !== "later") return { kind, name: functionName };
  // The function of a getter is named "get total".
  const name = functionName.replace(/^get /, "");
  return { kind: kind === "rpc" ? (KINDS[name] ?? kind) : kind, name };
}

/** Runs a hook, whose failure is nobody's. */
function quietly<T>(hook: () => T): T | undefined {
  try {
    return hook();
  } catch (error) {
    console.error("durable-base: the hook `entry` of a part failed.", error);
    return undefined;
  }
}
