import type { Json, RunStatus, StateKind } from "@holdfast/protocol";
import {
  afterPrefix,
  compareKeys,
  type StateChanges,
  type StatePlace,
  type StateRow,
  type StateRun,
  type StateUse,
  unused,
  usedLess,
} from "../../core/index.ts";
import { insertAssetEvent } from "./asset-rows.ts";
import type { Connection } from "./connection.ts";
import { markObjects } from "./objects.ts";
import { insertRecord } from "./steps.ts";

// Rows of state and of its scopes (core/state.ts has the rules).

interface StoredValue {
  readonly kind: StateKind;
  readonly id: string;
  readonly generation: number;
  readonly key: string;
  readonly version: number;
  readonly writerRun: string;
  readonly writerEpoch: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly expiresAt: number | null;
  readonly bytes: number;
  readonly object: string | null;
  readonly objectBytes: number;
  /** Null where it is not asked for. */
  readonly value: string | null;
}

const columns = `scope_kind AS kind, scope_id AS id, generation, key, version, writer_run AS writerRun, writer_epoch AS writerEpoch,
  created_at AS createdAt, updated_at AS updatedAt, expires_at AS expiresAt, octet_length(value) AS bytes, object, object_bytes AS objectBytes`;
const ofPlace = "scope_kind = ? AND scope_id = ? AND generation = ?";

/** The value under a key, whether or not it has expired. */
export function findValue(db: Connection, { kind, id, generation }: StatePlace, key: string): StateRow | undefined {
  const row = db.find<StoredValue>(
    `SELECT ${columns}, value FROM "values" WHERE ${ofPlace} AND key = ?`,
    kind,
    id,
    generation,
    key,
  );
  return row === undefined ? undefined : toRow(row);
}

/** What is to be cleared: values whose keys begin so, without what they say. */
export function listUnder(db: Connection, { kind, id, generation }: StatePlace, prefix: string): StateRow[] {
  const rows = db.list<StoredValue>(
    `SELECT ${columns}, NULL AS value FROM "values" WHERE ${ofPlace} AND key >= ? AND key < ?`,
    ...[kind, id, generation, prefix, afterPrefix(prefix)],
  );
  return rows.map(toRow);
}

export interface Page {
  readonly prefix: string;
  readonly after: string | undefined;
  readonly now: number;
  readonly limitRows: number;
}

/** What has not expired, in the order of keys. */
export function listValues(db: Connection, { kind, id, generation }: StatePlace, page: Page): StateRow[] {
  const { prefix, after, now, limitRows } = page;
  // Both bounds narrow the same range of the index, so that only the greater may stand there.
  const isAfter = after !== undefined && compareKeys(after, prefix) >= 0;
  const rows = db.list<StoredValue>(
    `SELECT ${columns}, value FROM "values" INDEXED BY values_key WHERE ${ofPlace} AND key ${isAfter ? ">" : ">="} ?
       AND key < ? AND (expires_at IS NULL OR expires_at > ?) ORDER BY key LIMIT ?`,
    ...[kind, id, generation, isAfter ? after : prefix, afterPrefix(prefix), now, limitRows],
  );
  return rows.map(toRow);
}

/** What has expired, the longest first, without what it says. */
export function listExpired(db: Connection, now: number, limitRows: number): StateRow[] {
  const rows = db.list<StoredValue>(
    `SELECT ${columns}, NULL AS value FROM "values" INDEXED BY values_expiry
     WHERE expires_at IS NOT NULL AND expires_at <= ? ORDER BY expires_at, scope_kind, scope_id, generation, key LIMIT ?`,
    now,
    limitRows,
  );
  return rows.map(toRow);
}

