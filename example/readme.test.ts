import { exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";

const LINE =
  /^curl (?:-(?:X (?<method>\w+)|(?<head>I)) )?'?localhost:8787(?<path>[^\s']+)'?(?: -H '(?<name>[\w-]+): (?<value>[^']*)')?(?: (?<kind>--json|-d) '(?<data>.*?)')?\s+# (?<status>\d+) ?(?<body>.*)$/;

/** The types that curl sends. */
const TYPES: Record<string, string> = { "--json": "application/json", "-d": "application/x-www-form-urlencoded" };

const documents: Record<string, string> = import.meta.glob(
  ["../*.md", "../docs/**/*.md", "./*/README.md", "./{order/order,chat/asleep}.test.ts"],
  {
    query: "?raw",
    import: "default",
    eager: true,
  },
);

it.each(["./order/order.test.ts", "./chat/asleep.test.ts"])("shows %s in docs/testing.md", (file) => {
  expect(documents["../docs/testing.md"]).toContain(`\`\`\`ts\n${documents[file]}\`\`\``);
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

describe.each([
  ["README.md", 7],
  ["docs/routes.md", 10],
  ["example/board/README.md", 3],
  ["example/chat/README.md", 5],
  ["example/counter/README.md", 2],
  ["example/todo-list/README.md", 2],
  ["example/order/README.md", 3],
])("The curl lines of %s", (file, count) => {
  const lines = /^```sh curl\n(.*?)^```$/ms
    .exec(documents[`../${file}`.replace("../example/", "./")]!)![1]!
    .trim()
    .split("\n");

  it("are all there", () => {
    expect(lines).toHaveLength(count);
  });

  it.each(lines)("are answered as they say: %s", async (line) => {
    const { method, head, path, name, value, kind, data, status, body } = LINE.exec(line)!.groups!;
    const headers = new Headers(kind === undefined ? {} : { "content-type": TYPES[kind]! });
    if (name !== undefined) headers.set(name, value!);
    const init = { method: head === undefined ? (method ?? "GET") : "HEAD", headers, body: data ?? null };
    const response = await exports.default.fetch(`http://localhost:8787${path}`, init);
    expect([line, response.status]).toEqual([line, Number(status)]);
    // What differs from run to run is left out.
    const text = (await response.text()).replace(/"(id|created)":"[^"]*",?/g, "");
    expect(text.startsWith(body!)).toBe(true);
  });
});
