/**
 * @module
 * Hono's paths as the path templates of OpenAPI.
 */

/** A template, `/items/{id}`, and its parameters in order. */
export interface Template {
  readonly path: string;
  readonly parameters: readonly PathParameter[];
}

/** A parameter of a template. */
export interface PathParameter {
  /** As the template has it; unlike `member` unique in it. */
  readonly name: string;
  /** The name in the method's input; undefined for a wildcard, which no input has. */
  readonly member: string | undefined;
  /** What the whole segment must match. */
  readonly pattern: string | undefined;
  /** True where it takes further segments too: a wildcard at the end, or `{.+}`. */
  readonly isRest: boolean;
}

// As Hono's PatternRouter reads a path, so that a part is a parameter here if and only if it is one there.
const PART = /\/?(?::\w+(?:{(?:(?:{[\d,]+})|[^}])+})?)|\/?[^/?]+/g;

/** The paths that a Hono path stands for: several where its last parts are optional. */
export function alternatives(path: string): string[] {
  if (!path.endsWith("?")) return [path];
  return [...alternatives(path.replace(/\/[^/]+$/, "")), path.replaceAll(/\?(?=\/|$)/g, "")];
}

/** Makes the template of a Hono path without optional parts. */
export function template(path: string): Template {
  const parameters: PathParameter[] = [];
  const parts = path.match(PART) ?? [];
  const text = parts.map((part, index) => {
    const isLast = index === parts.length - 1;
    const [, member, pattern] = /^\/:([^{]+)(?:{(.*)})?/.exec(part) ?? [];
    const isWildcard = part === "/*" || (isLast && part.endsWith("*"));
    // Braces in the text of a path would be a parameter in a template.
    if (member === undefined && !isWildcard) return part.replaceAll("{", "%7B").replaceAll("}", "%7D");
    const name = freeName(member ?? "wildcard", parameters);
    const whole = pattern === undefined ? undefined : `^(?:${pattern})$`;
    const isRest = whole === undefined ? isWildcard && isLast : new RegExp(whole).test("a/b");
    parameters.push({ name, member, pattern: whole, isRest });
    return isWildcard ? `${part.slice(0, -1)}{${name}}` : `/{${name}}`;
  });
  return { path: text.join("") || "/", parameters };
}

function freeName(wanted: string, taken: readonly PathParameter[]): string {
  let name = wanted;
  for (let count = 2; taken.some((other) => other.name === name); count++) name = `${wanted}${count}`;
  return name;
}