/** What a scope holds; of one that nobody has written to, what its run's earlier generations leave it. */
export function useOf(db: Connection, place: StatePlace): StateUse {
  const { kind, id, generation } = place;
  const known = db.find<Omit<StateUse, "place">>(
    `SELECT keys, bytes, object_bytes AS objectBytes, floor, last FROM state_scopes WHERE ${ofPlace}`,
    kind,
    id,
    generation,
  );
  if (known !== undefined) return { place, ...known };
  if (generation === 0) return unused(place);
  const earlier = db.find<{ last: number | null }>(
    "SELECT max(last) AS last FROM state_scopes WHERE scope_kind = ? AND scope_id = ? AND generation < ?",
    kind,
    id,
    generation,
  );
  return unused(place, earlier?.last ?? 0);
}

export function findStateRun(db: Connection, id: string): StateRun | undefined {
  return db.find<StateRun & { readonly status: RunStatus }>(
    `SELECT id, namespace, generation, epoch, status, claimed_by AS claimedBy, step_count AS stepCount, step_bytes AS stepBytes
     FROM runs WHERE id = ?`,
    id,
  );
}

export function writeState(db: Connection, changes: StateChanges, now: number): void {
  for (const row of changes.written) writeValue(db, row);
  for (const { place, key } of changes.deleted) deleteValue(db, place, key);
  for (const use of changes.uses) writeUse(db, use);
  markObjects(db, { ...changes, now });
  for (const step of changes.steps) insertRecord(db, step, JSON.stringify(step.value), now);
  for (const event of changes.events) insertAssetEvent(db, event);
  for (const { runId, steps, bytes } of changes.progress) {
    db.run(
      "UPDATE runs SET losses = 0, takeovers = 0, step_count = step_count + ?, step_bytes = step_bytes + ? WHERE id = ?",
      steps,
      bytes,
      runId,
    );
  }
}

/** Deletes a value, and counts what that leaves. */
export function forgetValue(db: Connection, row: StateRow, now: number): void {
  const { place, key, object } = row;
  deleteValue(db, place, key);
  writeUse(db, usedLess(useOf(db, place), row));
  if (object !== undefined) markObjects(db, { named: [], loosened: [object.name], now });
}

function deleteValue(db: Connection, { kind, id, generation }: StatePlace, key: string): void {
  db.run(`DELETE FROM "values" WHERE ${ofPlace} AND key = ?`, kind, id, generation, key);
}

function writeUse(db: Connection, { place, keys, bytes, objectBytes, floor, last }: StateUse): void {
  db.run(
    `INSERT INTO state_scopes (scope_kind, scope_id, generation, keys, bytes, object_bytes, floor, last) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET keys = excluded.keys, bytes = excluded.bytes, object_bytes = excluded.object_bytes, floor = excluded.floor, last = excluded.last`,
    ...[place.kind, place.id, place.generation, keys, bytes, objectBytes, floor, last],
  );
}

function writeValue(db: Connection, row: StateRow): void {
  const { place, key, version, writer, createdAt, updatedAt, expiresAt, value, object } = row;
  db.run(
    `INSERT INTO "values" (scope_kind, scope_id, generation, key, version, writer_run, writer_epoch, created_at, updated_at,
       expires_at, value, object, object_bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (scope_kind, scope_id, generation, key) DO UPDATE SET version = excluded.version, writer_run = excluded.writer_run,
       writer_epoch = excluded.writer_epoch, created_at = excluded.created_at, updated_at = excluded.updated_at,
       expires_at = excluded.expires_at, value = excluded.value, object = excluded.object, object_bytes = excluded.object_bytes`,
    ...[place.kind, place.id, place.generation, key, version, writer?.runId ?? "", writer?.epoch ?? 0],
    ...[createdAt, updatedAt, expiresAt, JSON.stringify(value ?? null), object?.name ?? null, object?.bytes ?? 0],
  );
}

function toRow(stored: StoredValue): StateRow {
  const { kind, id, generation, writerRun, writerEpoch, value, object, objectBytes, ...rest } = stored;
  return {
    ...rest,
    place: { kind, id, generation },
    value: value === null || object !== null ? undefined : (JSON.parse(value) as Json),
    ...(object === null ? {} : { object: { name: object, bytes: objectBytes } }),
    writer: writerRun === "" ? null : { runId: writerRun, epoch: writerEpoch },
  };
}
