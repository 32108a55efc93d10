import type { Json } from "@holdfast/protocol";
import type {
  AssetDeclaration,
  AssetEvent,
  AssetName,
  AssetRow,
  ConsumerRow,
  CursorRow,
  DeclarationChanges,
} from "../../core/index.ts";
import type { Connection } from "./connection.ts";

// Rows of assets, what declares them, their events, and who consumes these.

interface StoredAsset extends Omit<AssetRow, "spec" | "active"> {
  readonly spec: string;
  readonly active: number;
}

const assetColumns = `namespace, id, uri, spec, active, created_at AS createdAt, declared_at AS declaredAt, last_event AS lastEvent`;

function toAsset({ spec, active, ...row }: StoredAsset): AssetRow {
  return { ...row, spec: JSON.parse(spec) as AssetRow["spec"], active: active === 1 };
}

export function findAssetRow(db: Connection, { namespace, id }: AssetName): AssetRow | undefined {
  const row = db.find<StoredAsset>(`SELECT ${assetColumns} FROM assets WHERE namespace = ? AND id = ?`, namespace, id);
  return row === undefined ? undefined : toAsset(row);
}

export function findByUri(db: Connection, namespace: string, uri: string): AssetRow | undefined {
  const row = db.find<StoredAsset>(
    `SELECT ${assetColumns} FROM assets INDEXED BY assets_uri WHERE namespace = ? AND uri IS NOT NULL AND uri = ?`,
    namespace,
    uri,
  );
  return row === undefined ? undefined : toAsset(row);
}

/** In the order of ids; `least`: how active they have to be, 1 or 0. */
export function selectAssets(
  db: Connection,
  { namespace, after, least, limitRows }: { namespace: string; after: string; least: number; limitRows: number },
): AssetRow[] {
  const rows = db.list<StoredAsset>(
    `SELECT ${assetColumns} FROM assets WHERE namespace = ? AND id > ? AND active >= ? ORDER BY id LIMIT ?`,
    ...[namespace, after, least, limitRows],
  );
  return rows.map(toAsset);
}

interface StoredDeclaration extends Omit<AssetDeclaration, "spec" | "uses"> {
  readonly spec: string;
  readonly uses: string;
}

const declarationColumns = "namespace, asset, root, spec, uses, declared_at AS declaredAt";

function toDeclaration({ spec, uses, ...row }: StoredDeclaration): AssetDeclaration {
  const [read, used] = [JSON.parse(spec), JSON.parse(uses)] as [AssetDeclaration["spec"], AssetDeclaration["uses"]];
  return { ...row, spec: read, uses: used };
}

/** In the order of roots. */
export function declarationsOf(db: Connection, { namespace, id }: AssetName): AssetDeclaration[] {
  const rows = db.list<StoredDeclaration>(
    `SELECT ${declarationColumns} FROM asset_declarations WHERE namespace = ? AND asset = ? ORDER BY root`,
    namespace,
    id,
  );
  return rows.map(toDeclaration);
}

export function assetsDeclaredBy(db: Connection, namespace: string, root: string): string[] {
  const rows = db.list<{ asset: string }>(
    "SELECT asset FROM asset_declarations INDEXED BY asset_declarations_root WHERE namespace = ? AND root = ?",
    namespace,
    root,
  );
  return rows.map(({ asset }) => asset);
}

interface StoredEvent {
  readonly namespace: string;
  readonly asset: string;
  readonly number: number;
  readonly key: string | null;
  readonly payload: string;
  readonly at: number;
  readonly runId: string;
  readonly epoch: number;
  readonly generation: number;
}

export function selectEventSizes(
  db: Connection,
  { namespace, id }: AssetName,
  after: number,
  limitRows: number,
): { bytes: number }[] {
  return db.list(
    `SELECT octet_length(payload) AS bytes FROM asset_events INDEXED BY asset_events_number
     WHERE namespace = ? AND asset = ? AND number > ? ORDER BY number LIMIT ?`,
    ...[namespace, id, after, limitRows],
  );
}

