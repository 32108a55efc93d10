import {
  type AssetRow,
  assetPlaces,
  type ConsumerRow,
  compareKeys,
  DeclarationBook,
  declaredIn,
  hasNews,
  pauseId,
} from "../../core/index.ts";
import { jsonBytes } from "../admission.ts";
import type { AssetDetail, ConsumerDetail, ConsumingResult, Consumption } from "../asset-verbs.ts";
import { type AssetWriter, lastWriters, maxWritings } from "../asset-writers.ts";
import { fittingRows } from "../page-bytes.ts";
import type { ManifestRow, Store } from "../store.ts";
import { enqueueRuns } from "./enqueue.ts";
import { frozen } from "./kept.ts";
import type { Memory } from "./memory.ts";
import { deleteValue } from "./state.ts";

// Assets (core/asset-declarations.ts and core/asset-events.ts have the rules).

type Args<Verb extends keyof Store> = Parameters<Store[Verb]>[0];
type Answer<Verb extends keyof Store> = Awaited<ReturnType<Store[Verb]>>;

/** See `Store.applyManifests`. */
export function applyManifests(
  memory: Memory,
  namespace: string,
  manifests: readonly ManifestRow[],
): Answer<"applyManifests"> {
  const { assets } = memory;
  const now = memory.now();
  const book = new DeclarationBook(namespace, now);
  const all = assets.list(namespace);
  book.load({
    declarations: all.flatMap((row) => assets.declarations(row)),
    assets: all,
    firstEvents: all.flatMap((row) => {
      const first = assets.events(row)[0];
      return first === undefined ? [] : { asset: row.id, number: first.number };
    }),
    consumers: assets.consumers(namespace),
    cursors: all.flatMap((row) => assets.cursors(row)),
  });
  for (const { manifest } of manifests) {
    const conflict = book.apply(declaredIn(manifest));
    if (conflict !== undefined) return { changed: [], conflict };
  }
  const changes = book.changes();
  for (const row of changes.assets) assets.put(frozen(row));
  for (const row of changes.declared) assets.declare(frozen(row));
  for (const row of changes.withdrawn) assets.withdraw(row);
  for (const row of changes.consumers) assets.putConsumer(frozen(row));
  for (const row of changes.cursors) assets.putCursor(frozen(row));
  if (changes.cursors.length > 0) memory.bell.ring(["assets"]);
  return { changed: memory.definitions.apply(namespace, manifests, now) };
}

export function listAssets({ assets }: Memory, args: Args<"listAssets">): AssetRow[] {
  const { namespace, after = "", inactive = false, limitRows } = args;
  const rows = assets.list(namespace).filter(({ id, active }) => id > after && (active || inactive));
  return rows.slice(0, limitRows);
}

export function findAsset(memory: Memory, query: Args<"findAsset">): AssetDetail | undefined {
  const { assets, state } = memory;
  const { namespace } = query;
  const asset =
    "id" in query ? assets.find(query) : assets.list(namespace).find(({ uri }) => uri !== null && uri === query.uri);
  if (asset === undefined) return undefined;
  const events = assets.events(asset);
  const told = events.slice(-maxWritings).flatMap(({ writer, at }) => (writer === null ? [] : { ...writer, at }));
  const written = assetPlaces(asset).flatMap((place) => {
    const rows = state.under(place);
    return rows.flatMap(({ writer, updatedAt: at }): AssetWriter[] => (writer === null ? [] : [{ ...writer, at }]));
  });
  const writers = lastWriters([...told, ...written].map(({ runId, at }) => ({ runId, at })));
  return { asset, declarations: assets.declarations(asset), writers, firstEvent: events[0]?.number ?? null };
}

export function listAssetEvents(
  { assets }: Memory,
  { namespace, id, after, limitRows }: Args<"listAssetEvents">,
): Answer<"listAssetEvents"> {
  const found = assets.events({ namespace, id }, after).slice(0, limitRows);
  return found.slice(
    0,
    fittingRows(found, ({ payload }) => jsonBytes(payload)),
  );
}

export function findConsumer(
  memory: Memory,
  { namespace, definition }: Args<"findConsumer">,
): ConsumerDetail | undefined {
  const consumer = memory.assets.consumer(namespace, definition);
  return consumer === undefined ? undefined : detailOf(memory, consumer);
}

