/** Random requests, and what any answer to one has to be like. */
import fc from "fast-check";
import { losses, results, SECRET, throws } from "./fixtures/route-data.ts";

/** A request as the fuzzer makes it: no more than what tells it from another one. */
export interface FuzzRequest {
  /** The path with a name in it under which `serve` passes it on; undefined: straight to the object. */
  readonly name: string | undefined;
  readonly method: string;
  readonly path: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string | Uint8Array<ArrayBuffer> | undefined;
  /** The body comes in pieces, of a length that is not told. */
  readonly isChunked: boolean;
}

const { constantFrom, oneof, record, string, tuple } = fc;

const METHODS = [
  ..."GET,HEAD,POST,PUT,PATCH,DELETE,OPTIONS".split(","),
  ..."QUERY,PROPFIND,REPORT,PURGE,LOCK".split(","),
];

/** Pieces that mean something to a URL, a router, or a careless program. */
const PIECES = [
  ..."/,//,..,.,%2F,%2f,%5C,\\,%,%zz,%E2%82,%ff,%00,%0d%0a,%25,%2e%2e,%23,%3F,:,*,?,#,&,=,;,@,{,},|,é,€,💥".split(","),
  "__proto__,constructor,toString,missing,\0,\n, ,a,7,0123,[],%5B%5D".split(","),
].flat();

const piece = oneof(constantFrom(...PIECES), string({ maxLength: 6 }), string({ unit: "binary", maxLength: 3 }));
const wild = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(""));
const word = oneof(constantFrom("a", "b7", "42", "__proto__", "constructor", "%E2%82%AC", "x%2Fy", "%FF"), wild);

const KINDS = [results, throws, losses].flatMap((table) => Object.keys(table)).map(encodeURIComponent);
const PLACES = [
  ..."/,/verb,/notes,/pages,/add,/slow,/tree,/small,/raw,/atomic,/exclusive,/nowhere,/verb/,/add/3".split(","),
  ..."/every/,/items/,/items/abc/,/files/,/pair/,/pair/a/,/notes/,/add/".split(","),
];

const path = oneof(
  { weight: 6, arbitrary: constantFrom(...PLACES) },
  { weight: 4, arbitrary: tuple(constantFrom(...PLACES), word).map((parts) => parts.join("")) },
  {
    weight: 2,
    arbitrary: tuple(constantFrom("/results/", "/throws/", "/losses/"), constantFrom(...KINDS)).map((parts) =>
      parts.join(""),
    ),
  },
  { weight: 2, arbitrary: wild.map((text) => `/${text}`) },
  // 8 KB long.
  {
    weight: 1,
    arbitrary: tuple(constantFrom(...PLACES), constantFrom(...PIECES)).map(
      ([place, one]) => place + one.repeat(8_192 / one.length),
    ),
  },
);

const query = oneof(
  { weight: 3, arbitrary: fc.constant("") },
  {
    weight: 2,
    arbitrary: fc
      .array(tuple(oneof(constantFrom("by", "page", "key", "kind", "__proto__", "id"), word), word), { maxLength: 4 })
      .map((pairs) => `?${pairs.map((pair) => pair.join("=")).join("&")}`),
  },
  { weight: 1, arbitrary: wild.map((text) => `?${text}`) },
);

const deep = tuple(
  fc.integer({ min: 1, max: 1_200 }),
  constantFrom(["[", "]"], ['{"a":', "}"], ['{"__proto__":', "}"]),
).map(([depth, [open, close]]) => `${open!.repeat(depth)}1${close!.repeat(depth)}`);

/** What the routes ask for, so that many requests get as far as a method. */
const fitting = constantFrom(
  ...['{"by":3}', '{"by":"x"}', "{}", '{"name":"bob"}', '{"name":"much longer than that"}', '{"list":[{"n":"1"}]}'],
  ...[
    '{"fail":true}',
    '{"fail":false}',
    '{"key":"k","value":{"at":[1,2]}}',
    '{"kind":"error"}',
    '"text"',
    "null",
    "[1,2]",
  ],
);

const boundary = "----fuzz";
const multipart = oneof(constantFrom("a", 'a"; filename="f.txt', "__proto__"), string({ maxLength: 5 })).chain(
  (name) => {
    const whole = `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\nvalue\r\n--${boundary}--\r\n`;
    return fc.integer({ min: 0, max: whole.length }).map((length) => whole.slice(0, length));
  },
);

const text = oneof(
  { weight: 5, arbitrary: fitting },
  { weight: 3, arbitrary: fc.json() },
  { weight: 2, arbitrary: deep },
  { weight: 2, arbitrary: multipart },
  { weight: 1, arbitrary: string({ unit: "binary" }) },
  { weight: 1, arbitrary: tuple(fitting, fc.nat({ max: 20 })).map(([json, length]) => json.slice(0, length)) },
  { weight: 1, arbitrary: constantFrom('{"__proto__":1}', '{"a":{"\\u005f_proto__":1}}', "\u{feff}{}", '{"a":1e999}') },
  { weight: 1, arbitrary: constantFrom(`"${"x".repeat(1_100_000)}"`, "a=1&a=2&__proto__=3", "9".repeat(2_000)) },
);

const body = oneof(
  { weight: 2, arbitrary: fc.constant(undefined) },
  { weight: 6, arbitrary: text },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }).map((bytes) => new Uint8Array(bytes)) },
);

