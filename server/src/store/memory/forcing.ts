import { aftermathOf, externalsOf } from "../../core/index.ts";
import type { Forced } from "../obligation-verbs.ts";
import type { Memory } from "./memory.ts";

// Ends that do not wait for activations (P6).

export function forceEnds(memory: Memory, { runId, limitRows }: { runId: string; limitRows: number }): Forced {
  return force(memory, stubborn(memory, runId), limitRows);
}

export function forceOverdue(memory: Memory, { afterMs, limitRows }: { afterMs: number; limitRows: number }): Forced {
  const until = memory.now() - afterMs;
  const due = memory.obligations.open().filter(({ forcedAt, orderedAt }) => forcedAt === null && orderedAt <= until);
  const taken = due.slice(0, limitRows);
  const jobs = taken.flatMap(({ kind, subject }) => (kind === "external_job" ? subject : []));
  const forced = force(memory, [...new Set(taken.map(({ runId }) => runId))], limitRows, jobs);
  return { ...forced, more: due.length > limitRows };
}

function force(memory: Memory, found: readonly string[], limitRows: number, jobIds: readonly string[] = []): Forced {
  const ids = found.slice(0, limitRows);
  const ledger = memory.decisions.newLedger(memory.now());
  ledger.load(memory.runs.withParents(ids));
  const forced = ids.filter((id) => ledger.force(id));
  // What is left is waited for by runs that go on.
  const jobs = jobIds.flatMap((id) => memory.jobs.find(id) ?? []);
  ledger.loadJobs({ jobs });
  ledger.loadWaits({ waits: jobs.flatMap((job) => memory.waits.find(job) ?? []) });
  for (const { id, runId } of jobs) if (ledger.row(runId)?.status !== "cancelling") ledger.letGoJob(id);
  memory.commit(ledger);
  return { forced, more: found.length > limitRows, ...aftermathOf([ledger]) };
}

/** Of a run and all below it those that are being ended while somebody, or something outside, works for them, by id. */
function stubborn(memory: Memory, runId: string): string[] {
  const run = memory.runs.find(runId);
  if (run === undefined || run.endedAt !== null) return [];
  const own = run.status === "cancelling" && (run.claimedBy !== null || externalsOf(run) > 0) ? [run.id] : [];
  return [...own, ...memory.runs.children(runId).flatMap(({ id }) => stubborn(memory, id))].sort();
}
