import type { AssetDeclaration, AssetEvent, AssetName, AssetRow, ConsumerRow, CursorRow } from "../../core/index.ts";
import type { Change, Note } from "./changes.ts";

interface Known {
  row: AssetRow;
  readonly declarations: Map<string, AssetDeclaration>;
  /** In the order of their numbers. */
  events: AssetEvent[];
  /** The numbers of those that have keys. */
  readonly keys: Map<string, number>;
  readonly cursors: Map<string, CursorRow>;
}

/** Assets, what is said of them, their events, and who has had which. */
export class AssetTable {
  readonly #note: Note;
  readonly #assets = new Map<string, Known>();
  readonly #consumers = new Map<string, ConsumerRow>();

  constructor(note?: Note) {
    this.#note = note;
  }

  find(name: AssetName): AssetRow | undefined {
    return this.#assets.get(nameOf(name))?.row;
  }

  /** In the order of their ids. */
  list(namespace: string): AssetRow[] {
    const rows = [...this.#assets.values()].map(({ row }) => row).filter((row) => row.namespace === namespace);
    return rows.sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** All of them, in the order of namespaces and ids. */
  all(): AssetRow[] {
    const rows = [...this.#assets.values()].map(({ row }) => row);
    return rows.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  }

  put(row: AssetRow): void {
    this.#note?.({ is: "asset", asset: row });
    const known = this.#assets.get(nameOf(row));
    if (known !== undefined) known.row = row;
    else {
      const rest = { events: [], declarations: new Map(), keys: new Map(), cursors: new Map() };
      this.#assets.set(nameOf(row), { row, ...rest });
    }
  }

  /** With its events and places; who declares it is withdrawn before. */
  forget(name: AssetName): void {
    this.#note?.({ is: "assetForgotten", namespace: name.namespace, id: name.id });
    this.#assets.delete(nameOf(name));
  }

  declarations(name: AssetName): AssetDeclaration[] {
    const rows = [...(this.#assets.get(nameOf(name))?.declarations.values() ?? [])];
    return rows.sort((a, b) => (a.root < b.root ? -1 : 1));
  }

  declare(declaration: AssetDeclaration): void {
    this.#note?.({ is: "assetDeclared", declaration });
    this.#of(declaration).declarations.set(declaration.root, declaration);
  }

  withdraw({ namespace, asset, root }: Pick<AssetDeclaration, "namespace" | "asset" | "root">): void {
    this.#note?.({ is: "assetWithdrawn", namespace, asset, root });
    this.#of({ namespace, asset }).declarations.delete(root);
  }

  /** Those that come after a number, in order. */
  events(name: AssetName, after = 0): readonly AssetEvent[] {
    const events = this.#assets.get(nameOf(name))?.events ?? [];
    const first = events[0]?.number ?? 0;
    return events.slice(Math.max(0, after + 1 - first));
  }

  numberUnder(name: AssetName, key: string): number | undefined {
    return this.#assets.get(nameOf(name))?.keys.get(key);
  }

  tell(event: AssetEvent): void {
    this.#note?.({ is: "assetEvent", event });
    const known = this.#of(event);
    known.events.push(event);
    if (event.key !== null) known.keys.set(event.key, event.number);
    known.row = Object.freeze({ ...known.row, lastEvent: event.number });
  }

  /** Deletes the events up to this number. */
  forgetEvents(name: AssetName, upTo: number): void {
    this.#note?.({ is: "assetEventsForgotten", namespace: name.namespace, id: name.id, upTo });
    const known = this.#assets.get(nameOf(name));
    if (known === undefined) return;
    for (const { number, key } of known.events) if (number <= upTo && key !== null) known.keys.delete(key);
    known.events = known.events.filter(({ number }) => number > upTo);
  }

  consumer(namespace: string, definition: string): ConsumerRow | undefined {
    return this.#consumers.get(JSON.stringify([namespace, definition]));
  }

  /** In the order of their definitions. */
  consumers(namespace: string): ConsumerRow[] {
    const rows = [...this.#consumers.values()].filter((row) => row.namespace === namespace);
    return rows.sort((a, b) => (a.definition < b.definition ? -1 : 1));
  }

  putConsumer(row: ConsumerRow): void {
    this.#note?.({ is: "consumer", consumer: row });
    this.#consumers.set(JSON.stringify([row.namespace, row.definition]), row);
  }

  cursor(namespace: string, definition: string, asset: string): CursorRow | undefined {
    return this.#assets.get(nameOf({ namespace, id: asset }))?.cursors.get(definition);
  }

  /** Of all who consume an asset. */
  cursors(name: AssetName): CursorRow[] {
    return [...(this.#assets.get(nameOf(name))?.cursors.values() ?? [])];
  }

  putCursor(row: CursorRow): void {
    this.#note?.({ is: "cursor", cursor: row });
    this.#of(row).cursors.set(row.definition, row);
  }

  /** Everything that is here now. */
  content(): Change[] {
    const consumers = [...this.#consumers.values()].map((consumer): Change => ({ is: "consumer", consumer }));
    const assets = [...this.#assets.values()].flatMap((known): Change[] => [
      // Its events raise their number again; what is not kept any more does not.
      ...known.events.map((event): Change => ({ is: "assetEvent", event })),
      ...[...known.declarations.values()].map((declaration): Change => ({ is: "assetDeclared", declaration })),
      ...[...known.cursors.values()].map((cursor): Change => ({ is: "cursor", cursor })),
    ]);
    const rows = [...this.#assets.values()].map(({ row }): Change => ({ is: "asset", asset: row }));
    return [...rows, ...assets, ...consumers];
  }

  #of({ namespace, asset }: { readonly namespace: string; readonly asset: string }): Known {
    const known = this.#assets.get(nameOf({ namespace, id: asset }));
    if (known === undefined) throw new Error(`The asset ${asset} of ${namespace} is not there.`);
    return known;
  }
}

function nameOf({ namespace, id }: AssetName): string {
  return JSON.stringify([namespace, id]);
}
