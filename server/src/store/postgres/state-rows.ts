import type { StateKind } from "@holdfast/protocol";
import {
  afterPrefix,
  type StateChanges,
  type StatePlace,
  type StateRow,
  type StateRun,
  type StateUse,
  stateBytes,
} from "../../core/index.ts";
import { msArray, numberArray, textArray } from "./arrays.ts";
import { jsonOf } from "./run-rows.ts";
import type { Runner } from "./session.ts";

// Rows of state and of its scopes (core/state.ts has the rules).

/** A place that is asked for: `generation` null where it is the present one of a run of this namespace. */
export interface AskedPlace extends Omit<StatePlace, "generation"> {
  readonly generation: number | null;
  readonly namespace: string;
}

export interface StoredValue {
  readonly kind: StateKind;
  readonly id: string;
  readonly generation: number;
  readonly key: string;
  readonly version: number;
  readonly writer_run: string;
  readonly writer_epoch: number;
  readonly created_at: number;
  readonly updated_at: number;
  readonly expires_at: number | null;
  readonly bytes: number;
  readonly object: string | null;
  readonly object_bytes: number;
  /** Null where it is not asked for. */
  readonly value: string | null;
}

export const valueColumns = `v.scope_kind as kind, v.scope_id as id, v.generation, v.key, v.version, v.writer_run, v.writer_epoch,
  v.created_at, v.updated_at, v.expires_at, octet_length(v.value) as bytes, v.object, v.object_bytes`;

export function toStateRow(row: StoredValue): StateRow {
  const { kind, id, generation, key, version, bytes, object: name, writer_run: runId, writer_epoch: epoch } = row;
  return {
    ...{ place: { kind, id, generation }, key, version, bytes },
    value: name === null ? jsonOf(row.value) : undefined,
    ...(name === null ? {} : { object: { name, bytes: row.object_bytes } }),
    writer: runId === "" ? null : { runId, epoch },
    ...{ createdAt: row.created_at, updatedAt: row.updated_at, expiresAt: row.expires_at },
  };
}

/** Locks runs against takeover and whatever else changes them, in the order of ids. */
export function lockStateRuns(db: Runner, ids: readonly string[]): Promise<StateRun[]> {
  return db.run<StateRun>("lockStateRuns", lockRunsText, [textArray(ids)]);
}

const lockRunsText = `
  select r.id, r.namespace, r.generation, r.epoch, r.status, r.claimed_by as "claimedBy", r.step_count as "stepCount",
    r.step_bytes as "stepBytes"
  from holdfast.runs r where r.id in (select unnest($1::text[])) order by r.id for no key update of r`;

function placeArrays(places: readonly AskedPlace[]): [string, string, string, string] {
  return [
    textArray(places.map(({ kind }) => kind)),
    textArray(places.map(({ id }) => id)),
    numberArray(places.map(({ generation }) => generation)),
    textArray(places.map(({ namespace }) => namespace)),
  ];
}

/**
 * What is asked for, with the generations that runs have now; null: there is no such run. `more`: further parameters, arrays of texts with
 * something for each place. They are unnested together: to join them afterwards would take the square of their number.
 */
function askedText(...more: readonly string[]): string {
  const arrays = ["$1::text[], $2::text[], $3::int[], $4::text[]", ...more.map((_, index) => `$${5 + index}::text[]`)];
  const names = ["kind", "id", "given", "namespace", ...more];
  return `
  select n.kind, n.id, coalesce(n.given, r.generation) as generation${more.map((name) => `, n.${name}`).join("")}
  from unnest(${arrays.join(", ")}) n(${names.join(", ")})
    left join holdfast.runs r on n.given is null and r.id = n.id and r.namespace = n.namespace`;
}

/** Puts scopes in place that nobody has written to; what their runs' earlier generations leave them is their floor. */
export function insertScopes(db: Runner, places: readonly AskedPlace[]): Promise<unknown> {
  return db.run("insertScopes", insertScopesText, placeArrays(places));
}

