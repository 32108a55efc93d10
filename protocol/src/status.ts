import { z } from "zod";

/** Where a run stands (DESIGN §5). `cancelling`: a cancel is committed and obligations are open. */
export const runStatuses = [
  "pending",
  "ready",
  "running",
  "waiting",
  "cancelling",
  "succeeded",
  "failed",
  "cancelled",
  "skipped",
] as const;
export type RunStatus = (typeof runStatuses)[number];
export const runStatusSchema = z.enum(runStatuses);

export const endedStatuses = ["succeeded", "failed", "cancelled", "skipped"] as const;
export type EndedStatus = (typeof endedStatuses)[number];

/** True when a run of this status has ended: only clear, retry and reopening leave it. */
export function isEnded(status: RunStatus): status is EndedStatus {
  return (endedStatuses as readonly RunStatus[]).includes(status);
}

/** `map` is the run of a workflow's map node; its children are the items. */
export const runKinds = ["task", "workflow", "map"] as const;
export type RunKind = (typeof runKinds)[number];

/** How an activation ended (DESIGN §5). `lost` uses up no attempt. `released`: given back unstarted or by a stopping node. */
export const activationOutcomes = [
  "succeeded",
  "failed",
  "skipped",
  "suspended",
  "timed_out",
  "lost",
  "cancelled",
  "released",
] as const;
export type ActivationOutcome = (typeof activationOutcomes)[number];

/** When a run with upstreams may start, judged once all of them have ended. */
export const triggerRules = ["all_success", "all_done", "one_success", "none_failed"] as const;
export type TriggerRule = (typeof triggerRules)[number];
