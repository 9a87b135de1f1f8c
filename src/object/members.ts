/**
 * @module
 * Members of a class that callers can reach, as types that name nothing of the platform: browsers' projects don't have it.
 */

/** Members of every stub itself, on this side: what bears such a name on the other side cannot be reached. */
export type LocalMember =
  | "__DURABLE_OBJECT_BRAND"
  | "__RPC_TARGET_BRAND"
  | "constructor"
  | "dup"
  | "hasOwnProperty"
  | "isPrototypeOf"
  | "propertyIsEnumerable"
  | "then"
  | "toJSON"
  | "toLocaleString"
  | "toString"
  | "valueOf";

/** Also members of the base classes, which the platform or the library calls, and of the handle. */
export type HiddenMember =
  | LocalMember
  | "alarm"
  | "connect"
  | "destroy"
  | "fetch"
  | "id"
  | "name"
  | "onDestroy"
  | "onError"
  | "onStart"
  | "webSocketClose"
  | "webSocketError"
  | "webSocketMessage";

/** Any function, whatever it takes. */
export type AnyFunction = (...args: never) => unknown;

/** A field of type `any` isn't a method, though it extends one. */
export type IsMethod<Member> = unknown extends Member ? false : Member extends AnyFunction ? true : false;

/** `true` if some part of the union `Value` is a `Kind`; `any` counts as data. */
export type Has<Value, Kind> = 0 extends 1 & Value ? false : [Extract<Value, Kind>] extends [never] ? false : true;
