/** The command line of a script: a mistake in it ends the script with one line, not with a stack. */
import { parseArgs } from "node:util";

/** The options' values; `options` and `args` as for `parseArgs`. */
export function readOptions(options, args = process.argv.slice(2)) {
  try {
    return parseArgs({ options, args }).values;
  } catch (error) {
    return fail(error.message.split("\n")[0]);
  }
}

/** The number that `text`, the value of `--name`, stands for. */
export function wholeNumber(name, text, { least = 1, most = Number.MAX_SAFE_INTEGER } = {}) {
  if (/^\d+$/.test(text) && Number(text) >= least && Number(text) <= most) return Number(text);
  return fail(`--${name} ${JSON.stringify(text)} is no whole number from ${least} to ${most}.`);
}

/** Options that are whole numbers, with what each is by default; a seed may be 0. */
export function readNumbers(defaults, args) {
  const names = Object.keys(defaults);
  const options = names.map((name) => [name, { type: "string", default: String(defaults[name]) }]);
  const values = readOptions(Object.fromEntries(options), args);
  const numbers = names.map((name) => [name, wholeNumber(name, values[name], { least: name === "seed" ? 0 : 1 })]);
  return Object.fromEntries(numbers);
}

/**
 * Ends the script with a line.
 *
 * @returns {never}
 */
export function fail(message) {
  console.error(message);
  process.exit(1);
}
