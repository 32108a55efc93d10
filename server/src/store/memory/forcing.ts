import { aftermathOf, externalsOf, type Forcible, forceAll, overdueOf, passingOver } from "../../core/index.ts";
import type { Forced } from "../obligation-verbs.ts";
import type { Memory } from "./memory.ts";

// Ends that do not wait for activations (P6).

export function forceEnds(memory: Memory, { runId, limitRows }: { runId: string; limitRows: number }): Forced {
  const found = stubborn(memory, runId);
  const forced = force(memory, { runIds: found.slice(0, limitRows), jobIds: [] });
  return { ...forced, more: found.length > limitRows };
}

export function forceOverdue(memory: Memory, { afterMs, limitRows }: { afterMs: number; limitRows: number }): Forced {
  const until = memory.now() - afterMs;
  const due = memory.obligations.open().filter(({ forcedAt, orderedAt }) => forcedAt === null && orderedAt <= until);
  return { ...force(memory, overdueOf(due.slice(0, limitRows))), more: due.length > limitRows };
}

function force(memory: Memory, { runIds, jobIds }: Forcible): Omit<Forced, "more"> {
  const ledger = memory.decisions.newLedger(memory.now());
  ledger.load(memory.runs.withParents(runIds));
  const jobs = jobIds.flatMap((id) => memory.jobs.find(id) ?? []);
  ledger.loadJobs({ jobs });
  ledger.loadWaits({ waits: jobs.flatMap((job) => memory.waits.find(job) ?? []) });
  const forced = forceAll(ledger, runIds, jobs);
  memory.commit(ledger);
  return { forced, ...aftermathOf([ledger]) };
}

/** Of a run and all below it those that are being ended and have to wait for it: for somebody, something outside, a clean-up; by id. */
function stubborn(memory: Memory, runId: string): string[] {
  const run = memory.runs.find(runId);
  if (run === undefined || run.endedAt !== null) return [];
  const waits = run.claimedBy !== null || externalsOf(run) > 0 || passingOver(run).row !== run;
  const own = run.status === "cancelling" && waits ? [run.id] : [];
  return [...own, ...memory.runs.children(runId).flatMap(({ id }) => stubborn(memory, id))].sort();
}
