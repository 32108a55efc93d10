import { limits, signalledSchema, signalRunSchema } from "@holdfast/protocol";
import type { Signals } from "../operations/signals.ts";
import { type Route, route } from "./route.ts";
import { idOf } from "./runs.ts";

/** JSON may escape every character of a payload of the greatest size. */
const signalBodyBytes = 6 * limits.signalBytes + 16 * 1024;

/** `/v1/runs/{id}/signals`. */
export function signalRoutes({ signals }: { signals: Signals }): Route[] {
  return [
    route({
      method: "POST",
      path: "/v1/runs/{id}/signals",
      summary: "Sends a signal to a run: to the wait for it, or to the next one.",
      errors: ["not_found", "ambiguous_id", "run_ended", "request_conflict", "limit_exceeded", "too_large"],
      maxBodyBytes: signalBodyBytes,
      idempotent: true,
      body: signalRunSchema,
      answer: signalledSchema,
      handle: ({ params, body, requestKey }) => signals.signal(idOf(params), body, requestKey),
    }),
  ];
}
