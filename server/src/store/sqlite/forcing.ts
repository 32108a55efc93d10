import { aftermathOf, type Forcible, forceAll, type ObligationRow, overdueOf } from "../../core/index.ts";
import type { Forced } from "../obligation-verbs.ts";
import { loadJobs } from "./job-rows.ts";
import { ringChanges } from "./rings.ts";
import { StoredLedger } from "./settle.ts";
import type { Turn } from "./turn.ts";
import { waitsOf } from "./wait-rows.ts";

// Ends that do not wait for activations (P6).

export function forceEnds(turn: Turn, { runId, limitRows }: { runId: string; limitRows: number }): Forced {
  const found = turn.db.list<{ id: string }>(
    `WITH RECURSIVE below (id, held) AS (
       SELECT id, ${held("runs")} FROM runs WHERE id = ? AND ended_at IS NULL
       UNION ALL
       SELECT c.id, ${held("c")}
       FROM below b CROSS JOIN runs c INDEXED BY runs_children ON c.parent_id = b.id WHERE c.ended_at IS NULL)
     SELECT id FROM below WHERE held ORDER BY id LIMIT ?`,
    runId,
    limitRows + 1,
  );
  const runIds = found.slice(0, limitRows).map(({ id }) => id);
  return { ...force(turn, { runIds, jobIds: [] }), more: found.length > limitRows };
}

export function forceOverdue(turn: Turn, { afterMs, limitRows }: { afterMs: number; limitRows: number }): Forced {
  const found = turn.db.list<Pick<ObligationRow, "runId" | "kind" | "subject">>(
    `SELECT run_id AS runId, kind, subject FROM obligations INDEXED BY obligations_waiting
     WHERE met_at IS NULL AND forced_at IS NULL AND ordered_at <= ? ORDER BY ordered_at, run_id LIMIT ?`,
    turn.now - afterMs,
    limitRows + 1,
  );
  return { ...force(turn, overdueOf(found.slice(0, limitRows))), more: found.length > limitRows };
}

/** Whether a run is being ended and has to wait for it: for somebody, something outside, a clean-up. */
function held(run: string): string {
  return `${run}.status = 'cancelling' AND (${run}.claimed_by IS NOT NULL OR coalesce(json_extract(${run}.waiting, '$.externals'), 0) > 0
    OR (${run}.cleans_up = 1 AND json_type(${run}.ending, '$.cleanUp') IS NOT 'null'))`;
}

function force(turn: Turn, { runIds, jobIds }: Forcible): Omit<Forced, "more"> {
  if (runIds.length === 0) return { forced: [] };
  const stored = new StoredLedger(turn.db, turn.now);
  stored.load(runIds);
  const { ledger } = stored;
  const jobs = loadJobs(turn.db, jobIds);
  ledger.loadJobs({ jobs });
  ledger.loadWaits({ waits: waitsOf(turn.db, jobs) });
  const forced = forceAll(ledger, runIds, jobs);
  stored.settle();
  ringChanges(turn, stored.write(), stored);
  return { forced, ...aftermathOf([ledger]) };
}
