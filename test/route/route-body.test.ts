/** Bodies that middleware has read before the route. */
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi, type MockInstance } from "vitest";
import { SECRET } from "./fixtures/route-data.ts";

interface Sample {
  readonly path: string;
  readonly type: string;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly readers: readonly string[];
}

const FORM = "application/x-www-form-urlencoded";
const MULTIPART = "multipart/form-data; boundary=x";
const bytesOf = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(new TextEncoder().encode(text));
const BINARY = new Uint8Array([0xff, 0, 0xc3, 0x28]);

async function multipart(): Promise<Uint8Array<ArrayBuffer>> {
  const part = (head: string): string => `--x\r\ncontent-disposition: form-data; ${head}\r\n`;
  const blob = new Blob([
    `${part('name="tag"')}\r\na\r\n${part('name="tag"')}\r\né\r\n`,
    `${part('name="file"; filename="f.bin"')}content-type: image/png\r\n\r\n`,
    BINARY,
    "\r\n--x--\r\n",
  ]);
  return (await blob.bytes()) as Uint8Array<ArrayBuffer>;
}

const whole = ["arrayBuffer", "blob", "clone", "bodyLimit"];
const asText = [...whole, "text", "text, not awaited"];
const samples: Record<string, Sample> = {
  json: { path: "/json", type: "application/json", body: bytesOf('{"a":"é\uFFFD"}'), readers: [...asText, "json"] },
  form: { path: "/form", type: FORM, body: bytesOf("a=1&a=%C3%A9"), readers: [...asText, "formData", "parseBody"] },
  multipart: {
    path: "/form",
    type: MULTIPART,
    body: await multipart(),
    readers: [...whole, "formData", "parseBody"],
  },
  text: { path: "/text", type: "text/plain", body: bytesOf("é\uFFFD"), readers: asText },
  bytes: { path: "/bytes", type: "application/octet-stream", body: BINARY, readers: whole },
  "bytes of text": { path: "/bytes", type: "text/plain", body: bytesOf("é"), readers: asText },
  stream: { path: "/stream", type: "application/octet-stream", body: BINARY, readers: whole },
  "a stream of text": { path: "/stream", type: "text/plain", body: bytesOf("é"), readers: asText },
  "bytes beside others": { path: "/any", type: "x/y", body: BINARY, readers: whole },
};

/** A stream made in JavaScript, which declares no length, unlike a Blob's. */
function inPieces(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const piece of [bytes.slice(0, 3), bytes.slice(3)]) if (piece.length > 0) controller.enqueue(piece);
      controller.close();
    },
  });
}

async function send(
  { path, type, body }: Pick<Sample, "path" | "type" | "body">,
  read: string,
  isDeclared: boolean,
): Promise<Response> {
  return await env.READ_BODIES.getByName("bodies").fetch(`http://o${path}`, {
    method: "POST",
    body: isDeclared ? body : inPieces(body),
    headers: { "content-type": type, "x-read": read },
  });
}

