import { type AssetName, statePlace, usedLess } from "../../core/index.ts";
import type { Store } from "../store.ts";
import { deleteFirstEvents, deleteOldEvents, listOldAssets, lockAssets } from "./asset-events.ts";
import { markObjects } from "./objects.ts";
import type { Runner, Work } from "./session.ts";
import { deleteValues, listUnder, lockScopes, writeUses } from "./state-rows.ts";

/** Assets whose events one call deletes: more are the next one's. */
const assetsPerCall = 100;

/** See `Store.pruneAssetEvents`. */
export async function pruneAssetEvents(
  db: Work,
  { eventsMs, limitRows }: { eventsMs: number; limitRows: number },
): Promise<{ pruned: number; more: boolean }> {
  const names = await listOldAssets(db, eventsMs, assetsPerCall);
  if (names.length === 0) return { pruned: 0, more: false };
  const pruned = await db.transaction(async (transaction) => {
    // Who begins to consume one of them now has begun before its events are looked at, or comes after.
    const [, [deleted]] = await Promise.all([
      lockAssets(transaction, names),
      deleteOldEvents(transaction, names, { eventsMs, limitRows }),
    ]);
    return deleted?.pruned ?? 0;
  });
  return { pruned, more: pruned === limitRows };
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
  const scopes = (["asset", "watermark"] as const).map((kind) => statePlace({ kind, id }, namespace, 0));
  const asked = scopes.map((place) => ({ ...place, namespace }));
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
