import {
  AppError,
  changedStateSchema,
  changeStateSchema,
  clearStateQuerySchema,
  deleteStateQuerySchema,
  limits,
  listStateQuerySchema,
  putStateSchema,
  type StateOwner,
  stateKeySchema,
  stateOpResultSchema,
  stateOwners,
  statePageSchema,
  stateViewSchema,
  sweepStateSchema,
  sweptStateSchema,
} from "@holdfast/protocol";
import { z } from "zod";
import type { State } from "../operations/state.ts";
import { underCondition } from "./entity-tags.ts";
import { type Route, route } from "./route.ts";
import { idOf } from "./runs.ts";

/** JSON may escape every character of a value of the greatest size. */
const valueBodyBytes = 6 * limits.stateObjectBytes + 16 * 1024;
const changesBodyBytes = limits.frameBytes;

const owners = { run: "/v1/runs/{id}/state", task: "/v1/tasks/{id}/state", asset: "/v1/assets/{id}/state" } as const;
const whose = { run: "a run, in its present generation", task: "a task", asset: "an asset" } as const;

/** `state` below runs, tasks and assets. A key is one part of the path: a `/` in it is written `%2F`. */
export function stateRoutes({ state }: { state: State }): Route[] {
  return [
    ...stateOwners.flatMap((kind) => [...reads(state, kind), ...writes(state, kind)]),
    route({
      method: "POST",
      path: "/v1/state/sweep",
      summary:
        "Deletes values of state whose time is over, and large ones that nobody names; nodes do it by themselves.",
      errors: [],
      body: sweepStateSchema,
      bodyOptional: true,
      answer: sweptStateSchema,
      handle: ({ body }) => state.sweep(body),
    }),
  ];
}

function reads(state: State, kind: StateOwner): Route[] {
  return [
    route({
      method: "GET",
      path: owners[kind],
      summary: `The state of ${whose[kind]}, in the order of its keys.`,
      errors: ["not_found", "ambiguous_id"],
      query: listStateQuerySchema,
      answer: statePageSchema,
      handle: ({ params, query }) => state.list({ kind, id: idOf(params) }, query),
    }),
    route({
      method: "GET",
      path: `${owners[kind]}/{key}`,
      summary: `One value of the state of ${whose[kind]}.`,
      errors: ["not_found", "ambiguous_id"],
      tagged: true,
      answer: stateViewSchema,
      handle: ({ params }) => state.get({ kind, id: idOf(params) }, keyOf(params)),
    }),
  ];
}

function writes(state: State, kind: StateOwner): Route[] {
  const errors = [
    "not_found",
    "ambiguous_id",
    "request_conflict",
    "state_conflict",
    "limit_exceeded",
    "invalid_input",
  ] as const;
  return [
    route({
      method: "PUT",
      path: `${owners[kind]}/{key}`,
      summary: `Sets one value of the state of ${whose[kind]}.`,
      errors: [...errors, "precondition_failed"],
      maxBodyBytes: valueBodyBytes,
      keeps: true,
      tagged: true,
      body: putStateSchema,
      answer: stateOpResultSchema,
      handle: ({ params, body: { ifVersion: given, ...body }, control, ...conditions }) => {
        const [target, key] = [{ kind, id: idOf(params) }, keyOf(params)];
        return underCondition(conditions, { state, target, key, given }, async (only) =>
          first(await state.change(target, [{ op: "set", key, ...body, ...only }], control)),
        );
      },
    }),
    route({
      method: "DELETE",
      path: `${owners[kind]}/{key}`,
      summary: `Deletes one value of the state of ${whose[kind]}, if it is there.`,
      errors: [...errors, "precondition_failed"],
      keeps: true,
      tagged: true,
      query: deleteStateQuerySchema,
      answer: stateOpResultSchema,
      handle: ({ params, query: { ifVersion: given }, control, ...conditions }) => {
        const [target, key] = [{ kind, id: idOf(params) }, keyOf(params)];
        return underCondition(conditions, { state, target, key, given }, async (only) =>
          first(await state.change(target, [{ op: "delete", key, ...only }], control)),
        );
      },
    }),
    route({
      method: "DELETE",
      path: owners[kind],
      summary: `Deletes the state of ${whose[kind]}, or what begins with \`prefix\`.`,
      errors,
      keeps: true,
      query: clearStateQuerySchema,
      answer: z.object({ cleared: z.number().int() }),
      handle: ({ params, query, control }) => state.clear({ kind, id: idOf(params) }, query.prefix, control),
    }),
    route({
      method: "POST",
      path: owners[kind],
      summary: `Makes several changes of state, of ${whose[kind]} where they do not say otherwise: all or none.`,
      errors: [...errors, "state_mismatch"],
      maxBodyBytes: changesBodyBytes,
      keeps: true,
      body: changeStateSchema,
      answer: changedStateSchema,
      handle: ({ params, body, control }) => state.change({ kind, id: idOf(params) }, body.ops, control),
    }),
  ];
}

function first({ results: [result] }: z.infer<typeof changedStateSchema>): z.infer<typeof stateOpResultSchema> {
  if (result === undefined) throw new Error("a change has no result");
  return result;
}

/** The key of state that a path names, or the name of a watermark. */
export function keyOf({ key }: Readonly<Record<string, string>>): string {
  const parsed = stateKeySchema.safeParse(key);
  if (parsed.success) return parsed.data;
  throw new AppError(
    "invalid_request",
    `A key of state has 1 to ${limits.stateKeyCharacters} characters, none of them NUL.`,
  );
}
