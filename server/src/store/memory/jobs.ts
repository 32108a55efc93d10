import { type JobNote, type JobNoteResult, type JobRow, withJobAftermath } from "../../core/index.ts";
import { memberGoneError } from "./activations.ts";
import type { Memory } from "./memory.ts";

// External jobs, and what is said of them (core/jobs.ts has the rules).

export function claimJobs(
  memory: Memory,
  { memberId, namespace, limitRows }: { memberId: string; namespace: string; limitRows: number },
): JobRow[] {
  if (!memory.isMember(memberId)) throw memberGoneError(memberId);
  const found = memory.jobs.free(namespace, limitRows, (job) => !isBodys(memory, job));
  return found.map((job) => {
    const claimed = { ...job, memberId, epoch: job.epoch + 1 };
    memory.jobs.put(claimed);
    return claimed;
  });
}

/** Whether a body that starts it by itself may still say its name. */
function isBodys(memory: Memory, { submission, ref, runId }: JobRow): boolean {
  return submission === "own" && ref === null && (memory.runs.find(runId)?.claimedBy ?? null) !== null;
}

export function noteJobs(memory: Memory, rows: readonly JobNote[]): JobNoteResult[] {
  const jobs = rows.flatMap(({ jobId }) => memory.jobs.find(jobId) ?? []);
  const ledger = memory.decisions.newLedger(memory.now());
  ledger.load(memory.runs.withParents(jobs.map(({ runId }) => runId)));
  ledger.loadJobs({ jobs });
  ledger.loadWaits({ waits: jobs.flatMap((job) => memory.waits.find(job) ?? []) });
  const results = rows.map((row) => ledger.noteJob(row));
  memory.commit(ledger);
  return withJobAftermath(results, ledger);
}
