/** Sockets beside names, jobs, `@Exclusive` and `onStart`. */
import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { eventually } from "../eventually.ts";
import { connect, rest, take } from "./client.ts";
import type { StandardTogether } from "./fixtures/together.ts";

describe.each<[string, DurableObjectNamespace<StandardTogether>]>([
  ["standard", env.STANDARD_TOGETHER],
  ["legacy", env.LEGACY_TOGETHER as never],
])("sockets beside other features (%s)", (_, namespace) => {
  let nth = 0;
  const fresh = (): DurableObjectStub<StandardTogether> => namespace.getByName(`together ${nth++}`);

  it("know the object's name in every handler, after `onStart` of each wake-up", async () => {
    for (const isById of [false, true]) {
      const name = `named ${isById}`;
      const stub = isById ? namespace.get(namespace.idFromName(name)) : namespace.getByName(name);
      const client = await connect(stub, "/?user=ann");
      const other = await connect(stub, "/?user=bob");
      for (const each of [client, other]) expect(await take(each, 1)).toEqual([`connect of ${name}, started`]);
      for (const each of [client, other]) {
        await evictDurableObject(stub);
        each.send("seen");
        expect(await take(each, 1)).toEqual([`message of ${name}, started`]);
      }
      await evictDurableObject(stub);
      client.send("throw");
      expect(await rest(client)).toEqual([`error of ${name}, started`, [1011, ""]]);
      await evictDurableObject(stub);
      other.close(1000);
      expect(await rest(other)).toEqual([[1000, ""]]);
      await eventually(async () => {
        expect(await stub.read()).toContain(`bob close of ${name}, started`);
      });
    }
  });

  it("get the messages of a job, even of one that begins after a hibernation", async () => {
    const stub = fresh();
    const ann = await connect(stub, "/?user=ann");
    const bob = await connect(stub, "/?user=bob");
    await Promise.all([take(ann, 1), take(bob, 1)]);
    ann.send("remind");
    const news = [JSON.stringify({ reminded: "ann", times: 1 })];
    expect([await take(ann, 1), await take(bob, 1)]).toEqual([news, news]);
    await evictDurableObject(stub);
    bob.send("remind");
    expect(await take(ann, 1)).toEqual([JSON.stringify({ reminded: "bob", times: 2 })]);
  });

  it("take turns in an @Exclusive method that their handlers call", async () => {
    const stub = fresh();
    const clients = await Promise.all(["ann", "bob", "cid"].map((user) => connect(stub, `/?user=${user}`)));
    for (const client of clients) client.send("work");
    const answers = await Promise.all(clients.map((client) => take(client, 2)));
    expect(answers.map(([, log]) => (JSON.parse(log as string) as string[]).length)).toEqual([2, 4, 6]);
    expect(await stub.read()).toEqual(["ann", "bob", "cid"].flatMap((user) => [`${user} begins`, `${user} ends`]));
  });

  it("keep what they follow through hibernation, as tags", async () => {
    const stub = fresh();
    const [ann, bob] = [await connect(stub, "/?user=ann&topic=news"), await connect(stub, "/?user=bob&topic=art")];
    await Promise.all([take(ann, 1), take(bob, 1)]);
    for (let i = 0; i < 2; i++) {
      await evictDurableObject(stub);
      bob.send(`hello ${i}`);
      expect(await take(ann, 1)).toEqual([`bob: hello ${i}`]);
    }
    expect(bob.messages.length).toBe(1);
  });
});
