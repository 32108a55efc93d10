import { isEnded, type RunStatus } from "@holdfast/protocol";
import { type Edge, isClaimable, type Links, type RunRow } from "../../core/index.ts";
import { type Change, changedRun, type Note } from "./changes.ts";
import { DueQueue, GateLines, ReadyQueues } from "./queues.ts";
import { SpreadingOrders } from "./spreading.ts";

// The rows of runs and everything that finds them. No verb but prune walks over ended runs.

/** The runs of one namespace in the order of insertion. `live` is unordered. */
interface NamespaceRuns {
  all: string[];
  roots: string[];
  readonly live: Set<string>;
}

export class RunTable {
  readonly #note: Note;
  readonly #orders = new SpreadingOrders((id) => this.find(id));
  readonly ready = new ReadyQueues({ find: (id) => this.find(id), isHeld: (rootId) => this.#orders.isHeld(rootId) });
  /** Ready runs that wait for a slot. */
  readonly gates = new GateLines((id) => this.find(id));
  /** Ready runs that wait for their moment. */
  readonly wakes = new DueQueue((id) => {
    const run = this.find(id);
    return run?.status === "ready" ? run.wakeAt : null;
  });
  /** Live runs whose time will be over; a run that is being ended needs no second order. */
  readonly expiries = new DueQueue((id) => {
    const run = this.find(id);
    return run === undefined || isEnded(run.status) || run.status === "cancelling" ? null : run.expiresAt;
  });
  readonly #rows = new Map<string, RunRow>();
  readonly #places = new Map<string, number>();
  readonly #namespaces = new Map<string, NamespaceRuns>();
  readonly #trees = new Map<string, string[]>();
  readonly #children = new Map<string, Map<string, string>>();
  readonly #claims = new Map<string, Set<string>>();
  readonly #edges = new Map<string, Edge[]>();
  readonly #flipped = new Map<string, Edge[]>();
  #lastPlace = 0;

  constructor(note?: Note) {
    this.#note = note;
  }

  /** The place of the run that was inserted last. */
  get lastPlace(): number {
    return this.#lastPlace;
  }

  get count(): number {
    return this.#rows.size;
  }

  find(id: string): RunRow | undefined {
    return this.#rows.get(id);
  }

  /** Where the run stands in the order of insertion. */
  place(id: string): number {
    return this.#places.get(id) ?? 0;
  }

  /** Writes a row, new or changed. A new one comes after all others, unless its place is known. */
  put(row: RunRow, newPlace = this.#lastPlace + 1): void {
    const before = this.#rows.get(row.id);
    this.#note?.(before === undefined ? { is: "run", run: row, place: newPlace } : changedRun(before, row));
    Object.freeze(row);
    this.#rows.set(row.id, row);
    if (before === undefined) this.#insert(row, newPlace);
    const place = this.place(row.id);
    if (isClaimable(row) && !(before !== undefined && isClaimable(before))) this.ready.push(row, place);
    if (row.gate !== null && row.gate !== before?.gate) {
      this.gates.push(row.gate, { id: row.id, rank: row.rank, place });
    }
    if (row.status === "ready" && row.wakeAt !== null && row.wakeAt !== before?.wakeAt) {
      this.wakes.push({ id: row.id, at: row.wakeAt, place });
    }
    if (before?.claimedBy !== row.claimedBy) this.#moveClaim(row.id, before?.claimedBy ?? null, row.claimedBy);
    if (this.#orders.note(before, row, place) === "released") this.ready.release(row.rootId);
    if (isEnded(row.status)) this.#namespaces.get(row.namespace)?.live.delete(row.id);
    else if (before !== undefined && isEnded(before.status)) this.#revive(row, place);
    // What was cleared while it lived goes on with its whole time before it; while it was being ended nothing was due.
    else if (before?.status === "cancelling" && row.status !== "cancelling" && row.expiresAt !== null) {
      this.expiries.push({ id: row.id, at: row.expiresAt, place });
    }
  }

  /** Gives out no place up to this one any more. */
  raisePlace(place: number): void {
    this.#lastPlace = Math.max(this.#lastPlace, place);
  }

  addEdges(edges: readonly Edge[]): void {
    if (edges.length > 0) this.#note?.({ is: "edges", edges });
    for (const edge of edges) {
      const list = this.#edges.get(edge.upstream);
      if (list === undefined) this.#edges.set(edge.upstream, [edge]);
      else list.push(edge);
    }
  }

  /** The edges that begin in a run flip together, when it ends. */
  flipEdges(edges: readonly Edge[]): void {
    if (edges.length > 0) this.#note?.({ is: "flipped", edges });
    for (const { upstream } of edges) {
      const flipped = this.#edges.get(upstream);
      if (flipped === undefined) continue;
      this.#flipped.set(upstream, flipped);
      this.#edges.delete(upstream);
    }
  }

  /** Likewise when it starts again. */
  unflipEdges(edges: readonly Edge[]): void {
    if (edges.length > 0) this.#note?.({ is: "unflipped", edges });
    for (const { upstream } of edges) {
      const open = this.#flipped.get(upstream);
      if (open === undefined) continue;
      this.#edges.set(upstream, open);
      this.#flipped.delete(upstream);
    }
  }

  /** What hangs on runs that have ended and may start again: all that depends on them, and their parents. */
  flippedLinks(ids: readonly string[]): Links {
    const edges = ids.flatMap((id) => this.#flipped.get(id) ?? []);
    const wanted = [...ids, ...ids.map((id) => this.find(id)?.parentId), ...edges.map((edge) => edge.downstream)];
    return { edges, rows: this.#known(wanted) };
  }

  /** Live runs whose end this one waits for, in the order of insertion. */
  upstreamsOf(id: string): RunRow[] {
    const parentId = this.find(id)?.parentId;
    if (parentId === undefined || parentId === null) return [];
    return this.children(parentId).filter(
      (run) => !isEnded(run.status) && this.#edges.get(run.id)?.some(({ downstream }) => downstream === id) === true,
    );
  }

  /** What hangs on runs that ended. */
  links(ids: readonly string[]): Links {
    const edges = ids.flatMap((id) => this.#edges.get(id) ?? []);
    const wanted = [...ids.map((id) => this.find(id)?.parentId), ...edges.map((edge) => edge.downstream)];
    return { edges, rows: this.#known(wanted) };
  }

  /** For each of the parents in turn its live children that no order has reached, in the order of insertion. */
  unreachedBelow(parentIds: readonly string[], limitRows: number): RunRow[] {
    return this.#known(this.#orders.unreachedBelow(parentIds, limitRows));
  }

  /** Takes out runs whose order is spreading: give them back by `putBackSpreading`. */
  takeSpreading(limitRows: number): RunRow[] {
    return this.#known(this.#orders.take(limitRows));
  }

  putBackSpreading(ids: readonly string[]): void {
    for (const id of ids) this.#orders.putBack(id, this.place(id));
  }

  get isSpreading(): boolean {
    return this.#orders.any;
  }

  /** Runs and their parents. */
  withParents(ids: readonly string[]): RunRow[] {
    const rows = this.#known(ids);
    return [...rows, ...this.#known(rows.map(({ parentId }) => parentId))];
  }

  /** Activations that a member holds, in no order. */
  claimedBy(memberId: string): RunRow[] {
    return this.#known(this.#claims.get(memberId) ?? []);
  }

  /** Ids of members that hold activations. */
  get holders(): Iterable<string> {
    return this.#claims.keys();
  }

  /** A run and those above it, its parent first. */
  chain(id: string): RunRow[] {
    const chain: RunRow[] = [];
    for (let run = this.find(id); run !== undefined; run = this.find(run.parentId ?? "")) chain.push(run);
    return chain;
  }

  /** Children by name. */
  child(parentId: string, name: string): RunRow | undefined {
    const child = this.find(this.#children.get(parentId)?.get(name) ?? "");
    return child !== undefined && this.isPresent(child) ? child : undefined;
  }

  children(parentId: string): RunRow[] {
    return this.#known(this.#children.get(parentId)?.values() ?? []).filter((run) => this.isPresent(run));
  }

  /** False for a child of an earlier generation of its parent. */
  isPresent({ parentId, parentGeneration }: RunRow): boolean {
    return parentId === null || (this.find(parentId)?.generation ?? parentGeneration) === parentGeneration;
  }

  tree(rootId: string): readonly string[] {
    return this.#trees.get(rootId) ?? [];
  }

  /** Ids in the order of insertion. Asked for live statuses alone, it leaves ended runs out. */
  list(namespace: string, rootsOnly: boolean, statuses: readonly RunStatus[] | undefined): readonly string[] {
    const runs = this.#namespaces.get(namespace);
    if (runs === undefined) return [];
    if (statuses !== undefined && !statuses.some(isEnded)) {
      return [...runs.live].sort((a, b) => this.place(a) - this.place(b));
    }
    return rootsOnly ? runs.roots : runs.all;
  }

  /** Deletes trees and answers the ids of all their runs. */
  removeTrees(rootIds: readonly string[]): string[] {
    if (rootIds.length === 0) return [];
    this.#note?.({ is: "removed", rootIds });
    const removed = rootIds.flatMap((rootId) => this.tree(rootId));
    for (const id of removed) {
      this.#rows.delete(id);
      this.#places.delete(id);
      this.#children.delete(id);
      this.#edges.delete(id);
      this.#flipped.delete(id);
    }
    for (const rootId of rootIds) this.#trees.delete(rootId);
    for (const runs of this.#namespaces.values()) {
      runs.all = runs.all.filter((id) => this.#rows.has(id));
      runs.roots = runs.roots.filter((id) => this.#rows.has(id));
    }
    return removed;
  }

  /** Everything that is here now. */
  content(): Change[] {
    const runs = [...this.#rows.values()].map((run): Change => ({ is: "run", run, place: this.place(run.id) }));
    const edges = [...this.#edges.values(), ...this.#flipped.values()].map(
      (list): Change => ({ is: "edges", edges: [...list] }),
    );
    const flipped = [...this.#flipped.values()].map((list): Change => ({ is: "flipped", edges: [...list] }));
    return [...runs, ...edges, ...flipped];
  }

  #insert(row: RunRow, place: number): void {
    this.raisePlace(place);
    this.#places.set(row.id, place);
    const runs = this.#namespaces.get(row.namespace) ?? { all: [], roots: [], live: new Set() };
    this.#namespaces.set(row.namespace, runs);
    runs.all.push(row.id);
    runs.live.add(row.id);
    const tree = this.#trees.get(row.rootId);
    if (tree === undefined) this.#trees.set(row.rootId, [row.id]);
    else tree.push(row.id);
    if (row.parentId === null) runs.roots.push(row.id);
    else {
      const siblings = this.#children.get(row.parentId) ?? new Map<string, string>();
      this.#children.set(row.parentId, siblings.set(row.name, row.id));
    }
    if (row.expiresAt !== null) this.expiries.push({ id: row.id, at: row.expiresAt, place });
  }

  #revive(row: RunRow, place: number): void {
    this.#namespaces.get(row.namespace)?.live.add(row.id);
    if (row.expiresAt !== null) this.expiries.push({ id: row.id, at: row.expiresAt, place });
  }

  #moveClaim(id: string, from: string | null, to: string | null): void {
    if (from !== null) {
      const held = this.#claims.get(from);
      held?.delete(id);
      if (held?.size === 0) this.#claims.delete(from);
    }
    if (to !== null) this.#claims.set(to, (this.#claims.get(to) ?? new Set()).add(id));
  }

  #known(ids: Iterable<string | null | undefined>): RunRow[] {
    const rows: RunRow[] = [];
    for (const id of ids) {
      const row = this.find(id ?? "");
      if (row !== undefined) rows.push(row);
    }
    return rows;
  }
}
