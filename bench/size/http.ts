import { http } from "durable-base/client";
import type { Counter } from "./counter.ts";

/** Code outside of Workers, such as a browser's, that calls an object over HTTP. */
export const counter = http<Counter>("https://example.com/counters/alice", { increment: "POST /increment" });
