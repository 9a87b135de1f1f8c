/**
 * @module
 * Which keys of an object's storage belong to the library.
 */

/** Every row the library writes lies under this prefix; `docs/storage-format.md` describes them. */
export const PREFIX = "durable-base:";
