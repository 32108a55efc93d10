import {
  type AssetDeclaration,
  type AssetRow,
  type ConsumerRow,
  type CursorRow,
  DeclarationBook,
  type DeclarationChanges,
  type DeclarationsLoad,
  declaredIn,
  type UriConflict,
} from "../../core/index.ts";
import type { ManifestRow } from "../store.ts";
import { msArray, numberArray, textArray } from "./arrays.ts";
import {
  assetColumns,
  consumerColumns,
  type StoredAsset,
  type StoredConsumer,
  toAsset,
  toConsumer,
} from "./asset-rows.ts";
import type { Runner, Transaction } from "./session.ts";

// What manifests say of assets (core/asset-declarations.ts). Whoever applies some in a namespace holds its lock, so that what several
// say of one asset, and the URIs that they ask for, are looked at by one at a time.

/** Names these locks among advisory ones ("ast"). */
const declaringLock = 0x617374;

/** Waits until nobody else declares in this namespace. */
export function lockDeclaring(db: Runner, namespace: string): Promise<object[]> {
  return db.run("lockDeclaring", "select pg_advisory_xact_lock($1::int, hashtext($2))", [declaringLock, namespace]);
}

/** Assets that these roots declare, and those whose events start them. */
export function listDeclaredBy(db: Runner, namespace: string, roots: readonly string[]): Promise<{ asset: string }[]> {
  return db.run("listDeclaredBy", declaredByText, [namespace, textArray(roots)]);
}

const declaredByText = `
  select d.asset from holdfast.asset_declarations d where d.namespace = $1 and d.root = any ($2::text[])
  union select k.asset from holdfast.asset_cursors k where k.namespace = $1 and k.definition = any ($2::text[])`;

/** Holds the consumers that these definitions are. */
export function lockConsumersOf(
  db: Runner,
  namespace: string,
  definitions: readonly string[],
): Promise<StoredConsumer[]> {
  return db.run<StoredConsumer>("lockConsumersOf", lockConsumersText, [namespace, textArray(definitions)]);
}

const lockConsumersText = `
  select ${consumerColumns} from holdfast.consumers c
  where c.namespace = $1 and c.definition = any ($2::text[]) order by c.definition for no key update of c`;

/** Holds these assets, and those that have one of these URIs. */
export function lockDeclaredAssets(
  db: Runner,
  namespace: string,
  ids: readonly string[],
  uris: readonly string[],
): Promise<StoredAsset[]> {
  return db.run<StoredAsset>("lockDeclaredAssets", lockAssetsText, [namespace, textArray(ids), textArray(uris)]);
}

const lockAssetsText = `
  select ${assetColumns} from holdfast.assets a
  where a.namespace = $1 and a.id in (
    select unnest($2::text[])
    union select u.id from holdfast.assets u where u.namespace = $1 and u.uri = any ($3::text[]) and u.uri is not null
  ) order by a.id for no key update of a`;

interface StoredDeclaration {
  readonly namespace: string;
  readonly asset: string;
  readonly root: string;
  readonly spec: string;
  readonly uses: string;
  readonly declaredAt: number;
}

/** All that declare these assets. */
export function listDeclarations(db: Runner, namespace: string, ids: readonly string[]): Promise<StoredDeclaration[]> {
  return db.run<StoredDeclaration>("listDeclarations", declarationsText, [namespace, textArray(ids)]);
}

const declarationsText = `
  select d.namespace, d.asset, d.root, d.spec, d.uses, d.declared_at as "declaredAt"
  from holdfast.asset_declarations d where d.namespace = $1 and d.asset = any ($2::text[])`;

export function toDeclaration({ spec, uses, ...row }: StoredDeclaration): AssetDeclaration {
  const said = {
    spec: JSON.parse(spec) as AssetDeclaration["spec"],
    uses: JSON.parse(uses) as AssetDeclaration["uses"],
  };
  return { ...row, ...said };
}

/** The oldest events that these assets keep. */
export function listFirstEvents(
  db: Runner,
  namespace: string,
  ids: readonly string[],
): Promise<{ asset: string; number: number }[]> {
  return db.run("listFirstEvents", firstEventsText, [namespace, textArray(ids)]);
}

