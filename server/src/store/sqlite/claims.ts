import { AppError } from "@holdfast/protocol";
import { claimed, claimRounds, type PauseRow, type RunRow } from "../../core/index.ts";
import { type Connection, listText } from "./connection.ts";
import { appendEvents } from "./events.ts";
import { endStarts, startRates } from "./gates.ts";
import { anyPause, pausesOf, putAside } from "./pauses.ts";
import { type PlacedRun, selectRuns, updateClaimed } from "./run-rows.ts";
import type { Turn } from "./turn.ts";

// Claims walk the partial index of ready runs, one queue at a time, and visit what they take and nothing else.

/** Starts that one claim looks at: its own, and what was due besides. */
const mostStarts = 5_000;

interface Place {
  readonly seq: number;
  readonly rank: number;
}

export interface Claim {
  readonly memberId: string;
  readonly namespace: string;
  readonly queues: readonly string[] | null;
  readonly limitRows: number;
}

/** Thrown to a caller whose membership has ended. */
export function memberGoneError(id: string): AppError {
  return new AppError("member_gone", `Member ${id} is gone: its runs are others' now.`, {
    hint: "Join again under a new id.",
  });
}

export function claimRuns({ db, now, ring }: Turn, args: Claim): RunRow[] {
  const { memberId, limitRows } = args;
  if (!isMember(db, memberId)) throw memberGoneError(memberId);
  const rows: PlacedRun[] = [];
  const holds = anyPause(db);
  for (let round = 0; rows.length < limitRows; round++) {
    if (round === claimRounds.most) {
      ring("ready");
      break;
    }
    const missing = limitRows - rows.length;
    const found = selectReady(db, args, { limitRows: round === 0 ? missing : missing + claimRounds.moreRows, rows });
    const paused = holds ? found.flatMap(({ run }) => pausedBy(db, run)) : [];
    const free = paused.length === 0 ? found : found.filter(({ run }) => !paused.some((one) => one.run.id === run.id));
    rows.push(...free.slice(0, missing));
    putAside(db, paused, now);
    if (paused.length === 0) break;
  }
  if (rows.length === 0) return [];
  const claims = rows.map(({ seq, run }) => ({ seq, ...claimed(run, memberId, now) }));
  for (const { seq, row } of claims) updateClaimed(db, { seq, run: row });
  startRates(
    db,
    claims.map(({ row }) => row),
    now,
  );
  appendEvents(
    db,
    claims.map(({ row, data }) => ({ run: row, number: row.lastEvent, type: "run.started", at: now, data })),
  );
  ring("events");
  // What they held of fair lines is the next ones'.
  const isFair = claims.some(({ row }) => row.limits.some(({ ageingMs }) => ageingMs !== undefined));
  if (isFair && endStarts(db, now, mostStarts).admitted > 0) ring("ready");
  return claims.map((claim) => claim.row);
}

/** Claimable runs in the order in which they are claimed, but for `rows`, which have been chosen. */
function selectReady(
  db: Connection,
  { namespace, queues: named }: Claim,
  { limitRows, rows }: { limitRows: number; rows: readonly PlacedRun[] },
): PlacedRun[] {
  const queues = named ?? readyQueues(db, namespace);
  const chosen = new Set(rows.map(({ seq }) => seq));
  const places = queues.flatMap((queue) => {
    return readyPlaces(db, { namespace, queue, limitRows: limitRows + chosen.size });
  });
  if (queues.length > 1) places.sort((a, b) => a.rank - b.rank || a.seq - b.seq);
  const found = places.map((place) => place.seq).filter((seq) => !chosen.has(seq));
  if (found.length === 0) return [];
  return selectRuns(
    db,
    "WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY rank, seq",
    listText(found.slice(0, limitRows)),
  );
}

function pausedBy(db: Connection, run: RunRow): { run: RunRow; pause: PauseRow }[] {
  const [pause] = pausesOf(db, run);
  return pause === undefined ? [] : [{ run, pause }];
}

/** True while nobody has judged the member gone. */
export function isMember(db: Connection, id: string): boolean {
  return db.find("SELECT 1 FROM members WHERE id = ? AND ended_at IS NULL", id) !== undefined;
}

/** True while an order has not reached everything below it. */
export function anySpreading(db: Connection): boolean {
  return db.find("SELECT 1 FROM runs INDEXED BY runs_spreading WHERE spreading = 1 LIMIT 1") !== undefined;
}

/** Queues that have a claimable run, by hopping from each to the next in the index. */
export function readyQueues(db: Connection, namespace: string): string[] {
  const rows = db.list<{ queue: string }>(
    `WITH RECURSIVE hop (queue) AS (
       SELECT min(queue) FROM runs WHERE namespace = ? AND status = 'ready' AND wake_at IS NULL AND gate IS NULL
       UNION ALL
       SELECT (SELECT min(queue) FROM runs
               WHERE namespace = ? AND queue > hop.queue AND status = 'ready' AND wake_at IS NULL AND gate IS NULL)
       FROM hop WHERE hop.queue IS NOT NULL)
     SELECT queue FROM hop WHERE queue IS NOT NULL`,
    namespace,
    namespace,
  );
  return rows.map((row) => row.queue);
}

function readyPlaces(
  db: Connection,
  { namespace, queue, limitRows }: { namespace: string; queue: string; limitRows: number },
): Place[] {
  // An order that is on its way down a tree holds all of it. There is seldom one, and the index alone does not tell the tree.
  if (anySpreading(db)) {
    return db.list<Place>(
      `SELECT seq, rank FROM runs INDEXED BY runs_ready
       WHERE namespace = ? AND queue = ? AND status = 'ready' AND wake_at IS NULL AND gate IS NULL
         AND NOT EXISTS (SELECT 1 FROM runs held INDEXED BY runs_spreading
                         WHERE held.spreading = 1 AND held.root_id = runs.root_id)
       ORDER BY rank, seq LIMIT ?`,
      namespace,
      queue,
      limitRows,
    );
  }
  return db.list<Place>(
    `SELECT seq, rank FROM runs INDEXED BY runs_ready
     WHERE namespace = ? AND queue = ? AND status = 'ready' AND wake_at IS NULL AND gate IS NULL
     ORDER BY rank, seq LIMIT ?`,
    namespace,
    queue,
    limitRows,
  );
}

export function listClaimed(
  { db }: Turn,
  { memberId, limitRows }: { memberId: string; limitRows: number },
): { runId: string; epoch: number }[] {
  return db.list(
    `SELECT id AS runId, epoch FROM runs INDEXED BY runs_claimed WHERE claimed_by = ? ORDER BY claimed_at, seq LIMIT ?`,
    memberId,
    limitRows,
  );
}
