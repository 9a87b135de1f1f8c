/**
 * @module
 * Where an object keeps what attaches its parts: a symbol, since a stub reaches string names only, and one that all copies of the
 * library share, so that another copy is noticed.
 */
export const PARTS: unique symbol = Symbol.for("durable-base.parts") as never;
