import { limits, storableText, TrackingError, type TrackingFailure } from "@holdfast/protocol";

/** Text from outside as it may be kept and shown: storable, and not without end. */
export function shortText(text: string, characters = 2_000): string {
  const whole = storableText(text);
  return whole.length <= characters ? whole : `${storableText(whole.slice(0, characters))}…`;
}

export function permanent(code: string, message: string, hint?: string): TrackingError {
  return new TrackingError({
    fault: "permanent",
    code,
    message: shortText(message),
    ...(hint !== undefined && { hint }),
  });
}

export function transient(code: string, message: string, more: Partial<TrackingFailure> = {}): TrackingError {
  return new TrackingError({ fault: "transient", code, message: shortText(message), ...more });
}

export function unauthorized(code: string, message: string, hint?: string): TrackingError {
  return new TrackingError({ fault: "auth", code, message: shortText(message), ...(hint !== undefined && { hint }) });
}

/** The same failure, of something that may have been done all the same. */
export function undecidedly(error: unknown): TrackingError {
  return new TrackingError({ ...failureOf(error), undecided: true }, { cause: error });
}

/** Whatever was thrown, as it is told. What is no TrackingError is a mistake of the tracker, and no job fails by that. */
export function failureOf(error: unknown, fallback: TrackingFailure["code"] = "tracker_fault"): TrackingFailure {
  if (error instanceof TrackingError) return error.failure;
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return {
    fault: "transient",
    code: fallback,
    message: shortText(message, limits.errorTextBytes / 4),
    undecided: true,
  };
}

/** The milliseconds that a `Retry-After` header asks for: seconds, or a date. */
export function retryAfterMs(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\s*\d+(\.\d+)?\s*$/.test(header)) return Math.min(Number(header) * 1_000, limits.spanMs);
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, Math.min(at - now, limits.spanMs));
}

/** Statuses by which a service says that it may do better later, whatever was asked. */
export function isTransientStatus(status: number): boolean {
  return status === 408 || status === 425 || status === 429 || status >= 500;
}
