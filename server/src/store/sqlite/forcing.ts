import { aftermathOf } from "../../core/index.ts";
import type { Forced } from "../obligation-verbs.ts";
import { ringChanges } from "./rings.ts";
import { StoredLedger } from "./settle.ts";
import type { Turn } from "./turn.ts";

// Ends that do not wait for activations (P6).

export function forceEnds(turn: Turn, { runId, limitRows }: { runId: string; limitRows: number }): Forced {
  const found = turn.db.list<{ id: string }>(
    `WITH RECURSIVE below (id, held) AS (
       SELECT id, status = 'cancelling' AND claimed_by IS NOT NULL FROM runs WHERE id = ? AND ended_at IS NULL
       UNION ALL
       SELECT c.id, c.status = 'cancelling' AND c.claimed_by IS NOT NULL
       FROM below b CROSS JOIN runs c INDEXED BY runs_children ON c.parent_id = b.id WHERE c.ended_at IS NULL)
     SELECT id FROM below WHERE held ORDER BY id LIMIT ?`,
    runId,
    limitRows + 1,
  );
  return force(turn, found, limitRows);
}

export function forceOverdue(turn: Turn, { afterMs, limitRows }: { afterMs: number; limitRows: number }): Forced {
  const found = turn.db.list<{ id: string }>(
    `SELECT run_id AS id FROM obligations INDEXED BY obligations_waiting
     WHERE met_at IS NULL AND forced_at IS NULL AND ordered_at <= ? ORDER BY ordered_at, run_id LIMIT ?`,
    turn.now - afterMs,
    limitRows + 1,
  );
  return force(turn, found, limitRows);
}

function force(turn: Turn, found: readonly { id: string }[], limitRows: number): Forced {
  const ids = found.slice(0, limitRows).map(({ id }) => id);
  if (ids.length === 0) return { forced: [], more: false };
  const stored = new StoredLedger(turn.db, turn.now);
  stored.load(ids);
  const forced = ids.filter((id) => stored.ledger.force(id));
  stored.settle();
  ringChanges(turn, stored.write(), stored);
  return { forced, more: found.length > limitRows, ...aftermathOf([stored.ledger]) };
}
