/**
 * `npm run lint`, second half: plain English in README, docs, comments, messages and test names.
 *
 * `prose.json` keeps the number of places where each rule may still be broken. A number may only fall: `-- --update`
 * writes the lower ones. `-- --list` prints every place, `-- --list long-sentence` only places that break one rule, and
 * `-- README.md src/core/plan.ts` only places in some files.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { parseSync } from "oxc-parser";
import { fail } from "../lib/options.mjs";

/** The longest sentence, in words. */
const LONGEST = 30;

/** The rules by name: a pattern or function that finds a bad sentence, and the advice. */
const RULES = {
  "long-sentence": [(sentence) => sentence.split(/\s+/).length > LONGEST, `over ${LONGEST} words: write two sentences`],
  "what-opening": [/^(What|Whether|Those (that|of)|That which)\b(?!.*\?$)/, "begin with a verb or a noun"],
  "pointing-chain": [
    /\b(those of|of which|that of (one|a|the)|(one|those) that (is|are) (no|none))\b/i,
    "repeat the noun",
  ],
  "is-no": [/\b(is|are|was|were) (no|none)\b(?! (longer|more|one))/i, "isn't a …"],
  "tells-whether": [/\btells? (whether|if|so)\b/i, "returns true if …"],
  "gives-for-returns": [/\b(gives|gave) (it|them|back|out|a|an|the|each|every|what|nothing)\b/i, "returns …"],
  lies: [/\b(lies?|lay|lain) (in|at|there|on|under|apart|beside|where)\b/i, "is stored in …"],
  "also-when": [/\balso (when|if|where|in|after|one)\b/i, "even when …"],
  "for-ever": [/\bfor ever\b/i, "permanently"],
  "is-told": [/\b(is|are|be|was) told\b/i, "name who says what to whom"],
  "out-of-memory": [/\bputs? .{1,30} out of memory|\bput out of memory\b/i, "evicts …"],
  "shuts-off": [/\bshuts? off\b/i, "only that field throws"],
  "so-manieth": [/\bso (many|long|often) (at|as|a|an) (once|a time|turn)\b|\bso manieth\b/i, "every nth, n at a time"],
  "private-word": [
    /\b(doors?|floors?|rooms?|stretch(es)?|knocks?|agenda)\b/i,
    "a word of the glossary: entry, batch, part, layer",
  ],
  "made-again": [/\b(made|make|makes) again\b/i, "retried"],
};

const root = resolve(import.meta.dirname, "../..");
const ceilingFile = join(root, "scripts/check/prose.json");

const { values, positionals } = parseCommand();
const rules = values.list ? positionals.filter((name) => Object.hasOwn(RULES, name)) : [];
const only = positionals.filter((name) => !rules.includes(name));
const found = [];
for (const file of filesToRead()) {
  const text = readFileSync(join(root, file), "utf8");
  for (const passage of file.endsWith(".md") ? passagesOfMarkdown(text) : passagesOfCode(file, text)) {
    for (const sentence of sentencesOf(passage)) search(file, sentence);
  }
}

const counts = Object.fromEntries(
  Object.keys(RULES).map((name) => [name, found.filter(({ rule }) => rule === name).length]),
);
const ceilings = JSON.parse(readFileSync(ceilingFile, "utf8"));
if (values.update) {
  const lower = Object.entries(counts).map(([name, count]) => [name, Math.min(count, ceilings[name] ?? 0)]);
  writeFileSync(ceilingFile, `${JSON.stringify(Object.fromEntries(lower), undefined, 2)}\n`);
} else if (values.list || only.length > 0) show(found.filter(({ rule }) => rules.length === 0 || rules.includes(rule)));
else compare();

function parseCommand() {
  const options = { list: { type: "boolean", default: false }, update: { type: "boolean", default: false } };
  try {
    return parseArgs({ options, allowPositionals: true });
  } catch (error) {
    return fail(error.message.split("\n")[0]);
  }
}

function filesToRead() {
  const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
    cwd: root,
    encoding: "utf8",
  });
  const isProse =
    /^(README|CONTRIBUTING|CHANGELOG)\.md$|^docs\/.*\.md$|^(src|test|example|bench|scripts)\/.*\.m?[jt]sx?$/;
  return files.split("\n").filter((file) => isProse.test(file) && (only.length === 0 || only.includes(file)));
}

