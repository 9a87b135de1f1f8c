/**
 * @module
 * Tracked values: what reading a persisted field gives, so that every change inside it is noticed.
 *
 * A field owns a *raw* tree of plain data: no part of it is shared with anything else, since what is
 * assigned is copied in. Reading a container gives a Proxy over its raw part; the Proxy's handler is a
 * node that knows its parent, so a change finds its way up to the field. Nodes are made when first
 * touched and kept as long as their raw part, so `a[1] === a[1]`. A Date is the raw Date with its
 * own setters, and bytes are the raw bytes, compared with a copy when the field is written: code that
 * doesn't know us gets the right data from both.
 */
import { KeyedNode } from "./keyed.ts";
import { BytesNode, DateNode, FixedNode } from "./leaves.ts";
import { makeNodesBy, nodeFor, type Node, type Root } from "./node.ts";
import { ArrayNode, ObjectNode } from "./records.ts";

makeNodesBy((raw, parent) => {
  if (Array.isArray(raw)) return new ArrayNode(raw, parent);
  if (raw instanceof Map || raw instanceof Set) return new KeyedNode(raw, parent);
  if (raw instanceof Date) return new DateNode(raw, parent);
  if (ArrayBuffer.isView(raw) || raw instanceof ArrayBuffer) return new BytesNode(raw, parent);
  if (raw instanceof RegExp || raw instanceof Error) return new FixedNode(raw, parent);
  return new ObjectNode(raw, parent);
});

/** The node for a field's raw value, a tree that nobody else holds. */
export function track(raw: object, root: Root): Node {
  return nodeFor(raw, root);
}
