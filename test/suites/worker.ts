/** The public suite of `abstract-level`, run by `tape` inside a Durable Object; `scripts/suites.mjs` starts it. */
import { DurableObject } from "cloudflare:workers";
import suite from "abstract-level/test";
import { createHarness } from "tape";
import { StorageLevel, type Format } from "./level.ts";

/** A test that takes longer hangs, and has failed; when all of them do, what there is by then is the answer. */
const LONGEST_TEST = 10_000;
const LONGEST_RUN = 90_000;

/** What `abstract-level` knows as optional, and the adapter has. */
const OFFERED = { getSync: true, has: true, seek: true, implicitSnapshots: false };

/** What it has not: the suite asks the manifest, and then leaves out its tests of it. */
const NOT_OFFERED = [
  {
    feature: "encodings.buffer",
    manifest: { encodings: { utf8: true, buffer: true } },
    reason: "text cannot hold any bytes; the run whose keys are bytes has these tests",
  },
  {
    feature: "implicitSnapshots",
    manifest: { implicitSnapshots: true },
    reason: "Storage.list reads in pages, and gives what was written ahead of it",
  },
  {
    feature: "explicitSnapshots",
    manifest: { explicitSnapshots: true },
    reason: "Storage has no snapshots: a key has one value, the last",
  },
  {
    feature: "createIfMissing",
    manifest: { createIfMissing: true },
    reason: "a database of the adapter is a prefix of keys, which is never missing",
  },
  {
    feature: "errorIfExists",
    manifest: { errorIfExists: true },
    reason: "a database of the adapter is a prefix of keys, which is always there",
  },
  {
    feature: "signals.iterators",
    manifest: { signals: { iterators: true } },
    reason: "Storage reads synchronously, so there is no moment at which to abort",
  },
];

type SuiteOptions = Parameters<typeof suite>[0];

interface Test {
  name: string;
  /** Why it failed; empty when it passed. */
  faults: string[];
}

/** Runs the whole suite in its own storage and answers with what came out; the path is the format of keys. */
export class Suite extends DurableObject {
  override async fetch(request: Request): Promise<Response> {
    const format = new URL(request.url).pathname.slice(1) as Format;
    return Response.json({ tests: await this.#run(format), leftOut: this.#leftOut(format) });
  }

  async #run(format: Format): Promise<Test[]> {
    const harness = createHarness();
    const tests = new Map<number, Test>();
    const ended = new Set<number>();
    const end = new Promise<void>((done) => {
      const rows = harness.createStream({ objectMode: true });
      rows.on("data", (row) => {
        if (row.type === "test") tests.set(row.id, { name: row.name, faults: [] });
        else if (row.type === "end") ended.add(row.test);
        else if (row.type === "assert" && !row.ok) tests.get(row.test)!.faults.push(faultOf(row));
      });
      rows.on("end", () => done());
    });

    suite({
      factory: this.#factory(format),
      test: (name, body) => {
        harness(name, { timeout: LONGEST_TEST }, (t) => {
          try {
            return body(t);
          } catch (error) {
            // tape would leave it to the process, and this one goes on.
            return t.end(error);
          }
        });
      },
    });
    const hangs = await Promise.race([end, new Promise((done) => setTimeout(done, LONGEST_RUN, true))]);

    for (const [id, { faults }] of tests) if (!ended.has(id)) faults.push("never ended");
    if (hangs === true) tests.set(-1, { name: "the suite", faults: [`has not ended in ${LONGEST_RUN} ms`] });
    return [...tests.values()];
  }

  /** By what is not offered: the tests that the suite has for it, as often as it would run them. */
  #leftOut(format: Format): { feature: string; reason: string; tests: string[] }[] {
    return NOT_OFFERED.map(({ feature, manifest, reason }) => {
      const tests = this.#names(format, manifest);
      for (const name of this.#names(format)) {
        const i = tests.indexOf(name);
        if (i !== -1) tests.splice(i, 1);
      }
      return { feature, reason, tests };
    }).filter(({ tests }) => tests.length > 0);
  }

  /** The suite's tests for an adapter that offers more; none is run. */
  #names(format: Format, manifest?: object): string[] {
    const names: string[] = [];
    suite({ factory: this.#factory(format, manifest), test: (name) => void names.push(name) });
    return names;
  }

  /** Each database has a prefix of its own. */
  #factory(format: Format, manifest: object = {}): SuiteOptions["factory"] {
    let databases = 0;
    return (options) =>
      new StorageLevel(this.ctx, `${format}/${databases++}/`, {
        ...options,
        manifest: { ...OFFERED, encodings: { [format]: true }, ...manifest },
      });
  }
}

/** What tape tells of an assertion that failed. */
interface Fault {
  name: string;
  operator: string;
  expected: unknown;
  actual: unknown;
}

function faultOf({ name, operator, expected, actual }: Fault): string {
  return `${name} (${operator}): expected ${show(expected)}, got ${show(actual)}`;
}

function show(value: unknown): string {
  return value instanceof Error ? `${value.stack}` : (JSON.stringify(value) ?? String(value));
}

export default {
  fetch: (request: Request, env: { SUITE: DurableObjectNamespace<Suite> }): Promise<Response> =>
    env.SUITE.getByName("suite").fetch(request),
};