const firstEventsText = `
  select n.id as asset, e.number from unnest($2::text[]) n(id) cross join lateral (
    select f.number from holdfast.asset_events f where f.namespace = $1 and f.asset = n.id order by f.number limit 1) e`;

/** The places of these definitions. */
export function listCursorsOf(db: Runner, namespace: string, definitions: readonly string[]): Promise<CursorRow[]> {
  return db.run<CursorRow>("listCursorsOf", cursorsText, [namespace, textArray(definitions)]);
}

const cursorsText = `
  select k.namespace, k.definition, k.asset, k.position, k.active from holdfast.asset_cursors k
  where k.namespace = $1 and k.definition = any ($2::text[])`;

/** Writes assets, of which some may get the URI that others lose. */
export function putAssets(db: Runner, rows: readonly AssetRow[]): Promise<unknown> {
  return db.run("putAssets", putAssetsText, [
    textArray(rows.map(({ namespace }) => namespace)),
    textArray(rows.map(({ id }) => id)),
    textArray(rows.map(({ uri }) => uri)),
    textArray(rows.map(({ spec }) => JSON.stringify(spec))),
    textArray(rows.map(({ active }) => String(active))),
    msArray(rows.map(({ createdAt }) => createdAt)),
    msArray(rows.map(({ declaredAt }) => declaredAt)),
  ]);
}

const putAssetsText = `
  insert into holdfast.assets as a (namespace, id, uri, spec, active, created_at, declared_at, last_event)
  select n.*, 0 from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::boolean[], $6::bigint[], $7::bigint[])
    n(namespace, id, uri, spec, active, created_at, declared_at)
  on conflict (namespace, id) do update set uri = excluded.uri, spec = excluded.spec, active = excluded.active,
    declared_at = excluded.declared_at`;

/** Takes their URIs from assets. */
export function clearUris(db: Runner, rows: readonly AssetRow[]): Promise<unknown> {
  const [namespaces, ids] = [rows.map(({ namespace }) => namespace), rows.map(({ id }) => id)];
  return db.run("clearUris", clearUrisText, [textArray(namespaces), textArray(ids)]);
}

const clearUrisText = `
  update holdfast.assets a set uri = null from unnest($1::text[], $2::text[]) n(namespace, id)
  where a.namespace = n.namespace and a.id = n.id and a.uri is not null`;

export function putDeclarations(db: Runner, rows: readonly AssetDeclaration[]): Promise<unknown> {
  return db.run("putDeclarations", putDeclarationsText, [
    textArray(rows.map(({ namespace }) => namespace)),
    textArray(rows.map(({ asset }) => asset)),
    textArray(rows.map(({ root }) => root)),
    textArray(rows.map(({ spec }) => JSON.stringify(spec))),
    textArray(rows.map(({ uses }) => JSON.stringify(uses))),
    msArray(rows.map(({ declaredAt }) => declaredAt)),
  ]);
}

const putDeclarationsText = `
  insert into holdfast.asset_declarations (namespace, asset, root, spec, uses, declared_at)
  select n.* from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[]) n
  on conflict (namespace, asset, root) do update set spec = excluded.spec, uses = excluded.uses, declared_at = excluded.declared_at`;

export function withdrawDeclarations(db: Runner, rows: DeclarationChanges["withdrawn"]): Promise<unknown> {
  return db.run("withdrawDeclarations", withdrawText, [
    textArray(rows.map(({ namespace }) => namespace)),
    textArray(rows.map(({ asset }) => asset)),
    textArray(rows.map(({ root }) => root)),
  ]);
}

const withdrawText = `
  delete from holdfast.asset_declarations d using unnest($1::text[], $2::text[], $3::text[]) n(namespace, asset, root)
  where d.namespace = n.namespace and d.asset = n.asset and d.root = n.root`;

export function putConsumers(db: Runner, rows: readonly ConsumerRow[]): Promise<unknown> {
  return db.run("putConsumers", putConsumersText, [
    textArray(rows.map(({ namespace }) => namespace)),
    textArray(rows.map(({ definition }) => definition)),
    textArray(rows.map(({ startOn }) => startOn.mode)),
    textArray(rows.map(({ startOn }) => JSON.stringify(startOn))),
    textArray(rows.map(({ active }) => String(active))),
    numberArray(rows.map(({ version }) => version)),
  ]);
}

