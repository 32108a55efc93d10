import type { Json } from "@holdfast/protocol";
import type { AssetEvent, AssetName, KeyedEvent, TellingAsset, TellingOp } from "../../core/index.ts";
import { msArray, numberArray, textArray } from "./arrays.ts";
import { fittingText } from "./fitting.ts";
import type { Runner } from "./session.ts";

// Events of assets. Who tells one holds the asset's row, so that its number is given in the transaction.

function nameArrays(names: readonly AssetName[]): [string, string] {
  return [textArray(names.map(({ namespace }) => namespace)), textArray(names.map(({ id }) => id))];
}

/** Locks assets, in the order of namespaces and ids. */
export function lockAssets(db: Runner, names: readonly AssetName[]): Promise<TellingAsset[]> {
  return db.run<TellingAsset>("lockAssets", lockText, nameArrays(names));
}

const lockText = `
  select a.namespace, a.id, a.active, a.last_event as "lastEvent"
  from (select distinct n.namespace, n.id from unnest($1::text[], $2::text[]) n(namespace, id)) n
    join holdfast.assets a on a.namespace = n.namespace and a.id = n.id
  order by a.namespace, a.id for no key update of a`;

/** Events that stand under keys. */
export function findEventKeys(
  db: Runner,
  tellings: readonly (TellingOp & { readonly key: string })[],
): Promise<KeyedEvent[]> {
  return db.run<KeyedEvent>("findEventKeys", keysText, [
    textArray(tellings.map(({ namespace }) => namespace)),
    textArray(tellings.map(({ asset }) => asset)),
    textArray(tellings.map(({ key }) => key)),
  ]);
}

const keysText = `
  select e.namespace, e.asset, e.key, e.number
  from (select distinct * from unnest($1::text[], $2::text[], $3::text[]) n(namespace, asset, key)) n
    join holdfast.asset_events e on e.namespace = n.namespace and e.asset = n.asset and e.key = n.key and e.key is not null`;

/** Writes events of assets that are held. */
export function insertAssetEvents(db: Runner, events: readonly AssetEvent[]): Promise<unknown> {
  return db.run("insertAssetEvents", insertText, [
    textArray(events.map(({ namespace }) => namespace)),
    textArray(events.map(({ asset }) => asset)),
    numberArray(events.map(({ number }) => number)),
    textArray(events.map(({ key }) => key)),
    textArray(events.map(({ payload }) => JSON.stringify(payload))),
    msArray(events.map(({ at }) => at)),
    textArray(events.map(({ writer }) => writer?.runId ?? "")),
    numberArray(events.map(({ writer }) => writer?.epoch ?? 0)),
    numberArray(events.map(({ writer }) => writer?.generation ?? 0)),
  ]);
}

const insertText = `
  with given as materialized (
    select * from unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::int[], $9::int[])
      n(namespace, asset, number, key, payload, at, writer_run, writer_epoch, writer_generation)
  ),
  told as (
    insert into holdfast.asset_events (namespace, asset, number, key, payload, at, writer_run, writer_epoch, writer_generation)
    select g.* from given g
  )
  update holdfast.assets a set last_event = l.number
  from (select g.namespace, g.asset, max(g.number) as number from given g group by 1, 2) l
  where a.namespace = l.namespace and a.id = l.asset`;

interface StoredEvent extends Omit<AssetEvent, "payload" | "writer"> {
  readonly payload: string;
  readonly writer_run: string;
  readonly writer_epoch: number;
  readonly writer_generation: number;
}

/** See `Store.listAssetEvents`. */
export async function listAssetEvents(
  db: Runner,
  { namespace, id, after, limitRows }: AssetName & { after: number; limitRows: number },
): Promise<AssetEvent[]> {
  const rows = await db.run<StoredEvent>("listAssetEvents", listText, [namespace, id, after, limitRows]);
  return rows.map((row) => ({
    ...{ namespace: row.namespace, asset: row.asset, number: row.number, key: row.key, at: row.at },
    payload: JSON.parse(row.payload) as Json,
    writer:
      row.writer_run === ""
        ? null
        : { runId: row.writer_run, epoch: row.writer_epoch, generation: row.writer_generation },
  }));
}

const listText = fittingText(
  `select e.* from holdfast.asset_events e
  where e.namespace = $1 and e.asset = $2 and e.number > $3::bigint order by e.number limit $4`,
  { order: "number", bytes: "octet_length(t.payload)" },
);

/** Assets whose oldest event is older than this, in the order of their names, from after `after`, at most `limitRows`. */
export function listOldAssets(
  db: Runner,
  { eventsMs, after, limitRows }: { eventsMs: number; after: AssetName; limitRows: number },
): Promise<AssetName[]> {
  const { namespace, id } = after;
  return db.run<AssetName>("listOldAssets", oldText, [Math.ceil(eventsMs), namespace, id, limitRows]);
}

const oldText = `
  select a.namespace, a.id from holdfast.assets a
  where (select e.at from holdfast.asset_events e where e.namespace = a.namespace and e.asset = a.id order by e.number limit 1)
    < (select holdfast.clock_ms()) - $1::bigint and (a.namespace, a.id) > ($2, $3)
  order by a.namespace, a.id limit $4`;

/** Deletes, of assets that are held, the oldest events that are older than this and that every active consumer has had. */
export function deleteOldEvents(
  db: Runner,
  names: readonly AssetName[],
  { eventsMs, limitRows }: { eventsMs: number; limitRows: number },
): Promise<{ pruned: number }[]> {
  return db.run("deleteOldEvents", deleteOldText, [...nameArrays(names), Math.ceil(eventsMs), limitRows]);
}

// What is young ends the look at an asset: however many come after it, they are not read.
const deleteOldText = `
  with old as materialized (
    select n.namespace, n.asset, f.number
    from unnest($1::text[], $2::text[]) n(namespace, asset)
    cross join lateral (
      select min(k.position) as position from holdfast.asset_cursors k where k.namespace = n.namespace and k.asset = n.asset and k.active
    ) had
    cross join lateral (
      select y.number, bool_and(y.at < (select holdfast.clock_ms()) - $3::bigint) over (order by y.number) as is_old
      from (
        select e.number, e.at from holdfast.asset_events e
        where e.namespace = n.namespace and e.asset = n.asset and e.number <= coalesce(had.position, 9007199254740991)
        order by e.number limit $4
      ) y
    ) f
    where f.is_old limit $4
  ),
  pruned as (
    delete from holdfast.asset_events e using old o
    where e.namespace = o.namespace and e.asset = o.asset and e.number = o.number returning 1
  )
  select count(*)::int as pruned from pruned`;

/** Deletes the first events of an asset. */
export function deleteFirstEvents(db: Runner, { namespace, id }: AssetName, limitRows: number): Promise<object[]> {
  return db.run("deleteFirstEvents", deleteFirstText, [namespace, id, limitRows]);
}

// Up to the last of them, for joined with what it selects, a table that was not analysed yet is read once for each event.
const deleteFirstText = `
  delete from holdfast.asset_events e
  where e.namespace = $1 and e.asset = $2 and e.number <= (
    select max(o.number) from (
      select f.number from holdfast.asset_events f where f.namespace = $1 and f.asset = $2 order by f.number limit $3
    ) o
  ) returning 1`;
