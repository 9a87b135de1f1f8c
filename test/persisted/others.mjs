/** Code that doesn't know this library, for tests that pass it tracked values. */
export { deserialize, serialize } from "capnweb";
export { parse, stringify, uneval } from "devalue";
export { default as isEqual } from "fast-deep-equal/es6/index.js";
export { Buffer } from "node:buffer";
export { inspect, isDeepStrictEqual, types } from "node:util";
