import { listObligationsQuerySchema, obligationPageSchema } from "@holdfast/protocol";
import type { Obligations } from "../operations/obligations.ts";
import { type Route, route } from "./route.ts";

/** `/v1/obligations`. */
export function obligationRoutes({ obligations }: { obligations: Obligations }): Route[] {
  return [
    route({
      method: "GET",
      path: "/v1/obligations",
      summary: "What orders to end have still to bring to an end: processes that go on though they were told to end.",
      errors: ["not_found", "ambiguous_id"],
      query: listObligationsQuerySchema,
      answer: obligationPageSchema,
      handle: ({ query: { run, limit } }) => obligations.list({ limit, ...(run === undefined ? {} : { run }) }),
    }),
  ];
}
