import { env } from "cloudflare:workers";
import { lifeCases } from "./life.cases.ts";

lifeCases("standard", () => env.STANDARD_LIFE as never);
lifeCases("legacy", () => env.LEGACY_LIFE as never);
