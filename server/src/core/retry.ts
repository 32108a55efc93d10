import { limits, type RetryPolicy, type RunError } from "@holdfast/protocol";
import type { Next } from "./next.ts";
import { type RunRow, tryOf } from "./run.ts";

/** How an attempt failed, as far as the decision about the next one needs it. */
export interface Failure {
  readonly outcome: "failed" | "timed_out";
  readonly error: RunError;
  /** The body said that no further attempt can help. */
  readonly fatal: boolean;
  /** The body said when to try again, milliseconds from now. */
  readonly afterMs?: number;
}

/** The delay before the next attempt after so many tries, milliseconds. `random` is from [0, 1). */
export function retryDelayMs(policy: RetryPolicy, tries: number, random: number): number {
  // The factor's power may be beyond all numbers: nothing times that is still nothing.
  const full = policy.delayMs === 0 ? 0 : Math.min(policy.maxDelayMs, policy.delayMs * policy.factor ** (tries - 1));
  return Math.round(full * (1 - policy.jitter * random));
}

/** What follows a failed attempt, or a failed try of a clean-up: another one, or the end. A run that was started over has all its attempts before it again. */
export function afterFailure(run: RunRow, policy: RetryPolicy, failure: Failure, random: number): Next {
  const { outcome, error } = failure;
  const tries = tryOf(run);
  if (failure.fatal || tries >= policy.attempts) return { to: "ended", status: "failed", outcome, error };
  const delayMs = failure.afterMs ?? retryDelayMs(policy, tries, random);
  return { to: "ready", outcome, error, delayMs };
}

/** What follows the loss of an activation's own process: it starts again unless that has happened too often in a row. */
export function afterLoss(run: RunRow, error: RunError): Next {
  if (run.losses + 1 >= limits.losses) return tooOften(run.losses + 1, error);
  return { to: "ready", outcome: "lost", error, delayMs: 0 };
}

/** What follows the death of the node or worker that held the run. */
export function afterTakeover(run: RunRow, error: RunError): Next {
  if (run.takeovers + 1 >= limits.takeovers) return tooOften(run.takeovers + 1, error);
  return { to: "ready", outcome: "lost", error, delayMs: 0 };
}

function tooOften(times: number, error: RunError): Next {
  const message = `Lost ${times} times without a recorded step between. The last time: ${error.message}`;
  return { to: "ended", status: "failed", outcome: "lost", error: { code: "lost_too_often", message } };
}
