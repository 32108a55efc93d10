import type { AssetDeclaration, AssetRow, ConsumerPlace, ConsumerRow } from "../../core/index.ts";
import type { AssetDetail, AssetQuery, ConsumerDetail } from "../asset-verbs.ts";
import { type AssetWriter, lastWriters, maxWriters, maxWritings } from "../asset-writers.ts";
import type { Runner } from "./session.ts";

// Assets and their consumers, as they are read. Each read is one statement.

export interface StoredAsset extends Omit<AssetRow, "spec"> {
  readonly spec: string;
}

export const assetColumns = `a.namespace, a.id, a.uri, a.spec, a.active, a.created_at as "createdAt", a.declared_at as "declaredAt",
  a.last_event as "lastEvent"`;

export function toAsset({ spec, ...row }: StoredAsset): AssetRow {
  return { ...row, spec: JSON.parse(spec) as AssetRow["spec"] };
}

/** See `Store.listAssets`. */
export async function listAssets(
  db: Runner,
  args: { namespace: string; after?: string; inactive?: boolean; limitRows: number },
): Promise<AssetRow[]> {
  const { namespace, after = "", inactive = false, limitRows } = args;
  const rows = await db.run<StoredAsset>("listAssets", listText, [namespace, after, inactive, limitRows]);
  return rows.map(toAsset);
}

const listText = `
  select ${assetColumns} from holdfast.assets a
  where a.namespace = $1 and a.id > $2 and (a.active or $3) order by a.id limit $4`;

interface StoredDetail extends StoredAsset {
  /** JSON. */
  readonly declarations: string | null;
  readonly writers: string | null;
  readonly first_event: number | null;
}

/** See `Store.findAsset`. */
export async function findAsset(db: Runner, query: AssetQuery): Promise<AssetDetail | undefined> {
  const { namespace } = query;
  const [row] =
    "id" in query
      ? await db.run<StoredDetail>("findAsset", detailText("a.id = $2"), [namespace, query.id])
      : await db.run<StoredDetail>("findAssetByUri", detailText("a.uri = $2 and a.uri is not null"), [
          namespace,
          query.uri,
        ]);
  if (row === undefined) return undefined;
  const { declarations, writers, first_event: firstEvent, ...asset } = row;
  const said = JSON.parse(declarations ?? "[]") as (Omit<AssetDeclaration, "spec" | "uses"> &
    Record<"spec" | "uses", string>)[];
  return {
    asset: toAsset(asset),
    declarations: said.map(({ spec, uses, ...rest }) => ({ ...rest, spec: JSON.parse(spec), uses: JSON.parse(uses) })),
    writers: lastWriters(JSON.parse(writers ?? "[]") as AssetWriter[]),
    firstEvent,
  };
}

const valuesText = (kind: string): string => `
  (select v.writer_run, max(v.updated_at) as at from holdfast.values v
    where v.scope_kind = '${kind}' and v.scope_id = a.namespace || '/' || a.id and v.generation = 0 and v.writer_run <> ''
    group by 1 order by 2 desc, 1 limit ${maxWriters})`;

const detailText = (which: string): string => `
  select ${assetColumns},
    (select json_agg(json_build_object('namespace', d.namespace, 'asset', d.asset, 'root', d.root, 'spec', d.spec, 'uses', d.uses,
        'declaredAt', d.declared_at) order by d.root)
      from holdfast.asset_declarations d where d.namespace = a.namespace and d.asset = a.id)::text as declarations,
    (select json_agg(json_build_object('runId', w.writer_run, 'at', w.at)) from (
        select t.writer_run, t.at from (
          select e.writer_run, e.at from holdfast.asset_events e where e.namespace = a.namespace and e.asset = a.id
          order by e.number desc limit ${maxWritings}) t where t.writer_run <> ''
        union all ${valuesText("asset")} union all ${valuesText("watermark")}
      ) w)::text as writers,
    (select e.number from holdfast.asset_events e where e.namespace = a.namespace and e.asset = a.id
      order by e.number limit 1) as first_event
  from holdfast.assets a where a.namespace = $1 and ${which}`;

export interface StoredConsumer extends Omit<ConsumerRow, "startOn"> {
  readonly startOn: string;
}

export const consumerColumns = `c.namespace, c.definition, c.start_on as "startOn", c.active, c.version, c.started,
  c.last_run as "lastRunId", c.last_at as "lastAt", c.problem`;

export function toConsumer({ startOn, ...row }: StoredConsumer): ConsumerRow {
  return { ...row, startOn: JSON.parse(startOn) as ConsumerRow["startOn"] };
}

interface StoredConsumerDetail extends StoredConsumer {
  /** JSON. */
  readonly places: string | null;
  readonly manifest_hash: string | null;
  readonly paused: boolean;
}

const placesText = `holdfast.asset_cursors k join holdfast.assets a on a.namespace = k.namespace and a.id = k.asset
  where k.namespace = c.namespace and k.definition = c.definition and k.active`;
/** Whether a pause of its definition holds. */
export const isPausedText = `exists (
  select 1 from holdfast.pauses p where p.id = '~' || c.namespace || '/definition/' || c.definition and not p.over)`;

const consumerText = `
  select ${consumerColumns}, ${isPausedText} as paused,
    (select json_agg(json_build_object('asset', k.asset, 'position', k.position, 'lastEvent', a.last_event)) from ${placesText})::text as places,
    (select d.manifest_hash from holdfast.definitions d where d.namespace = c.namespace and d.id = c.definition) as manifest_hash
  from holdfast.consumers c`;

function toDetail({ places, manifest_hash: manifestHash, paused, ...stored }: StoredConsumerDetail): ConsumerDetail {
  const consumer = toConsumer(stored);
  const known = new Map((JSON.parse(places ?? "[]") as ConsumerPlace[]).map((place) => [place.asset, place]));
  return { consumer, places: consumer.startOn.assets.flatMap((asset) => known.get(asset) ?? []), manifestHash, paused };
}

/** See `Store.findConsumer`. */
export async function findConsumer(
  db: Runner,
  { namespace, definition }: { namespace: string; definition: string },
): Promise<ConsumerDetail | undefined> {
  const rows = await db.run<StoredConsumerDetail>("findConsumer", findConsumerText, [namespace, definition]);
  return rows.map(toDetail)[0];
}

const findConsumerText = `${consumerText} where c.namespace = $1 and c.definition = $2`;

/** See `Store.dueConsumers`. */
export async function dueConsumers(
  db: Runner,
  { namespace, after = "", limitRows }: { namespace: string; after?: string; limitRows: number },
): Promise<ConsumerDetail[]> {
  const rows = await db.run<StoredConsumerDetail>("dueConsumers", dueText, [namespace, after, limitRows]);
  return rows.map(toDetail);
}

// What core's `hasNews` says.
const dueText = `${consumerText}
  where c.namespace = $1 and c.definition > $2 and c.active and not ${isPausedText}
    and exists (select 1 from ${placesText} and a.last_event > k.position)
    and (c.mode = 'any' or not exists (select 1 from ${placesText} and a.last_event <= k.position))
  order by c.definition limit $3`;
