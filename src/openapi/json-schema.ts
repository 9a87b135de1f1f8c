/**
 * @module
 * JSON Schemas out of Standard Schemas, and the place in a document where they can refer to each other.
 */
import type { StandardSchema } from "../core/values/schema.ts";
import type { Json, JsonSchema } from "../route/operation-options.ts";

/** What a client sends, or what it is sent. */
type Side = "input" | "output";

/** The part of Standard JSON Schema v1 that is used here; valibot has it by `toStandardJsonSchema`. */
type Converters = { readonly [key in Side]?: (options: object) => unknown };

const OPTIONS = {
  target: "draft-2020-12",
  // The words of zod and valibot for: describe the rest, and leave open what JSON Schema cannot say.
  libraryOptions: { unrepresentable: "any", errorMode: "ignore" },
};

/** Describes a schema as it describes itself; one that cannot is `{}`, never guessed. */
export function describeSchema(schema: StandardSchema, side: Side): JsonSchema {
  const { jsonSchema } = schema["~standard"] as { jsonSchema?: Converters };
  if (jsonSchema?.[side] === undefined) return {};
  try {
    // A copy without what JSON cannot hold, such as a default that is `undefined`.
    return JSON.parse(JSON.stringify(jsonSchema[side](OPTIONS))) as JsonSchema;
  } catch {
    // Standard JSON Schema throws where it cannot describe; a `bigint` as default is none of JSON either.
    return {};
  }
}

/** `#`, `#/$defs/Name` or `#/definitions/Name`, and what follows; `#/components` is the document's already. */
const REF = /^#(?!\/components\/)(?:\/(?:\$defs|definitions)\/([^/]+))?(?=\/|$)/;

/** The name of the schema itself among its definitions. */
const ROOT = "";

/** Keywords whose members are schemas by name, and those whose value is data and no schema. */
const NAMED = new Set(["properties", "patternProperties", "dependentSchemas", "$defs", "definitions"]);
const DATA = new Set(["const", "enum", "default", "examples", "example"]);

/**
 * The `components.schemas` of a document: definitions inside schemas move here, under names of their own, since
 * `#` means the whole document there.
 */
export class SchemaComponents {
  readonly schemas: Record<string, JsonSchema>;
  /** The name of each component by all that it says. */
  readonly #names = new Map<string, string>();

  constructor(schemas: Readonly<Record<string, JsonSchema>>) {
    this.schemas = { ...schemas };
  }

  /** Takes in a schema's definitions and gives the schema that refers to them; `wanted` names what has no name of its own. */
  add(schema: JsonSchema, wanted: string): JsonSchema {
    const { $schema: _, $defs, definitions, ...root } = schema;
    const defs = new Map(Object.entries({ ...(definitions as JsonSchema), ...($defs as JsonSchema), [ROOT]: root }));
    const refer = (ref: string): string => {
      const [start = "", name] = REF.exec(ref) ?? [];
      if (start === "") return ref;
      return `${REFERENCE}${componentOf(nameOf(name))}${ref.slice(start.length)}`;
    };
    const componentOf = (name: string): string => {
      const content = reachable(name, defs);
      const known = this.#names.get(content);
      if (known !== undefined) return known;
      const component = this.#free(/^[A-Za-z]/.test(name) ? name : wanted + name);
      this.#names.set(content, component);
      // In place before what it refers to, which may be itself.
      this.schemas[component] = {};
      this.schemas[component] = rewrite(defs.get(name) ?? {}, refer) as JsonSchema;
      return component;
    };
    const rewritten = rewrite(root, refer) as JsonSchema;
    const isComponent = this.#names.get(reachable(ROOT, defs));
    return isComponent === undefined ? rewritten : { $ref: REFERENCE + isComponent };
  }

  /** The schema itself for one that only refers to a component. */
  resolve(schema: JsonSchema): JsonSchema {
    const { $ref, ...others } = schema;
    const component = typeof $ref === "string" ? this.schemas[$ref.slice(REFERENCE.length)] : undefined;
    return component === undefined || Object.keys(others).length > 0 ? schema : this.resolve(component);
  }

  #free(wanted: string): string {
    const name = wanted.replaceAll(/[^\w.-]/g, "_");
    let free = name;
    for (let count = 2; Object.hasOwn(this.schemas, free); count++) free = `${name}${count}`;
    return free;
  }
}

const REFERENCE = "#/components/schemas/";

/** A definition's name as a JSON Pointer spells it. */
function nameOf(pointer = ROOT): string {
  return pointer.replaceAll("~1", "/").replaceAll("~0", "~");
}

/** A definition and all that it refers to, as text: what two definitions have in common when they are the same. */
function reachable(name: string, defs: ReadonlyMap<string, Json>): string {
  const names = new Set([name]);
  // A Set gives what is added while it is walked, too.
  for (const each of names) {
    const text = JSON.stringify(defs.get(each) ?? null);
    for (const [, ref] of text.matchAll(/"\$ref":("(?:[^"\\]|\\.)*")/g)) {
      const found = REF.exec(JSON.parse(ref!) as string);
      if (found !== null) names.add(nameOf(found[1]));
    }
  }
  return JSON.stringify([...names].map((each) => [each, defs.get(each) ?? null]));
}

/** Copies a schema with its references replaced; `areNamed` for an object of schemas by name. */
function rewrite(value: Json, refer: (ref: string) => string, areNamed = false): Json {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return (value as readonly Json[]).map((item) => rewrite(item, refer));
  const members = Object.entries(value as JsonSchema).map(([key, member]): [string, Json] => {
    if (areNamed) return [key, rewrite(member, refer)];
    if (key === "$ref" && typeof member === "string") return [key, refer(member)];
    return [key, DATA.has(key) ? member : rewrite(member, refer, NAMED.has(key))];
  });
  return Object.fromEntries(members);
}
