import type { Manifest } from "@holdfast/protocol";
import type { DefinitionRow, ManifestRow } from "../store.ts";
import type { Change, Note } from "./changes.ts";

/** Manifests by hash and, in each namespace, the current one of each definition. */
export class DefinitionTable {
  readonly #note: Note;
  readonly #manifests = new Map<string, Manifest>();
  readonly #namespaces = new Map<string, Map<string, DefinitionRow>>();

  constructor(note?: Note) {
    this.#note = note;
  }

  /** Answers the ids whose current manifest changed. */
  apply(namespace: string, rows: readonly ManifestRow[], now: number): string[] {
    const changed: string[] = [];
    for (const { id, kind, hash, manifest } of rows) {
      if (!this.#manifests.has(hash)) this.keep(hash, manifest);
      if (this.find(namespace, id)?.manifestHash === hash) continue;
      this.makeCurrent(namespace, { id, kind, manifestHash: hash, appliedAt: now });
      changed.push(id);
    }
    return changed;
  }

  keep(hash: string, manifest: Manifest): void {
    this.#note?.({ is: "manifest", hash, manifest });
    this.#manifests.set(hash, manifest);
  }

  makeCurrent(namespace: string, row: DefinitionRow): void {
    this.#note?.({ is: "definition", namespace, row });
    const current = this.#namespaces.get(namespace) ?? new Map<string, DefinitionRow>();
    this.#namespaces.set(namespace, current.set(row.id, Object.freeze(row)));
  }

  find(namespace: string, id: string): DefinitionRow | undefined {
    return this.#namespaces.get(namespace)?.get(id);
  }

  /** In the order of their ids. */
  list(namespace: string): DefinitionRow[] {
    const rows = [...(this.#namespaces.get(namespace)?.values() ?? [])];
    return rows.sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  manifest(hash: string): Manifest | undefined {
    return this.#manifests.get(hash);
  }

  /** Everything that is here now. */
  content(): Change[] {
    const manifests = [...this.#manifests].map(([hash, manifest]): Change => ({ is: "manifest", hash, manifest }));
    const current = [...this.#namespaces].flatMap(([namespace, rows]) =>
      [...rows.values()].map((row): Change => ({ is: "definition", namespace, row })),
    );
    return [...manifests, ...current];
  }
}
