import { type MarkOrder, type MarkResult, type RestartOrder, type RestartResult, withKept } from "../../core/index.ts";
import type { Memory } from "./memory.ts";

export function restartRuns(memory: Memory, rows: readonly RestartOrder[]): RestartResult[] {
  const ledger = memory.decisions.newLedger(memory.now());
  const ids = [...new Set(rows.map(({ runId }) => runId))];
  ledger.load(memory.runs.withParents(ids));
  ledger.loadJobs({ jobs: openJobs(memory, ids) });
  const had = new Map(ids.map((id) => [id, keptOf(memory, id)]));
  const results = rows.map((row): RestartResult => {
    for (;;) {
      const result = ledger.restart(row);
      if (result.outcome !== "wanting") return result;
      ledger.linkFlipped(result.ids, memory.runs.flippedLinks(result.ids));
    }
  });
  const changes = ledger.changes();
  const ended = changes.restarted.filter(({ run }) => memory.runs.find(run.id)?.endedAt !== null);
  const revived = new Set(ended.map(({ run }) => run.id));
  memory.pauses.forgetRuns((id) => revived.has(id));
  memory.apply(changes);
  return withKept(results, rows, (id) => had.get(id));
}

/** Open jobs of these runs, and those of their trees whose runs ended without them. */
function openJobs(memory: Memory, ids: readonly string[]) {
  const roots = new Set(ids.map((id) => memory.runs.find(id)?.rootId));
  const owed = memory.obligations.open().filter(({ kind, rootId }) => kind === "external_job" && roots.has(rootId));
  const own = ids.flatMap((runId) => memory.jobs.openOf({ runId, jobId: null }));
  return [...own, ...owed.flatMap(({ subject }) => memory.jobs.find(subject) ?? [])];
}

function keptOf(memory: Memory, id: string) {
  const generation = memory.runs.find(id)?.generation ?? 1;
  const { keys: values } = memory.state.use({ kind: "run", id, generation });
  return { steps: memory.steps.used(id, generation).count, values };
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
