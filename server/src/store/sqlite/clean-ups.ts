import { claimedCleanUp, isCleanUpDue } from "../../core/index.ts";
import type { ClaimedCleanUps } from "../obligation-verbs.ts";
import { type Claim, isMember, memberGoneError } from "./claims.ts";
import { listText } from "./connection.ts";
import { appendEvents } from "./events.ts";
import { selectRuns, updateRun } from "./run-rows.ts";
import type { Turn } from "./turn.ts";

const open = `
  FROM obligations o INDEXED BY obligations_owed CROSS JOIN runs r ON r.id = o.run_id
  WHERE o.member_id IS NULL AND o.kind = 'clean_up' AND o.met_at IS NULL AND o.namespace = ?
    AND r.status = 'cancelling' AND r.claimed_by IS NULL
    AND (? IS NULL OR r.queue IN (SELECT value FROM json_each(?)))`;

/** See `Store.claimCleanUps`. The open obligations lead to the runs. */
export function claimCleanUps({ db, now, ring }: Turn, args: Claim): ClaimedCleanUps {
  const { memberId, namespace, queues, limitRows } = args;
  if (!isMember(db, memberId)) throw memberGoneError(memberId);
  const ours = queues === null ? ([null, "[]"] as const) : ([1, listText(queues)] as const);
  const found = db.list<{ id: string }>(
    `SELECT r.id ${open} AND (r.wake_at IS NULL OR r.wake_at <= ?) ORDER BY o.ordered_at, o.run_id LIMIT ?`,
    namespace,
    ...ours,
    now,
    limitRows,
  );
  const later = db.find<{ at: number | null }>(
    `SELECT min(r.wake_at) AS at ${open} AND r.wake_at > ?`,
    namespace,
    ...ours,
    now,
  );
  const nextInMs = later?.at == null ? null : later.at - now;
  if (found.length === 0) return { runs: [], nextInMs };
  const ids = found.map(({ id }) => id);
  const rows = selectRuns(db, "WHERE id IN (SELECT value FROM json_each(?))", listText(ids));
  const byId = new Map(rows.map(({ run }) => [run.id, run]));
  const due = ids.flatMap((id) => byId.get(id) ?? []).filter((run) => isCleanUpDue(run, now));
  const claims = due.map((run) => claimedCleanUp(run, memberId, now));
  for (const { row } of claims) updateRun(db, row);
  appendEvents(
    db,
    claims.map(({ row, type, data }) => ({ run: row, number: row.lastEvent, type, at: now, data })),
  );
  ring("events");
  return { runs: claims.map(({ row }) => row), nextInMs };
}
