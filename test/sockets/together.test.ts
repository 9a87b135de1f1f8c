/** Sockets beside names, jobs, `@Exclusive` and `onStart`. */
import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { eventually } from "../eventually.ts";
import { connectTo } from "./client.ts";
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
      const client = await connectTo(stub, "/?user=ann");
      const other = await connectTo(stub, "/?user=bob");
      for (const each of [client, other]) expect(await each.next(1)).toEqual([`connect of ${name}, started`]);
      for (const each of [client, other]) {
        await evictDurableObject(stub);
        each.socket.send("seen");
        expect(await each.next(1)).toEqual([`message of ${name}, started`]);
      }
      await evictDurableObject(stub);
      client.socket.send("throw");
      expect(await client.next(2)).toEqual([`error of ${name}, started`, [1011, ""]]);
      await evictDurableObject(stub);
      other.socket.close(1000);
      expect(await other.next(1)).toEqual([[1000, ""]]);
      await eventually(async () => {
        expect(await stub.read()).toContain(`bob close of ${name}, started`);
      });
    }
  });

  it("get the messages of a job, even of one that begins after a hibernation", async () => {
    const stub = fresh();
    const ann = await connectTo(stub, "/?user=ann");
    const bob = await connectTo(stub, "/?user=bob");
    await Promise.all([ann.next(1), bob.next(1)]);
    ann.socket.send("remind");
    const news = [JSON.stringify({ reminded: "ann", times: 1 })];
    expect([await ann.next(1), await bob.next(1)]).toEqual([news, news]);
    await evictDurableObject(stub);
    bob.socket.send("remind");
    expect(await ann.next(1)).toEqual([JSON.stringify({ reminded: "bob", times: 2 })]);
  });

  it("take turns in an @Exclusive method that their handlers call", async () => {
    const stub = fresh();
    const clients = await Promise.all(["ann", "bob", "cid"].map((user) => connectTo(stub, `/?user=${user}`)));
    for (const { socket } of clients) socket.send("work");
    const answers = await Promise.all(clients.map(({ next }) => next(2)));
    expect(answers.map(([, log]) => (JSON.parse(log as string) as string[]).length)).toEqual([2, 4, 6]);
    expect(await stub.read()).toEqual(["ann", "bob", "cid"].flatMap((user) => [`${user} begins`, `${user} ends`]));
  });

  it("keep what they follow through hibernation, as tags", async () => {
    const stub = fresh();
    const [ann, bob] = [await connectTo(stub, "/?user=ann&topic=news"), await connectTo(stub, "/?user=bob&topic=art")];
    await Promise.all([ann.next(1), bob.next(1)]);
    for (let i = 0; i < 2; i++) {
      await evictDurableObject(stub);
      bob.socket.send(`hello ${i}`);
      expect(await ann.next(1)).toEqual([`bob: hello ${i}`]);
    }
    expect(bob.got).toEqual([]);
  });
});
