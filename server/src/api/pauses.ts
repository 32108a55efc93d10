import {
  AppError,
  listPausesQuerySchema,
  pausedSchema,
  pausePageSchema,
  pauseSchema,
  resumeSchema,
} from "@holdfast/protocol";
import type { Pauses } from "../operations/pauses.ts";
import { type Route, route } from "./route.ts";

const places = {
  run: { path: "/v1/runs/{id}", what: "a run and everything below it" },
  definition: { path: "/v1/definitions/{id}", what: "the runs of a definition and everything below them" },
  queue: { path: "/v1/queues/{id}", what: "a queue" },
} as const;

/** `/v1/pauses`, and `pause` and `resume` below runs, definitions and queues. */
export function pauseRoutes({ pauses }: { pauses: Pauses }): Route[] {
  return [listRoute(pauses), ...(["run", "definition", "queue"] as const).flatMap((kind) => changes(pauses, kind))];
}

function listRoute(pauses: Pauses): Route {
  return route({
    method: "GET",
    path: "/v1/pauses",
    summary: "What is paused: runs, definitions and queues.",
    errors: [],
    query: listPausesQuerySchema,
    answer: pausePageSchema,
    handle: ({ query: { kind, cursor, limit } }) =>
      pauses.list({ limit, ...(kind === undefined ? {} : { kind }), ...(cursor === undefined ? {} : { cursor }) }),
  });
}

function changes(pauses: Pauses, kind: keyof typeof places): Route[] {
  const { path, what } = places[kind];
  const own = kind === "run" ? (["not_found", "ambiguous_id", "run_ended"] as const) : [];
  const errors = [...own, "request_conflict" as const];
  return [
    route({
      method: "POST",
      path: `${path}/pause`,
      summary: `Pauses ${what}: nothing of it starts; what is under way goes on. Repeating it does no harm.`,
      errors,
      keeps: true,
      body: pauseSchema,
      bodyOptional: true,
      answer: pausedSchema,
      handle: ({ params, body: { reason }, control }) => pauses.pause(kind, nameOf(params), reason, control),
    }),
    route({
      method: "POST",
      path: `${path}/resume`,
      summary: `Ends the pause of ${what}. Repeating it does no harm.`,
      errors,
      keeps: true,
      body: resumeSchema,
      bodyOptional: true,
      answer: pausedSchema,
      handle: ({ params, control }) => pauses.resume(kind, nameOf(params), control),
    }),
  ];
}

function nameOf({ id = "" }: Readonly<Record<string, string>>): string {
  if (id === "") throw new AppError("invalid_request", "The path names nothing to pause.");
  return id;
}
