/** A module of workerd for tests; needs the compatibility flag `unsafe_module`. */
declare module "workerd:unsafe" {
  const unsafe: { evict(stub: DurableObjectStub, options: { webSockets: "hibernate" | "close" }): Promise<void> };
  export default unsafe;
}
