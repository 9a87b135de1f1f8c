import { build } from "esbuild";
import { describe, expect, it } from "vitest";

/** The files of `src/core/` and the other folders of `src/` that an entry point brings. */
async function broughtBy(entry: string): Promise<string[]> {
  // Nothing is external: an import of the platform's would fail.
  const { metafile } = await build({ entryPoints: [entry], bundle: true, write: false, metafile: true, format: "esm" });
  const places = Object.keys(metafile.inputs).map((file) => /^src\/(?:core\/.+|[^/]+)/.exec(file)?.[0] ?? file);
  return [...new Set(places)].toSorted();
}

const LOWEST = [
  "src/core/errors.ts",
  "src/core/part/call-part.ts",
  "src/core/two-copies.ts",
  "src/core/values/async.ts",
  "src/core/values/snapshot.ts",
  "src/storage",
];

describe("durable-base/storage", () => {
  it("brings its own folder and the lowest layer, and imports nothing else", async () => {
    expect(await broughtBy("src/storage/storage.ts")).toEqual(LOWEST);
  });
});

describe("durable-base/transfer", () => {
  it("brings its own folder beside parts of durable-base/storage", async () => {
    expect(await broughtBy("src/transfer/transfer.ts")).toEqual([
      ...LOWEST.filter((place) => place !== "src/core/values/async.ts"),
      "src/transfer",
    ]);
  });
});
