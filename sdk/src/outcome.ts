import { type ChannelParams, isAppError } from "@holdfast/protocol";
import { runError } from "./failure.ts";
import { isSkip } from "./skip.ts";
import { isFatalError, isRetryAfter } from "./steering.ts";

/** The one call that ends an activation. */
export type Outcome = {
  [M in "run.succeed" | "run.fail" | "run.retry" | "run.skip"]: {
    readonly method: M;
    readonly params: ChannelParams<M>;
  };
}["run.succeed" | "run.fail" | "run.retry" | "run.skip"];

/** What is to be said of something thrown by a body, or by something that it left to happen on its own. */
export function failure(thrown: unknown, projectRoot: string): Outcome {
  if (isSkip(thrown)) return { method: "run.skip", params: { reason: thrown.reason } };
  const error = runError(thrown, projectRoot);
  if (isRetryAfter(thrown)) return { method: "run.retry", params: { error, afterMs: thrown.afterMs } };
  // The same input will be as wrong at the next attempt.
  const fatal = isFatalError(thrown) || isAppError(thrown, "invalid_input");
  return { method: "run.fail", params: fatal ? { error, fatal } : { error } };
}