export function dueConsumers(memory: Memory, { namespace, after = "", limitRows }: Args<"dueConsumers">) {
  const due = memory.assets
    .consumers(namespace)
    .filter(({ definition, active }) => active && compareKeys(definition, after) > 0)
    .map((consumer) => detailOf(memory, consumer))
    .filter(({ consumer, places, paused }) => !paused && hasNews(consumer.startOn, places));
  return due.slice(0, limitRows);
}

function detailOf(memory: Memory, consumer: ConsumerRow): ConsumerDetail {
  const { namespace, definition, startOn } = consumer;
  const places = startOn.assets.flatMap((asset) => {
    const cursor = memory.assets.cursor(namespace, definition, asset);
    const row = memory.assets.find({ namespace, id: asset });
    if (cursor?.active !== true || row === undefined) return [];
    return { asset, position: cursor.position, lastEvent: row.lastEvent };
  });
  const manifestHash = memory.definitions.find(namespace, definition)?.manifestHash ?? null;
  return { consumer, places, manifestHash, paused: isPaused(memory, consumer) };
}

function isPaused({ pauses }: Memory, { namespace, definition: name }: ConsumerRow): boolean {
  return pauses.find(pauseId({ namespace, kind: "definition", name })) !== undefined;
}

/** See `Store.consumeEvents`. */
export function consumeEvents(memory: Memory, rows: readonly Consumption[]): ConsumingResult[] {
  return rows.map((row): ConsumingResult => {
    const { namespace, definition, version, taken, run } = row;
    const consumer = memory.assets.consumer(namespace, definition);
    if (consumer?.version !== version || !consumer.active || isPaused(memory, consumer)) return { outcome: "stale" };
    const [result] = enqueueRuns(memory, [{ ...run, onlyIfCurrent: true }]);
    if (result?.outcome !== "created" && result?.outcome !== "existing") return { outcome: "stale" };
    for (const { asset, to } of taken) {
      const cursor = memory.assets.cursor(namespace, definition, asset);
      if (cursor !== undefined) memory.assets.putCursor(frozen({ ...cursor, position: to }));
    }
    const moved = { version: version + 1, started: consumer.started + 1, problem: null };
    memory.assets.putConsumer(frozen({ ...consumer, ...moved, lastRunId: run.run.id, lastAt: memory.now() }));
    return { outcome: "consumed", run: result };
  });
}

export function noteConsumer(
  { assets }: Memory,
  { namespace, definition, version, problem }: Args<"noteConsumer">,
): { noted: boolean } {
  const consumer = assets.consumer(namespace, definition);
  if (consumer?.version !== version) return { noted: false };
  assets.putConsumer(frozen({ ...consumer, problem }));
  return { noted: true };
}

/** See `Store.pruneAssetEvents`. */
export function pruneAssetEvents(
  memory: Memory,
  { eventsMs, limitRows }: Args<"pruneAssetEvents">,
): { pruned: number; more: boolean } {
  const { assets } = memory;
  const before = memory.now() - eventsMs;
  let pruned = 0;
  for (const asset of assets.all()) {
    const positions = assets.cursors(asset).flatMap(({ active, position }) => (active ? position : []));
    const had = Math.min(asset.lastEvent, ...positions);
    const events = assets.events(asset);
    const young = events.findIndex(({ number, at }) => number > had || at >= before);
    const old = (young === -1 ? events : events.slice(0, young)).slice(0, limitRows - pruned);
    const last = old.at(-1);
    if (last === undefined) continue;
    assets.forgetEvents(asset, last.number);
    pruned += old.length;
    if (pruned === limitRows) break;
  }
  return { pruned, more: pruned === limitRows };
}

/** See `Store.forgetAsset`. */
export function forgetAsset(
  { assets, state }: Memory,
  { namespace, id, limitRows }: Args<"forgetAsset">,
): Answer<"forgetAsset"> {
  const asset = assets.find({ namespace, id });
  if (asset === undefined) return { outcome: "not_found" };
  if (asset.active) return { outcome: "active" };
  const values = assetPlaces(asset)
    .flatMap((place) => state.under(place))
    .slice(0, limitRows);
  for (const row of values) deleteValue(state, row);
  const events = assets.events(asset).slice(0, limitRows - values.length);
  const last = events.at(-1);
  if (last !== undefined) assets.forgetEvents(asset, last.number);
  if (values.length + events.length === limitRows) return { outcome: "more" };
  assets.forget(asset);
  return { outcome: "forgotten" };
}
