/** Random programs on fields with options, compared step by step with the same on plain JavaScript. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { snapshot } from "durable-base";
import { expect, it } from "vitest";
import { isLong, seed } from "../battery.ts";
import { behaviour, Money, usual, type After } from "./fixtures/evolve-options.ts";
import { AccessorAfter } from "./fixtures/evolve.ts";
import { FieldAfter } from "./twins/evolve.ts";
import { LegacyAfter } from "../legacy/twins/evolve.ts";
import { show } from "./model.ts";

type Model = Omit<After, "run">;

/** For each kind of field. */
const PROGRAMS = isLong ? 15 : 2;
const LONG = "x".repeat(700);

const fresh = (): Model => ({
  total: 0,
  fresh: "default",
  plain: 0,
  visits: 5,
  score: [1],
  user: { name: "nobody", age: 1, tags: [] },
  text: "",
  price: new Money(100),
  whole: new Money(100),
  big: [],
});

const changes: ((on: Model) => unknown)[] = [
  (on) => on.total++,
  (on) => (on.fresh += "a"),
  (on) => (on.fresh = LONG + LONG),
  (on) => (on.fresh = "short"),
  (on) => on.plain++,
  (on) => (on.visits = undefined),
  (on) => (on.visits = (on.visits ?? 0) + 1),
  (on) => on.score.push(on.score.length),
  (on) => on.score.pop(),
  (on) => (on.score = Array.from({ length: 400 }, (_, i) => i)),
  (on) => on.user.tags.push("t"),
  (on) => (on.user.name = `n${on.user.tags.length}`),
  (on) => (on.user = { name: "x", age: 3, tags: [LONG, LONG] }),
  (on) => (on.user.tags = []),
  (on) => (on.text += "z"),
  (on) => (on.price = null),
  (on) => (on.price = undefined),
  (on) => (on.price = new Money(7, ["n"])),
  (on) => on.price?.add(3),
  (on) => on.price?.notes.push(LONG),
  (on) => on.whole.add(1),
  (on) => (on.whole = new Money(5)),
  (on) => (on.whole = on.whole),
  (on) => on.big.push(LONG),
  (on) => on.big.pop(),
  (on) => (on.big = []),
];

/** All of it as text, instances included. */
function shown(on: Model): string {
  const { total, fresh, plain, visits, score, user, text, price, whole, big } = on;
  return show([total, fresh, plain, visits, score, user, text, price && { ...price }, { ...whole }, big].map(snapshot));
}

function copied(on: Model): Model {
  const { price, whole, ...others } = on;
  const again = ({ cents, notes }: Money): Money => new Money(cents, [...notes]);
  return { ...structuredClone(others), price: price && again(price), whole: again(whole) };
}

it.each([
  ["standard accessors", AccessorAfter],
  ["standard fields", FieldAfter],
  ["legacy fields", LegacyAfter],
] as const)("%s agree with plain JavaScript, when woken anew and after failed writes too", async (_, After) => {
  Object.assign(behaviour, usual);
  for (let nth = seed; nth < seed + PROGRAMS; nth++) {
    let state = nth * 7_919 + 1;
    const random = (below: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
      return (state >> 8) % below;
    };
    await runInDurableObject(env.PROBE.getByName(`${After.name} ${nth}`), async (__, ctx) => {
      const { kv } = ctx.storage;
      const { put } = kv;
      const wake = async (): Promise<After> => {
        const object = new After(ctx, env);
        await scheduler.wait(0);
        return object;
      };
      let object: After = await wake();
      let model = fresh();
      for (let step = 0; step < 25; step++) {
        const some = Array.from({ length: 1 + random(3) }, () => changes[random(changes.length)]!);
        const apply = (on: Model, from = 0, to = some.length): void =>
          some.slice(from, to).forEach((one) => void one(on));
        const before = copied(model);
        apply(model);
        const kind = random(8);
        if (kind === 0) {
          kv.put = () => {
            throw new Error("disk full");
          };
          try {
            object.run(apply);
          } catch {
            model = before;
          }
          kv.put = put;
        } else {
          const half = random(2) * some.length;
          await object.run(async (self) => {
            apply(self, 0, half);
            await scheduler.wait(0);
            apply(self, half);
          });
        }
        if (kind < 3) object = await wake();
        expect(object.run(shown), `seed ${nth}, step ${step}`).toBe(shown(model));
      }
    });
  }
});
