import { AppError } from "@holdfast/protocol";
import { memberGone } from "../../core/index.ts";
import type { MemberRow } from "../store.ts";
import { isMember } from "./claims.ts";
import type { Connection } from "./connection.ts";
import { ringChanges } from "./endings.ts";
import { StoredLedger } from "./settle.ts";
import type { Turn } from "./turn.ts";

// Membership without time: a member lasts as long as the boot of the owner in which it was last heard of (P2). A member that
// has outlived its owner moves to the next boot with its first renewal; one that has not is ended by the first join.

const columns = "id, kind, name, namespace, joined_at AS joinedAt, lease_until AS leaseUntil, ended_at AS endedAt";

export function joinMember(
  { db, now, boot }: Turn,
  args: { id: string; kind: "node" | "worker"; name: string; namespace: string; leaseMs: number },
): MemberRow {
  const { id, kind, name, namespace, leaseMs } = args;
  db.run("UPDATE members SET ended_at = ? WHERE ended_at IS NULL AND boot < ? AND id <> ?", now, boot, id);
  db.run(
    `INSERT INTO members (id, kind, name, namespace, joined_at, lease_until, boot) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE
     SET kind = excluded.kind, name = excluded.name, namespace = excluded.namespace, lease_until = excluded.lease_until,
       boot = excluded.boot
     WHERE ended_at IS NULL`,
    id,
    kind,
    name,
    namespace,
    now,
    now + leaseMs,
    boot,
  );
  const row = db.find<MemberRow>(`SELECT ${columns} FROM members WHERE id = ?`, id);
  if (row === undefined || row.endedAt !== null) throw gone(id);
  return row;
}

export function renewMember({ db, now, boot }: Turn, { id, leaseMs }: { id: string; leaseMs: number }): boolean {
  const { changes } = db.run(
    "UPDATE members SET lease_until = ?, boot = ? WHERE id = ? AND ended_at IS NULL",
    now + leaseMs,
    boot,
    id,
  );
  return changes > 0;
}

export function leaveMember(turn: Turn, { id }: { id: string }): { takenBack: number } {
  turn.db.run("UPDATE members SET ended_at = ? WHERE id = ? AND ended_at IS NULL", turn.now, id);
  return { takenBack: takeOver(turn, claimsOf(turn.db, id, -1), id) };
}

export function judgeMembers(
  turn: Turn,
  { by, limitRows }: { by: string; limitRows: number },
): { judged: string[]; taken: number; more: boolean } {
  if (!isMember(turn.db, by)) throw gone(by);
  let taken = 0;
  let more = false;
  for (const id of endedHolders(turn.db)) {
    const claims = claimsOf(turn.db, id, limitRows - taken + 1);
    if (claims.length > limitRows - taken) more = true;
    taken += takeOver(turn, claims.slice(0, limitRows - taken), id);
  }
  return { judged: [], taken, more };
}

export function listMembers({ db }: Turn, { namespace }: { namespace: string }): MemberRow[] {
  return db.list(`SELECT ${columns} FROM members WHERE namespace = ? ORDER BY joined_at, id`, namespace);
}

function takeOver(turn: Turn, runIds: readonly string[], memberId: string): number {
  if (runIds.length === 0) return 0;
  const stored = new StoredLedger(turn.db, turn.now);
  stored.load(runIds);
  const taken = runIds.filter((runId) => stored.ledger.takeOver(runId, memberGone(memberId))).length;
  stored.settle();
  ringChanges(turn, stored.write(), stored.ledger.readied);
  return taken;
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

function gone(id: string): AppError {
  return new AppError("member_gone", `Member ${id} is gone: its runs are others' now.`, {
    hint: "Join again under a new id.",
  });
}
