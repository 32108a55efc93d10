import type { ListedSchedule, ScheduleRow } from "../../core/index.ts";
import { admitFirings, admitSchedules, admitText } from "../admission.ts";
import { fittingRows } from "../page-bytes.ts";
import type { DueSchedule, FiringResult, ScheduleDeclaration, ScheduleFiring, Store } from "../store.ts";
import { listText } from "./connection.ts";
import { enqueueRuns } from "./enqueue.ts";
import type { Turn } from "./turn.ts";

type Args<Verb extends keyof Store> = Parameters<Store[Verb]>[0];

interface StoredListing {
  readonly namespace: string;
  readonly id: string;
  readonly definition: string;
  readonly spec: string;
  readonly paused: number;
  readonly dueAt: number | null;
  readonly state: string;
  readonly version: number;
  readonly declaredAt: number;
  readonly pausedAt: number | null;
  readonly pauseReason: string | null;
  readonly resumedAt: number | null;
}

interface StoredSchedule extends StoredListing {
  readonly params: string;
}

const listedColumns = `s.namespace, s.id, s.definition, s.spec, s.paused, s.due_at AS dueAt, s.state, s.version,
  s.declared_at AS declaredAt, s.paused_at AS pausedAt, s.pause_reason AS pauseReason, s.resumed_at AS resumedAt`;
const columns = `${listedColumns}, s.params`;

function toListed({ spec, state, paused, ...row }: StoredListing): ListedSchedule {
  return {
    ...row,
    spec: JSON.parse(spec) as ListedSchedule["spec"],
    state: JSON.parse(state) as ScheduleRow["state"],
    paused: paused === 1,
  };
}

function toSchedule({ params, ...stored }: StoredSchedule): ScheduleRow {
  const listed = toListed(stored);
  return { ...listed, spec: { ...listed.spec, params: JSON.parse(params) as ScheduleRow["spec"]["params"] } };
}

export function declareSchedules(
  turn: Turn,
  { namespace, definitions, rows, kept }: Args<"declareSchedules">,
): { results: ("declared" | "stale")[]; withdrawn: string[] } {
  admitSchedules(rows);
  const { db } = turn;
  const withdrawn = db
    .list<{ id: string }>(
      `DELETE FROM schedules WHERE namespace = ? AND definition IN (SELECT value FROM json_each(?))
         AND id NOT IN (SELECT value FROM json_each(?)) RETURNING id`,
      namespace,
      listText(definitions),
      listText([...kept, ...rows.map(({ id }) => id)]),
    )
    .map(({ id }) => id);
  // What a list answers is not counted as a change.
  db.changes += withdrawn.length;
  return { results: rows.map((row) => declareOne(turn, namespace, row)), withdrawn: withdrawn.sort() };
}

function declareOne({ db, now }: Turn, namespace: string, row: ScheduleDeclaration): "declared" | "stale" {
  const { id, definition, dueAt, state, version } = row;
  const { params, ...spec } = row.spec;
  const said = [JSON.stringify(spec), JSON.stringify(params), dueAt, JSON.stringify(state), now] as const;
  const { changes } =
    version === null
      ? db.run(
          `INSERT INTO schedules (spec, params, due_at, state, declared_at, namespace, id, definition, paused, version)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 1) ON CONFLICT (namespace, id) DO NOTHING`,
          ...said,
          namespace,
          id,
          definition,
        )
      : db.run(
          `UPDATE schedules SET spec = ?, params = ?, due_at = ?, state = ?, declared_at = ?, version = version + 1
           WHERE namespace = ? AND id = ? AND version = ?`,
          ...said,
          namespace,
          id,
          version,
        );
  return changes > 0 ? "declared" : "stale";
}

export function listSchedules({ db }: Turn, args: Args<"listSchedules">): ListedSchedule[] {
  const { namespace, definition, after = "", limitRows } = args;
  const rows =
    definition === undefined
      ? db.list<StoredListing>(
          `SELECT ${listedColumns} FROM schedules s WHERE s.namespace = ? AND s.id > ? ORDER BY s.id LIMIT ?`,
          namespace,
          after,
          limitRows,
        )
      : db.list<StoredListing>(
          `SELECT ${listedColumns} FROM schedules s INDEXED BY schedules_definition
           WHERE s.namespace = ? AND s.definition = ? AND s.id > ? ORDER BY s.id LIMIT ?`,
          namespace,
          definition,
          after,
          limitRows,
        );
  return rows.map(toListed);
}

