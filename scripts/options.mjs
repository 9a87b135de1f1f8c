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

/**
 * Ends the script with a line.
 *
 * @returns {never}
 */
export function fail(message) {
  console.error(message);
  process.exit(1);
}
