import { isEnded, type RunRow } from "../../core/index.ts";
import { Heap } from "./heap.ts";

interface Entry {
  readonly id: string;
  readonly rootId: string;
  readonly place: number;
}

/** Orders that are on their way down their trees, and the children that they have still to reach. */
export class SpreadingOrders {
  readonly #find: (id: string) => RunRow | undefined;
  /** Live children that no order has reached and their places, by parent, in the order of insertion but for `#unsorted`. */
  readonly #unreached = new Map<string, Map<string, number>>();
  readonly #unsorted = new Set<string>();
  /** How many runs of a tree are spreading. */
  readonly #trees = new Map<string, number>();
  readonly #heap = new Heap<Entry>((a, b) => a.rootId < b.rootId || (a.rootId === b.rootId && a.place < b.place));

  constructor(find: (id: string) => RunRow | undefined) {
    this.#find = find;
  }

  get any(): boolean {
    return this.#trees.size > 0;
  }

  isHeld(rootId: string): boolean {
    return this.#trees.has(rootId);
  }

  /** Takes note of a written row. `released`: nothing spreads in its tree any more. */
  note(before: RunRow | undefined, row: RunRow, place: number): "released" | undefined {
    if (row.parentId !== null) this.#noteChild(before, row, row.parentId, place);
    if (row.spreading === (before?.spreading ?? false)) return undefined;
    const count = (this.#trees.get(row.rootId) ?? 0) + (row.spreading ? 1 : -1);
    if (count > 0) this.#trees.set(row.rootId, count);
    else this.#trees.delete(row.rootId);
    if (row.spreading) this.#heap.push({ id: row.id, rootId: row.rootId, place });
    return count > 0 ? undefined : "released";
  }

  unreachedBelow(parentIds: readonly string[], limitRows: number): string[] {
    const found: string[] = [];
    for (const parentId of parentIds) {
      if (this.#unsorted.delete(parentId)) this.#sort(parentId);
      for (const id of this.#unreached.get(parentId)?.keys() ?? []) {
        if (found.length === limitRows) return found;
        found.push(id);
      }
    }
    return found;
  }

  /** Tree by tree, in the order of insertion. */
  take(limitRows: number): string[] {
    const ids: string[] = [];
    while (ids.length < limitRows) {
      const entry = this.#heap.pop();
      if (entry === undefined) break;
      if (this.#find(entry.id)?.spreading === true) ids.push(entry.id);
    }
    return ids;
  }

  putBack(id: string, place: number): void {
    const run = this.#find(id);
    if (run?.spreading === true) this.#heap.push({ id, rootId: run.rootId, place });
  }

  #noteChild(before: RunRow | undefined, row: RunRow, parentId: string, place: number): void {
    const isUnreached = row.ending === null && !isEnded(row.status);
    const siblings = this.#unreached.get(parentId) ?? new Map<string, number>();
    if (isUnreached && siblings.has(row.id)) return;
    // One that starts again belongs among those that came before and after it.
    if (isUnreached && before !== undefined) this.#unsorted.add(parentId);
    if (isUnreached) this.#unreached.set(parentId, siblings.set(row.id, place));
    else if (siblings.delete(row.id) && siblings.size === 0) this.#unreached.delete(parentId);
  }

  #sort(parentId: string): void {
    const siblings = [...(this.#unreached.get(parentId) ?? [])];
    if (siblings.length > 0) this.#unreached.set(parentId, new Map(siblings.sort(([, a], [, b]) => a - b)));
  }
}
