import type { Json, RunError } from "@holdfast/protocol";
import type { FinishResult, Next } from "./next.ts";
import type { RunRow } from "./run.ts";
import { mayBeActive, type RunInput } from "./transitions.ts";

/** Why an activation has nothing to say; undefined when it has. */
export function refuseActivation(run: RunRow | undefined, epoch: number): FinishResult | undefined {
  if (run === undefined) return { outcome: "not_found" };
  if (run.epoch !== epoch) return { outcome: "stale_epoch" };
  if (!mayBeActive(run.status) || run.claimedBy === null) return { outcome: "repeated", status: run.status };
  return undefined;
}

/** What an activation's end is to its run. */
export function inputOf(next: Next): RunInput {
  if (next.to === "ended") {
    const inputs = { succeeded: "succeed", failed: "fail", skipped: "skip" } as const;
    return inputs[next.status];
  }
  if (next.outcome === "lost") return "lose";
  return next.outcome === "released" ? "give_back" : "retry";
}

/** An error as events carry it. */
export function brief(error: RunError | null): Json {
  return error === null ? null : { code: error.code, message: error.message.slice(0, 1_000).toWellFormed() };
}
