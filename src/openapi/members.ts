/**
 * @module
 * What a JSON Schema says of the members of an object, so that path, query and body can share them out.
 */
import type { Json, JsonSchema } from "../route/operation-options.ts";

/** What an object schema that names its members says of each. */
export interface Members {
  readonly properties: Readonly<Record<string, JsonSchema>>;
  readonly required: ReadonlySet<string>;
}

/** Keywords that speak of several members at once; what is neither here nor looked at below only annotates. */
const OVERALL = new Set([
  ...[
    "$ref",
    "$dynamicRef",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "const",
    "enum",
    "propertyNames",
    "patternProperties",
  ],
  ...[
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "minProperties",
    "maxProperties",
    "unevaluatedProperties",
  ],
]);
const UNIONS = ["anyOf", "oneOf", "allOf"] as const;

/** The members of a schema that says nothing but what each of them is; undefined for any other. */
export function membersOf(schema: JsonSchema): Members | undefined {
  const { type = "object", properties, required, additionalProperties: others = true } = schema;
  const isClosed = typeof others === "boolean" || Object.keys(others as object).length === 0;
  if (type !== "object" || properties === undefined || !isClosed) return undefined;
  if (Object.keys(schema).some((keyword) => OVERALL.has(keyword))) return undefined;
  return {
    properties: properties as Record<string, JsonSchema>,
    required: new Set((required ?? []) as readonly string[]),
  };
}

/** What a schema says of one member, if it says it outright. */
export function memberOf(schema: JsonSchema, name: string): JsonSchema | undefined {
  const properties = (schema["properties"] ?? {}) as Record<string, JsonSchema>;
  return Object.hasOwn(properties, name) ? properties[name] : undefined;
}

/** The schema without the members that are sent elsewhere. */
export function without(schema: JsonSchema, names: ReadonlySet<string>): JsonSchema {
  const rest: Record<string, Json> = { ...schema };
  const { properties, required } = schema;
  if (properties !== undefined) {
    rest["properties"] = Object.fromEntries(
      Object.entries(properties as JsonSchema).filter(([key]) => !names.has(key)),
    );
  }
  if (required !== undefined) rest["required"] = (required as string[]).filter((key) => !names.has(key));
  for (const union of UNIONS) {
    const branches = schema[union] as readonly JsonSchema[] | undefined;
    if (branches === undefined) continue;
    delete rest[union];
    // What told the branches of a `oneOf` apart may be gone.
    rest[union === "oneOf" ? "anyOf" : union] = branches.map((branch) => without(branch, names));
  }
  return rest;
}

/** The schema of an object: what HTTP gives a method is one, whatever the schema would take beside it. */
export function asObject(schema: JsonSchema): JsonSchema {
  const { type } = schema;
  if (Object.keys(schema).length === 0 || type === "object") return schema;
  if (type === undefined || (Array.isArray(type) && type.includes("object"))) return { ...schema, type: "object" };
  return { type: "object", allOf: [schema] };
}

/** Tells whether nothing sent is less than the schema takes; `resolve` follows its references. */
export function isRequired(schema: JsonSchema, resolve: (schema: JsonSchema) => JsonSchema): boolean {
  const whole = resolve(schema);
  const listed = (key: string): readonly JsonSchema[] => (whole[key] ?? []) as readonly JsonSchema[];
  const needs = (branch: JsonSchema): boolean => isRequired(branch, resolve);
  const { type } = whole;
  return (
    (type !== undefined && ![type].flat().includes("object")) ||
    listed("required").length > 0 ||
    listed("allOf").some(needs) ||
    [listed("anyOf"), listed("oneOf")].some((branches) => branches.length > 0 && branches.every(needs))
  );
}
