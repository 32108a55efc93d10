import type { Json, WaitKind } from "@holdfast/protocol";
import type { KeptSignal, NewRecord, SignalRow, WaitName, WaitRow } from "../../core/index.ts";
import { jsonBytes } from "../admission.ts";
import { msArray, numberArray, textArray } from "./arrays.ts";
import { jsonOf } from "./run-rows.ts";
import type { Runner } from "./session.ts";

// The tables `holdfast.waits` and `holdfast.signals`. Whoever changes a row of them holds the row of its run.

interface StoredWait {
  readonly run_id: string;
  readonly generation: number;
  readonly key: string;
  readonly kind: WaitKind;
  readonly hash: string | null;
  readonly due_at: number | null;
  readonly signal: string | null;
  readonly child_id: string | null;
  readonly job_id: string | null;
  readonly groups: string;
  readonly epoch: number;
  readonly opened_at: number;
}

const columns = `w.run_id, w.generation, w.key, w.kind, w.hash, w.due_at, w.signal, w.child_id, w.job_id,
  w.groups, w.epoch, w.opened_at`;

function toWait(row: StoredWait): WaitRow {
  return {
    runId: row.run_id,
    generation: row.generation,
    key: row.key,
    kind: row.kind,
    hash: row.hash,
    dueAt: row.due_at,
    signal: row.signal,
    childId: row.child_id,
    jobId: row.job_id,
    groups: JSON.parse(row.groups) as number[],
    epoch: row.epoch,
    openedAt: row.opened_at,
  };
}

function nameArrays(names: readonly WaitName[]): string[] {
  return [
    textArray(names.map(({ runId }) => runId)),
    numberArray(names.map(({ generation }) => generation)),
    textArray(names.map(({ key }) => key)),
  ];
}

/** Open waits by their names, the oldest first. */
export async function findWaits(db: Runner, names: readonly WaitName[]): Promise<WaitRow[]> {
  return (await db.run<StoredWait>("findWaits", findText, nameArrays(names))).map(toWait);
}

const findText = `
  select ${columns} from unnest($1::text[], $2::int[], $3::text[]) n(run_id, generation, key)
    join holdfast.waits w on w.run_id = n.run_id and w.generation = n.generation and w.key = n.key
  order by w.ord`;

/** What a run has open, the oldest first. */
export async function listWaits(db: Runner, runId: string, limitRows: number): Promise<WaitRow[]> {
  return (await db.run<StoredWait>("listWaits", listText, [runId, limitRows])).map(toWait);
}

const listText = `select ${columns} from holdfast.waits w where w.run_id = $1 order by w.ord limit $2`;

/** The oldest wait of a run for signals of a name. */
export async function findSignalWait(db: Runner, runId: string, signal: string): Promise<WaitRow[]> {
  return (await db.run<StoredWait>("findSignalWait", signalWaitText, [runId, signal])).map(toWait);
}

const signalWaitText = `
  select ${columns} from holdfast.waits w where w.run_id = $1 and w.signal = $2 order by w.ord limit 1`;

/** Waits that are due, the longest overdue first. */
export async function listDueWaits(db: Runner, limitRows: number): Promise<WaitRow[]> {
  return (await db.run<StoredWait>("listDueWaits", dueText, [limitRows])).map(toWait);
}

const dueText = `
  select ${columns} from holdfast.waits w
  where w.due_at is not null and w.due_at <= (select holdfast.clock_ms()) order by w.due_at, w.ord limit $1`;

/** How long until the next wait is due. */
export function findNextDueWait(db: Runner): Promise<{ in_ms: number }[]> {
  return db.run("findNextDueWait", nextDueText);
}

const nextDueText = `
  select greatest(0, w.due_at - holdfast.clock_ms()) as in_ms from holdfast.waits w
  where w.due_at is not null order by w.due_at, w.ord limit 1`;

/** Records of runs by their names. */
export async function findRecords(db: Runner, names: readonly WaitName[]): Promise<(WaitName & { value: Json })[]> {
  const rows = await db.run<{ run_id: string; generation: number; key: string; value: string }>(
    "findRecords",
    recordsText,
    nameArrays(names),
  );
  return rows.map(({ run_id: runId, generation, key, value }) => ({
    ...{ runId, generation, key },
    value: jsonOf(value) ?? null,
  }));
}

const recordsText = `
  select v.scope_id as run_id, v.generation, v.key, v.value
  from unnest($1::text[], $2::int[], $3::text[]) n(run_id, generation, key)
    join holdfast.values v on v.scope_kind = 'step' and v.scope_id = n.run_id and v.generation = n.generation
      and v.key = n.key`;

/** How many records runs have, and their bytes. */
export function findUsed(
  db: Runner,
  runIds: readonly string[],
): Promise<{ runId: string; count: number; bytes: number }[]> {
  return db.run("findUsed", usedText, [textArray(runIds)]);
}

const usedText = `
  select r.id as "runId", r.step_count as count, r.step_bytes as bytes
  from unnest($1::text[]) n(id) join holdfast.runs r on r.id = n.id`;

/** Signals that runs have kept, the oldest first. */
export async function listSignals(db: Runner, runIds: readonly string[]): Promise<SignalRow[]> {
  const rows = await db.run<Omit<SignalRow, "payload"> & { payload: string }>("listSignals", signalsText, [
    textArray(runIds),
  ]);
  return rows.map((row) => ({ ...row, payload: jsonOf(row.payload) ?? null }));
}

const signalsText = `
  select s.run_id as "runId", s.number, s.name, s.payload, s.at
  from unnest($1::text[]) n(id) join holdfast.signals s on s.run_id = n.id order by s.run_id, s.number`;

