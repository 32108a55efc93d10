import type { Manifest } from "@holdfast/protocol";
import type { Applying } from "../asset-verbs.ts";
import type { DefinitionRow, ManifestRow, RingTopic } from "../store.ts";
import { declareAssets } from "./asset-declarations.ts";
import type { Runner } from "./session.ts";
import type { SessionPool } from "./session-pool.ts";

/** Keeps a manifest once. */
export function keepManifest(db: Runner, row: ManifestRow): Promise<unknown> {
  return db.run("keepManifest", keepText, [row.hash, JSON.stringify(row.manifest)]);
}

const keepText = `insert into holdfast.manifests (hash, manifest) values ($1, $2) on conflict do nothing`;

/** Makes a manifest the current one of its definition; answers its id when it was not. */
export function makeCurrent(db: Runner, namespace: string, row: ManifestRow): Promise<{ id: string }[]> {
  return db.run("makeCurrent", currentText, [namespace, row.id, row.kind, row.hash]);
}

const currentText = `
  insert into holdfast.definitions as d (namespace, id, kind, manifest_hash, applied_at)
  values ($1, $2, $3, $4, holdfast.clock_ms())
  on conflict (namespace, id) do update set kind = excluded.kind, manifest_hash = excluded.manifest_hash,
    applied_at = excluded.applied_at
    where d.manifest_hash <> excluded.manifest_hash
  returning d.id`;

/** See `Store.applyManifests`. */
export async function applyManifests(
  pool: SessionPool,
  { namespace, manifests }: { namespace: string; manifests: readonly ManifestRow[] },
): Promise<Applying & { topics: RingTopic[] }> {
  if (manifests.length === 0) return { changed: [], topics: [] };
  return pool.transaction(async (transaction) => {
    const { conflict, consumes } = await declareAssets(transaction, namespace, manifests);
    if (conflict !== undefined) return { changed: [], conflict, topics: [] };
    const answers = manifests.map(async (row) => {
      const [, changed] = await Promise.all([keepManifest(transaction, row), makeCurrent(transaction, namespace, row)]);
      return changed;
    });
    const changed = (await Promise.all(answers)).flat().map(({ id }) => id);
    return { changed, topics: consumes ? ["assets"] : [] };
  });
}

interface StoredDefinition {
  readonly id: string;
  readonly kind: DefinitionRow["kind"];
  readonly manifest_hash: string;
  readonly applied_at: number;
}

export async function findDefinition(
  db: Runner,
  { namespace, id }: { namespace: string; id: string },
): Promise<DefinitionRow | undefined> {
  const rows = await db.run<StoredDefinition>("findDefinition", findText, [namespace, id]);
  return rows.map(toDefinition)[0];
}

const findText = `
  select d.id, d.kind, d.manifest_hash, d.applied_at from holdfast.definitions d where d.namespace = $1 and d.id = $2`;

/** In the order of their ids. */
export async function listDefinitions(db: Runner, namespace: string): Promise<DefinitionRow[]> {
  return (await db.run<StoredDefinition>("listDefinitions", listText, [namespace])).map(toDefinition);
}

const listText = `
  select d.id, d.kind, d.manifest_hash, d.applied_at from holdfast.definitions d where d.namespace = $1 order by d.id`;

export async function findManifest(db: Runner, hash: string): Promise<Manifest | undefined> {
  const rows = await db.run<{ manifest: string }>("findManifest", manifestText, [hash]);
  const [row] = rows;
  return row === undefined ? undefined : (JSON.parse(row.manifest) as Manifest);
}

const manifestText = `select m.manifest from holdfast.manifests m where m.hash = $1`;

function toDefinition(row: StoredDefinition): DefinitionRow {
  return { id: row.id, kind: row.kind, manifestHash: row.manifest_hash, appliedAt: row.applied_at };
}
