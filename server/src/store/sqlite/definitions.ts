import type { Manifest } from "@holdfast/protocol";
import { admitManifests } from "../admission.ts";
import type { Applying } from "../asset-verbs.ts";
import type { DefinitionRow, ManifestRow } from "../store.ts";
import { declareAssets } from "./asset-declarations.ts";
import type { Turn } from "./turn.ts";

export function applyManifests(
  turn: Turn,
  { namespace, manifests }: { namespace: string; manifests: readonly ManifestRow[] },
): Applying {
  admitManifests(manifests);
  const conflict = declareAssets(turn, namespace, manifests);
  if (conflict !== undefined) return { changed: [], conflict };
  const { db, now } = turn;
  const changed: string[] = [];
  for (const { id, kind, hash, manifest } of manifests) {
    db.run(
      "INSERT INTO manifests (hash, manifest) VALUES (?, ?) ON CONFLICT (hash) DO NOTHING",
      hash,
      JSON.stringify(manifest),
    );
    const { changes } = db.run(
      `INSERT INTO definitions (namespace, id, kind, manifest_hash, applied_at) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (namespace, id) DO UPDATE
       SET kind = excluded.kind, manifest_hash = excluded.manifest_hash, applied_at = excluded.applied_at
       WHERE manifest_hash <> excluded.manifest_hash`,
      namespace,
      id,
      kind,
      hash,
      now,
    );
    if (changes > 0) changed.push(id);
  }
  return { changed };
}

const columns = "id, kind, manifest_hash AS manifestHash, applied_at AS appliedAt";

export function findDefinition(
  { db }: Turn,
  { namespace, id }: { namespace: string; id: string },
): DefinitionRow | undefined {
  return db.find(`SELECT ${columns} FROM definitions WHERE namespace = ? AND id = ?`, namespace, id);
}

export function listDefinitions({ db }: Turn, { namespace }: { namespace: string }): DefinitionRow[] {
  return db.list(`SELECT ${columns} FROM definitions WHERE namespace = ? ORDER BY id`, namespace);
}

export function findManifest({ db }: Turn, { hash }: { hash: string }): Manifest | undefined {
  const row = db.find<{ manifest: string }>("SELECT manifest FROM manifests WHERE hash = ?", hash);
  return row === undefined ? undefined : (JSON.parse(row.manifest) as Manifest);
}
