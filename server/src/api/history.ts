import {
  eventPageSchema,
  listEventsQuerySchema,
  listLogsQuerySchema,
  listTopicQuerySchema,
  logPageSchema,
  topicPageSchema,
} from "@holdfast/protocol";
import type { History } from "../operations/history.ts";
import { type Route, route } from "./route.ts";
import { idOf } from "./runs.ts";

/** What has happened: events and logs of a run, and the namespace's whole log. */
export function historyRoutes({ history }: { history: History }): Route[] {
  return [
    route({
      method: "GET",
      path: "/v1/runs/{id}/events",
      summary: "A run's events from after a number, without gaps. Waits up to `waitMs` for a first one.",
      errors: ["not_found", "ambiguous_id"],
      query: listEventsQuerySchema,
      answer: eventPageSchema,
      handle: ({ params, query, signal }) => history.events(idOf(params), query, signal),
    }),
    route({
      method: "GET",
      path: "/v1/runs/{id}/logs",
      summary: "What a run's activations wrote. The cursor is good for lines that come later.",
      errors: ["not_found", "ambiguous_id"],
      query: listLogsQuerySchema,
      answer: logPageSchema,
      handle: ({ params, query: { cursor, limit } }) =>
        history.logs(idOf(params), { limit, ...(cursor === undefined ? {} : { cursor }) }),
    }),
    route({
      method: "GET",
      path: "/v1/events",
      summary: "Events of all runs in the order of the log. `after=last` answers where the log ends now.",
      errors: [],
      query: listTopicQuerySchema,
      answer: topicPageSchema,
      handle: ({ query, signal }) => history.topic(query, signal),
    }),
  ];
}
