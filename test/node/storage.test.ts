import { build } from "esbuild";
import { describe, expect, it } from "vitest";

describe("durable-base/storage", () => {
  it("brings its own folder and the lowest floor, and imports nothing else", async () => {
    // Nothing is external: an import of the platform's would fail.
    const { metafile } = await build({
      entryPoints: ["src/storage/storage.ts"],
      bundle: true,
      write: false,
      metafile: true,
      format: "esm",
    });
    const brought = Object.keys(metafile.inputs).filter((file) => !file.startsWith("src/storage/"));
    expect(brought.toSorted()).toEqual(["src/copies.ts", "src/errors.ts", "src/functions.ts", "src/snapshot.ts"]);
  });
});
