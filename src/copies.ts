/**
 * @module
 * Two copies of the library in one bundle: each knows its own classes and objects only, so they must not be mixed.
 */

/** This copy. A dev server that loads the library anew makes another, whose classes and objects are all new too. */
export const COPY: object = {};

/** The message for what mixes them, with what to do. */
export function mixedCopies(where: string): string {
  return `${where} mixes two copies of durable-base, which know nothing of each other. Find them with \`npm ls durable-base\` and keep one: \`npm dedupe\`, or in vite \`resolve: { dedupe: ["durable-base"] }\`.`;
}
