import type { Json, WaitKind } from "@holdfast/protocol";
import type { SignalRow, WaitChanges, WaitLoad, WaitName, WaitRow, WaitsOrder } from "../../core/index.ts";
import { jsonBytes } from "../admission.ts";
import { type Connection, listText } from "./connection.ts";
import { insertRecord } from "./steps.ts";

// The rows of open waits and kept signals.

interface StoredWait extends Omit<WaitRow, "groups" | "kind"> {
  readonly kind: WaitKind;
  readonly groups: string;
}

const columns = `run_id AS runId, generation, key, kind, hash, due_at AS dueAt, signal, child_id AS childId, job_id AS jobId,
  groups, epoch, opened_at AS openedAt`;

/** What parents wait for, by generation and name of runs that ended. */
export function waitsFor(
  db: Connection,
  children: readonly { readonly parentId: string; readonly parentGeneration: number; readonly name: string }[],
): WaitRow[] {
  return waitsOf(
    db,
    children.map(({ parentId, parentGeneration, name }) => ({
      runId: parentId,
      generation: parentGeneration,
      key: name,
    })),
  );
}

/** What is open under names. */
export function waitsOf(db: Connection, names: readonly WaitName[]): WaitRow[] {
  return names.flatMap(({ runId, generation, key }) => {
    return selectWaits(db, "WHERE run_id = ? AND generation = ? AND key = ?", runId, generation, key);
  });
}

export function writeWaits(db: Connection, changes: WaitChanges, now: number): void {
  for (const runId of changes.cleared) db.run("DELETE FROM waits WHERE run_id = ?", runId);
  for (const wait of changes.ended) deleteWait(db, wait);
  for (const wait of changes.opened) insertWait(db, wait);
  for (const wait of changes.regrouped) regroupWait(db, wait);
  for (const record of changes.records) writeRecord(db, record, now);
  for (const { runId, number, name, at, payload } of changes.keptSignals) {
    db.run(
      "INSERT INTO signals (run_id, number, name, at, payload) VALUES (?, ?, ?, ?, ?)",
      runId,
      number,
      name,
      at,
      JSON.stringify(payload),
    );
  }
  for (const { runId, number } of changes.takenSignals) {
    db.run("DELETE FROM signals WHERE run_id = ? AND number = ?", runId, number);
  }
}

/** What is known of the keys that an order names. */
export function knownOf(db: Connection, { runId, opens, settles, suspend }: WaitsOrder, generation: number): WaitLoad {
  const named = [...opens, ...settles].map(({ key }) => key);
  const dropped = settles.flatMap(({ drops }) => drops);
  const keys = listText([...new Set([...named, ...dropped, ...(suspend?.groups.flat() ?? [])])]);
  const among = "key IN (SELECT value FROM json_each(?))";
  const records = db.list<{ key: string; value: string }>(
    `SELECT key, value FROM "values" WHERE scope_kind = 'step' AND scope_id = ? AND generation = ? AND ${among}`,
    runId,
    generation,
    keys,
  );
  const used = db.list<{ runId: string; count: number; bytes: number }>(
    "SELECT id AS runId, step_count AS count, step_bytes AS bytes FROM runs WHERE id = ?",
    runId,
  );
  const wantsSignals = opens.some(({ signal }) => signal !== null);
  return {
    waits: selectWaits(db, `WHERE run_id = ? AND generation = ? AND ${among} ORDER BY seq`, runId, generation, keys),
    records: records.map(({ key, value }) => ({ runId, generation, key, value: JSON.parse(value) as Json })),
    signals: wantsSignals ? selectSignals(db, runId) : [],
    used,
  };
}

export function selectWaits(db: Connection, rest: string, ...values: (string | number)[]): WaitRow[] {
  const rows = db.list<StoredWait>(`SELECT ${columns} FROM waits ${rest}`, ...values);
  return rows.map((row) => ({ ...row, groups: JSON.parse(row.groups) as number[] }));
}

export function selectSignals(db: Connection, runId: string): SignalRow[] {
  const rows = db.list<Omit<SignalRow, "payload"> & { payload: string }>(
    "SELECT run_id AS runId, number, name, payload, at FROM signals WHERE run_id = ? ORDER BY number",
    runId,
  );
  return rows.map((row) => ({ ...row, payload: JSON.parse(row.payload) as Json }));
}

function insertWait(db: Connection, wait: WaitRow): void {
  db.run(
    `INSERT INTO waits (run_id, generation, key, kind, hash, due_at, signal, child_id, job_id, groups, epoch, opened_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    wait.runId,
    wait.generation,
    wait.key,
    wait.kind,
    wait.hash,
    wait.dueAt,
    wait.signal,
    wait.childId,
    wait.jobId,
    JSON.stringify(wait.groups),
    wait.epoch,
    wait.openedAt,
  );
}

function regroupWait(db: Connection, { runId, generation, key, groups, epoch, jobId, dueAt }: WaitRow): void {
  db.run(
    "UPDATE waits SET groups = ?, epoch = ?, job_id = ?, due_at = ? WHERE run_id = ? AND generation = ? AND key = ?",
    JSON.stringify(groups),
    epoch,
    jobId,
    dueAt,
    runId,
    generation,
    key,
  );
}

function deleteWait(db: Connection, { runId, generation, key }: WaitRow): void {
  db.run("DELETE FROM waits WHERE run_id = ? AND generation = ? AND key = ?", runId, generation, key);
}

function writeRecord(db: Connection, record: WaitChanges["records"][number], now: number): void {
  const { runId, generation, key, value, epoch } = record;
  const text = JSON.stringify(value);
  const isThere = db.run(
    `UPDATE "values" SET version = version + 1, writer_epoch = ?, updated_at = ?, value = ?
     WHERE scope_kind = 'step' AND scope_id = ? AND generation = ? AND key = ?`,
    epoch,
    now,
    text,
    runId,
    generation,
    key,
  ).changes;
  if (isThere === 0) insertRecord(db, { runId, generation, key, epoch }, text, now);
  db.run(
    "UPDATE runs SET step_count = step_count + ?, step_bytes = step_bytes + ? WHERE id = ?",
    isThere === 0 ? 1 : 0,
    jsonBytes(value),
    runId,
  );
}