export function findSchedule({ db }: Turn, { namespace, id }: Args<"findSchedule">): ScheduleRow | undefined {
  const row = db.find<StoredSchedule>(
    `SELECT ${columns} FROM schedules s WHERE s.namespace = ? AND s.id = ?`,
    namespace,
    id,
  );
  return row === undefined ? undefined : toSchedule(row);
}

export function dueSchedules(
  { db, now }: Turn,
  { namespace, limitRows }: Args<"dueSchedules">,
): { due: DueSchedule[]; now: number; nextInMs: number | null } {
  const among = `WHERE s.namespace = ? AND s.paused = 0 AND s.due_at IS NOT NULL AND s.due_at <= ? ORDER BY s.due_at, s.id LIMIT ?`;
  const sizes = db.list<{ bytes: number }>(
    `SELECT octet_length(s.params) AS bytes FROM schedules s INDEXED BY schedules_due ${among}`,
    namespace,
    now,
    limitRows,
  );
  const due = db.list<StoredSchedule & { manifestHash: string | null }>(
    `SELECT ${columns}, d.manifest_hash AS manifestHash
     FROM schedules s INDEXED BY schedules_due
     LEFT JOIN definitions d ON d.namespace = s.namespace AND d.id = s.definition ${among}`,
    namespace,
    now,
    fittingRows(sizes, ({ bytes }) => bytes),
  );
  const next = db.find<{ at: number }>(
    `SELECT due_at AS at FROM schedules INDEXED BY schedules_due
     WHERE namespace = ? AND paused = 0 AND due_at IS NOT NULL ORDER BY due_at LIMIT 1`,
    namespace,
  );
  return {
    due: due.map(({ manifestHash, ...row }) => ({ schedule: toSchedule(row), manifestHash })),
    now,
    nextInMs: next === undefined ? null : Math.max(0, next.at - now),
  };
}

export function fireSchedules(turn: Turn, { rows }: { rows: readonly ScheduleFiring[] }): FiringResult[] {
  admitFirings(rows);
  const fired = rows.map(({ namespace, id, version, dueAt, state, runs }) => {
    const { changes } = turn.db.run(
      `UPDATE schedules SET due_at = ?, state = ?, version = version + 1 WHERE namespace = ? AND id = ? AND version = ?`,
      dueAt,
      JSON.stringify(state),
      namespace,
      id,
      version,
    );
    return changes === 0 ? undefined : runs;
  });
  // All together, so that those that come to a gate are let in as they stand in its line.
  const results = enqueueRuns(turn, { rows: fired.flatMap((runs) => runs ?? []) });
  return fired.map((runs) =>
    runs === undefined ? { outcome: "stale" } : { outcome: "fired", runs: results.splice(0, runs.length) },
  );
}

export function pauseSchedule(
  turn: Turn,
  args: Args<"pauseSchedule">,
): { changed: boolean; schedule: ScheduleRow } | undefined {
  admitText([args]);
  const { namespace, id, paused, reason } = args;
  const { changes } = turn.db.run(
    `UPDATE schedules SET paused = ?1, paused_at = iif(?1, ?2, NULL), pause_reason = iif(?1, ?3, NULL),
       resumed_at = iif(?1, resumed_at, ?2), version = version + 1
     WHERE namespace = ?4 AND id = ?5 AND paused <> ?1`,
    Number(paused),
    turn.now,
    reason,
    namespace,
    id,
  );
  const schedule = findSchedule(turn, { namespace, id });
  return schedule === undefined ? undefined : { changed: changes > 0, schedule };
}

export function removeSchedule({ db }: Turn, { namespace, id }: Args<"removeSchedule">): { removed: boolean } {
  const { changes } = db.run("DELETE FROM schedules WHERE namespace = ? AND id = ?", namespace, id);
  return { removed: changes > 0 };
}