/** Fails for each rule that is broken more often than its ceiling allows, and for each ceiling that can be lowered. */
function compare() {
  let failed = 0;
  for (const [rule, count] of Object.entries(counts)) {
    const ceiling = ceilings[rule] ?? 0;
    if (count === ceiling) continue;
    failed++;
    const advice =
      count > ceiling
        ? `node scripts/check/prose.mjs --list ${rule}`
        : "node scripts/check/prose.mjs --update keeps it that way";
    console.log(`FAIL ${rule}: ${count} places, ${ceiling} allowed (${RULES[rule][1]}): ${advice}`);
  }
  console.log(`${Object.keys(counts).length - failed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

function show(places) {
  for (const { file, line, rule, text } of places) console.log(`${file}:${line} ${rule}: ${text}`);
  console.log(`${places.length} places`);
}

function search(file, { line, text }) {
  for (const [rule, [pattern]] of Object.entries(RULES)) {
    const isBroken = typeof pattern === "function" ? pattern(text) : pattern.test(text);
    if (isBroken) found.push({ file, line, rule, text: text.slice(0, 160) });
  }
}

/** The sentences of a passage, each with its line; code within it counts as one word. */
function sentencesOf({ line, text }) {
  const plain = text.replaceAll(/`[^`]*`/g, (code) => `code${"\n".repeat(code.split("\n").length - 1)}`);
  const sentences = [];
  for (const [part] of plain.matchAll(/[^.!?:;]+(?:[.!?:;](?!\s|$)[^.!?:;]*)*(?:[.!?:;]+|$)/g)) {
    const before = /^\s*/.exec(part)[0];
    const words = part.trim().replaceAll(/\s+/g, " ");
    if (words !== "") sentences.push({ line: line + before.split("\n").length - 1, text: words });
    line += part.split("\n").length - 1;
  }
  return sentences;
}

/** Paragraphs, list items and cells of a page, without its code. */
function passagesOfMarkdown(page) {
  const passages = [];
  let isCode = false;
  let current;
  for (const [nth, text] of page.split("\n").entries()) {
    const isFence = /^\s*```/.test(text);
    if (isFence) isCode = !isCode;
    if (isCode || isFence || text.trim() === "") {
      current = undefined;
      continue;
    }
    const plain = text.replaceAll(/\]\([^)]*\)/g, "]").replaceAll(/[[\]*]/g, "");
    if (text.startsWith("|")) {
      current = undefined;
      passages.push(...plain.split("|").map((cell) => ({ line: nth + 1, text: cell })));
    } else if (current === undefined || /^\s*([-#>]|\d+\.)\s/.test(text)) {
      current = { line: nth + 1, text: plain.replace(/^\s*([-#>]+|\d+\.)\s+/, "") };
      passages.push(current);
    } else current.text += `\n${plain}`;
  }
  return passages;
}

/** Comments, the messages of `src/` and the names of tests. */
function passagesOfCode(file, code) {
  const { program, comments } = parseSync(file, code);
  const lineOf = (offset) => code.slice(0, offset).split("\n").length;
  const passages = commentsOf(comments, lineOf);
  walk(program, (node) => {
    const isName = node.type === "CallExpression" && isTest(node.callee);
    const text = isName ? textOf(node.arguments[0]) : file.startsWith("src/") ? messageOf(node) : undefined;
    if (text !== undefined) passages.push({ line: lineOf(node.start), text });
  });
  return passages;
}

/** Comments as text; consecutive line comments are joined. Directives and examples are left out. */
function commentsOf(comments, lineOf) {
  const passages = [];
  for (const { type, value, start } of comments) {
    const line = lineOf(start);
    const last = passages.at(-1);
    if (/^\s*(oxlint|eslint|@ts)-/.test(value)) continue;
    if (type === "Line" && last?.isLine === true && last.line + last.text.split("\n").length === line) {
      last.text += `\n${value}`;
      continue;
    }
    const text = value
      .replaceAll(/^\s*\*? ?/gm, "")
      .replaceAll(/```[\s\S]*?```/g, (block) => block.replaceAll(/[^\n]+/g, ""))
      .replaceAll(/^@(example|module)\b/gm, "")
      .replaceAll(/^@(throws|returns|param)( DurableError)?/gm, ".")
      .replaceAll(/\{@link ([^}]*)\}/g, "$1");
    // A blank line ends a sentence, and so does an item of a list.
    passages.push({
      line,
      isLine: type === "Line",
      text: text.replaceAll(/\n(?=\s*\n|- )/g, ".\n").replace(/^\./, ""),
    });
  }
  return passages;
}

function isTest(callee) {
  if (callee.type === "Identifier") return ["it", "test", "describe"].includes(callee.name);
  if (callee.type === "CallExpression") return isTest(callee.callee);
  return callee.type === "MemberExpression" && isTest(callee.object);
}

/** Returns the text of a literal that is a sentence: words that end in a full stop. */
function messageOf(node) {
  const text = node.type === "Literal" || node.type === "TemplateLiteral" ? textOf(node) : undefined;
  return text !== undefined && /\w+ \w+ .*\.$/.test(text.trim()) ? text : undefined;
}

function textOf(node) {
  if (node?.type === "TemplateLiteral") return node.quasis.map(({ value }) => value.cooked).join("x");
  return node?.type === "Literal" && typeof node.value === "string" ? node.value : undefined;
}

function walk(node, visit) {
  if (Array.isArray(node)) return node.forEach((one) => walk(one, visit));
  if (node === null || typeof node !== "object") return undefined;
  if (typeof node.type === "string") visit(node);
  return Object.values(node).forEach((one) => walk(one, visit));
}
