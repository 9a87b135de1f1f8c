/** Waits for conditions, however slow the machine is. */

const wait = scheduler.wait.bind(scheduler);

/** So often is a condition tried, 5 ms apart: that only ends a hang. */
const MOST = 24_000;

/** Waits until `check` no longer throws, and leaves a mocked clock alone. */
export async function eventually(check: () => unknown): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await check();
      return;
    } catch (error) {
      if (tries === MOST) throw error;
    }
    await wait(5);
  }
}
