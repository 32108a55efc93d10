import { aftermathOf } from "../../core/index.ts";
import type { Forced } from "../obligation-verbs.ts";
import type { Memory } from "./memory.ts";

// Ends that do not wait for activations (P6).

export function forceEnds(memory: Memory, { runId, limitRows }: { runId: string; limitRows: number }): Forced {
  return force(memory, stubborn(memory, runId), limitRows);
}

export function forceOverdue(memory: Memory, { afterMs, limitRows }: { afterMs: number; limitRows: number }): Forced {
  const until = memory.now() - afterMs;
  const due = memory.obligations.open().filter(({ forcedAt, orderedAt }) => forcedAt === null && orderedAt <= until);
  return force(
    memory,
    due.map(({ runId }) => runId),
    limitRows,
  );
}

function force(memory: Memory, found: readonly string[], limitRows: number): Forced {
  const ids = found.slice(0, limitRows);
  const ledger = memory.decisions.newLedger(memory.now());
  ledger.load(memory.runs.withParents(ids));
  const forced = ids.filter((id) => ledger.force(id));
  memory.commit(ledger);
  return { forced, more: found.length > limitRows, ...aftermathOf([ledger]) };
}

/** Of a run and all below it those that are being ended while somebody holds them, by id. */
function stubborn(memory: Memory, runId: string): string[] {
  const run = memory.runs.find(runId);
  if (run === undefined || run.endedAt !== null) return [];
  const own = run.status === "cancelling" && run.claimedBy !== null ? [run.id] : [];
  return [...own, ...memory.runs.children(runId).flatMap(({ id }) => stubborn(memory, id))].sort();
}