const putConsumersText = `
  insert into holdfast.consumers (namespace, definition, mode, start_on, active, version, started)
  select n.*, 0 from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::boolean[], $6::bigint[])
    n(namespace, definition, mode, start_on, active, version)
  on conflict (namespace, definition) do update set mode = excluded.mode, start_on = excluded.start_on, active = excluded.active,
    version = excluded.version, problem = null`;

export function putCursors(db: Runner, rows: readonly CursorRow[]): Promise<unknown> {
  return db.run("putCursors", putCursorsText, [
    textArray(rows.map(({ namespace }) => namespace)),
    textArray(rows.map(({ asset }) => asset)),
    textArray(rows.map(({ definition }) => definition)),
    numberArray(rows.map(({ position }) => position)),
    textArray(rows.map(({ active }) => String(active))),
  ]);
}

const putCursorsText = `
  insert into holdfast.asset_cursors (namespace, asset, definition, position, active)
  select n.* from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::boolean[]) n
  on conflict (namespace, asset, definition) do update set position = excluded.position, active = excluded.active`;

/** Writes what manifests say of assets; answers why nothing may be applied, or whether somebody has events to take. */
export async function declareAssets(
  transaction: Transaction,
  namespace: string,
  manifests: readonly ManifestRow[],
): Promise<{ conflict?: UriConflict; consumes: boolean }> {
  const declared = manifests.map(({ manifest }) => declaredIn(manifest));
  const roots = declared.map(({ root }) => root);
  const [, own] = await Promise.all([
    lockDeclaring(transaction, namespace),
    listDeclaredBy(transaction, namespace, roots),
  ]);
  const ids = [...new Set([...own.map(({ asset }) => asset), ...declared.flatMap(({ assets }) => [...assets.keys()])])];
  if (ids.length === 0) return { consumes: false };
  const uris = declared.flatMap(({ assets }) => [...assets.values()].flatMap(({ spec }) => spec.uri ?? []));
  const { load, now } = await loadDeclared(transaction, { namespace, roots, ids, uris });
  const book = new DeclarationBook(namespace, now);
  book.load(load);
  for (const one of declared) {
    const conflict = book.apply(one);
    if (conflict !== undefined) return { conflict, consumes: false };
  }
  const changes = book.changes();
  startWriting(transaction, changes);
  return { consumes: changes.cursors.length > 0 };
}

async function loadDeclared(
  transaction: Transaction,
  names: { namespace: string; roots: readonly string[]; ids: readonly string[]; uris: readonly string[] },
): Promise<{ load: DeclarationsLoad; now: number }> {
  const { namespace, roots, ids, uris } = names;
  const [consumers, assets, declarations, firstEvents, cursors, [clock]] = await Promise.all([
    lockConsumersOf(transaction, namespace, roots),
    lockDeclaredAssets(transaction, namespace, ids, uris),
    listDeclarations(transaction, namespace, ids),
    listFirstEvents(transaction, namespace, ids),
    listCursorsOf(transaction, namespace, roots),
    transaction.run<{ now: number }>("readClock", "select holdfast.clock_ms() as now"),
  ]);
  const load = { declarations: declarations.map(toDeclaration), assets: assets.map(toAsset), firstEvents, cursors };
  return { load: { ...load, consumers: consumers.map(toConsumer) }, now: clock?.now ?? 0 };
}

function startWriting(transaction: Transaction, changes: DeclarationChanges): void {
  const { assets, declared, withdrawn, consumers, cursors } = changes;
  const writes: Promise<unknown>[] = [];
  if (assets.length > 0) writes.push(clearUris(transaction, assets), putAssets(transaction, assets));
  if (declared.length > 0) writes.push(putDeclarations(transaction, declared));
  if (withdrawn.length > 0) writes.push(withdrawDeclarations(transaction, withdrawn));
  if (consumers.length > 0) writes.push(putConsumers(transaction, consumers));
  if (cursors.length > 0) writes.push(putCursors(transaction, cursors));
  for (const write of writes) {
    write.catch(() => {
      // The transaction remembers it and fails.
    });
  }
}
