import type { Edge } from "./next.ts";

/** The edges of one ledger: those that begin in runs of which it knows, and what becomes of them. */
export class LedgerEdges {
  readonly added: Edge[] = [];
  readonly flipped: Edge[] = [];
  readonly unflipped: Edge[] = [];
  readonly #from = new Map<string, Edge[]>();
  readonly #flippedFrom = new Map<string, Edge[]>();

  /** Takes in the unflipped edges that begin in `ids`. */
  link(ids: Iterable<string>, edges: readonly Edge[]): void {
    for (const id of ids) if (!this.#from.has(id)) this.#from.set(id, []);
    for (const edge of edges) this.#from.get(edge.upstream)?.push(edge);
  }

  /** Takes in the flipped ones. What is known already stays as it is. */
  linkFlipped(ids: Iterable<string>, edges: readonly Edge[]): void {
    const fresh = new Set([...ids].filter((id) => !this.#flippedFrom.has(id)));
    for (const id of fresh) this.#flippedFrom.set(id, []);
    for (const edge of edges) if (fresh.has(edge.upstream)) this.#flippedFrom.get(edge.upstream)?.push(edge);
  }

  /** Unflipped edges that begin in a run; undefined: not known. */
  from(id: string): readonly Edge[] | undefined {
    return this.#from.get(id);
  }

  flippedFrom(id: string): readonly Edge[] | undefined {
    return this.#flippedFrom.get(id);
  }

  /** All that began in this run have been flipped. */
  settle(id: string): void {
    this.#from.set(id, []);
  }

  unflip(edges: readonly Edge[]): void {
    for (const edge of edges) {
      this.unflipped.push(edge);
      this.#flippedFrom.delete(edge.upstream);
      this.#from.set(edge.upstream, [...(this.#from.get(edge.upstream) ?? []), edge]);
    }
  }
}
