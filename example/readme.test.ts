import { exports } from "cloudflare:workers";
import { expect, it } from "vitest";
import readme from "../README.md?raw";

const LINE =
  /^curl (?:-X (?<method>\w+) )?'?localhost:8787(?<path>[^\s']+)'?(?: --json '(?<json>.*?)')?\s+# (?<status>\d+) (?<body>.*)$/;

const documents: Record<string, string> = import.meta.glob(["../*.md", "../docs/**/*.md"], {
  query: "?raw",
  import: "default",
  eager: true,
});

it("leaves no placeholder in what it documents", () => {
  expect(Object.keys(documents)).toContain("../README.md");
  for (const [file, text] of Object.entries(documents)) {
    expect([file, text.match(/^[^\w\n]*(?:[A-Z]+_[A-Z_]+[^\w\n]*|(?:TODO|TBD|FIXME|XXX)\b.*)$/gm)]).toEqual([
      file,
      null,
    ]);
  }
});

it("answers the README's curl lines as they say", async () => {
  const lines = /^```sh curl\n(.*?)^```$/ms.exec(readme)![1]!.trim().split("\n");
  expect(lines).toHaveLength(7);
  for (const line of lines) {
    const { method = "GET", path, json, status, body } = LINE.exec(line)!.groups!;
    const init =
      json === undefined ? { method } : { method, body: json, headers: { "content-type": "application/json" } };
    const response = await exports.default.fetch(`http://localhost:8787${path}`, init);
    expect([line, response.status]).toEqual([line, Number(status)]);
    // The README leaves out what differs from run to run.
    const text = (await response.text()).replace(/"(id|created)":"[^"]*",?/g, "");
    expect(text.startsWith(body!)).toBe(true);
  }
});
