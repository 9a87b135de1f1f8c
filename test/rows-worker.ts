/** The Worker of `rows.test.ts`, which has a workerd of its own: only what that file needs is loaded. */
export { HandRows, HandRows1, HandRows100, Rows, Rows1, Rows100 } from "./rows/fixtures/rows.ts";

export default { fetch: (): Response => new Response("ok") };
