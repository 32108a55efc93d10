import type { Manifest } from "@holdfast/protocol";
import type { DefinitionRow, ManifestRow } from "../store.ts";

/** Manifests by hash and, in each namespace, the current one of each definition. */
export class DefinitionTable {
  readonly #manifests = new Map<string, Manifest>();
  readonly #namespaces = new Map<string, Map<string, DefinitionRow>>();

  /** Answers the ids whose current manifest changed. */
  apply(namespace: string, rows: readonly ManifestRow[], now: number): string[] {
    const current = this.#namespaces.get(namespace) ?? new Map<string, DefinitionRow>();
    this.#namespaces.set(namespace, current);
    const changed: string[] = [];
    for (const { id, kind, hash, manifest } of rows) {
      if (!this.#manifests.has(hash)) this.#manifests.set(hash, manifest);
      if (current.get(id)?.manifestHash === hash) continue;
      current.set(id, Object.freeze({ id, kind, manifestHash: hash, appliedAt: now }));
      changed.push(id);
    }
    return changed;
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
}
