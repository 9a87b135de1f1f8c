/** The Worker of the tests: every class that a test talks to, one fixture file a subject. */
export { Probe } from "./fixtures/probe.ts";

export default { fetch: (): Response => new Response("ok") };