const TYPES = [
  ..."application/json|application/json; charset=utf-8|application/vnd.api+json|APPLICATION/JSON".split("|"),
  ..."text/plain|application/x-www-form-urlencoded|application/octet-stream|application/json/x|json|;".split("|"),
  `multipart/form-data; boundary=${boundary}`,
  "multipart/form-data",
];
const value = string({ maxLength: 12 });
const header = oneof(
  { weight: 6, arbitrary: tuple(fc.constant("content-type"), constantFrom(...TYPES)) },
  // Only a Worker can tell a false length; HTTP's own are the concern of `scripts/fuzz/raw.mjs`.
  {
    weight: 1,
    arbitrary: tuple(fc.constant("content-length"), constantFrom("0", "1", "7", "99999999", "-1", "x", "")),
  },
  {
    weight: 2,
    arbitrary: tuple(
      constantFrom(
        ..."accept,accept-encoding,authorization,cookie,expect,if-none-match,if-modified-since,origin,range".split(","),
        ..."content-encoding,transfer-encoding,x-http-method-override,x-forwarded-host,host,last-event-id".split(","),
        "__proto__",
        "access-control-request-method",
      ),
      oneof(
        value,
        constantFrom("*", "gzip", "bytes=0-1", "POST", "text/event-stream", "application/x-ndjson", "100-continue"),
      ),
    ),
  },
);

const NAMES = [
  ..."a,b,a%20b,%E2%82%AC,x%2Fy,__proto__,%00".split(","),
  ..."%,%ff,%ED%A0%80".split(","),
  "n".repeat(1_025),
];

const name = oneof(
  { weight: 3, arbitrary: fc.constant(undefined) },
  {
    weight: 2,
    arbitrary: tuple(constantFrom("fuzzed/", "deep/t/"), constantFrom(...NAMES)).map((parts) => parts.join("")),
  },
);

/** A request that most often reaches a method, with what it asks for. */
const known = record({
  name,
  target: constantFrom(
    ...["POST /add", "PUT /add/7", "POST /slow", "POST /tree", "POST /notes", "PUT /notes/b7", "POST /small"],
    ...["DELETE /notes/b7", "POST /raw", "POST /atomic", "PATCH /atomic", "POST /exclusive", "POST /throws/error"],
    ...["GET /", "HEAD /notes", "GET /notes", "GET /pages?page=3", "QUERY /verb?a=1&a=2", "PROPFIND /verb/1"],
  ),
  headers: fc.array(header, { maxLength: 1 }),
  body: oneof({ weight: 3, arbitrary: fitting }, { weight: 2, arbitrary: oneof(fc.json(), deep) }),
  isChunked: fc.boolean(),
}).map(({ target, headers, ...rest }): FuzzRequest => {
  const [method, path] = target.split(" ") as [string, string];
  return { ...rest, method, path, headers: [["content-type", "application/json"], ...headers] };
});

const any: fc.Arbitrary<FuzzRequest> = record({
  name,
  method: oneof(
    { weight: 2, arbitrary: constantFrom("GET", "POST", "PUT") },
    { weight: 1, arbitrary: constantFrom(...METHODS) },
  ),
  path: tuple(path, query).map((parts) => parts.join("")),
  headers: fc.array(header, { maxLength: 4 }),
  body,
  isChunked: fc.boolean(),
});

/** What is sent at once. */
export const requests: fc.Arbitrary<FuzzRequest[]> = fc.array(oneof(known, any), { maxLength: 20 });

/** Whether a sentence of ours, or of the runtime, got out that was meant for the log. */
const LEAK = new RegExp(`${SECRET}|\\n\\s+at |\\.tsx?:\\d|node_modules|durable-base|TypeError|internal error`, "i");

/** An answer that was read. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/**
 * What is wrong with an answer, in words; undefined when nothing is.
 *
 * @param isPurpose - whether a method threw on purpose: then it may be a 500 or the method's own.
 * @param documented - the text of the docs, in which each code stands.
 */
export function flawOf(answer: Answer, method: string, isPurpose: boolean, documented: string): string | undefined {
  const { status, headers, text } = answer;
  const type = headers.get("content-type");
  if (LEAK.test(text) || LEAK.test(JSON.stringify([...headers]))) return "lets something out";
  if (status < 200 || status > 599) return "has a status that is none";
  if (status >= 500 && !isPurpose) return "is the server's fault";
  const isEmpty = method === "HEAD" || status === 204;
  if (isEmpty && text !== "") return "has a body";
  if (status < 300) return flawOfResult(type, text, isEmpty);
  // The Response that a method gave with its HTTPException.
  if (isPurpose && headers.get("www-authenticate") === "Basic") return undefined;
  if (isPurpose && status < 400 && headers.get("location") !== null) return undefined;
  if (type !== "application/problem+json") return `is refused as ${type}`;
  if (status === 405 && headers.get("allow") === null) return "does not say what is allowed";
  return isEmpty ? undefined : flawOfProblem(status, text, documented);
}

function flawOfResult(type: string | null, text: string, isEmpty: boolean): string | undefined {
  if (isEmpty || type === null || type.startsWith("text/plain")) return undefined;
  if (type !== "application/json") return `has the type ${type}`;
  return parsed(text) === undefined ? "is no JSON" : undefined;
}

function flawOfProblem(status: number, text: string, documented: string): string | undefined {
  const problem = parsed(text) as Record<string, unknown> | undefined;
  if (problem === undefined) return "is no JSON";
  const { type, title, status: told, code, detail, issues, ...rest } = problem;
  if (type !== "about:blank" || typeof title !== "string" || told !== status) return "is no problem of its status";
  if (typeof code !== "string" || !documented.includes(`\`${code}\``)) return `has the code ${String(code)}`;
  if (Object.keys(rest).length > 0) return `has members called ${Object.keys(rest).join()}`;
  if (status >= 500 && (detail !== undefined || issues !== undefined)) return "says too much";
  return undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
