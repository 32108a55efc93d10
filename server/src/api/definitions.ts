import { appliedSchema, applySchema, definitionPageSchema, limits } from "@holdfast/protocol";
import type { Definitions } from "../operations/definitions.ts";
import type { Schedules } from "../operations/schedules.ts";
import { type Route, route } from "./route.ts";

/** `/v1/definitions`: what can be started. */
export function definitionRoutes({
  definitions,
  schedules,
}: {
  definitions: Definitions;
  schedules: Schedules;
}): Route[] {
  return [
    route({
      method: "POST",
      path: "/v1/definitions",
      summary:
        "Makes these manifests the current ones of their definitions, and these schedules all that they have. Running runs keep theirs.",
      errors: ["invalid_definition", "too_large"],
      maxBodyBytes: limits.frameBytes,
      body: applySchema,
      answer: appliedSchema,
      handle: ({ body }) => schedules.apply(body.manifests, body.schedules),
    }),
    route({
      method: "GET",
      path: "/v1/definitions",
      summary: "The current definitions.",
      errors: [],
      answer: definitionPageSchema,
      handle: async () => ({ definitions: await definitions.list() }),
    }),
  ];
}
