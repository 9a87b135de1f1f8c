import { env } from "cloudflare:workers";
import { Object } from "durable-base";
import { advanceTo, crash, evict, rows } from "durable-base/testing";
import { afterEach, expect, it, vi } from "vitest";

afterEach(() => void vi.useRealTimers());

it("reminds every hour, until it is paid", async () => {
  const order = Object.from(env.ORDER).byName("1");
  await order.submit();
  await advanceTo(order, Date.now() + 3 * 3_600_000);
  expect(await order.reminders()).toBe(3);
  await order.pay();
  await advanceTo(order, Date.now() + 86_400_000);
  expect(await order.reminders()).toBe(3);
});

it("writes four rows for each reminder, also after an eviction or a crash", async () => {
  const order = Object.from(env.ORDER).byName("2");
  await order.submit();
  await crash(order);
  await evict(order);
  const { written } = await rows(order, () => advanceTo(order, Date.now() + 3_600_000));
  // The count, the next run with its id, and the alarm.
  expect(written).toBe(4);
});
