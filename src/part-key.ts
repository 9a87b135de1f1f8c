/**
 * @module
 * Where an object keeps what attaches its parts; a symbol, since a stub reaches string names only.
 */
export const PARTS: unique symbol = Symbol("durable-base.parts");
