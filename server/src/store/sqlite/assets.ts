import { type AssetRow, assetPlaces, type ConsumerRow, pauseId, type StatePlace } from "../../core/index.ts";
import { admitText } from "../admission.ts";
import { admitConsumptions } from "../asset-admission.ts";
import type { AssetDetail, ConsumerDetail, ConsumingResult, Consumption } from "../asset-verbs.ts";
import { type AssetWriter, lastWriters, maxWriters, maxWritings } from "../asset-writers.ts";
import { fittingRows } from "../page-bytes.ts";
import type { Store } from "../store.ts";
import * as rows from "./asset-rows.ts";
import type { Connection } from "./connection.ts";
import { findDefinition } from "./definitions.ts";
import { enqueueRuns } from "./enqueue.ts";
import { findPause } from "./pauses.ts";
import { forgetValue, listUnder } from "./state-rows.ts";
import type { Turn } from "./turn.ts";

// Assets (core/asset-declarations.ts and core/asset-events.ts have the rules).

type Args<Verb extends keyof Store> = Parameters<Store[Verb]>[0];
type Answer<Verb extends keyof Store> = Awaited<ReturnType<Store[Verb]>>;

export function listAssets({ db }: Turn, args: Args<"listAssets">): AssetRow[] {
  const { namespace, after = "", inactive = false, limitRows } = args;
  return rows.selectAssets(db, { namespace, after, least: inactive ? 0 : 1, limitRows });
}

export function findAsset({ db }: Turn, query: Args<"findAsset">): AssetDetail | undefined {
  const { namespace } = query;
  const asset = "id" in query ? rows.findAssetRow(db, query) : rows.findByUri(db, namespace, query.uri);
  if (asset === undefined) return undefined;
  const writings = [...tellersOf(db, asset), ...assetPlaces(asset).flatMap((place) => valueWriters(db, place))];
  const firstEvent = rows.firstEventOf(db, asset) ?? null;
  return { asset, declarations: rows.declarationsOf(db, asset), writers: lastWriters(writings), firstEvent };
}

function tellersOf(db: Connection, { namespace, id }: AssetRow): AssetWriter[] {
  const told = db.list<AssetWriter>(
    `SELECT writer_run AS runId, at FROM asset_events INDEXED BY asset_events_number WHERE namespace = ? AND asset = ?
     ORDER BY number DESC LIMIT ?`,
    ...[namespace, id, maxWritings],
  );
  return told.filter(({ runId }) => runId !== "");
}

/** A scope is as large as it may be: so it is looked through. */
function valueWriters(db: Connection, { kind, id, generation }: StatePlace): AssetWriter[] {
  return db.list<AssetWriter>(
    `SELECT writer_run AS runId, max(updated_at) AS at FROM "values" INDEXED BY values_key
     WHERE scope_kind = ? AND scope_id = ? AND generation = ? AND writer_run <> '' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ?`,
    ...[kind, id, generation, maxWriters],
  );
}

export function listAssetEvents(
  { db }: Turn,
  { namespace, id, after, limitRows }: Args<"listAssetEvents">,
): Answer<"listAssetEvents"> {
  const sizes = rows.selectEventSizes(db, { namespace, id }, after, limitRows);
  const fit = fittingRows(sizes, ({ bytes }) => bytes);
  return rows.selectAssetEvents(db, { namespace, id }, after, fit);
}

export function findConsumer(turn: Turn, { namespace, definition }: Args<"findConsumer">): ConsumerDetail | undefined {
  const consumer = rows.findConsumerRow(turn.db, namespace, definition);
  return consumer === undefined ? undefined : detailOf(turn, consumer);
}

export function dueConsumers(turn: Turn, args: Args<"dueConsumers">): ConsumerDetail[] {
  const { namespace, after = "", limitRows } = args;
  const due = rows.selectDueConsumers(turn.db, namespace, after, limitRows);
  return due.map((consumer) => detailOf(turn, consumer));
}

function detailOf(turn: Turn, consumer: ConsumerRow): ConsumerDetail {
  const { namespace, definition, startOn } = consumer;
  const cursors = new Map(rows.cursorsOf(turn.db, namespace, definition).map((cursor) => [cursor.asset, cursor]));
  const places = startOn.assets.flatMap((asset) => {
    const cursor = cursors.get(asset);
    const row = rows.findAssetRow(turn.db, { namespace, id: asset });
    if (cursor?.active !== true || row === undefined) return [];
    return { asset, position: cursor.position, lastEvent: row.lastEvent };
  });
  const manifestHash = findDefinition(turn, { namespace, id: definition })?.manifestHash ?? null;
  return { consumer, places, manifestHash, paused: isPaused(turn.db, consumer) };
}

