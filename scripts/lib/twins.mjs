/**
 * Makes twins of test fixtures: the same classes without `accessor`, so that one fixture tests every kind of decorator. A twin is
 * compiled as the nearest `tsconfig.json` says, and `test/legacy` has the one with legacy decorators.
 *
 * A fixture that has a twin
 * - exports classes whose names the twin changes, bindings included: `StandardCalls` and `AccessorThings` become `LegacyCalls` and
 *   `LegacyThings`, `Watching` becomes `LegacyWatching`, and `STANDARD_CALLS` becomes `LEGACY_CALLS`;
 * - has nothing that only standard decorators can do, such as a decorated `#private` method: a compiler would refuse the twin. Move that
 *   into another file, or the test.
 */
import { readFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { bindingOf } from "./binding-of.mjs";

const LEGACY = [
  "calls/fixtures/call.ts",
  "client/fixtures/notes.ts",
  "core/fixtures/hidden.ts",
  "core/fixtures/life.ts",
  "core/fixtures/mixins.ts",
  "core/fixtures/part.ts",
  "core/fixtures/sending.ts",
  "core/fixtures/watching.ts",
  "core/fixtures/wrapped.ts",
  "jobs/fixtures/cron.ts",
  "jobs/fixtures/schedule-misplaced.ts",
  "jobs/fixtures/schedule.ts",
  "migrations/fixtures/migrations.ts",
  "object/fixtures/fragile.ts",
  "once/fixtures/idempotency.ts",
  "once/fixtures/once.ts",
  "persisted/fixtures/evolve.ts",
  "persisted/fixtures/persisted.ts",
  "persisted/persisted.test-d.ts",
  "route/fixtures/route-app.ts",
  "route/fixtures/route-input.ts",
  "route/fixtures/route.ts",
  "sockets/fixtures/chat.ts",
  "sockets/fixtures/together.ts",
  "storage/fixtures/locker.ts",
  "sync/fixtures/quiet.ts",
  "sync/fixtures/room.ts",
  "sync/sync.test-d.ts",
];

/** The twins of each folder, the word in their names, and what their comments call their decorators. */
const FOLDERS = [
  { folder: "legacy/twins", word: "Legacy", dialect: "legacy", fixtures: LEGACY },
  // Standard decorators on fields that aren't accessors.
  {
    folder: "persisted/twins",
    word: "Field",
    dialect: "standard",
    fixtures: ["persisted/fixtures/evolve.ts", "persisted/fixtures/persisted.ts"],
  },
];

/** Signs in a finished twin that the fixture can't have one. */
const REFUSED = [
  [/\baccessor\b/, 'is an `accessor` that isn\'t one line with its "=" or ":"'],
  [/Standard[A-Z]\w+|Accessor[A-Z]\w+/, "is a name that isn't exported, or not as a class or const"],
];

/** Yields the path of each twin below `test`, and its text. */
export function* makeTwins(test) {
  for (const { folder, fixtures, ...names } of FOLDERS) {
    for (const fixture of fixtures) {
      const twin = join(folder, basename(fixture));
      yield [twin, makeTwin(readFileSync(join(test, fixture), "utf8"), { fixture, twin, ...names })];
    }
  }
}

function makeTwin(source, { fixture, twin, word, dialect }) {
  let text = source
    .replaceAll(/\baccessor (?=\w+(?: =|:))/g, "")
    .replaceAll(/(?<=from ")\.[^"]+/g, (path) => relative(dirname(twin), join(dirname(fixture), path)))
    .replaceAll("standard decorators", `${dialect} decorators`);
  for (const [, name] of source.matchAll(/^export (?:class|const) ([A-Z]\w+)/gm)) {
    const renamed = name.replace(/^(?:Standard|Accessor)?/, word);
    for (const [from, to] of [
      [name, renamed],
      [bindingOf(name), bindingOf(renamed)],
    ]) {
      text = text.replaceAll(new RegExp(`\\b${from}\\b`, "g"), to);
    }
  }
  for (const [pattern, why] of REFUSED) {
    const found = pattern.exec(text);
    if (found !== null) throw new Error(`test/${fixture} can't have a twin: "${found[0].trim()}" ${why}`);
  }
  return `// Made from test/${fixture} by scripts/lib/twins.mjs.\n${text}`;
}
