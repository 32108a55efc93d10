import type { Backlog, QueueBacklog } from "../store.ts";
import { readyQueues } from "./claims.ts";
import type { Turn } from "./turn.ts";

/** See `Store.measureBacklog`. Events are in their topic with the commit that makes them. */
export function measureBacklog(
  { db }: Turn,
  { namespace, limitRows }: { namespace: string; limitRows: number },
): Backlog {
  const queues = readyQueues(db, namespace).flatMap((queue): QueueBacklog[] => {
    const [head] = db.list<{ runId: string; lastEvent: number }>(
      `SELECT id AS runId, last_event AS lastEvent FROM runs INDEXED BY runs_ready
       WHERE namespace = ? AND queue = ? AND status = 'ready' AND wake_at IS NULL AND gate IS NULL
       ORDER BY rank, seq LIMIT 1`,
      namespace,
      queue,
    );
    const counted = db.find<{ ready: number }>(
      `SELECT count(*) AS ready FROM (
         SELECT 1 FROM runs INDEXED BY runs_ready
         WHERE namespace = ? AND queue = ? AND status = 'ready' AND wake_at IS NULL AND gate IS NULL LIMIT ?)`,
      namespace,
      queue,
      limitRows,
    );
    return head === undefined ? [] : [{ queue, ready: counted?.ready ?? 0, head }];
  });
  return { queues, unsequenced: 0 };
}
