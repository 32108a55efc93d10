import type { Duration } from "@holdfast/protocol";
import { durationMs, limits } from "@holdfast/protocol";

// What a body throws to say how its failure is to be treated. Recognised across copies of the SDK by their symbols.

const fatalMark = Symbol.for("holdfast.FatalError");
const retryMark = Symbol.for("holdfast.RetryAfter");

/** Fails the run at once: no further attempt, whatever the retry policy says. */
export class FatalError extends Error {
  override readonly name = "FatalError";

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    Object.defineProperty(this, fatalMark, { value: true });
  }
}

/** Fails this attempt and says when the next is wanted. Attempts are counted as ever: the policy's last one is the last. */
export class RetryAfter extends Error {
  override readonly name = "RetryAfter";
  /** Milliseconds until the next attempt may start. */
  readonly afterMs: number;

  /** `delay` is a duration (`"30s"`) or milliseconds, at most ten years. Throws RangeError when it is neither. */
  constructor(delay: Duration | number, message?: string, options?: ErrorOptions) {
    super(message ?? `Asked to be tried again after ${typeof delay === "number" ? `${delay}ms` : delay}.`, options);
    const ms = typeof delay === "number" ? delay : durationMs(delay);
    if (ms === undefined || !Number.isFinite(ms) || ms < 0 || ms > limits.spanMs) {
      throw new RangeError(`${JSON.stringify(delay)} is no duration: write "30s", "5m" or milliseconds.`);
    }
    this.afterMs = Math.round(ms);
    Object.defineProperty(this, retryMark, { value: true });
  }
}

export function isFatalError(error: unknown): error is FatalError {
  return typeof error === "object" && error !== null && fatalMark in error;
}

export function isRetryAfter(error: unknown): error is RetryAfter {
  return typeof error === "object" && error !== null && retryMark in error;
}
