import type { ObligationChange, ObligationRow } from "../../core/index.ts";
import { admitText } from "../admission.ts";
import type { ObligationNote } from "../obligation-verbs.ts";
import type { Store } from "../store.ts";
import type { Connection } from "./connection.ts";
import type { Turn } from "./turn.ts";

// What orders have to bring to an end (core/obligations.ts).

type Args<Verb extends keyof Store> = Parameters<Store[Verb]>[0];

const columns = `kind, run_id AS runId, root_id AS rootId, namespace, subject, member_id AS memberId, reason,
  ordered_at AS orderedAt, forced_at AS forcedAt, tries, last_try_at AS lastTryAt, error, met_at AS metAt`;
const order = "ORDER BY ordered_at, run_id, kind, subject LIMIT ?";

/** Writes down what changes of runs mean. */
export function followObligations(db: Connection, changes: readonly ObligationChange[]): void {
  for (const { became, row } of changes) {
    const { kind, runId, rootId, namespace, subject, memberId, reason, orderedAt, forcedAt, metAt } = row;
    db.run(
      `INSERT INTO obligations
         (run_id, kind, subject, root_id, namespace, member_id, reason, ordered_at, forced_at, met_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (run_id, kind, subject) DO UPDATE
       SET forced_at = coalesce(excluded.forced_at, forced_at), met_at = excluded.met_at
       WHERE met_at IS NULL AND ?`,
      ...[runId, kind, subject, rootId, namespace, memberId, reason, orderedAt, forcedAt, metAt],
      Number(became !== "owed"),
    );
  }
}

export function listOwed({ db }: Turn, { memberId, kind, limitRows }: Args<"listOwed">): ObligationRow[] {
  return db.list<ObligationRow>(
    `SELECT ${columns} FROM obligations INDEXED BY obligations_owed
     WHERE member_id IS ? AND kind = ? AND met_at IS NULL ${order}`,
    memberId,
    kind,
    limitRows,
  );
}

export function noteObligations({ db, now }: Turn, { rows }: { rows: readonly ObligationNote[] }): { noted: number } {
  admitText(rows);
  let noted = 0;
  for (const note of rows) {
    const name = [note.runId, note.kind, note.subject] as const;
    const { changes } =
      note.outcome === "met"
        ? db.run(
            `UPDATE obligations SET met_at = ?
             WHERE run_id = ? AND kind = ? AND subject = ? AND met_at IS NULL AND forced_at IS NOT NULL
               AND kind = 'activation'`,
            now,
            ...name,
          )
        : db.run(
            `UPDATE obligations SET tries = tries + 1, last_try_at = ?, error = ?
             WHERE run_id = ? AND kind = ? AND subject = ? AND met_at IS NULL`,
            now,
            note.error,
            ...name,
          );
    noted += changes;
  }
  return { noted };
}

export function listObligations(
  { db }: Turn,
  { namespace, rootId, limitRows }: Args<"listObligations">,
): ObligationRow[] {
  if (rootId === undefined) {
    return db.list<ObligationRow>(
      `SELECT ${columns} FROM obligations INDEXED BY obligations_open WHERE namespace = ? AND met_at IS NULL ${order}`,
      namespace,
      limitRows,
    );
  }
  return db.list<ObligationRow>(
    `SELECT ${columns} FROM obligations INDEXED BY obligations_tree WHERE root_id = ? AND namespace = ? ${order}`,
    rootId,
    namespace,
    limitRows,
  );
}

/** Meets what members owe who are gone, or so long that their rows are, and for whom no run waits any more. */
export function meetOfEnded({ db, now }: Turn): void {
  db.run(
    `UPDATE obligations INDEXED BY obligations_owed SET met_at = ?
     WHERE met_at IS NULL AND forced_at IS NOT NULL AND member_id IS NOT NULL
       AND NOT EXISTS (SELECT 1 FROM members m WHERE m.id = obligations.member_id AND m.ended_at IS NULL)`,
    now,
  );
}
