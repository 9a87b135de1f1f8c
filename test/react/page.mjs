/**
 * The page of scripts/check/react.mjs: components on the hooks, in front of a server that the checks speak for. Each check runs
 * in the page, and throws if something is wrong.
 */
import { Activity, createElement as h, StrictMode, startTransition, useEffect, useLayoutEffect, useState } from "react";
import { flushSync } from "react-dom";
import { createRoot, hydrateRoot } from "react-dom/client";
import { connect } from "durable-base/client";
import { useClient, useObject } from "durable-base/react";
import { fakeServer } from "../client/fake-server.ts";

const STATE = ["state", "v", 0, { topic: "news", messages: [{ text: "a" }], count: 0 }];

let server = fakeServer();
/** How often each component has rendered since the last look. */
const renders = {};

function rendered(name) {
  renders[name] = (renders[name] ?? 0) + 1;
}

/** A whole object, over a URL of its own. */
export function Room({ url = "/lobby", token = "t", WebSocket = server.WebSocket }) {
  return view(useObject(url, { query: () => ({ token }), WebSocket }));
}

/** The same of a client that there is already. */
function Given({ room }) {
  return view(useObject(room));
}

function view({ state, status, call }) {
  const say = () =>
    call.say({ text: "b" }, { optimistic: (draft) => void draft.messages.push({ text: "b" }) }).catch(() => {});
  return h(
    "main",
    null,
    h("button", { onClick: say }, status),
    h("p", null, state?.topic ?? "nothing"),
    h(
      "ul",
      null,
      state?.messages.map(({ text }, i) => h("li", { key: i }, text)),
    ),
  );
}

function Shared() {
  rendered("parent");
  const room = useClient("/lobby", { WebSocket: server.WebSocket });
  return h("main", null, h(Topic, { room }), h(Count, { room }), h(Long, { room }));
}

function Topic({ room }) {
  rendered("topic");
  const { state } = useObject(room, (state) => state?.topic);
  return h("p", null, state);
}

function Count({ room }) {
  rendered("count");
  const { state } = useObject(room, (state) => state?.count);
  return h("p", null, state);
}

/** Its selector returns another array each time. */
function Long({ room }) {
  rendered("long");
  const { state } = useObject(room, (state) => (state?.messages ?? []).filter(({ text }) => text.length > 2));
  return h("p", null, state.length);
}

/** Calls a method as soon as it is mounted. */
function Eager({ errors }) {
  const { call } = useObject("/lobby", { WebSocket: server.WebSocket });
  useEffect(() => void call.rename("eager").catch((error) => errors.push(error.message)), [call, errors]);
  return null;
}

const roots = [];

async function mount(element, { StrictMode: isStrict = false } = {}) {
  const root = createRoot(document.getElementById("root"));
  roots.push(root);
  flushSync(() => root.render(isStrict ? h(StrictMode, null, element) : element));
  await settle();
  return root;
}

/** Takes over the page, and returns what React has to complain about. */
async function hydrate(element) {
  const errors = [];
  const onRecoverableError = (error) => errors.push(String(error));
  roots.push(hydrateRoot(document.getElementById("root"), element, { onRecoverableError }));
  await settle();
  return errors;
}

/** Lets effects, microtasks and the scheduler of React go on. */
async function settle() {
  for (let i = 0; i < 3; i++) await new Promise((done) => setTimeout(done, 5));
}

async function say(socket, ...frames) {
  socket.say(...frames);
  await settle();
}

function shown() {
  return document.getElementById("root").innerText.split(/\s+/).filter(Boolean).join(" ");
}

function equal(found, expected, what) {
  const [one, other] = [found, expected].map((value) => JSON.stringify(value));
  if (one !== other) throw new Error(`${what}: ${one}, and not ${other}`);
}

/** The renders since the last look. */
function look() {
  const counts = { ...renders };
  for (const name of Object.keys(renders)) delete renders[name];
  return counts;
}

