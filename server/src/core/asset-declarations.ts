import { type AssetSpec, assetUses, type Manifest, type StartOn } from "@holdfast/protocol";
import type { AssetDeclaration, AssetRow, ConsumerRow, CursorRow } from "./asset-rows.ts";

// What manifests that become current say of assets, and what becomes of their rows. Several manifests may declare one asset: what was
// said last holds, and who says nothing but its id says nothing. One that no current manifest declares is inactive: its URI is free.

/** What there is of the assets that manifests concern, in one namespace. */
export interface DeclarationsLoad {
  /** Of each such asset, by whichever root. */
  readonly declarations: readonly AssetDeclaration[];
  /** These assets, and those that have a URI which the manifests ask for. */
  readonly assets: readonly AssetRow[];
  /** The oldest event that each keeps. */
  readonly firstEvents: readonly { readonly asset: string; readonly number: number }[];
  /** Of the manifests' roots. */
  readonly consumers: readonly ConsumerRow[];
  readonly cursors: readonly CursorRow[];
}

/** What is to be written: rows as they are from now on. */
export interface DeclarationChanges {
  readonly declared: readonly AssetDeclaration[];
  readonly withdrawn: readonly Pick<AssetDeclaration, "namespace" | "asset" | "root">[];
  readonly assets: readonly AssetRow[];
  readonly consumers: readonly ConsumerRow[];
  readonly cursors: readonly CursorRow[];
}

/** An asset asks for a URI that another one has. */
export interface UriConflict {
  readonly asset: string;
  readonly uri: string;
  readonly holder: string;
}

/** What a manifest says of assets. */
export interface Declared {
  readonly root: string;
  readonly assets: ReadonlyMap<string, Pick<AssetDeclaration, "spec" | "uses">>;
  readonly startOn: StartOn | undefined;
}

/** What a manifest declares: what it lists, and what its definitions name. */
export function declaredIn({ root, definitions, assets }: Manifest): Declared {
  const startOn = definitions[root]?.startOn;
  const uses = new Map<string, Map<string, string[]>>();
  const use = (asset: string, how: string, definition: string) => {
    const of = uses.get(asset) ?? new Map<string, string[]>();
    uses.set(asset, of.set(how, [...(of.get(how) ?? []), definition]));
  };
  for (const [id, spec] of Object.entries(definitions)) {
    if (spec.kind !== "task") continue;
    for (const asset of new Set(spec.reads)) use(asset, "reads", id);
    for (const asset of new Set(spec.writes)) use(asset, "writes", id);
  }
  for (const asset of startOn?.assets ?? []) use(asset, "starts", root);
  const names = [...new Set([...Object.keys(assets), ...uses.keys()])].sort();
  const declared = names.map((id) => {
    const of = assetUses.flatMap((how) => {
      const definitionIds = uses.get(id)?.get(how)?.sort();
      return definitionIds === undefined ? [] : [[how, definitionIds] as const];
    });
    return [id, { spec: assets[id] ?? { id }, uses: Object.fromEntries(of) }] as const;
  });
  return { root, assets: new Map(declared), startOn };
}

/** Manifests that become current, one after another, in one transaction. */
export class DeclarationBook {
  readonly #namespace: string;
  readonly #now: number;
  readonly #declarations = new Map<string, Map<string, AssetDeclaration>>();
  readonly #assets = new Map<string, AssetRow>();
  readonly #firstEvents = new Map<string, number>();
  readonly #consumers = new Map<string, ConsumerRow>();
  readonly #cursors = new Map<string, CursorRow>();
  readonly #loaded = new Set<unknown>();
  readonly #withdrawn = new Map<string, Pick<AssetDeclaration, "namespace" | "asset" | "root">>();

  constructor(namespace: string, now: number) {
    this.#namespace = namespace;
    this.#now = now;
  }

  load({ declarations, assets, firstEvents, consumers, cursors }: DeclarationsLoad): void {
    for (const row of [...declarations, ...assets, ...consumers, ...cursors]) this.#loaded.add(row);
    for (const row of declarations) this.#rootsOf(row.asset).set(row.root, row);
    for (const row of assets) this.#assets.set(row.id, row);
    for (const { asset, number } of firstEvents) this.#firstEvents.set(asset, number);
    for (const row of consumers) this.#consumers.set(row.definition, row);
    for (const row of cursors) this.#cursors.set(cursorName(row), row);
  }

