import { type AssetName, assetPlaces, usedLess } from "../../core/index.ts";
import type { Store } from "../store.ts";
import { deleteFirstEvents, deleteOldEvents, listOldAssets, lockAssets } from "./asset-events.ts";
import { markObjects } from "./objects.ts";
import type { Runner, Work } from "./session.ts";
import { deleteValues, listUnder, lockScopes, writeUses } from "./state-rows.ts";

/** Assets that one transaction holds. */
const pageRows = 100;

/** See `Store.pruneAssetEvents`. It goes on past assets of which every old event is still to be had by somebody. */
export async function pruneAssetEvents(
  db: Work,
  { eventsMs, limitRows }: { eventsMs: number; limitRows: number },
): Promise<{ pruned: number; more: boolean }> {
  let pruned = 0;
  let after: AssetName | undefined = { namespace: "", id: "" };
  while (after !== undefined && pruned < limitRows) {
    const names: AssetName[] = await listOldAssets(db, { eventsMs, after, limitRows: pageRows });
    if (names.length > 0) pruned += await pruneEventsOf(db, names, { eventsMs, limitRows: limitRows - pruned });
    after = names[pageRows - 1];
  }
  return { pruned, more: pruned === limitRows };
}

function pruneEventsOf(
  db: Work,
  names: readonly AssetName[],
  bounds: { eventsMs: number; limitRows: number },
): Promise<number> {
  return db.transaction(async (transaction) => {
    // Who begins to consume one of them now has begun before its events are looked at, or comes after.
    const [, [deleted]] = await Promise.all([
      lockAssets(transaction, names),
      deleteOldEvents(transaction, names, bounds),
    ]);
    return deleted?.pruned ?? 0;
  });
}

/** Deletes an asset and the places of those who consumed it. */
export function deleteAsset(db: Runner, { namespace, id }: AssetName): Promise<unknown> {
  return db.run("deleteAsset", deleteText, [namespace, id]);
}

const deleteText = `
  with places as (delete from holdfast.asset_cursors k where k.namespace = $1 and k.asset = $2)
  delete from holdfast.assets a where a.namespace = $1 and a.id = $2`;

/** See `Store.forgetAsset`. */
export function forgetAsset(
  db: Work,
  { namespace, id, limitRows }: AssetName & { limitRows: number },
): ReturnType<Store["forgetAsset"]> {
  const asked = assetPlaces({ namespace, id }).map((place) => ({ ...place, namespace }));
  return db.transaction(async (transaction) => {
    const [uses, [asset]] = await Promise.all([
      lockScopes(transaction, asked),
      lockAssets(transaction, [{ namespace, id }]),
    ]);
    if (asset === undefined) return { outcome: "not_found" };
    if (asset.active) return { outcome: "active" };
    const under = await listUnder(
      transaction,
      asked,
      asked.map(() => ""),
    );
    const values = under.slice(0, limitRows);
    const left = uses.map((use) => values.filter(({ place }) => place.kind === use.place.kind).reduce(usedLess, use));
    const loosened = values.flatMap(({ object }) => object?.name ?? []);
    const [events] = await Promise.all([
      deleteFirstEvents(transaction, { namespace, id }, limitRows - values.length),
      ...(values.length === 0 ? [] : [deleteValues(transaction, values), writeUses(transaction, left)]),
      ...(loosened.length === 0 ? [] : [markObjects(transaction, { named: [], loosened })]),
    ]);
    if (values.length + events.length === limitRows) return { outcome: "more" };
    await deleteAsset(transaction, { namespace, id });
    return { outcome: "forgotten" };
  });
}
