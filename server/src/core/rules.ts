import type { RunError, TriggerRule } from "@holdfast/protocol";
import type { OutcomeCounts, RunRow } from "./run.ts";

/** How an ended run counts for its dependents and its parent. A skip because of a failure hands the failure on. */
export function outcomeOf(run: Pick<RunRow, "status" | "error">): keyof OutcomeCounts {
  if (run.status === "succeeded") return "succeeded";
  if (run.status === "skipped" && run.error?.code !== "upstream_failed") return "skipped";
  return "failed";
}

/** The verdict over a run whose upstreams have all ended: start, or the reason why it is skipped. */
export function judgeRule(rule: TriggerRule, counts: OutcomeCounts): "start" | RunError {
  switch (rule) {
    case "all_done":
      return "start";
    case "all_success":
      return counts.failed + counts.skipped === 0 ? "start" : refusal(counts);
    case "none_failed":
      return counts.failed === 0 ? "start" : refusal(counts);
    case "one_success":
      return counts.succeeded > 0 ? "start" : refusal(counts);
  }
}

function refusal(counts: OutcomeCounts): RunError {
  if (counts.failed > 0) {
    const failed = counts.failed === 1 ? "An upstream" : `${counts.failed} upstreams`;
    return { code: "upstream_failed", message: `${failed} did not succeed.` };
  }
  const skipped = counts.skipped === 1 ? "An upstream was" : `${counts.skipped} upstreams were`;
  return { code: "upstream_skipped", message: `${skipped} skipped.` };
}
