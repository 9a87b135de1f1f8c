/**
 * A class under vite's dev server with `@cloudflare/vite-plugin`, whose stubs read members of the prototype.
 *
 * Such a stub reaches the same members as in a deployed Worker, and code inside the object reaches all members.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { check, report } from "../lib/check.mjs";
import { startVite } from "../lib/vite-server.mjs";

const HIDDEN = {
  "a member of the base": ["destroy"],
  "a hook": ["onStart"],
  "a field": ["hits", "secret"],
  "a method that `static rpc` leaves out": ["helper", "slowHelper", "hidden"],
};
const server = await startVite({ folder: "test/vite-dev", objects: { ROOM: "Room", OPEN: "Open" } });
const ask = async (path) => {
  const [status, text] = await server.request(path);
  assert.equal(status, 200, text);
  return JSON.parse(text);
};

try {
  await check("a stub reaches methods and getters", async () => {
    assert.deepEqual(await ask("/reach/a/hit,total"), { hit: "called: 1", total: "read: 1" });
    assert.deepEqual(await ask("/reach/a/fail"), { fail: "Error: atomic: base, room" });
    assert.equal(await ask("/once/a/hit"), 2);
    assert.equal(await ask("/once/a/hit"), 2);
  });
  for (const [kind, names] of Object.entries(HIDDEN)) {
    await check(`a stub does not reach ${kind}`, () => refuses("a", names));
  }
  await check(
    "a stub does not reach what is marked `@Internal()`, and all else of a class without a list",
    async () => {
      await refuses("open", ["prune", "size", "secret", "destroy"]);
      assert.deepEqual(await ask("/reach/open/useBoth,helper"), {
        useBoth: "called: pruned 1",
        helper: "called: stub: base",
      });
    },
  );
  await check("what a stub tried has changed nothing", async () => {
    assert.deepEqual(await ask("/reach/a/total"), { total: "read: 2" });
  });
  await check("the object's own code reaches everything, in an entry or not", async () => {
    const froms = ["floating promise", "blockConcurrencyWhile"];
    assert.deepEqual(await ask("/inside/b"), [
      ...both("method"),
      ...froms.flatMap((from) => [...both(from), "b s3cret"]),
      ...["constructor", "socket", "stream"].map((from) => both(from)[1]),
      "b s3cret 1",
    ]);
    assert.deepEqual(await server.request("/rooms/b/hidden"), [200, "route: base, room"]);
  });
  const socket = new WebSocket(`${server.url.replace("http", "ws")}/rooms/c/talk?user=ann`);
  const heard = async (message) => {
    const answer = Promise.race([once(socket, "message"), once(socket, "close")]);
    socket.send(message);
    const [{ data, code }] = await answer;
    return data ?? code;
  };
  await check("a client talks to the object over a socket", async () => {
    await once(socket, "open");
    assert.equal(await heard("hello"), "ann hello 1, socket: base, room");
    assert.equal(await heard("ping"), "pong");
  });
  await check("after an edit, the same holds for the new instance", async () => {
    await server.edit("worker.ts", (text) => text.replace(", room`", ", edited room`"));
    assert.deepEqual(await server.request("/rooms/b/hidden"), [200, "route: base, edited room"]);
    await refuses("b", Object.values(HIDDEN).flat());
    assert.deepEqual(await ask("/reach/a/total"), { total: "read: 2" });
  });
  await check("a socket that was open goes on with the new instance", async () => {
    assert.equal(await heard("again"), "ann again 2, socket: base, edited room");
    socket.close(1000);
    const { code } = await once(socket, "close").then(([event]) => event);
    assert.equal(code, 1000);
  });
} finally {
  await server.stop();
}
report();

async function refuses(object, names) {
  const refusal = (name) => [name, `TypeError: The RPC receiver does not implement the method "${name}".`];
  assert.deepEqual(await ask(`/reach/${object}/${names}`), Object.fromEntries(names.map(refusal)));
}

/** The results of the two helpers, called from there. */
function both(from) {
  return [`${from}: base, room`, `${from}: slow base, slow room`];
}
