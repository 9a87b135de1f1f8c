/** What `openapi` accepts, refuses and gives at compile time. */
import type * as library from "durable-base";
import { Route, type RouteOptions } from "durable-base";
import {
  type JsonSchema,
  openapi,
  type OpenApiDocument,
  type OpenApiOptions,
  type OpenApiTarget,
  type OperationOptions,
  type ResponseOptions,
} from "durable-base/openapi";
import * as v from "valibot";
import { z } from "zod";
import { Counter } from "../../example/counter/counter.ts";

export const hasMoved: "openapi" extends keyof typeof library ? false : true = true;

const document: OpenApiDocument = openapi(Counter);
const options: OpenApiOptions = { info: { title: "Counters" }, servers: [{ url: "/" }] };
openapi({ "/counters/:name": Counter }, options);
export const target = { "/counters/:name": Counter } satisfies OpenApiTarget;

// @ts-expect-error the routes of a namespace are not known
openapi({ "/counters/:name": (env: { COUNTER: DurableObjectNamespace<Counter> }) => env.COUNTER });
// @ts-expect-error an instance is no class
openapi({} as Counter);
// @ts-expect-error a title is a text
openapi(Counter, { info: { title: 1 } });
// @ts-expect-error no such option
openapi(Counter, { title: "Counters" });

export const id: string | undefined = document.paths["/"]?.get?.operationId;
export const version: "3.1.0" = document.openapi;
// @ts-expect-error HEAD has no operation of its own
void document.paths["/"]?.head;
// @ts-expect-error a document is not changed
document.info = { title: "x", version: "1" };
// @ts-expect-error a keyword's value has to be looked at first
export const type: string = document.components.schemas["Problem"]!["type"];

export const schemas: Readonly<Record<string, JsonSchema>> = document.components.schemas;
export const refused: ResponseOptions = { description: "Refused." };
export const operation: OperationOptions = {
  summary: "Short",
  responses: {
    200: { description: "zod", content: { "application/json": { schema: z.object({ n: z.number() }) } } },
    201: { content: { "application/json": { schema: v.string() } } },
    default: { content: { "application/json": { schema: { type: "string", enum: ["a"] } } } },
  },
};

Route.get("/x", { openapi: operation });
export const routeOptions: RouteOptions = { openapi: { ...operation, responses: { 404: refused } } };
// @ts-expect-error no such member
Route.get("/x", { openapi: { summry: "Short" } });
// @ts-expect-error a function is no schema
Route.get("/x", { openapi: { responses: { 200: { content: { "application/json": { schema: () => 1 } } } } } });
