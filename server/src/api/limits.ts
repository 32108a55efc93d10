import { limitPageSchema } from "@holdfast/protocol";
import type { Concurrency } from "../operations/concurrency.ts";
import { type Route, route } from "./route.ts";

/** `/v1/limits`: how many may be under way, and who is. */
export function limitRoutes({ concurrency }: { concurrency: Concurrency }): Route[] {
  return [
    route({
      method: "GET",
      path: "/v1/limits",
      summary: "The limits of queues and definitions, with the runs that hold them and those in line.",
      errors: [],
      answer: limitPageSchema,
      handle: async () => ({ limits: await concurrency.list() }),
    }),
  ];
}
