import {
  dropIntentsSchema,
  droppedIntentsSchema,
  intentPageSchema,
  listIntentsQuerySchema,
  retriedIntentsSchema,
  retryIntentsSchema,
} from "@holdfast/protocol";
import type { Intents } from "../operations/intents.ts";
import { type Route, route } from "./route.ts";

/** `/v1/intents`: what users' own transactions have promised and no node has carried out yet, or could. */
export function intentRoutes({ intents }: { intents: Intents }): Route[] {
  return [
    route({
      method: "GET",
      path: "/v1/intents",
      summary: "Intents that stand open or, by default, that were rejected, in the order in which they were made.",
      errors: ["unsupported"],
      query: listIntentsQuerySchema,
      answer: intentPageSchema,
      handle: ({ query: { state, cursor, limit } }) =>
        intents.list({ state, limit, ...(cursor === undefined ? {} : { cursor }) }),
    }),
    route({
      method: "POST",
      path: "/v1/intents/retry",
      summary: "Tries rejected intents again: those that are named, else all.",
      errors: ["unsupported"],
      body: retryIntentsSchema,
      bodyOptional: true,
      answer: retriedIntentsSchema,
      handle: ({ body: { ids } }) => intents.retry(ids),
    }),
    route({
      method: "POST",
      path: "/v1/intents/drop",
      summary: "Forgets rejected intents: what they promised will not be.",
      errors: ["unsupported"],
      body: dropIntentsSchema,
      answer: droppedIntentsSchema,
      handle: ({ body: { ids } }) => intents.drop(ids),
    }),
  ];
}
