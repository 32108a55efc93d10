import { limits, type RunError, type RunStatus } from "@holdfast/protocol";

/** Why a run cannot start again; `runId` and `name` are of the run that is in the way. */
export interface RestartRefusal {
  readonly reason:
    | "live"
    | "dependent_live"
    | "cancelling"
    | "upstream_unmet"
    | "superseded"
    | "too_many"
    | "children_live"
    | "caller_live"
    | "jobs_open";
  readonly runId: string;
  readonly name: string;
  readonly status: RunStatus;
}

/** Why a run cannot start again, in words, and what to do. */
export function refusalText({ reason, runId, name, status }: RestartRefusal): RunError {
  switch (reason) {
    case "live":
      return {
        code: "run_live",
        message: `Run ${runId} is ${status}: it has not ended.`,
        hint: `Cancel it first: holdfast runs cancel ${runId}`,
      };
    case "children_live":
      return {
        code: "run_live",
        message: `Run ${runId} is ${status}: what is below it has not ended.`,
        hint: `Cancel it first, or mark what is below it: holdfast runs show ${runId}`,
      };
    case "caller_live":
      return {
        code: "run_live",
        message: `"${name}" (${runId}), which called it, is ${status} and has taken in how it ended.`,
        hint: `Wait for its end, or cancel it first: holdfast runs cancel ${runId}`,
      };
    case "dependent_live":
      return {
        code: "run_live",
        message: `"${name}" (${runId}), which depends on it, is ${status}.`,
        hint: `Wait for its end, or cancel it first: holdfast runs cancel ${runId}`,
      };
    case "cancelling":
      return {
        code: "run_live",
        message: `"${name}" (${runId}), to which it belongs, is being cancelled.`,
        hint: "Wait until that has ended.",
      };
    case "jobs_open":
      return {
        code: "run_live",
        message: `An external job of "${name}" (${runId}) is still being ended.`,
        hint: `Wait until it has ended, or say what became of it: holdfast external-jobs list --run ${runId}`,
      };
    case "upstream_unmet":
      return {
        code: "upstream_unmet",
        message: `"${name}" would be skipped once more: what it depends on has not ended as its rule asks.`,
        hint: "Retry, clear or mark what it depends on.",
      };
    case "too_many":
      return {
        code: "limit_exceeded",
        message: `More than ${limits.batchRows} runs depend on "${name}" (${runId}): that is more than one step sets back.`,
        hint: "Clear the workflow to which they belong: it forgets them all at once.",
      };
    case "superseded":
      return {
        code: "run_superseded",
        message: `Run ${runId} belongs to an earlier generation of what is above it.`,
        hint: "holdfast runs show of the run above it shows the present ones.",
      };
  }
}
