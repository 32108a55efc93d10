import { isClaimable, type RunRow } from "../../core/index.ts";
import type { QueueBacklog } from "../store.ts";
import { Heap } from "./heap.ts";

// Queues keep places, not rows: an entry whose run has moved on since, or has another rank, is dropped when it comes to the top.

interface ReadyEntry {
  readonly id: string;
  readonly rank: number;
  readonly place: number;
}

/** Claimable runs of each namespace and queue, by rank, then in the order of insertion. */
export class ReadyQueues {
  readonly #find: (id: string) => RunRow | undefined;
  /** Whether nothing of a tree may be claimed for now. */
  readonly #isHeld: (rootId: string) => boolean;
  /** What came to the top while its tree was held. */
  readonly #passedOver = new Map<string, { readonly heap: Heap<ReadyEntry>; readonly entry: ReadyEntry }[]>();
  readonly #namespaces = new Map<string, Map<string, Heap<ReadyEntry>>>();

  constructor({ find, isHeld }: { find: (id: string) => RunRow | undefined; isHeld: (rootId: string) => boolean }) {
    this.#find = find;
    this.#isHeld = isHeld;
  }

  /** The tree is held no longer. */
  release(rootId: string): void {
    for (const { heap, entry } of this.#passedOver.get(rootId) ?? []) heap.push(entry);
    this.#passedOver.delete(rootId);
  }

  push({ id, namespace, queue, rank }: RunRow, place: number): void {
    const queues = this.#namespaces.get(namespace) ?? new Map<string, Heap<ReadyEntry>>();
    this.#namespaces.set(namespace, queues);
    const heap = queues.get(queue) ?? new Heap<ReadyEntry>(standsBefore);
    queues.set(queue, heap);
    heap.push({ id, rank, place });
  }

  /** What is claimable by queue, in the order of their names; counted up to `limitRows` each. */
  measure(namespace: string, limitRows: number): QueueBacklog[] {
    const found: QueueBacklog[] = [];
    for (const [queue, heap] of this.#namespaces.get(namespace) ?? []) {
      const ids = new Set<string>();
      let first: { readonly entry: ReadyEntry; readonly run: RunRow } | undefined;
      for (const entry of heap.entries) {
        const run = this.#find(entry.id);
        if (run?.rank !== entry.rank || !isClaimable(run)) continue;
        ids.add(entry.id);
        if (first === undefined || standsBefore(entry, first.entry)) first = { entry, run };
      }
      if (first === undefined) continue;
      const { id: runId, lastEvent } = first.run;
      found.push({ queue, ready: Math.min(ids.size, limitRows), head: { runId, lastEvent } });
    }
    return found.sort((a, b) => (a.queue < b.queue ? -1 : 1));
  }

  /** Takes out the first claimable run of the given queues; null: of any. */
  take(namespace: string, queues: readonly string[] | null): RunRow | undefined {
    const all = this.#namespaces.get(namespace);
    if (all === undefined) return undefined;
    let first: Heap<ReadyEntry> | undefined;
    for (const name of queues ?? all.keys()) {
      const heap = all.get(name);
      const top = heap === undefined ? undefined : this.#settledTop(heap);
      if (top !== undefined && (first?.top === undefined || standsBefore(top, first.top))) first = heap;
    }
    const entry = first?.pop();
    return entry === undefined ? undefined : this.#find(entry.id);
  }

  #settledTop(heap: Heap<ReadyEntry>): ReadyEntry | undefined {
    for (let top = heap.top; top !== undefined; top = heap.top) {
      const run = this.#find(top.id);
      const isStale = run?.rank !== top.rank || !isClaimable(run);
      if (!isStale && !this.#isHeld(run.rootId)) return top;
      heap.pop();
      if (!isStale) this.#passOver(run.rootId, heap, top);
    }
    return undefined;
  }

  #passOver(rootId: string, heap: Heap<ReadyEntry>, entry: ReadyEntry): void {
    const passed = this.#passedOver.get(rootId) ?? [];
    this.#passedOver.set(rootId, passed);
    passed.push({ heap, entry });
  }
}

/** Runs that stand in line at gates, by rank, then in the order of insertion. */
export class GateLines {
  readonly #find: (id: string) => RunRow | undefined;
  readonly #lines = new Map<string, Heap<ReadyEntry>>();

  constructor(find: (id: string) => RunRow | undefined) {
    this.#find = find;
  }

  push(gate: string, entry: ReadyEntry): void {
    const line = this.#lines.get(gate) ?? new Heap<ReadyEntry>(standsBefore);
    this.#lines.set(gate, line);
    line.push(entry);
  }

  /** Gates at which somebody stands, or stood a moment ago. */
  names(): string[] {
    return [...this.#lines.keys()];
  }

  first(gate: string): RunRow | undefined {
    const line = this.#lines.get(gate);
    for (let top = line?.top; line !== undefined && top !== undefined; top = line.top) {
      const run = this.#find(top.id);
      if (run?.gate === gate && run.rank === top.rank) return run;
      line.pop();
    }
    this.#lines.delete(gate);
    return undefined;
  }

  /** Ids in the order of the line. */
  list(gate: string): string[] {
    const standing = (this.#lines.get(gate)?.sorted() ?? []).filter(({ id, rank }) => {
      const run = this.#find(id);
      return run?.gate === gate && run.rank === rank;
    });
    return [...new Set(standing.map(({ id }) => id))];
  }
}

interface DueEntry {
  readonly id: string;
  readonly at: number;
  readonly place: number;
}

/** Runs by the moment at which something is due for them. */
export class DueQueue {
  /** The moment that holds for a run now; null when it waits for none. */
  readonly #moment: (id: string) => number | null;
  readonly #heap = new Heap<DueEntry>((a, b) => a.at < b.at || (a.at === b.at && a.place < b.place));

  constructor(moment: (id: string) => number | null) {
    this.#moment = moment;
  }

  push(entry: DueEntry): void {
    this.#heap.push(entry);
  }

  /** Takes out the first that is due, or answers undefined. */
  take(now: number): string | undefined {
    const top = this.#settledTop();
    if (top === undefined || top.at > now) return undefined;
    this.#heap.pop();
    return top.id;
  }

  /** Milliseconds until the next is due; null when none waits. */
  nextInMs(now: number): number | null {
    const top = this.#settledTop();
    return top === undefined ? null : Math.max(0, top.at - now);
  }

  #settledTop(): DueEntry | undefined {
    for (let top = this.#heap.top; top !== undefined; top = this.#heap.top) {
      if (this.#moment(top.id) === top.at) return top;
      this.#heap.pop();
    }
    return undefined;
  }
}

function standsBefore(a: ReadyEntry, b: ReadyEntry): boolean {
  return a.rank < b.rank || (a.rank === b.rank && a.place < b.place);
}
