import {
  bindingSchema,
  type ErrorCode,
  errorBodySchema,
  errorCodes,
  type Json,
  jsonSchema,
  logLineViewSchema,
  manifestSchema,
  runErrorSchema,
  runEventViewSchema,
  runViewSchema,
  scheduleSpecSchema,
  scheduleViewSchema,
  tickBindingSchema,
  topicEventViewSchema,
} from "@holdfast/protocol";
import { z } from "zod";
import type { Route } from "./route.ts";

// The description of the interface, made of the schemas that validate it. They are taken as what they accept
// (`io: "input"`), so that readers of answers put up with fields of later versions.

const named: readonly (readonly [string, z.ZodType])[] = [
  ["Json", jsonSchema],
  ["Binding", bindingSchema],
  ["Manifest", manifestSchema],
  ["TickBinding", tickBindingSchema],
  ["ScheduleSpec", scheduleSpecSchema],
  ["Schedule", scheduleViewSchema],
  ["Run", runViewSchema],
  ["RunError", runErrorSchema],
  ["RunEvent", runEventViewSchema],
  ["TopicEvent", topicEventViewSchema],
  ["LogLine", logLineViewSchema],
  ["Failure", errorBodySchema],
];

/** Errors that any route may answer. */
const everywhere: readonly ErrorCode[] = [
  "invalid_request",
  "unauthorized",
  "forbidden_host",
  "store_unavailable",
  "internal",
];

type JsonObject = { [key: string]: Json };

/** An OpenAPI 3.1 document of the routes. */
export function openApi(routes: readonly Route[], version: string): JsonObject {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of named) registry.add(schema, { id });
  for (const { method, path, query, body, answer } of routes) {
    const name = `${method.toLowerCase()}${path.replaceAll(/[^a-z]+(\w?)/g, (_, first: string) => first.toUpperCase())}`;
    for (const [part, schema] of Object.entries({ Query: query, Body: body, Answer: answer })) {
      if (schema !== undefined && !registry.has(schema)) registry.add(schema, { id: `${name}${part}` });
    }
  }
  const described = z.toJSONSchema(registry, { io: "input", uri: (id) => `#/components/schemas/${id}` }).schemas;
  const schemas = new Map(Object.entries(described).map(([id, schema]) => [id, plainSchema(schema)]));
  const reference = (schema: z.ZodType): JsonObject => ({
    $ref: `#/components/schemas/${registry.get(schema)?.id ?? ""}`,
  });
  const parametersOf = (query: z.ZodType): Json[] => queryParameters(schemas.get(registry.get(query)?.id ?? ""));
  const paths: JsonObject = {};
  for (const route of routes) {
    const before = paths[route.path];
    paths[route.path] = {
      ...(isObject(before) ? before : {}),
      [route.method.toLowerCase()]: operation(route, { reference, parametersOf }),
    };
  }
  const queries = new Set(routes.flatMap(({ query }) => (query === undefined ? [] : [registry.get(query)?.id])));
  return {
    openapi: "3.1.0",
    info: {
      title: "Holdfast",
      version,
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
      description: "Runs work that must not be lost. Times are RFC 3339 in UTC, durations milliseconds.",
    },
    paths,
    components: {
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
      schemas: Object.fromEntries([...schemas].filter(([id]) => !queries.has(id))),
    },
    security: [{}, { token: [] }],
  };
}

interface Describing {
  readonly reference: (schema: z.ZodType) => JsonObject;
  readonly parametersOf: (query: z.ZodType) => Json[];
}

function operation(route: Route, { reference, parametersOf }: Describing): JsonObject {
  const pathParameters = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  const keyParameter = {
    name: "Idempotency-Key",
    in: "header",
    schema: { type: "string", maxLength: 512 },
    description: "A repeated request with the same key answers what the first one did.",
  };
  const conditions = (route.method === "GET" ? ["If-None-Match"] : ["If-Match", "If-None-Match"]).map((name) => ({
    ...{ name, in: "header", schema: { type: "string" } },
    description: "A value's entity tag is its version in quotes.",
  }));
  return {
    summary: route.summary,
    ...(route.isOpen === true ? { security: [] } : {}),
    parameters: [
      ...pathParameters,
      ...(route.query === undefined ? [] : parametersOf(route.query)),
      ...(route.idempotent === true || route.keeps === true ? [keyParameter] : []),
      ...(route.tagged === true ? conditions : []),
    ],
    ...(route.body === undefined
      ? {}
      : {
          requestBody: {
            required: !route.bodyOptional,
            content: { "application/json": { schema: reference(route.body) } },
          },
        }),
    responses: {
      200: { description: "Done.", content: { "application/json": { schema: reference(route.answer) } } },
      ...failures(route, reference(errorBodySchema)),
    },
  };
}

/** The codes of one status share its response. */
function failures(route: Route, schema: JsonObject): JsonObject {
  const codes = new Map<number, string[]>();
  for (const code of new Set([...everywhere, ...route.errors])) {
    const status = errorCodes[code];
    codes.set(status, [...(codes.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...codes].map(([status, names]) => [
      String(status),
      { description: names.join(", "), content: { "application/json": { schema } } },
    ]),
  );
}

function queryParameters(schema: JsonObject | undefined): Json[] {
  const properties = schema?.properties;
  const required = schema?.required;
  if (!isObject(properties)) return [];
  return Object.entries(properties).map(([name, described]) => ({
    name,
    in: "query",
    required: Array.isArray(required) && required.includes(name),
    schema: described,
  }));
}

/** Without the marks of a document of its own: it stands inside another one. */
function plainSchema(schema: object): JsonObject {
  const { $schema: _dialect, $id: _address, ...plain } = schema as JsonObject;
  return plain;
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
