import type { MarkOrder, MarkResult, RestartOrder, RestartResult } from "../../core/index.ts";
import type { Memory } from "./memory.ts";

export function restartRuns(memory: Memory, rows: readonly RestartOrder[]): RestartResult[] {
  const ledger = memory.decisions.newLedger(memory.now());
  ledger.load(memory.runs.withParents(rows.map(({ runId }) => runId)));
  const results = rows.map((row): RestartResult => {
    for (;;) {
      const result = ledger.restart(row);
      if (result.outcome !== "wanting") return result;
      ledger.linkFlipped(result.ids, memory.runs.flippedLinks(result.ids));
    }
  });
  const changes = ledger.changes();
  const ended = changes.restarted.filter(({ run }) => memory.runs.find(run.id)?.endedAt !== null);
  const ids = new Set(ended.map(({ run }) => run.id));
  memory.pauses.forgetRuns((id) => ids.has(id));
  memory.apply(changes);
  return results;
}

export function markRuns(memory: Memory, rows: readonly MarkOrder[]): MarkResult[] {
  return rows.map((row) => {
    const ledger = memory.decisions.newLedger(memory.now());
    ledger.load(memory.runs.withParents([row.runId]));
    for (;;) {
      const result = ledger.mark(row);
      if (result.outcome === "wanting") ledger.linkFlipped(result.ids, memory.runs.flippedLinks(result.ids));
      else {
        memory.commit(ledger);
        return result;
      }
    }
  });
}