/** The first of them, without what was said with them. */
export async function listKeptSignals(db: Runner, runId: string, limitRows: number): Promise<KeptSignal[]> {
  return [...(await db.run<KeptSignal>("listKeptSignals", keptSignalsText, [runId, limitRows]))];
}

const keptSignalsText =
  "select s.number, s.name, s.at from holdfast.signals s where s.run_id = $1 order by s.number limit $2";

/** Inserts waits, in this order. */
export function insertWaits(db: Runner, waits: readonly WaitRow[]): Promise<unknown> {
  return db.run("insertWaits", insertText, [
    ...nameArrays(waits),
    textArray(waits.map(({ kind }) => kind)),
    textArray(waits.map(({ hash }) => hash)),
    msArray(waits.map(({ dueAt }) => dueAt)),
    textArray(waits.map(({ signal }) => signal)),
    textArray(waits.map(({ childId }) => childId)),
    textArray(waits.map(({ jobId }) => jobId)),
    textArray(waits.map(({ groups }) => JSON.stringify(groups))),
    numberArray(waits.map(({ epoch }) => epoch)),
    msArray(waits.map(({ openedAt }) => openedAt)),
  ]);
}

const insertText = `
  insert into holdfast.waits (run_id, generation, key, kind, hash, due_at, signal, child_id, job_id,
    groups, epoch, opened_at)
  select n.* from unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[],
    $9::text[], $10::text[], $11::int[], $12::bigint[]) n`;

/** Writes the groups of waits, the job that each is for, and its moment. */
export function regroupWaits(db: Runner, waits: readonly WaitRow[]): Promise<unknown> {
  return db.run("regroupWaits", regroupText, [
    ...nameArrays(waits),
    textArray(waits.map(({ groups }) => JSON.stringify(groups))),
    numberArray(waits.map(({ epoch }) => epoch)),
    textArray(waits.map(({ jobId }) => jobId)),
    msArray(waits.map(({ dueAt }) => dueAt)),
  ]);
}

const regroupText = `
  update holdfast.waits w set groups = n.groups, epoch = n.epoch, job_id = n.job_id, due_at = n.due_at
  from unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::int[], $6::text[], $7::bigint[])
    n(run_id, generation, key, groups, epoch, job_id, due_at)
  where w.run_id = n.run_id and w.generation = n.generation and w.key = n.key`;

/** Deletes waits. */
export function deleteWaits(db: Runner, names: readonly WaitName[]): Promise<unknown> {
  return db.run("deleteWaits", deleteText, nameArrays(names));
}

const deleteText = `
  delete from holdfast.waits w using unnest($1::text[], $2::int[], $3::text[]) n(run_id, generation, key)
  where w.run_id = n.run_id and w.generation = n.generation and w.key = n.key`;

/** Deletes all waits of runs. */
export function clearWaits(db: Runner, runIds: readonly string[]): Promise<unknown> {
  return db.run("clearWaits", clearText, [textArray(runIds)]);
}

const clearText = "delete from holdfast.waits w using unnest($1::text[]) n(id) where w.run_id = n.id";

/** Writes records, over those that are there, and counts them. */
export function writeRecords(db: Runner, records: readonly NewRecord[]): Promise<unknown> {
  return db.run("writeRecords", writeText, [
    ...nameArrays(records),
    textArray(records.map(({ value }) => JSON.stringify(value))),
    numberArray(records.map(({ epoch }) => epoch)),
    numberArray(records.map(({ value }) => jsonBytes(value))),
  ]);
}

// xmax is 0 in a row that was not there before.
const writeText = `
  with given as materialized (
    select * from unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::int[], $6::bigint[])
      with ordinality n(run_id, generation, key, value, epoch, bytes, place)
  ),
  written as (
    insert into holdfast.values as v (scope_kind, scope_id, generation, key, version, value, writer_run, writer_epoch,
      created_at, updated_at)
    select 'step', g.run_id, g.generation, g.key, 1, g.value, g.run_id, g.epoch, m.now, m.now
    from given g cross join (select holdfast.clock_ms() as now) m order by g.place
    on conflict (scope_kind, scope_id, generation, key) do update set version = v.version + 1, value = excluded.value,
      writer_epoch = excluded.writer_epoch, updated_at = excluded.updated_at
    returning v.scope_id, v.xmax = 0 as fresh, octet_length(v.value) as bytes
  )
  update holdfast.runs r set step_count = r.step_count + w.fresh, step_bytes = r.step_bytes + w.bytes
  from (select w.scope_id, count(*) filter (where w.fresh) as fresh, sum(w.bytes) as bytes from written w group by 1) w
  where r.id = w.scope_id`;

/** Keeps signals for the waits to come. */
export function insertSignals(db: Runner, signals: readonly SignalRow[]): Promise<unknown> {
  return db.run("insertSignals", insertSignalsText, [
    textArray(signals.map(({ runId }) => runId)),
    numberArray(signals.map(({ number }) => number)),
    textArray(signals.map(({ name }) => name)),
    textArray(signals.map(({ payload }) => JSON.stringify(payload))),
    msArray(signals.map(({ at }) => at)),
  ]);
}

const insertSignalsText = `
  insert into holdfast.signals (run_id, number, name, payload, at)
  select n.* from unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::bigint[]) n`;

/** Takes signals out that somebody has waited for. */
export function deleteSignals(db: Runner, signals: readonly SignalRow[]): Promise<unknown> {
  return db.run("deleteSignals", deleteSignalsText, [
    textArray(signals.map(({ runId }) => runId)),
    numberArray(signals.map(({ number }) => number)),
  ]);
}

const deleteSignalsText = `
  delete from holdfast.signals s using unnest($1::text[], $2::int[]) n(run_id, number)
  where s.run_id = n.run_id and s.number = n.number`;