const checks = {
  async "shows the status, then the state, then each change"() {
    await mount(h(Room));
    equal(shown(), "connecting nothing", "before the first frame");
    equal(server.last().url, `ws://${location.host}/lobby?token=t`, "the URL");
    await say(server.last(), STATE);
    equal(shown(), "open news a", "the state");
    await say(server.last(), [1, [["topic"], "weather"], ["s", ["messages"], 1, 0, [{ text: "c" }]]]);
    equal(shown(), "open weather a c", "the patch");
    server.last().end(1006);
    await settle();
    equal(shown(), "reconnecting weather a c", "after the connection was lost");
  },

  async "calls a method, and shows its optimistic change until the answer"() {
    await mount(h(Room));
    await say(server.last(), STATE);
    document.querySelector("button").click();
    await settle();
    equal(shown(), "open news a b", "the optimistic change");
    equal(server.last().sent, [["call", 1, "say", { text: "b" }]], "the call");
    await say(server.last(), ["error", 1, { code: "invalid-input", message: "no" }]);
    equal(shown(), "open news a", "after the refusal");
  },

  async "connects once under StrictMode, and closes when unmounted"() {
    const root = await mount(h(Room), { StrictMode: true });
    equal(server.sockets.length, 1, "sockets");
    await say(server.last(), STATE);
    equal([shown(), server.last().closedWith ?? null], ["open news a", null], "the state");
    root.unmount();
    await settle();
    equal([server.sockets.length, server.last().closedWith], [1, 1000], "after unmount");
  },

  async "sends calls of effects once it is open, under StrictMode too"() {
    const errors = [];
    await mount(h(Eager, { errors }), { StrictMode: true });
    equal(server.sockets.length, 1, "sockets");
    await say(server.last(), STATE);
    const sent = [1, 2].map((id) => ["call", id, "rename", "eager"]);
    equal([errors, server.last().sent], [[], sent], "calls");
    await say(server.last(), ["ok", 1], ["ok", 2]);
  },

  async "connects to another object when the URL changes, and shows nothing of the one before"() {
    const root = await mount(h(Room));
    await say(server.last(), STATE);
    root.render(h(Room, { url: "/other" }));
    await settle();
    const [first, second] = server.sockets;
    equal(
      [first.closedWith, second.url, shown()],
      [1000, `ws://${location.host}/other?token=t`, "connecting nothing"],
      "the other",
    );
    await say(second, ["state", "w", 0, { topic: "other", messages: [] }]);
    equal(shown(), "open other", "its state");
  },

  async "asks the query of the last render"() {
    const root = await mount(h(Room, { token: "old" }));
    await say(server.last(), STATE);
    root.render(h(Room, { token: "new" }));
    await settle();
    equal(server.sockets.length, 1, "sockets before");
    const { random } = Math;
    Math.random = () => 0;
    server.last().end(1006);
    await settle();
    Math.random = random;
    equal(server.last().url, `ws://${location.host}/lobby?token=new`, "the URL");
  },

  async "closes while it is hidden, and comes back with what it has"() {
    const hidden = (mode) => h(Activity, { mode }, h(Room));
    const root = await mount(hidden("visible"));
    await say(server.last(), STATE);
    root.render(hidden("hidden"));
    await settle();
    equal(server.last().closedWith, 1000, "hidden");
    root.render(hidden("visible"));
    await settle();
    equal(shown(), "connecting news a", "visible again");
    equal(server.last().protocols, ["durable-base.sync.1", "durable-base.since.v.0"], "protocols");
    await say(server.last(), ["missed", [1, [["topic"], "back"]]]);
    equal([shown(), server.sockets.length], ["open back a", 2], "open again");
  },

  async "renders anew only what has changed"() {
    await mount(h(Shared));
    look();
    await say(server.last(), STATE);
    // The status is another one, too.
    equal([look(), shown()], [{ topic: 1, count: 1, long: 1 }, "news 0 0"], "the state");
    await say(server.last(), [1, [["count"], 5]]);
    equal([look(), shown()], [{ count: 1, long: 1 }, "news 5 0"], "a change of count");
    await say(server.last(), [2, [["topic"], "sport"]], [3, [["other"], 1]], [4, [["topic"], "sport"]]);
    equal([look().topic, shown()], [1, "sport 5 0"], "a change of topic");
    await say(server.last(), [5, ["s", ["messages"], 0, 0, [{ text: "long" }]]]);
    equal([look(), shown()], [{ long: 1 }, "sport 5 1"], "a change of messages");
  },

  async "never shows two states at once, while React renders in the background"() {
    equal(await tearing(useSlice), [], "with the hook");
    // The check can fail: a hook without useSyncExternalStore tears.
    if ((await tearing(useNaively)).length === 0) throw new Error("a hook that tears didn't tear");
  },

  async "takes over what a server has rendered, and then connects"() {
    const errors = await hydrate(h(Room));
    equal([errors, shown(), server.sockets.length], [[], "connecting nothing", 1], "hydrated");
    await say(server.last(), STATE);
    equal([errors, shown()], [[], "open news a"], "the state");
  },

  async "takes over what a server has rendered, with a client that is open already"() {
    const room = connect("/lobby", { WebSocket: server.WebSocket });
    await settle();
    await say(server.last(), STATE);
    const errors = await hydrate(h(Given, { room }));
    equal([errors, shown()], [[], "open news a"], "hydrated");
    room.close();
  },
};

/** The client and selector of `useObject`, as other hooks of a store have them. */
function useSlice(client, selector) {
  return useObject(client, selector).state;
}

function useNaively(client, selector) {
  const [slice, setSlice] = useState(() => selector(client.state));
  useEffect(() => client.subscribe(() => setSlice(selector(client.state))), [client, selector]);
  return slice;
}

/** Shows a state in many slow components, as a transition, while it changes, and returns what was seen of more than one state. */
async function tearing(useIt) {
  const seen = [];
  const room = connect("/lobby", { WebSocket: server.WebSocket });
  await settle();
  await say(server.last(), STATE);
  const countOf = (state) => state.count;
  function Slow() {
    const end = performance.now() + 4;
    while (performance.now() < end);
    return h("i", null, useIt(room, countOf));
  }
  function Page() {
    const [isFull, setFull] = useState(false);
    useEffect(() => startTransition(() => setFull(true)), []);
    // After each commit, what the page has.
    useLayoutEffect(() => {
      const counts = new Set(Array.from(document.querySelectorAll("#root i"), (one) => one.textContent));
      if (counts.size > 1) seen.push([...counts]);
    });
    return isFull ? Array.from({ length: 30 }, (_, key) => h(Slow, { key })) : null;
  }
  const root = createRoot(document.getElementById("root"));
  root.render(h(Page));
  for (let n = 1; document.querySelectorAll("#root i").length === 0; n++) {
    server.last().say([n, [["count"], n]]);
    await new Promise((done) => setTimeout(done, 10));
  }
  await settle();
  root.unmount();
  room.close();
  return seen;
}

/** Runs a check, by name, in an empty page or one that a server has rendered. */
globalThis.run = async (name) => {
  server = fakeServer();
  look();
  try {
    await checks[name]();
  } finally {
    for (const root of roots.splice(0)) root.unmount();
    await settle();
  }
};
globalThis.names = Object.keys(checks);
