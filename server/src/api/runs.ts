// Step 1 of 6: somebody asks over HTTP that a run begin. What they sent is parsed here, and nothing else is decided;
// operations/runs.ts (step 2) checks the input against the definition and puts the run into the store.

import {
  AppError,
  cancelledRunSchema,
  cancelRunSchema,
  limits,
  listRunsQuerySchema,
  listTreeQuerySchema,
  type RunPage,
  resultQuerySchema,
  runPageSchema,
  runViewSchema,
  startedRunSchema,
  startRunSchema,
  whySchema,
} from "@holdfast/protocol";
import type { History } from "../operations/history.ts";
import type { Reasons } from "../operations/reasons.ts";
import type { Runs } from "../operations/runs.ts";
import { type Route, route } from "./route.ts";

/** JSON may escape every character of an input of the greatest size. */
const startBodyBytes = 6 * limits.inputBytes + 64 * 1024;

/** `/v1/runs`: to start, see and cancel runs. */
export function runRoutes(services: { runs: Runs; reasons: Reasons; history: History }): Route[] {
  const { runs, reasons, history } = services;
  return [
    startRoute(runs),
    listRoute(runs),
    getRoute(runs),
    treeRoute(runs),
    whyRoute(reasons),
    cancelRoute(runs),
    resultRoute(history),
  ];
}

function startRoute(runs: Runs): Route {
  return route({
    method: "POST",
    path: "/v1/runs",
    summary: "Starts a run, or answers the one that its key or Idempotency-Key began before.",
    errors: ["not_found", "invalid_input", "key_conflict", "request_conflict", "too_large"],
    maxBodyBytes: startBodyBytes,
    idempotent: true,
    body: startRunSchema,
    answer: startedRunSchema,
    handle: ({ body, requestKey, traceparent }) => {
      return runs.start(traceparent === undefined ? body : { traceparent, ...body }, requestKey);
    },
  });
}

function listRoute(runs: Runs): Route {
  return route({
    method: "GET",
    path: "/v1/runs",
    summary: "Runs, newest first.",
    errors: ["not_found"],
    query: listRunsQuerySchema,
    answer: runPageSchema,
    handle: ({ query: { status, definition, parent, key, since, scope, cursor, limit } }) =>
      runs.list({
        key,
        since,
        rootsOnly: scope === "roots",
        limit,
        ...(status === undefined ? {} : { statuses: [status].flat() }),
        ...(definition === undefined ? {} : { definition }),
        ...(parent === undefined ? {} : { parent }),
        ...(cursor === undefined ? {} : { cursor }),
      }),
  });
}

function getRoute(runs: Runs): Route {
  return route({
    method: "GET",
    path: "/v1/runs/{id}",
    summary: "One run, by its id or the beginning of it.",
    errors: ["not_found", "ambiguous_id"],
    answer: runViewSchema,
    handle: ({ params }) => runs.get(idOf(params)),
  });
}

function treeRoute(runs: Runs): Route {
  return route({
    method: "GET",
    path: "/v1/runs/{id}/tree",
    summary: "The whole tree that a run belongs to, in the order of creation, without inputs and outputs.",
    errors: ["not_found", "ambiguous_id"],
    query: listTreeQuerySchema,
    answer: runPageSchema,
    handle: ({ params, query: { after, limit } }): Promise<RunPage> =>
      runs.tree(idOf(params), { limit, ...(after === undefined ? {} : { after }) }),
  });
}

function whyRoute(reasons: Reasons): Route {
  return route({
    method: "GET",
    path: "/v1/runs/{id}/why",
    summary: "What keeps a run, and what keeps those that it waits for.",
    errors: ["not_found", "ambiguous_id"],
    answer: whySchema,
    handle: ({ params }) => reasons.explain(idOf(params)),
  });
}

function cancelRoute(runs: Runs): Route {
  return route({
    method: "POST",
    path: "/v1/runs/{id}/cancel",
    summary: "Orders a run and everything below it to end. Repeating it does no harm.",
    errors: ["not_found", "ambiguous_id", "request_conflict"],
    keeps: true,
    body: cancelRunSchema,
    bodyOptional: true,
    answer: cancelledRunSchema,
    handle: ({ params, body, control }) => runs.cancel(idOf(params), body, control),
  });
}

function resultRoute(history: History): Route {
  return route({
    method: "GET",
    path: "/v1/runs/{id}/result",
    summary: "The run once it has ended, or as it stands after `waitMs`.",
    errors: ["not_found", "ambiguous_id"],
    query: resultQuerySchema,
    answer: runViewSchema,
    handle: ({ params, query, signal }) => history.result(idOf(params), query.waitMs, signal),
  });
}

/** The `{id}` of a path. */
export function idOf(params: Readonly<Record<string, string>>): string {
  const { id } = params;
  if (id === undefined || id === "") throw new AppError("invalid_request", "The path names no run.");
  return id;
}
