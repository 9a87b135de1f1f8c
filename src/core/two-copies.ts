/**
 * @module
 * Two copies of the library in one bundle. Each knows only its own classes and objects, so they must not be mixed.
 */

/** Identifies this copy. A dev server that reloads the library makes another copy, whose classes and objects are all new too. */
export const COPY: object = {};

/** The message for code that mixes two copies, with the fix. */
export function mixedCopies(where: string): string {
  return `${where} mixes two copies of durable-base (\`npm ls durable-base\`). Keep one: \`npm dedupe\`, or \`dedupe\` in vite.`;
}
