import { appliedSchema, applySchema, definitionPageSchema, limits } from "@holdfast/protocol";
import type { Definitions } from "../operations/definitions.ts";
import { type Route, route } from "./route.ts";

/** `/v1/definitions`: what can be started. */
export function definitionRoutes({ definitions }: { definitions: Definitions }): Route[] {
  return [
    route({
      method: "POST",
      path: "/v1/definitions",
      summary: "Makes these manifests the current ones of their definitions. Running runs keep theirs.",
      errors: ["invalid_definition", "too_large"],
      maxBodyBytes: limits.frameBytes,
      body: applySchema,
      answer: appliedSchema,
      handle: ({ body }) => definitions.apply(body.manifests),
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