function isPaused(db: Connection, { namespace, definition: name }: ConsumerRow): boolean {
  return findPause(db, pauseId({ namespace, kind: "definition", name })) !== undefined;
}

export function consumeEvents(turn: Turn, { rows: taken }: { rows: readonly Consumption[] }): ConsumingResult[] {
  admitConsumptions(taken);
  return taken.map((row) => consumeOne(turn, row));
}

function consumeOne(turn: Turn, row: Consumption): ConsumingResult {
  const { db, now } = turn;
  const { namespace, definition, version, taken, run } = row;
  const consumer = rows.findConsumerRow(db, namespace, definition);
  if (consumer?.version !== version || !consumer.active || isPaused(db, consumer)) return { outcome: "stale" };
  const [result] = enqueueRuns(turn, { rows: [{ ...run, onlyIfCurrent: true }] });
  if (result?.outcome !== "created" && result?.outcome !== "existing") return { outcome: "stale" };
  const cursors = rows.cursorsOf(db, namespace, definition);
  for (const { asset, to } of taken) {
    const cursor = cursors.find((one) => one.asset === asset);
    if (cursor !== undefined) rows.writeCursor(db, { ...cursor, position: to });
  }
  const moved = { version: version + 1, started: consumer.started + 1, problem: null };
  rows.writeConsumer(db, { ...consumer, ...moved, lastRunId: run.run.id, lastAt: now });
  return { outcome: "consumed", run: result };
}

export function noteConsumer({ db }: Turn, args: Args<"noteConsumer">): { noted: boolean } {
  admitText([args]);
  const { namespace, definition, version, problem } = args;
  const { changes } = db.run(
    "UPDATE consumers SET problem = ? WHERE namespace = ? AND definition = ? AND version = ?",
    ...[problem, namespace, definition, version],
  );
  return { noted: changes > 0 };
}

export function pruneAssetEvents(
  { db, now }: Turn,
  { eventsMs, limitRows }: Args<"pruneAssetEvents">,
): { pruned: number; more: boolean } {
  let pruned = 0;
  // The first event of each says whether any of its are old.
  const names = db.list<{ namespace: string; id: string; lastEvent: number }>(
    `SELECT a.namespace, a.id, a.last_event AS lastEvent FROM assets a
     WHERE (SELECT e.at FROM asset_events e INDEXED BY asset_events_number
       WHERE e.namespace = a.namespace AND e.asset = a.id ORDER BY e.number LIMIT 1) < ? ORDER BY a.namespace, a.id`,
    now - eventsMs,
  );
  for (const name of names) {
    const had = rows.hadByAll(db, name) ?? name.lastEvent;
    const first = rows.firstEvents(db, name, limitRows - pruned);
    const young = first.findIndex(({ number, at }) => number > had || at >= now - eventsMs);
    const old = young === -1 ? first : first.slice(0, young);
    const last = old.at(-1);
    if (last === undefined) continue;
    rows.deleteEvents(db, name, last.number);
    pruned += old.length;
    if (pruned === limitRows) break;
  }
  return { pruned, more: pruned === limitRows };
}

export function forgetAsset({ db, now }: Turn, args: Args<"forgetAsset">): Answer<"forgetAsset"> {
  const { namespace, id, limitRows } = args;
  const asset = rows.findAssetRow(db, { namespace, id });
  if (asset === undefined) return { outcome: "not_found" };
  if (asset.active) return { outcome: "active" };
  const values = assetPlaces(asset)
    .flatMap((place) => listUnder(db, place, ""))
    .slice(0, limitRows);
  for (const row of values) forgetValue(db, row, now);
  const events = rows.firstEvents(db, asset, limitRows - values.length);
  const last = events.at(-1);
  if (last !== undefined) rows.deleteEvents(db, asset, last.number);
  if (values.length + events.length === limitRows) return { outcome: "more" };
  db.run("DELETE FROM asset_cursors WHERE namespace = ? AND asset = ?", namespace, id);
  db.run("DELETE FROM assets WHERE namespace = ? AND id = ?", namespace, id);
  return { outcome: "forgotten" };
}
