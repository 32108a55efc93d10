import type { Json, RunError, RunStatus } from "@holdfast/protocol";
import type { RestartRefusal } from "./restart-refusals.ts";
import type { RunRow } from "./run.ts";
import { isEnded } from "./transitions.ts";

// A person says how a run ends, or ended.

/** How a run is to have ended. */
export type Verdict =
  | { readonly status: "succeeded"; readonly output: Json }
  | { readonly status: "failed" | "skipped"; readonly error: RunError };

export interface MarkOrder {
  readonly runId: string;
  readonly verdict: Verdict;
  /** Who asks for what: data of its event. */
  readonly data: { readonly [name: string]: Json };
}

/** `unchanged`: it had ended so. `reset`, `reopened`: as of a restart. */
export type MarkResult =
  | {
      readonly outcome: "marked";
      readonly status: RunStatus;
      readonly reset: readonly string[];
      readonly reopened: readonly string[];
      /** How many external jobs its body had open. */
      readonly jobs: number;
    }
  | { readonly outcome: "unchanged"; readonly status: RunStatus }
  | { readonly outcome: "refused"; readonly refusal: RestartRefusal }
  | { readonly outcome: "not_found" };

/** The answer to a mark that changes nothing. A row that has ended has to have its output. */
export function answerMark(run: RunRow | undefined, verdict: Verdict): MarkResult | undefined {
  if (run === undefined) return { outcome: "not_found" };
  if (isAsMarked(run, verdict)) return { outcome: "unchanged", status: run.status };
  const refusal = refuseMark(run);
  return refusal === undefined ? undefined : { outcome: "refused", refusal };
}

function isAsMarked(run: RunRow, verdict: Verdict): boolean {
  if (run.status !== verdict.status) return false;
  return verdict.status !== "succeeded" || JSON.stringify(run.output ?? null) === JSON.stringify(verdict.output);
}

/** A run with others under way below it, or one that is being ended, is left to that. */
function refuseMark({ id, name, status, openChildren }: RunRow): RestartRefusal | undefined {
  if (isEnded(status)) return undefined;
  if (status === "cancelling") return { reason: "live", runId: id, name, status };
  return openChildren > 0 ? { reason: "children_live", runId: id, name, status } : undefined;
}
