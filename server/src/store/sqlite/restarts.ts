import {
  type Edge,
  type JobRow,
  type KeptOfRun,
  type Links,
  type MarkOrder,
  type MarkResult,
  type RestartOrder,
  type RestartResult,
  withKept,
} from "../../core/index.ts";
import { admitMarks, admitRestarts } from "../admission.ts";
import { type Connection, listText } from "./connection.ts";
import { selectJobs } from "./job-rows.ts";
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
  ledger.loadJobs({ jobs: selectOpenJobs(db, ids, [...new Set(runs.map(({ rootId }) => rootId))]) });
  const had = selectKept(db, ids);
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
  return withKept(results, rows, (id) => had.get(id));
}

/** Open jobs of these runs, and those of their trees whose runs ended without them. */
function selectOpenJobs(db: Connection, ids: readonly string[], rootIds: readonly string[]): JobRow[] {
  const own = "INDEXED BY external_jobs_key WHERE run_id IN (SELECT value FROM json_each(?)) AND ended_at IS NULL";
  const owed = `WHERE ended_at IS NULL AND id IN (
    SELECT subject FROM obligations INDEXED BY obligations_tree
    WHERE root_id IN (SELECT value FROM json_each(?)) AND kind = 'external_job' AND met_at IS NULL)`;
  return [...selectJobs(db, own, listText(ids)), ...selectJobs(db, owed, listText(rootIds))];
}

function selectKept(db: Connection, ids: readonly string[]): Map<string, KeptOfRun> {
  const rows = db.list<KeptOfRun & { readonly id: string }>(
    `SELECT r.id, r.step_count AS steps, coalesce(s.keys, 0) AS "values" FROM runs r LEFT JOIN state_scopes s
       ON s.scope_kind = 'run' AND s.scope_id = r.id AND s.generation = r.generation
     WHERE r.id IN (SELECT value FROM json_each(?))`,
    listText(ids),
  );
  return new Map(rows.map(({ id, steps, values }) => [id, { steps, values }]));
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
