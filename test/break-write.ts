/** Makes the next write of the object fail. */
export function breakWrite({ storage: { kv } }: DurableObjectState): void {
  const { put } = kv;
  kv.put = () => {
    kv.put = put;
    throw new Error("disk full");
  };
}