export function selectAssetEvents(
  db: Connection,
  { namespace, id }: AssetName,
  after: number,
  limitRows: number,
): AssetEvent[] {
  const rows = db.list<StoredEvent>(
    `SELECT namespace, asset, number, key, payload, at, writer_run AS runId, writer_epoch AS epoch, writer_generation AS generation
     FROM asset_events INDEXED BY asset_events_number
     WHERE namespace = ? AND asset = ? AND number > ? ORDER BY number LIMIT ?`,
    ...[namespace, id, after, limitRows],
  );
  return rows.map(({ payload, runId, epoch, generation, ...row }) => {
    const writer = runId === "" ? null : { runId, epoch, generation };
    return { ...row, payload: JSON.parse(payload) as Json, writer };
  });
}

export function firstEventOf(db: Connection, { namespace, id }: AssetName): number | undefined {
  return db.find<{ number: number }>(
    `SELECT number FROM asset_events INDEXED BY asset_events_number WHERE namespace = ? AND asset = ? ORDER BY number LIMIT 1`,
    namespace,
    id,
  )?.number;
}

export function numberUnder(db: Connection, { namespace, id }: AssetName, key: string): number | undefined {
  return db.find<{ number: number }>(
    `SELECT number FROM asset_events INDEXED BY asset_events_key
     WHERE namespace = ? AND asset = ? AND key IS NOT NULL AND key = ?`,
    ...[namespace, id, key],
  )?.number;
}