describe.each([true, false])("a body that middleware has read, with a declared length: %s", (isDeclared) => {
  let log: MockInstance<typeof console.error>;
  beforeEach(() => {
    log = vi.spyOn(console, "error").mockImplementation(() => undefined);
  });
  afterEach(() => {
    log.mockRestore();
  });

  it.each(Object.entries(samples))("reaches the method as it was sent: %s", async (_, sample) => {
    const unread = await send(sample, "nothing", isDeclared);
    const expected: unknown = await unread.json();
    expect(unread.status).toBe(200);
    for (const read of sample.readers) {
      const response = await send(sample, read, isDeclared);
      expect([read, response.status, await response.json()]).toEqual([read, 200, expected]);
    }
    expect(log).not.toHaveBeenCalled();
  });

  const limited = Object.entries(samples).filter(([, { path }]) => path !== "/any");
  it.each(limited)("is limited by `maxBody`: %s", async (_, sample) => {
    const body = (await new Blob([sample.body, " ".repeat(9)]).bytes()) as Uint8Array<ArrayBuffer>;
    const long = { ...sample, path: `/small${sample.path}`, body };
    for (const read of sample.readers) {
      // Without a declared length nobody counts a stream that was not read.
      if (sample.path === "/stream" && !isDeclared && (read === "clone" || read === "bodyLimit")) continue;
      const response = await send(long, read, isDeclared);
      expect([read, response.status]).toEqual([read, 413]);
    }
  });

  it("is taken up to exactly `maxBody`, which counts bytes", async () => {
    for (const [body, status] of [
      ['{"a":1}', 200],
      ['"éééé"', 413],
      ['"ééé"', 200],
    ] as const) {
      for (const read of ["nothing", "text", "json", "arrayBuffer"]) {
        const sample = { path: "/small/json", type: "application/json", body: bytesOf(body) };
        expect([body, read, (await send(sample, read, isDeclared)).status]).toEqual([body, read, status]);
      }
    }
  });

  it("may be empty", async () => {
    for (const [path, type, expected] of [
      ["/json", "application/json", {}],
      ["/form", FORM, []],
      ["/text", "text/plain", { body: "" }],
      ["/bytes", "x/y", []],
      ["/stream", "x/y", []],
      ["/any", "x/y", ["body"]],
    ] as const) {
      for (const read of ["nothing", "text", "arrayBuffer", "blob"]) {
        const response = await send({ path, type, body: new Uint8Array() }, read, isDeclared);
        expect([path, read, await response.json()]).toEqual([path, read, expected]);
      }
    }
  });

  it("is refused as without middleware if it has another type or isn't JSON", async () => {
    for (const [path, type, status] of [
      ["/json", FORM, 415],
      ["/json", MULTIPART, 415],
      ["/form", "application/json", 415],
      ["/json", "application/json", 400],
      ["/form", MULTIPART, 400],
    ] as const) {
      const body = type === MULTIPART && status === 415 ? samples["multipart"]!.body : bytesOf("a=1");
      const readers = status === 415 && type !== "application/json" ? ["formData", "parseBody"] : [];
      for (const read of ["nothing", "text", "arrayBuffer", ...readers]) {
        const response = await send({ path, type, body }, read, isDeclared);
        expect([path, type, read, response.status]).toEqual([path, type, read, status]);
      }
    }
  });

  it.runIf(isDeclared)("keeps the byte order mark that `text()` leaves out", async () => {
    const body = new Uint8Array([0xef, 0xbb, 0xbf, 0x61]);
    for (const path of ["/bytes", "/stream"]) {
      for (const read of ["nothing", ...asText]) {
        const response = await send({ path, type: "text/plain", body }, read, isDeclared);
        expect([path, read, await response.json()]).toEqual([path, read, [...body]]);
      }
    }
  });

  it.runIf(isDeclared)("is refused as without middleware if it isn't UTF-8", async () => {
    for (const [path, type, body] of [
      ["/text", "text/plain", BINARY],
      ["/json", "application/json", new Uint8Array([0x22, 0xff, 0x22])],
    ] as const) {
      for (const read of ["nothing", ...asText]) {
        expect([path, read, (await send({ path, type, body }, read, isDeclared)).status]).toEqual([path, read, 400]);
      }
    }
  });

  it("isn't rebuilt from a read that lost a part of it: the fix is logged, and not in the answer", async () => {
    const file = samples["multipart"]!;
    for (const [read, sample, path] of [
      // Bytes that aren't UTF-8 are lost in a text.
      ["text", file, "/form"],
      ["text, then formData", file, "/form"],
      ["text", samples["bytes"]!, "/bytes"],
      ["text", samples["stream"]!, "/stream"],
      // A form that is encoded again has a boundary that differs from the header's.
      ["formData", file, "/bytes"],
      ["formData", file, "/stream"],
      ["formData", file, "/text"],
    ] as const) {
      log.mockClear();
      const response = await send({ ...sample, path }, read, isDeclared);
      expect([read, path, await response.json()]).toEqual([
        read,
        path,
        { type: "about:blank", title: "Internal Server Error", status: 500, code: "body-used" },
      ]);
      expect(log.mock.calls).toEqual([
        [
          expect.objectContaining({
            code: "body-used",
            message: expect.stringContaining("`await c.req.arrayBuffer()`"),
          }),
        ],
      ]);
    }
  });

  it.each(["raw", "raw reader"])("is gone after `c.req.%s`: the fix is logged, and not in the answer", async (read) => {
    for (const [kind, sample] of Object.entries(samples)) {
      log.mockClear();
      const response = await send({ ...sample, body: bytesOf(SECRET) }, read, isDeclared);
      expect([kind, response.status, await response.json()]).toEqual([
        kind,
        500,
        { type: "about:blank", title: "Internal Server Error", status: 500, code: "body-used" },
      ]);
      expect(log.mock.calls).toEqual([
        [expect.objectContaining({ code: "body-used", message: expect.stringContaining(`POST "${sample.path}"`) })],
      ]);
      expect(String(log.mock.calls[0]![0])).not.toContain(SECRET);
    }
  });
});
