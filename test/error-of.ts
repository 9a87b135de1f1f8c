/** What a call throws or rejects with; throws itself when there is nothing. */
export async function errorOf(call: () => unknown): Promise<Error> {
  try {
    await call();
  } catch (error) {
    return error as Error;
  }
  throw new Error("expected an error");
}

/** As {@link errorOf}, of what throws at once. */
export function thrownBy(call: () => unknown): Error & { code?: unknown } {
  try {
    call();
  } catch (error) {
    return error as Error;
  }
  throw new Error("expected an error");
}