export function insertAssetEvent(db: Connection, event: AssetEvent): void {
  const { namespace, asset, number, key, payload, at, writer } = event;
  db.run(
    `INSERT INTO asset_events (namespace, asset, number, key, payload, at, writer_run, writer_epoch, writer_generation)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ...[namespace, asset, number, key, JSON.stringify(payload), at],
    ...[writer?.runId ?? "", writer?.epoch ?? 0, writer?.generation ?? 0],
  );
  db.run("UPDATE assets SET last_event = ? WHERE namespace = ? AND id = ?", number, namespace, asset);
}

interface StoredConsumer {
  readonly namespace: string;
  readonly definition: string;
  readonly startOn: string;
  readonly active: number;
  readonly version: number;
  readonly started: number;
  readonly lastRunId: string | null;
  readonly lastAt: number | null;
  readonly problem: string | null;
}

const consumerColumns = `c.namespace, c.definition, c.start_on AS startOn, c.active, c.version, c.started, c.last_run AS lastRunId,
  c.last_at AS lastAt, c.problem`;

function toConsumer({ startOn, active, ...row }: StoredConsumer): ConsumerRow {
  return { ...row, startOn: JSON.parse(startOn) as ConsumerRow["startOn"], active: active === 1 };
}

export function findConsumerRow(db: Connection, namespace: string, definition: string): ConsumerRow | undefined {
  const row = db.find<StoredConsumer>(
    `SELECT ${consumerColumns} FROM consumers c WHERE c.namespace = ? AND c.definition = ?`,
    namespace,
    definition,
  );
  return row === undefined ? undefined : toConsumer(row);
}

const places = `asset_cursors k INDEXED BY asset_cursors_definition CROSS JOIN assets a ON a.namespace = k.namespace AND a.id = k.asset
  WHERE k.namespace = c.namespace AND k.definition = c.definition AND k.active = 1`;
/** What core's `hasNews` says, of consumers `c` that are not paused. */
const isDue = `c.active = 1
  AND NOT EXISTS (SELECT 1 FROM pauses p WHERE p.id = '~' || c.namespace || '/definition/' || c.definition AND p.over = 0)
  AND EXISTS (SELECT 1 FROM ${places} AND a.last_event > k.position)
  AND (c.mode = 'any' OR NOT EXISTS (SELECT 1 FROM ${places} AND a.last_event <= k.position))`;

/** In the order of definitions. */
export function selectDueConsumers(db: Connection, namespace: string, after: string, limitRows: number): ConsumerRow[] {
  const rows = db.list<StoredConsumer>(
    `SELECT ${consumerColumns} FROM consumers c WHERE c.namespace = ? AND c.definition > ? AND ${isDue}
     ORDER BY c.definition LIMIT ?`,
    ...[namespace, after, limitRows],
  );
  return rows.map(toConsumer);
}

interface StoredCursor extends Omit<CursorRow, "active"> {
  readonly active: number;
}

const cursorColumns = "namespace, definition, asset, position, active";

/** Of one consumer. */
export function cursorsOf(db: Connection, namespace: string, definition: string): CursorRow[] {
  const rows = db.list<StoredCursor>(
    `SELECT ${cursorColumns} FROM asset_cursors INDEXED BY asset_cursors_definition WHERE namespace = ? AND definition = ?
     ORDER BY asset`,
    namespace,
    definition,
  );
  return rows.map(({ active, ...row }) => ({ ...row, active: active === 1 }));
}

/** The number up to which every active consumer of an asset has had its events; null: it has none. */
export function hadByAll(db: Connection, { namespace, id }: AssetName): number | null {
  const row = db.find<{ had: number | null }>(
    "SELECT min(position) AS had FROM asset_cursors INDEXED BY asset_cursors_active WHERE namespace = ? AND asset = ? AND active = 1",
    namespace,
    id,
  );
  return row?.had ?? null;
}

export function writeConsumer(db: Connection, row: ConsumerRow): void {
  const { namespace, definition, startOn, active, version, started, lastRunId, lastAt, problem } = row;
  db.run(
    `INSERT INTO consumers (namespace, definition, mode, start_on, active, version, started, last_run, last_at, problem)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET mode = excluded.mode, start_on = excluded.start_on, active = excluded.active,
       version = excluded.version, started = excluded.started, last_run = excluded.last_run, last_at = excluded.last_at,
       problem = excluded.problem`,
    ...[namespace, definition, startOn.mode, JSON.stringify(startOn), Number(active), version, started],
    ...[lastRunId, lastAt, problem],
  );
}

export function writeCursor(db: Connection, { namespace, definition, asset, position, active }: CursorRow): void {
  db.run(
    `INSERT INTO asset_cursors (${cursorColumns}) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET position = excluded.position, active = excluded.active`,
    ...[namespace, definition, asset, position, Number(active)],
  );
}

export function writeDeclarations(db: Connection, changes: DeclarationChanges): void {
  // One asset may get the URI that another one loses.
  for (const { namespace, id } of changes.assets)
    db.run("UPDATE assets SET uri = NULL WHERE namespace = ? AND id = ? AND uri IS NOT NULL", namespace, id);
  for (const { namespace, id, uri, spec, active, createdAt, declaredAt, lastEvent } of changes.assets) {
    db.run(
      `INSERT INTO assets (namespace, id, uri, spec, active, created_at, declared_at, last_event) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (namespace, id) DO UPDATE SET uri = excluded.uri, spec = excluded.spec, active = excluded.active,
         declared_at = excluded.declared_at`,
      ...[namespace, id, uri, JSON.stringify(spec), Number(active), createdAt, declaredAt, lastEvent],
    );
  }
  for (const { namespace, asset, root, spec, uses, declaredAt } of changes.declared) {
    db.run(
      `INSERT INTO asset_declarations (namespace, asset, root, spec, uses, declared_at) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET spec = excluded.spec, uses = excluded.uses, declared_at = excluded.declared_at`,
      ...[namespace, asset, root, JSON.stringify(spec), JSON.stringify(uses), declaredAt],
    );
  }
  for (const { namespace, asset, root } of changes.withdrawn)
    db.run("DELETE FROM asset_declarations WHERE namespace = ? AND asset = ? AND root = ?", namespace, asset, root);
  for (const row of changes.consumers) writeConsumer(db, row);
  for (const row of changes.cursors) writeCursor(db, row);
}

/** The first events of an asset, for whoever deletes them. */
export function firstEvents(
  db: Connection,
  { namespace, id }: AssetName,
  limitRows: number,
): { number: number; at: number }[] {
  return db.list(
    `SELECT number, at FROM asset_events INDEXED BY asset_events_number WHERE namespace = ? AND asset = ? ORDER BY number LIMIT ?`,
    ...[namespace, id, limitRows],
  );
}

export function deleteEvents(db: Connection, { namespace, id }: AssetName, upTo: number): void {
  db.run("DELETE FROM asset_events WHERE namespace = ? AND asset = ? AND number <= ?", namespace, id, upTo);
}
