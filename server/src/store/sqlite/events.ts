import type { EventType, Json, RunEvent, TopicEvent } from "@holdfast/protocol";
import type { LedgerEvent } from "../../core/index.ts";
import { fittingRows } from "../page-bytes.ts";
import type { Connection } from "./connection.ts";

// History (P10). There is one writer, and a transaction's events become visible all at once when it commits, before the next
// transaction has begun. So a position given out inside the transaction is already in commit order: no reader can see
// position n+1 while n is still to come, and a transaction that is rolled back gives its positions back with everything
// else. Nothing is left for a sequencer to do; the store's `sequenceEvents` answers that it moved nothing.

/** Writes events and gives them the next positions of their namespaces. */
export function appendEvents(db: Connection, events: readonly LedgerEvent[]): void {
  const positions = new Map<string, number>();
  for (const { run, number, type, at, data } of events) {
    const position = (positions.get(run.namespace) ?? lastPosition(db, run.namespace)) + 1;
    positions.set(run.namespace, position);
    db.run(
      `INSERT INTO events (namespace, position, run, number, type, at, data)
       VALUES (?, ?, (SELECT seq FROM runs WHERE id = ?), ?, ?, ?, ?)`,
      run.namespace,
      position,
      run.id,
      number,
      type,
      at,
      JSON.stringify(data),
    );
  }
  for (const [namespace, last] of positions) {
    db.run(
      `INSERT INTO topics (namespace, last, pruned_to) VALUES (?, ?, 0)
       ON CONFLICT (namespace) DO UPDATE SET last = excluded.last`,
      namespace,
      last,
    );
  }
}

/** The highest position given out in a namespace; 0 before the first. */
export function lastPosition(db: Connection, namespace: string): number {
  return db.find<{ last: number }>("SELECT last FROM topics WHERE namespace = ?", namespace)?.last ?? 0;
}

interface StoredEvent {
  readonly runId: string;
  readonly rootId: string;
  readonly definition: string;
  readonly name: string;
  readonly number: number;
  readonly type: EventType;
  readonly at: number;
  readonly data: string;
}

// CROSS JOIN fixes the order of the loops: always from the events to their runs.
const columns = `r.id AS runId, r.root_id AS rootId, r.definition AS definition, r.name AS name, e.number AS number,
  e.type AS type, e.at AS at, e.data AS data`;

/** How many of these events fit one page. */
function fitting(db: Connection, among: string, ...values: (string | number)[]): number {
  const sizes = db.list<{ bytes: number }>(
    `SELECT octet_length(e.data) AS bytes FROM events e WHERE ${among}`,
    ...values,
  );
  return fittingRows(sizes, ({ bytes }) => bytes);
}

export function selectEvents(
  db: Connection,
  { runId, after, limitRows }: { runId: string; after: number; limitRows: number },
): RunEvent[] {
  const among = "e.run = (SELECT seq FROM runs WHERE id = ?) AND e.number > ? ORDER BY e.number LIMIT ?";
  const fit = fitting(db, among, runId, after, limitRows);
  const rows = db.list<StoredEvent>(
    `SELECT ${columns} FROM events e CROSS JOIN runs r ON r.seq = e.run WHERE ${among}`,
    runId,
    after,
    fit,
  );
  return rows.map((row) => ({ ...row, data: JSON.parse(row.data) as Json }));
}

export function selectTopic(
  db: Connection,
  { namespace, after, limitRows }: { namespace: string; after: number; limitRows: number },
): { events: TopicEvent[]; last: number } {
  const among = `e.namespace = ? AND e.position > max(?, coalesce((SELECT pruned_to FROM topics WHERE namespace = ?), 0))
     ORDER BY e.position LIMIT ?`;
  const fit = fitting(db, among, namespace, after, namespace, limitRows);
  const rows = db.list<StoredEvent & { position: number }>(
    `SELECT ${columns}, e.position AS position FROM events e CROSS JOIN runs r ON r.seq = e.run WHERE ${among}`,
    namespace,
    after,
    namespace,
    fit,
  );
  const events = rows.map((row) => ({ ...row, data: JSON.parse(row.data) as Json }));
  return { events, last: lastPosition(db, namespace) };
}

/**
 * Takes events older than `before` out of every topic, at most `limitRows` of each; true when more may be left. They stay in
 * their runs' own histories, which go with the runs. As the clock never goes back, positions are in the order of time.
 */
export function pruneTopics(db: Connection, { before, limitRows }: { before: number; limitRows: number }): boolean {
  const topics = db.list<{ namespace: string; prunedTo: number }>(
    "SELECT namespace, pruned_to AS prunedTo FROM topics",
  );
  let more = false;
  for (const { namespace, prunedTo } of topics) {
    const oldest = db.list<{ position: number; at: number }>(
      "SELECT position, at FROM events WHERE namespace = ? AND position > ? ORDER BY position LIMIT ?",
      namespace,
      prunedTo,
      limitRows,
    );
    const old = oldest.filter((event) => event.at < before);
    const last = old.at(-1);
    if (last !== undefined) db.run("UPDATE topics SET pruned_to = ? WHERE namespace = ?", last.position, namespace);
    if (old.length === limitRows) more = true;
  }
  return more;
}
