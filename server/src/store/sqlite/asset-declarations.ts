import { DeclarationBook, type Declared, declaredIn, type UriConflict } from "../../core/index.ts";
import type { ManifestRow } from "../store.ts";
import * as rows from "./asset-rows.ts";
import type { Connection } from "./connection.ts";
import type { Turn } from "./turn.ts";

/** Writes what manifests say of assets; answers why nothing may be applied. */
export function declareAssets(
  { db, now, ring }: Turn,
  namespace: string,
  manifests: readonly ManifestRow[],
): UriConflict | undefined {
  const declared = manifests.map(({ manifest }) => declaredIn(manifest));
  const book = new DeclarationBook(namespace, now);
  load(db, book, namespace, declared);
  for (const one of declared) {
    const conflict = book.apply(one);
    if (conflict !== undefined) return conflict;
  }
  const changes = book.changes();
  rows.writeDeclarations(db, changes);
  if (changes.cursors.length > 0) ring("assets");
  return undefined;
}

function load(db: Connection, book: DeclarationBook, namespace: string, declared: readonly Declared[]): void {
  const roots = declared.map(({ root }) => root);
  const own = roots.flatMap((root) => rows.assetsDeclaredBy(db, namespace, root));
  const ids = new Set([...own, ...declared.flatMap(({ assets }) => [...assets.keys()])]);
  const names = [...ids].map((id) => ({ namespace, id }));
  const known = names.flatMap((name) => rows.findAssetRow(db, name) ?? []);
  const uris = declared.flatMap(({ assets }) => [...assets.values()].flatMap(({ spec }) => spec.uri ?? []));
  const holders = uris.flatMap((uri) => rows.findByUri(db, namespace, uri) ?? []);
  book.load({
    declarations: names.flatMap((name) => rows.declarationsOf(db, name)),
    assets: [...known, ...holders.filter(({ id }) => !ids.has(id))],
    firstEvents: names.flatMap((name) => {
      const number = rows.firstEventOf(db, name);
      return number === undefined ? [] : { asset: name.id, number };
    }),
    consumers: roots.flatMap((root) => rows.findConsumerRow(db, namespace, root) ?? []),
    cursors: roots.flatMap((root) => rows.cursorsOf(db, namespace, root)),
  });
}
