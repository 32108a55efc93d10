import { AppError, type ErrorBody, type ErrorCode, httpStatus, isAppError, isJson } from "@holdfast/protocol";
import type { z } from "zod";

/** What is answered instead of a result. */
export interface FailureAnswer {
  readonly status: number;
  readonly body: ErrorBody;
}

/** A failure as the caller reads it. What is nobody's business outside becomes `internal`: the log has the rest. */
export function failureAnswer(thrown: unknown, requestId: string): FailureAnswer {
  const error = asAppError(thrown);
  return {
    status: httpStatus(error.code),
    body: {
      error: {
        code: error.code,
        message: error.message,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
        ...(isJson(error.details) ? { details: error.details } : {}),
        request_id: requestId,
      },
    },
  };
}

/** A failure as an AppError: the web framework's own by their codes, everything unforeseen as `internal`. */
export function asAppError(thrown: unknown): AppError {
  if (isAppError(thrown)) return thrown;
  if (isDeepRecursion(thrown)) return new AppError("too_large", "The request is nested too deeply.");
  const code = codeOf(thrown);
  const known = code === undefined ? undefined : frameworkFailures[code];
  if (known !== undefined) return new AppError(known.code, known.message, { hint: known.hint, cause: thrown });
  return new AppError("internal", "Holdfast met a failure that it did not foresee.", {
    hint: "The server's log has the details under this request_id.",
    cause: thrown,
  });
}

/** Errors of fastify, by the codes that its documentation lists. */
const frameworkFailures: Readonly<Record<string, { code: ErrorCode; message: string; hint: string }>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: {
    code: "too_large",
    message: "The body of the request is larger than this route accepts.",
    hint: "Keep large data in a file or an object store and pass its name.",
  },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    code: "invalid_request",
    message: "The body of the request has a content type that is not understood.",
    hint: "Send JSON, with the header Content-Type: application/json.",
  },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: {
    code: "invalid_request",
    message: "The body's size is not the one that Content-Length states.",
    hint: "Let the HTTP client set Content-Length.",
  },
  FST_ERR_MAX_PARAM_LENGTH: {
    code: "invalid_request",
    message: "A part of the path is longer than any id or name.",
    hint: "Check the id; what the path names is in GET /v1/openapi.json.",
  },
  FST_ERR_BAD_URL: {
    code: "invalid_request",
    message: "The path is not a valid URL path.",
    hint: "Encode special characters with percent signs.",
  },
};

function codeOf(thrown: unknown): string | undefined {
  if (typeof thrown !== "object" || thrown === null || !("code" in thrown)) return undefined;
  return typeof thrown.code === "string" ? thrown.code : undefined;
}

function isDeepRecursion(thrown: unknown): boolean {
  return thrown instanceof RangeError && thrown.message === "Maximum call stack size exceeded";
}

/** What is said of a query or body that its schema refused: every place, the first in the message. */
export function schemaFailure(error: z.ZodError, place: "query" | "body"): AppError {
  const issues = error.issues.map(({ path, message }) => ({
    path: [place, ...path].join("."),
    // Of a text that is no number; nobody has sent this.
    message: message.replace(/, received NaN$/, ""),
  }));
  const [first] = issues;
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : "";
  return new AppError("invalid_request", `${first?.path ?? place}: ${first?.message ?? "is wrong"}${more}.`, {
    hint: "GET /v1/openapi.json describes what is accepted.",
    details: issues.slice(0, 20),
  });
}
