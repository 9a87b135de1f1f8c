/**
 * @module
 * The own properties through which an instance offers its persisted fields.
 *
 * They shadow the prototype's accessors, which a stub could reach, and take the place of plain fields.
 */
import { DurableError } from "../core/errors.ts";
import { ownLevel, planOf, type AnyClass, type Plan } from "../core/plan.ts";
import { FIELDS, type Fields } from "./fields.ts";
import { verifyOptions } from "./options.ts";

const byName = new Map<string, PropertyDescriptor>();

/** The fields of an instance. */
export function fieldsOf(self: object, name: string): Fields {
  const fields = (self as { [FIELDS]?: Fields })[FIELDS];
  if (fields !== undefined) return fields;
  // Throws for an object of another copy of the library.
  planOf(self.constructor as AnyClass);
  throw new DurableError(
    "bad-decorator",
    `${self.constructor.name}.${name}: @Persisted() works in a class that extends DurableBase: \`class ${self.constructor.name} extends DurableBase\`.`,
  );
}

/** The property that stands for the field of that name, the same for every class. */
export function accessorFor(name: string): PropertyDescriptor {
  let accessor = byName.get(name);
  if (accessor === undefined) {
    accessor = {
      get(this: object) {
        return fieldsOf(this, name).read(name);
      },
      set(this: object, value: unknown) {
        fieldsOf(this, name).assign(name, value);
      },
      enumerable: true,
      configurable: true,
    };
    byName.set(name, accessor);
  }
  return accessor;
}

/** The properties that an instance has from the beginning; a standard field puts its own in place when it is defined. */
export function accessorsOf(plan: Plan): PropertyDescriptorMap {
  const accessors: PropertyDescriptorMap = {};
  for (const { name, dialect } of plan.fields.values()) if (dialect !== "field") accessors[name] = accessorFor(name);
  return accessors;
}

/**
 * Checks that nothing took the place of a field's property while the instance was constructed, and that a field's
 * options get along with those of its ancestors.
 *
 * @throws DurableError `legacy-define`, `redeclared-field` or `bad-option`, with the line to write.
 */
export function verifyAccessors(self: object, cls: AnyClass, plan: Plan): void {
  verifyOptions(plan.fields);
  for (const { name, dialect } of plan.fields.values()) {
    const isOurs = Object.getOwnPropertyDescriptor(self, name)?.get === accessorFor(name).get;
    if (isOurs && !isRedeclared(cls, name)) continue;
    const lost = `${cls.name}.${name} is not persisted:`;
    if (!isOurs && dialect === "legacy" && ownLevel(cls)?.fields.has(name)) {
      throw new DurableError(
        "legacy-define",
        `${lost} the compiler defined a plain field over it. Set \`"useDefineForClassFields": false\` in tsconfig.json, or use standard decorators.`,
      );
    }
    throw new DurableError(
      "redeclared-field",
      `${lost} something else has its place. A parent or subclass declares it, too: write \`@Persisted() ${dialect === "accessor" ? "accessor " : ""}${name} = …\` there, or \`declare ${name}: …\` to change its type only. Or legacy decorators lack \`"useDefineForClassFields": false\` in tsconfig.json.`,
    );
  }
}

/** Tells whether a class below the one that declares the field has a member of that name. */
function isRedeclared(cls: AnyClass, name: string): boolean {
  for (
    let at: AnyClass | null = cls;
    at !== null && !ownLevel(at)?.fields.has(name);
    at = Object.getPrototypeOf(at) as AnyClass | null
  ) {
    if (at.prototype !== undefined && Object.hasOwn(at.prototype as object, name)) return true;
  }
  return false;
}