  /** Nothing may be written once there is a conflict. */
  apply({ root, assets, startOn }: Declared): UriConflict | undefined {
    const namespace = this.#namespace;
    const touched = new Set<string>();
    for (const [asset, { spec, uses }] of assets) {
      const known = this.#rootsOf(asset).get(root);
      if (known !== undefined && isSame([known.spec, known.uses], [spec, uses])) continue;
      this.#rootsOf(asset).set(root, { namespace, asset, root, spec, uses, declaredAt: this.#now });
      this.#withdrawn.delete(JSON.stringify([asset, root]));
      touched.add(asset);
    }
    for (const [asset, roots] of this.#declarations) {
      if (assets.has(asset) || !roots.delete(root)) continue;
      this.#withdrawn.set(JSON.stringify([asset, root]), { namespace, asset, root });
      touched.add(asset);
    }
    // Those that lose their URI before those that get one.
    const rows = [...touched].map((asset) => this.#assetOf(asset));
    for (const row of rows) this.#assets.set(row.id, { ...row, uri: null });
    for (const row of rows) {
      const holder = row.uri === null ? undefined : [...this.#assets.values()].find(({ uri }) => uri === row.uri);
      if (holder !== undefined && row.uri !== null) return { asset: row.id, uri: row.uri, holder: holder.id };
      this.#assets.set(row.id, row);
    }
    this.#consume(root, startOn);
    return undefined;
  }

  changes(): DeclarationChanges {
    const changed = <T>(rows: Iterable<T>): T[] => [...rows].filter((row) => !this.#loaded.has(row));
    return {
      declared: changed([...this.#declarations.values()].flatMap((roots) => [...roots.values()])),
      withdrawn: [...this.#withdrawn.values()],
      assets: changed(this.#assets.values()),
      consumers: changed(this.#consumers.values()),
      cursors: changed(this.#cursors.values()),
    };
  }

  /** What the standing declarations make of an asset. */
  #assetOf(id: string): AssetRow {
    const [namespace, now] = [this.#namespace, this.#now];
    const known = this.#assets.get(id);
    const standing = [...this.#rootsOf(id).values()];
    const telling = standing.filter(({ spec }) => Object.keys(spec).length > 1);
    const latest = telling.reduce<AssetDeclaration | undefined>(
      (last, one) => (last !== undefined && isLater(last, one) ? last : one),
      undefined,
    );
    const active = standing.length > 0;
    const spec: AssetSpec = latest?.spec ?? (active ? { id } : (known?.spec ?? { id }));
    const { createdAt = now, lastEvent = 0 } = known ?? {};
    return {
      namespace,
      id,
      spec,
      active,
      uri: active ? (spec.uri ?? null) : null,
      createdAt,
      declaredAt: now,
      lastEvent,
    };
  }

  #consume(definition: string, startOn: StartOn | undefined): void {
    const known = this.#consumers.get(definition);
    const said = startOn ?? known?.startOn;
    if (said === undefined) return;
    const active = startOn !== undefined;
    const asked = active ? said.assets : [];
    const before = [...this.#cursors.values()].filter((cursor) => cursor.definition === definition);
    const others = before.flatMap(({ asset }) => (asked.includes(asset) ? [] : asset));
    const moved = [...asked, ...others].filter((asset) => this.#point(definition, asset, said, asked.includes(asset)));
    const isUnchanged = known?.active === active && isSame(known.startOn, said) && known.problem === null;
    if (isUnchanged && moved.length === 0) return;
    const { started = 0, lastRunId = null, lastAt = null, version = 0 } = known ?? {};
    const row = { namespace: this.#namespace, definition, startOn: said, active, version: version + 1, problem: null };
    this.#consumers.set(definition, { ...row, started, lastRunId, lastAt });
  }

  /** Lets a consumer ask for an asset from now on, or no more. False: it is so already. */
  #point(definition: string, asset: string, { from }: StartOn, active: boolean): boolean {
    const namespace = this.#namespace;
    const name = cursorName({ definition, asset });
    const cursor = this.#cursors.get(name);
    if (cursor?.active === active) return false;
    const lastEvent = this.#assets.get(asset)?.lastEvent ?? 0;
    const begin = from === "start" ? 0 : lastEvent;
    // What was deleted meanwhile cannot be had any more: it is passed over, so that nobody waits for it.
    const passed = (this.#firstEvents.get(asset) ?? lastEvent + 1) - 1;
    const position = active ? Math.max(cursor?.position ?? begin, passed) : (cursor?.position ?? 0);
    this.#cursors.set(name, { namespace, definition, asset, position, active });
    return true;
  }

  #rootsOf(asset: string): Map<string, AssetDeclaration> {
    const roots = this.#declarations.get(asset) ?? new Map<string, AssetDeclaration>();
    this.#declarations.set(asset, roots);
    return roots;
  }
}

function isLater(one: AssetDeclaration, other: AssetDeclaration): boolean {
  return one.declaredAt === other.declaredAt ? one.root > other.root : one.declaredAt > other.declaredAt;
}

function cursorName({ definition, asset }: Pick<CursorRow, "definition" | "asset">): string {
  return JSON.stringify([definition, asset]);
}

/** Of JSON that was made alike: the order of names counts. */
function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
