import { env } from "cloudflare:workers";
import { persistedCases } from "./persisted.cases.ts";

persistedCases("standard accessor", () => env.ACCESSOR_THINGS as never);
persistedCases("standard field", () => env.FIELD_THINGS as never);
persistedCases("legacy field", () => env.LEGACY_THINGS as never);
