import { z } from "zod";
import { jsonSchema } from "./json.ts";

/** Every code a caller can meet, with its HTTP status. docs/errors.md explains each; a test compares. */
export const errorCodes = {
  invalid_request: 400,
  invalid_definition: 422,
  invalid_input: 422,
  invalid_output: 422,
  unauthorized: 401,
  forbidden_host: 403,
  method_denied: 403,
  denied: 403,
  not_found: 404,
  method_not_allowed: 405,
  unknown_method: 404,
  key_conflict: 409,
  request_conflict: 409,
  ambiguous_id: 409,
  run_ended: 409,
  run_live: 409,
  run_superseded: 409,
  upstream_unmet: 409,
  intent_rejected: 409,
  state_conflict: 409,
  precondition_failed: 412,
  state_mismatch: 409,
  stale_epoch: 409,
  member_gone: 409,
  not_the_owner: 409,
  too_large: 413,
  limit_exceeded: 429,
  unsupported: 501,
  object_missing: 500,
  store_unavailable: 503,
  store_newer: 503,
  store_full: 507,
  internal: 500,
} as const satisfies Record<string, number>;
export type ErrorCode = keyof typeof errorCodes;

/** Codes that a run's `error` can carry besides those above. */
export const runErrorCodes = [
  "task_failed",
  "task_timed_out",
  "task_exited",
  "lost_too_often",
  "expired",
  "cancelled",
  "child_failed",
  "external_failed",
  "wait_timed_out",
  "upstream_failed",
  "upstream_skipped",
  "condition_false",
  "skipped_by_task",
  "skipped_by_person",
  "marked_failed",
  "result_invalid",
  "definition_missing",
] as const;
export type RunErrorCode = (typeof runErrorCodes)[number];

export const runErrorSchema = z.object({
  code: z.string().max(100),
  message: z.string(),
  /** The name of the thrown class, when user code threw. */
  name: z.string().optional(),
  stack: z.string().optional(),
  hint: z.string().optional(),
  details: jsonSchema.optional(),
});
/** Why a run ended as it did, or why an attempt failed. */
export type RunError = z.infer<typeof runErrorSchema>;

export interface AppErrorOptions {
  /** What to do about it, one sentence. */
  readonly hint?: string;
  readonly details?: unknown;
  readonly cause?: unknown;
}

const appErrorMark = Symbol.for("holdfast.AppError");

/** A failure that a caller can act on. Recognised across copies of this package by `isAppError`. */
export class AppError extends Error {
  override readonly name = "AppError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly details: unknown;

  constructor(code: ErrorCode, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.details = options.details;
    Object.defineProperty(this, appErrorMark, { value: true });
  }
}

/** True for an AppError of any copy of this package; with a code, only for that code. */
export function isAppError(error: unknown, code?: ErrorCode): error is AppError {
  if (typeof error !== "object" || error === null || !(appErrorMark in error)) return false;
  return code === undefined || ("code" in error && error.code === code);
}

/** What a control plane answers to a result or an error that it will never keep: said again, it is refused again. */
const refusals: readonly ErrorCode[] = [
  "invalid_request",
  "invalid_output",
  "unsupported",
  "too_large",
  "limit_exceeded",
];

/** Whether an outcome was refused for what it is, so that its sender has to say something else. */
export function isRefusedOutcome(error: unknown): error is AppError {
  return isAppError(error) && refusals.includes(error.code);
}

/** Whether a store's files were removed or replaced under its owner: that is no outage, which ends by itself. */
export function isStoreGone(error: unknown): error is AppError {
  if (!isAppError(error, "store_unavailable")) return false;
  const { details } = error;
  return typeof details === "object" && details !== null && "gone" in details;
}
