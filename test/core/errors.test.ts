import * as library from "durable-base";
import * as client from "durable-base/client";
import * as openapi from "durable-base/openapi";
import * as shards from "durable-base/shards";
import * as storage from "durable-base/storage";
import * as transfer from "durable-base/transfer";
import { describe, expect, it } from "vitest";
import reference from "../../docs/errors.md?raw";
import source from "../../src/core/errors.ts?raw";

const { DurableError } = library;

const codes = [...source.matchAll(/^ {2}\| "([a-z-]+)"/gm)].map(([, code]) => code!);

describe("DurableError", () => {
  it("has a row in docs/errors.md for each code, and no other", () => {
    const rows = [...reference.matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, code]) => code);
    expect(codes.length).toBeGreaterThan(15);
    expect(rows).toEqual(codes);
  });

  it("has a test for each code", () => {
    const tests: Record<string, string> = import.meta.glob(["../**/*.test.ts", "../**/*.cases.ts"], {
      query: "?raw",
      import: "default",
      eager: true,
    });
    const all = Object.entries(tests).filter(([file]) => !file.endsWith("/errors.test.ts"));
    expect(codes.filter((code) => !all.some(([, text]) => text.includes(`"${code}"`)))).toEqual([]);
  });

  it("is told by its code, also when only name, message and code came over RPC", () => {
    const error = new DurableError("bad-name", "what");
    const crossed = Object.assign(new Error("what"), { name: "DurableError", code: "bad-name" });
    for (const one of [error, crossed]) {
      expect([DurableError.is(one), DurableError.is(one, "bad-name"), DurableError.is(one, "bad-key")]).toEqual([
        true,
        true,
        false,
      ]);
    }
    for (const other of [new Error("what"), { name: "DurableError", code: "bad-name" }, null, "bad-name"]) {
      expect(DurableError.is(other)).toBe(false);
    }
  });
});

describe("the package", () => {
  it("exports these values and no others", () => {
    expect(Object.keys(library).sort()).toEqual([
      "Atomic",
      "DurableBase",
      "DurableError",
      "Exclusive",
      "Idempotent",
      "Internal",
      "Object",
      "Persisted",
      "Route",
      "Storage",
      "dataOf",
      "problems",
      "routes",
      "serve",
      "snapshot",
    ]);
    expect(Object.keys(client).sort()).toEqual(["CallLost", "DurableError", "HttpError", "connect", "http"]);
    expect(Object.keys(storage).sort()).toEqual([
      "batch",
      "clear",
      "count",
      "delete",
      "deleteMany",
      "entries",
      "get",
      "getMany",
      "has",
      "list",
      "put",
      "putMany",
      "sql",
      "transaction",
      "update",
    ]);
    expect(Object.keys(openapi)).toEqual(["openapi"]);
    expect(Object.keys(shards)).toEqual(["shards"]);
    expect(Object.keys(transfer).sort()).toEqual(["bookmark", "export", "import", "importing", "restore"]);
  });
});
