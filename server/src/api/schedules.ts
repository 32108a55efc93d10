import {
  AppError,
  getScheduleQuerySchema,
  listSchedulesQuerySchema,
  pausedScheduleSchema,
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
    pauseRoute(schedules, true),
    pauseRoute(schedules, false),
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

function pauseRoute(schedules: Schedules, paused: boolean): Route {
  return route({
    method: "POST",
    path: `/v1/schedules/{id}/${paused ? "pause" : "resume"}`,
    summary: paused
      ? "Lets no tick start a run until it is resumed, also when it is applied anew. Repeating it does no harm."
      : "Lets ticks start runs again; those that were missed are caught up with as it says. Repeating it does no harm.",
    errors: ["not_found"],
    body: nothing,
    bodyOptional: true,
    answer: pausedScheduleSchema,
    handle: ({ params }) => schedules.pause(scheduleIdOf(params), paused),
  });
}

function scheduleIdOf({ id }: Readonly<Record<string, string>>): string {
  if (id === undefined || id === "") throw new AppError("invalid_request", "The path names no schedule.");
  return id;
}
