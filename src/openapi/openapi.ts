/**
 * @module
 * `openapi`: a document of a class's routes, from the same plan that serves them.
 *
 * @example
 * ```ts
 * import { openapi } from "durable-base/openapi";
 *
 * app.get("/openapi.json", (c) => c.json(openapi({ "/counters/:name": Counter })));
 * ```
 */
import { DurableError, quote } from "../core/errors.ts";
import { planOf, type AnyClass, type RoutePlan } from "../core/plan.ts";
import type { RouteOptions } from "../route/options.ts";
import { answering } from "../route/router.ts";
import type {
  OpenApiDocument,
  OpenApiInfo,
  OpenApiOperation,
  OpenApiPath,
  OpenApiServer,
  OpenApiVerb,
} from "./document.ts";
import { Operations } from "./operation.ts";
import { alternatives, template } from "./template.ts";

export type { JsonSchema, OperationOptions, ResponseOptions } from "../route/operation-options.ts";
export type { OpenApiDocument } from "./document.ts";

/**
 * What {@link openapi} describes: a class, or the map that `serve` takes, with classes and no functions of the environment.
 *
 * @example
 * ```ts
 * const target: OpenApiTarget = { "/counters/:name": Counter };
 * ```
 */
export type OpenApiTarget = AnyClass | Readonly<Record<string, AnyClass | { readonly object: AnyClass }>>;

/**
 * Options of {@link openapi}.
 *
 * @example
 * ```ts
 * const options: OpenApiOptions = { info: { title: "Counters", version: "1.2.0" }, servers: [{ url: "https://api.example" }] };
 * ```
 */
export interface OpenApiOptions {
  /** The title is by default the name of the class, or of all of them, and the version `0.0.0`. */
  readonly info?: Partial<OpenApiInfo>;
  readonly servers?: readonly OpenApiServer[];
}

/** The methods that `Route.all` is described by: HEAD follows from GET, and no TRACE reaches a Worker. */
const ALL: readonly OpenApiVerb[] = ["get", "put", "post", "delete", "options", "patch"];

/**
 * Makes the OpenAPI 3.1 document of a class's routes: plain data, the same each time.
 *
 * Path parameters, queries and bodies are described by the schemas that offer JSON Schema (zod and arktype do,
 * valibot by `toStandardJsonSchema`); any other is described as unknown. A route of a verb that OpenAPI does not
 * know is left out, and where two routes have one template and verb, the one written first is described.
 *
 * @throws DurableError `bad-option` for a target that is no class and no map of classes.
 *
 * @example
 * ```ts
 * const app = serve({ "/counters/:name": Counter });
 * app.get("/openapi.json", (c) => c.json(openapi({ "/counters/:name": Counter })));
 * ```
 */
export function openapi(target: OpenApiTarget, options: OpenApiOptions = {}): OpenApiDocument {
  const classes: [string | undefined, AnyClass][] =
    typeof target === "object" && target !== null
      ? Object.entries(target).map(([path, one]) => [path, classOf(one)])
      : [[undefined, target]];
  const paths = new Map<string, { path: string; operations: Record<string, OpenApiOperation> }>();
  const routes = classes.flatMap(([prefix, cls]) => {
    checkClass(prefix, cls);
    return routesOf(cls).map((route) => ({ prefix, cls, route }));
  });
  const operations = new Operations(routes.map(({ route }) => route.options.openapi?.operationId));

  for (const { prefix, cls, route } of routes) {
    const verbs = route.method === "ALL" ? ALL : ALL.filter((verb) => verb === route.method.toLowerCase());
    for (const path of alternatives(route.path)) {
      const own = template((prefix === undefined || prefix === "/" ? "" : prefix) + path);
      // Two paths are one where they differ in the names of parameters only; those of the first stay.
      const key = own.path.replaceAll(/\{[^}]*\}/g, "{}");
      const item = paths.get(key) ?? { path: own.path, operations: {} };
      const names = Array.from(item.path.matchAll(/\{([^}]*)\}/g), ([, name]) => name!);
      const parameters = own.parameters.map((parameter, index) => ({ ...parameter, name: names[index]! }));
      for (const verb of verbs.filter((verb) => item.operations[verb] === undefined)) {
        paths.set(key, item);
        item.operations[verb] = operations.make({
          verb,
          parameters,
          member: route.member,
          className: prefix === undefined ? undefined : cls.name,
          options: route.options,
        });
      }
    }
  }
  const title = [...new Set(classes.map(([, cls]) => cls.name))].join(", ");
  return {
    openapi: "3.1.0",
    info: { title, version: "0.0.0", ...options.info },
    ...(options.servers === undefined ? {} : { servers: options.servers }),
    paths: Object.fromEntries(
      Array.from(paths.values(), (item): [string, OpenApiPath] => [item.path, item.operations]),
    ),
    components: operations.components(),
  };
}

/** A route that answers. */
type Answering = RoutePlan & { readonly options: RouteOptions };

/** The routes that answer, in the order in which they are asked, without the hidden ones. */
function routesOf(cls: AnyClass): Answering[] {
  return (answering(planOf(cls)) as Answering[]).filter(({ options }) => options.openapi?.hidden !== true);
}

/** The class of a path, with or without the options that `serve` takes. */
function classOf(given: AnyClass | { readonly object: AnyClass }): AnyClass {
  // Anything may be given; what it is not is told with its path.
  return typeof given === "object" && given !== null ? given.object : given;
}

/** A function in place of a class gives a namespace, of which nobody knows the routes. */
function checkClass(prefix: string | undefined, cls: AnyClass): void {
  const isClass = typeof cls === "function" && Object.getPrototypeOf(cls) !== Function.prototype;
  if (isClass && (prefix === undefined || /^\/(?:.*[^/])?$/.test(prefix))) return;
  const flaw = isClass
    ? `the path ${quote(prefix)} must begin with "/" and not end with it`
    : `${quote(cls)} is no class of objects, so its routes are not known`;
  const fix = prefix === undefined ? "openapi(Counter)" : 'openapi({ "/counters/:name": Counter })';
  throw new DurableError("bad-option", `openapi: ${flaw}. Write for example \`${fix}\`.`);
}