const insertScopesText = `
  insert into holdfast.state_scopes (scope_kind, scope_id, generation, keys, bytes, floor, last)
  select a.kind, a.id, a.generation, 0, 0, b.last, b.last
  from (select distinct a.kind, a.id, a.generation from (${askedText()}) a) a cross join lateral (
    select coalesce(max(s.last), 0) as last from holdfast.state_scopes s
    where s.scope_kind = a.kind and s.scope_id = a.id and s.generation < a.generation
  ) b
  where a.generation is not null order by a.kind collate "C", a.id collate "C", a.generation
  on conflict do nothing`;

/** Locks scopes in the order of their places. */
export async function lockScopes(db: Runner, places: readonly AskedPlace[]): Promise<StateUse[]> {
  const rows = await db.run<StatePlace & Omit<StateUse, "place">>("lockScopes", lockScopesText, placeArrays(places));
  return rows.map(({ kind, id, generation, ...use }) => ({ place: { kind, id, generation }, ...use }));
}

const lockScopesText = `
  select s.scope_kind as kind, s.scope_id as id, s.generation, s.keys, s.bytes, s.object_bytes as "objectBytes", s.floor, s.last
  from (select distinct a.kind, a.id, a.generation from (${askedText()}) a) a
    join holdfast.state_scopes s on s.scope_kind = a.kind and s.scope_id = a.id and s.generation = a.generation
  order by s.scope_kind, s.scope_id, s.generation for update of s`;

/** Values under keys, one key a place, whether or not they have expired. */
export async function findValues(
  db: Runner,
  places: readonly AskedPlace[],
  keys: readonly string[],
): Promise<StateRow[]> {
  const rows = await db.run<StoredValue>("findValues", findText, [...placeArrays(places), textArray(keys)]);
  return rows.map(toStateRow);
}

const findText = `
  select ${valueColumns}, v.value
  from (select distinct a.kind, a.id, a.generation, a.key from (${askedText("key")}) a) a
    join holdfast.values v
      on v.scope_kind = a.kind and v.scope_id = a.id and v.generation = a.generation and v.key = a.key`;

/** What is to be cleared: values whose keys begin so, one prefix a place, without what they say. */
export async function listUnder(
  db: Runner,
  places: readonly AskedPlace[],
  prefixes: readonly string[],
): Promise<StateRow[]> {
  const ends = prefixes.map((prefix) => afterPrefix(prefix));
  const parameters = [...placeArrays(places), textArray(prefixes), textArray(ends)];
  return (await db.run<StoredValue>("listUnder", underText, parameters)).map(toStateRow);
}

const underText = `
  select ${valueColumns}, null as value
  from (${askedText("prefix", "beyond")}) a
    join holdfast.values v on v.scope_kind = a.kind and v.scope_id = a.id and v.generation = a.generation
      and v.key >= a.prefix and v.key < a.beyond`;

function namesOf(rows: readonly Pick<StateRow, "place" | "key">[]): [string, string, string, string] {
  return [
    textArray(rows.map(({ place }) => place.kind)),
    textArray(rows.map(({ place }) => place.id)),
    numberArray(rows.map(({ place }) => place.generation)),
    textArray(rows.map(({ key }) => key)),
  ];
}

/** Writes values, over those that are there. */
export function writeValues(db: Runner, rows: readonly StateRow[]): Promise<unknown> {
  return db.run("writeValues", writeText, [
    ...namesOf(rows),
    numberArray(rows.map(({ version }) => version)),
    textArray(rows.map(({ value }) => JSON.stringify(value ?? null))),
    textArray(rows.map(({ writer }) => writer?.runId ?? "")),
    numberArray(rows.map(({ writer }) => writer?.epoch ?? 0)),
    msArray(rows.map(({ createdAt }) => createdAt)),
    msArray(rows.map(({ updatedAt }) => updatedAt)),
    msArray(rows.map(({ expiresAt }) => expiresAt)),
    textArray(rows.map(({ object }) => object?.name ?? null)),
    numberArray(rows.map(({ object }) => object?.bytes ?? 0)),
  ]);
}

