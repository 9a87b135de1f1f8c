/**
 * @module
 * The check of types for values that a field can't store without a codec.
 */

type Primitive = string | number | bigint | boolean | null | undefined;

/** Built-ins that can be stored although they have methods. */
type Kept = Date | RegExp | Error | ArrayBufferLike | ArrayBufferView;

type Callable = ((...args: never) => unknown) | (abstract new (...args: never) => unknown);

/** The number of levels that are checked. */
type Deepest = 4;

/**
 * `true` for a type that is a function, symbol or Promise, or holds one in an array, Map, Set or object, such as a class
 * with methods. `boolean` if only some members of a union are or hold one, else `false`.
 */
export type HoldsMethod<Value, Level extends unknown[] = []> = 0 extends 1 & Value
  ? false
  : Value extends Primitive
    ? false
    : Value extends Callable | PromiseLike<unknown> | symbol
      ? true
      : Value extends Kept
        ? false
        : Level["length"] extends Deepest
          ? false
          : Value extends readonly (infer Item)[] | ReadonlySet<infer Item>
            ? HoldsMethod<Item, [...Level, 1]>
            : Value extends ReadonlyMap<infer Key, infer Item>
              ? HoldsMethod<Key | Item, [...Level, 1]>
              : Value extends object
                ? { [Key in MemberOf<Value>]-?: HoldsMethod<Value[Key], [...Level, 1]> }[MemberOf<Value>]
                : false;

/** The members of an object, without those that every object has (`toString`) or that are named by symbols. */
type MemberOf<Value> = Exclude<keyof Value, keyof typeof Object.prototype | symbol>;
