import { AppError, isAppError } from "@holdfast/protocol";

// What the control plane refuses has a stack that ends in the channel. A body is told where it asked instead.

/** Where something was asked for. Its text is made only when somebody reads it. */
export interface Origin {
  readonly stack?: string;
}

/** The place that calls the function which calls this. */
export function originHere(): Origin {
  const origin: Origin = {};
  Error.captureStackTrace(origin, originHere);
  return origin;
}

/** The same refusal, at the place that asked for it. Other errors have a place of their own. */
export function placedAt(error: unknown, { stack }: Origin): unknown {
  if (!isAppError(error) || typeof stack !== "string") return error;
  const { code, message, hint, details, cause } = error;
  const placed = new AppError(code, message, { ...(hint === undefined ? {} : { hint }), details, cause });
  const [, ...frames] = stack.split("\n");
  placed.stack = [`${placed.name}: ${message}`, ...frames].join("\n");
  return placed;
}