const writeText = `
  insert into holdfast.values (scope_kind, scope_id, generation, key, version, value, writer_run, writer_epoch, created_at, updated_at,
    expires_at, object, object_bytes)
  select n.* from unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::int[], $9::bigint[],
    $10::bigint[], $11::bigint[], $12::text[], $13::int[]) n
  on conflict (scope_kind, scope_id, generation, key) do update set version = excluded.version, value = excluded.value,
    writer_run = excluded.writer_run, writer_epoch = excluded.writer_epoch, created_at = excluded.created_at,
    updated_at = excluded.updated_at, expires_at = excluded.expires_at, object = excluded.object,
    object_bytes = excluded.object_bytes`;

/** Deletes values. */
export function deleteValues(db: Runner, rows: readonly Pick<StateRow, "place" | "key">[]): Promise<unknown> {
  return db.run("deleteValues", deleteText, namesOf(rows));
}

const deleteText = `
  delete from holdfast.values v using unnest($1::text[], $2::text[], $3::int[], $4::text[]) n(kind, id, generation, key)
  where v.scope_kind = n.kind and v.scope_id = n.id and v.generation = n.generation and v.key = n.key`;

/** Writes what scopes hold. */
export function writeUses(db: Runner, uses: readonly StateUse[]): Promise<unknown> {
  return db.run("writeUses", writeUsesText, [
    textArray(uses.map(({ place }) => place.kind)),
    textArray(uses.map(({ place }) => place.id)),
    numberArray(uses.map(({ place }) => place.generation)),
    numberArray(uses.map(({ keys }) => keys)),
    numberArray(uses.map(({ bytes }) => bytes)),
    numberArray(uses.map(({ floor }) => floor)),
    numberArray(uses.map(({ last }) => last)),
    numberArray(uses.map(({ objectBytes }) => objectBytes)),
  ]);
}

const writeUsesText = `
  update holdfast.state_scopes s set keys = n.keys, bytes = n.bytes, floor = n.floor, last = n.last,
    object_bytes = n.object_bytes
  from unnest($1::text[], $2::text[], $3::int[], $4::int[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
    n(kind, id, generation, keys, bytes, floor, last, object_bytes)
  where s.scope_kind = n.kind and s.scope_id = n.id and s.generation = n.generation`;

/** Writes the records of transactions, of which none is there, and the progress that they are. */
export function insertStateSteps(
  db: Runner,
  { steps, now }: Pick<StateChanges, "steps"> & { now: number },
): Promise<unknown> {
  return db.run("insertStateSteps", insertStepsText, [
    textArray(steps.map(({ runId }) => runId)),
    numberArray(steps.map(({ generation }) => generation)),
    textArray(steps.map(({ key }) => key)),
    numberArray(steps.map(({ epoch }) => epoch)),
    textArray(steps.map(({ value }) => JSON.stringify(value))),
    numberArray(steps.map(({ value }) => stateBytes(value))),
    now,
  ]);
}

const insertStepsText = `
  with given as materialized (
    select * from unnest($1::text[], $2::int[], $3::text[], $4::int[], $5::text[], $6::bigint[])
      with ordinality n(run_id, generation, key, epoch, value, bytes, place)
  ),
  written as (
    insert into holdfast.values (scope_kind, scope_id, generation, key, version, value, writer_run, writer_epoch, created_at, updated_at)
    select 'step', g.run_id, g.generation, g.key, 1, g.value, g.run_id, g.epoch, $7::bigint, $7::bigint from given g order by g.place
  )
  update holdfast.runs r set losses = 0, takeovers = 0, step_count = r.step_count + w.steps, step_bytes = r.step_bytes + w.bytes
  from (select g.run_id, count(*) as steps, sum(g.bytes) as bytes from given g group by 1) w
  where r.id = w.run_id`;
