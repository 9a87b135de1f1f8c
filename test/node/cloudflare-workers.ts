/** What the library extends of `cloudflare:workers`, for classes that are read in Node and never made. */
export class DurableObject {}
export class RpcTarget {}
