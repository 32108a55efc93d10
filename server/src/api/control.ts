import {
  bulkPageSchema,
  bulkSchema,
  clearRunSchema,
  limits,
  markedSchema,
  markRunSchema,
  restartedSchema,
  retryRunSchema,
} from "@holdfast/protocol";
import type { BulkActions } from "../operations/bulk.ts";
import type { Marks } from "../operations/marks.ts";
import type { Restarts } from "../operations/restarts.ts";
import { type Route, route } from "./route.ts";
import { idOf } from "./runs.ts";

/** JSON may escape every character of an output of the greatest size. */
const markBodyBytes = 6 * limits.outputBytes + 64 * 1024;

const errors = [
  "not_found",
  "ambiguous_id",
  "run_live",
  "run_ended",
  "upstream_unmet",
  "run_superseded",
  "limit_exceeded",
  "request_conflict",
] as const;

/** `retry`, `clear` and `mark` below `/v1/runs/{id}`, and `/v1/runs/bulk`. */
export function controlRoutes({
  restarts,
  marks,
  bulk,
}: {
  restarts: Restarts;
  marks: Marks;
  bulk: BulkActions;
}): Route[] {
  return [
    route({
      method: "POST",
      path: "/v1/runs/{id}/retry",
      summary: "Tries again what did not succeed. With `attempt`, repeating it does no harm.",
      errors,
      keeps: true,
      body: retryRunSchema,
      bodyOptional: true,
      answer: restartedSchema,
      handle: ({ params, body, control }) => restarts.retry(idOf(params), body, control),
    }),
    route({
      method: "POST",
      path: "/v1/runs/{id}/clear",
      summary: "Starts a run again with everything that depends on it. With `attempt`, repeating it does no harm.",
      errors,
      keeps: true,
      body: clearRunSchema,
      bodyOptional: true,
      answer: restartedSchema,
      handle: ({ params, body: { mode = "fresh", ...rest }, control }) =>
        restarts.clear(idOf(params), { fresh: mode === "fresh", ...rest }, control),
    }),
    route({
      method: "POST",
      path: "/v1/runs/{id}/mark",
      summary: "Says how a run ends, or ended; what depends on it follows. Repeating it does no harm.",
      errors,
      keeps: true,
      maxBodyBytes: markBodyBytes,
      body: markRunSchema,
      answer: markedSchema,
      handle: ({ params, body, control }) => marks.mark(idOf(params), body, control),
    }),
    route({
      method: "POST",
      path: "/v1/runs/bulk",
      summary:
        "One action for the runs that a filter names, a page a request; with `preview` only the list. Repeating it does no harm.",
      errors: ["request_conflict"],
      keeps: true,
      body: bulkSchema,
      answer: bulkPageSchema,
      handle: ({ body, control }) => bulk.act(body, control),
    }),
  ];
}
