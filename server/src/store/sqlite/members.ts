import { limits } from "@holdfast/protocol";
import { aftermathOf, type Ledger, memberGone } from "../../core/index.ts";
import type { Joining, Judgement, MemberRow } from "../store.ts";
import { isMember, memberGoneError } from "./claims.ts";
import type { Connection } from "./connection.ts";
import { giveJobsBack } from "./jobs.ts";
import { meetOfEnded } from "./obligations.ts";
import { ringChanges } from "./rings.ts";
import { StoredLedger } from "./settle.ts";
import type { Turn } from "./turn.ts";

// Membership without time (P2): a member of the owner's own process ends with it, and the first join of the next boot says so.
// A member behind the socket may outlive the owner: it has `graceMs` from the next boot to renew, which its link does by
// itself when it connects again; a judge ends those that did not.

const graceMs = 5_000;

const columns =
  "id, kind, name, namespace, serves, joined_at AS joinedAt, lease_until AS leaseUntil, ended_at AS endedAt";

type StoredMember = Omit<MemberRow, "serves"> & { readonly serves: string | null };

export function joinMember({ db, now, boot, remote }: Turn, args: Joining & { readonly leaseMs: number }): MemberRow {
  const { id, kind, name, namespace, serves, leaseMs } = args;
  db.run(
    `UPDATE members INDEXED BY members_live SET ended_at = ?
     WHERE ended_at IS NULL AND boot < ? AND remote = 0 AND id <> ?`,
    now,
    boot,
    id,
  );
  db.run(
    `INSERT INTO members (id, kind, name, namespace, serves, joined_at, lease_until, boot, remote)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE
     SET kind = excluded.kind, name = excluded.name, namespace = excluded.namespace, serves = excluded.serves, lease_until = excluded.lease_until,
       boot = excluded.boot, remote = excluded.remote
     WHERE ended_at IS NULL`,
    id,
    kind,
    name,
    namespace,
    serves === null ? null : JSON.stringify(serves),
    now,
    now + leaseMs,
    boot,
    Number(remote),
  );
  const row = db.find<StoredMember>(`SELECT ${columns} FROM members WHERE id = ?`, id);
  if (row === undefined || row.endedAt !== null) throw memberGoneError(id);
  return toMember(row);
}

export function renewMember(
  { db, now, boot, remote }: Turn,
  { id, leaseMs }: { id: string; leaseMs: number },
): boolean {
  const { changes } = db.run(
    "UPDATE members SET lease_until = ?, boot = ?, remote = ? WHERE id = ? AND ended_at IS NULL",
    now + leaseMs,
    boot,
    Number(remote),
    id,
  );
  return changes > 0;
}

export function leaveMember(turn: Turn, { id }: { id: string }): { takenBack: number } {
  turn.db.run("UPDATE members SET ended_at = ? WHERE id = ? AND ended_at IS NULL", turn.now, id);
  const { taken } = takeOver(turn, claimsOf(turn.db, id, -1), id);
  giveJobsBack(turn, limits.batchRows);
  meetOfEnded(turn);
  return { takenBack: taken };
}

export function judgeMembers(turn: Turn, { by, limitRows }: { by: string; limitRows: number }): Judgement {
  if (!isMember(turn.db, by)) throw memberGoneError(by);
  const judged = endSilent(turn, by);
  let taken = 0;
  let more = false;
  const ledgers: Ledger[] = [];
  for (const id of endedHolders(turn.db)) {
    const claims = claimsOf(turn.db, id, limitRows - taken + 1);
    if (claims.length > limitRows - taken) more = true;
    const over = takeOver(turn, claims.slice(0, limitRows - taken), id);
    taken += over.taken;
    if (over.ledger !== undefined) ledgers.push(over.ledger);
  }
  if (giveJobsBack(turn, limitRows)) more = true;
  meetOfEnded(turn);
  return { ...aftermathOf(ledgers), judged, taken, more };
}

export function listMembers({ db, boot, bootAt }: Turn, { namespace }: { namespace: string }): MemberRow[] {
  const rows = db.list<StoredMember & { readonly isOver: number }>(
    `SELECT ${columns}, boot < ? AND remote = 0 AS isOver FROM members WHERE namespace = ? ORDER BY joined_at, id`,
    boot,
    namespace,
  );
  return rows.map(({ isOver, ...row }) => toMember(isOver === 1 ? { ...row, endedAt: row.endedAt ?? bootAt } : row));
}

function toMember({ serves, ...row }: StoredMember): MemberRow {
  return { ...row, serves: serves === null ? null : JSON.parse(serves) };
}

function takeOver(
  turn: Turn,
  runIds: readonly string[],
  memberId: string,
): { readonly taken: number; readonly ledger?: Ledger } {
  if (runIds.length === 0) return { taken: 0 };
  const stored = new StoredLedger(turn.db, turn.now);
  stored.load(runIds);
  const taken = runIds.filter((runId) => stored.ledger.takeOver(runId, memberGone(memberId))).length;
  stored.settle();
  ringChanges(turn, stored.write(), stored);
  return { taken, ledger: stored.ledger };
}

/** Ends remote members of earlier boots that have not been heard of in this one. */
function endSilent({ db, now, boot, bootAt }: Turn, by: string): string[] {
  if (now < bootAt + graceMs) return [];
  const rows = db.list<{ id: string }>(
    `SELECT id FROM members INDEXED BY members_live
     WHERE ended_at IS NULL AND boot < ? AND id <> ? ORDER BY joined_at, id`,
    boot,
    by,
  );
  for (const { id } of rows) db.run("UPDATE members SET ended_at = ? WHERE id = ?", now, id);
  return rows.map((row) => row.id);
}

/** Claims of a member, oldest first; a negative limit is none. */
function claimsOf(db: Connection, memberId: string, limitRows: number): string[] {
  const rows = db.list<{ id: string }>(
    "SELECT id FROM runs INDEXED BY runs_claimed WHERE claimed_by = ? ORDER BY claimed_at, seq LIMIT ?",
    memberId,
    limitRows,
  );
  return rows.map((row) => row.id);
}

/** Ended members that hold activations, by hopping from holder to holder in the index. */
function endedHolders(db: Connection): string[] {
  const rows = db.list<{ id: string }>(
    `WITH RECURSIVE hop (id) AS (
       SELECT min(claimed_by) FROM runs WHERE claimed_by IS NOT NULL
       UNION ALL
       SELECT (SELECT min(claimed_by) FROM runs WHERE claimed_by > hop.id) FROM hop WHERE hop.id IS NOT NULL)
     SELECT hop.id AS id FROM hop JOIN members m ON m.id = hop.id WHERE m.ended_at IS NOT NULL`,
  );
  return rows.map((row) => row.id);
}
