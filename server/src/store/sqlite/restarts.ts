import type { Edge, Links, MarkOrder, MarkResult, RestartOrder, RestartResult } from "../../core/index.ts";
import { admitMarks, admitRestarts } from "../admission.ts";
import { type Connection, listText } from "./connection.ts";
import { forgetPausesOf } from "./pauses.ts";
import { ringChanges } from "./rings.ts";
import { loadRuns, selectRuns } from "./run-rows.ts";
import { StoredLedger } from "./settle.ts";
import type { Turn } from "./turn.ts";

// Runs that start again (core/restart.ts).

export function restartRuns(turn: Turn, { rows }: { rows: readonly RestartOrder[] }): RestartResult[] {
  admitRestarts(rows);
  const { db, now } = turn;
  const stored = new StoredLedger(db, now);
  const { ledger } = stored;
  const ids = [...new Set(rows.map(({ runId }) => runId))];
  const runs = loadRuns(db, ids);
  stored.take(runs);
  ledger.linkFlipped(ids, selectFlipped(db, ids));
  const ended = new Set(runs.filter(({ endedAt }) => endedAt !== null).map(({ id }) => id));
  const results = rows.map((row): RestartResult => {
    for (;;) {
      const result = ledger.restart(row);
      if (result.outcome !== "wanting") return result;
      const links = selectFlipped(db, result.ids);
      for (const { id, endedAt } of links.rows) if (endedAt !== null) ended.add(id);
      ledger.linkFlipped(result.ids, links);
    }
  });
  const changes = stored.write();
  forgetPausesOf(
    db,
    changes.restarted.map(({ run }) => run.id).filter((id) => ended.has(id)),
  );
  ringChanges(turn, changes, stored);
  return results;
}

export function markRuns(turn: Turn, { rows }: { rows: readonly MarkOrder[] }): MarkResult[] {
  admitMarks(rows);
  return rows.map((row) => {
    const stored = new StoredLedger(turn.db, turn.now);
    const { ledger } = stored;
    // With its output, which may be what it is marked with.
    stored.take(selectRuns(turn.db, "WHERE id = ?", row.runId).map(({ run }) => run));
    for (;;) {
      const result = ledger.mark(row);
      if (result.outcome === "wanting") ledger.linkFlipped(result.ids, selectFlipped(turn.db, result.ids));
      else {
        stored.settle();
        ringChanges(turn, stored.write(), stored);
        return result;
      }
    }
  });
}

/** All that depends on these runs, which have ended, and their parents. */
function selectFlipped(db: Connection, ids: readonly string[]): Links {
  const edges = db.list<Edge>(
    "SELECT upstream, downstream FROM edges WHERE upstream IN (SELECT value FROM json_each(?)) AND flipped = 1",
    listText(ids),
  );
  const own = loadRuns(db, ids);
  const wanted = new Set(edges.map(({ downstream }) => downstream));
  for (const { parentId } of own) if (parentId !== null) wanted.add(parentId);
  return { edges, rows: [...own, ...loadRuns(db, [...wanted])] };
}
