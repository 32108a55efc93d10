import type { Ledger } from "./ledger.ts";
import type { ObligationRow } from "./obligations.ts";

// Ends that do not wait for what they have ordered (P6): which runs and jobs, and in which order, on every store.

/** What is to be forced: runs, and jobs that runs wait for which go on. */
export interface Forcible {
  readonly runIds: readonly string[];
  readonly jobIds: readonly string[];
}

/** What has been owed for too long, the longest first. */
export function overdueOf(owed: readonly Pick<ObligationRow, "runId" | "kind" | "subject">[]): Forcible {
  return {
    runIds: [...new Set(owed.map(({ runId }) => runId))],
    jobIds: owed.flatMap(({ kind, subject }) => (kind === "external_job" ? subject : [])),
  };
}

/** Forces runs that are loaded, with their jobs and what waits for these. Answers the runs that ended by it. */
export function forceAll(
  ledger: Ledger,
  runIds: readonly string[],
  jobs: readonly { readonly id: string; readonly runId: string }[],
): string[] {
  const forced = runIds.filter((id) => ledger.force(id));
  for (const { id, runId } of jobs) if (ledger.row(runId)?.status !== "cancelling") ledger.letGoJob(id);
  return forced;
}
