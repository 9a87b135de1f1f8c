import { env } from "cloudflare:workers";
import { routeInputCases } from "./route-input.cases.ts";

routeInputCases("standard", (name) => env.ROUTE_INPUT.getByName(name));
routeInputCases("legacy", (name) => env.LEGACY_ROUTE_INPUT.getByName(name));
