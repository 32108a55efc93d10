import {
  AppError,
  getScheduleQuerySchema,
  listSchedulesQuerySchema,
  pausedScheduleSchema,
  pauseScheduleSchema,
  removedScheduleSchema,
  schedulePageSchema,
  scheduleViewSchema,
  startedRunSchema,
} from "@holdfast/protocol";
import { z } from "zod";
import type { Schedules } from "../operations/schedules.ts";
import { type Route, route } from "./route.ts";

/** Actions on a schedule take nothing. */
const nothing = z.strictObject({});

/** `/v1/schedules`: when definitions start by themselves. */
export function scheduleRoutes({ schedules }: { schedules: Schedules }): Route[] {
  return [
    route({
      method: "GET",
      path: "/v1/schedules",
      summary: "Schedules in the order of their ids, with their next ticks.",
      errors: [],
      query: listSchedulesQuerySchema,
      answer: schedulePageSchema,
      handle: ({ query: { definition, cursor, limit, next } }) =>
        schedules.list({
          limit,
          next,
          ...(definition === undefined ? {} : { definition }),
          ...(cursor === undefined ? {} : { cursor }),
        }),
    }),
    route({
      method: "GET",
      path: "/v1/schedules/{id}",
      summary: "One schedule, with its next ticks.",
      errors: ["not_found"],
      query: getScheduleQuerySchema,
      answer: scheduleViewSchema,
      handle: ({ params, query: { next } }) => schedules.get(scheduleIdOf(params), next),
    }),
    pauseRoute(schedules),
    resumeRoute(schedules),
    removeRoute(schedules),
    route({
      method: "POST",
      path: "/v1/schedules/{id}/start",
      summary: "Starts a run as if a tick were now, or answers the one that the same Idempotency-Key began before.",
      errors: ["not_found", "invalid_input", "request_conflict"],
      idempotent: true,
      body: nothing,
      bodyOptional: true,
      answer: startedRunSchema,
      handle: ({ params, requestKey }) => schedules.start(scheduleIdOf(params), requestKey),
    }),
  ];
}

function pauseRoute(schedules: Schedules): Route {
  return route({
    method: "POST",
    path: "/v1/schedules/{id}/pause",
    summary: "Lets no tick start a run until it is resumed, also when it is applied anew. Repeating it does no harm.",
    errors: ["not_found", "request_conflict"],
    keeps: true,
    body: pauseScheduleSchema,
    bodyOptional: true,
    answer: pausedScheduleSchema,
    handle: ({ params, body, control }) =>
      schedules.pause(scheduleIdOf(params), { paused: true, reason: body.reason ?? null }, control),
  });
}

function resumeRoute(schedules: Schedules): Route {
  return route({
    method: "POST",
    path: "/v1/schedules/{id}/resume",
    summary:
      "Lets ticks start runs again; those that were missed are caught up with as it says. Repeating it does no harm.",
    errors: ["not_found", "request_conflict"],
    keeps: true,
    body: nothing,
    bodyOptional: true,
    answer: pausedScheduleSchema,
    handle: ({ params, control }) => schedules.pause(scheduleIdOf(params), { paused: false }, control),
  });
}

function removeRoute(schedules: Schedules): Route {
  return route({
    method: "POST",
    path: "/v1/schedules/{id}/remove",
    summary: "Ends a schedule, until a definition that declares it is applied. Runs that it has started go on.",
    errors: ["not_found", "request_conflict"],
    keeps: true,
    body: nothing,
    bodyOptional: true,
    answer: removedScheduleSchema,
    handle: ({ params, control }) => schedules.remove(scheduleIdOf(params), control),
  });
}

function scheduleIdOf({ id }: Readonly<Record<string, string>>): string {
  if (id === undefined || id === "") throw new AppError("invalid_request", "The path names no schedule.");
  return id;
}
