import {
  type Gates,
  type Limit,
  movedEnd,
  type RunRow,
  type Standing,
  startId,
  withdrawnSlots,
} from "../../core/index.ts";
import type { LimitSize, LimitView } from "../store.ts";
import type { Change, Note, NotedLimit } from "./changes.ts";
import { DueQueue } from "./queues.ts";
import type { RunTable } from "./run-table.ts";

interface Slots {
  readonly slots: number;
  readonly declared: boolean;
  readonly perMs: number | undefined;
  /** Runs; starts with the moment at which they are over. */
  readonly holders: Map<string, number | null>;
}

/** Limits and who holds their slots. Who stands at their gates is written in the runs' own rows. */
export class SlotTable implements Gates {
  readonly #runs: RunTable;
  readonly #note: Note;
  readonly #limits = new Map<string, Slots>();
  readonly #starts = new DueQueue((start) => {
    const [limitId = "", holder = ""] = JSON.parse(start) as string[];
    return this.#limits.get(limitId)?.holders.get(holder) ?? null;
  });

  constructor(runs: RunTable, note?: Note) {
    this.#runs = runs;
    this.#note = note;
  }

  /** Makes a limit or changes it; who holds a slot keeps it, a start as long as the limit says now. */
  resize({ id, slots, declared, perMs }: NotedLimit): void {
    this.#note?.({ is: "limit", limit: { id, slots, declared, ...(perMs === undefined ? {} : { perMs }) } });
    const before = this.#limits.get(id);
    const holders = before?.holders ?? new Map<string, number | null>();
    this.#limits.set(id, { slots, declared, perMs, holders });
    if (before === undefined || before.perMs === perMs) return;
    for (const [holder, freeAt] of holders) {
      if (freeAt === null) continue;
      const moved = movedEnd(freeAt, before.perMs, perMs);
      if (moved === null) holders.delete(holder);
      else this.#keep(id, holder, moved);
    }
  }

  /** Its runs may pass. It stays, so that none of them makes it again as it was. */
  withdraw(id: string): void {
    if (this.#limits.has(id)) this.resize({ id, slots: withdrawnSlots, declared: false });
  }

  /** Gates at which somebody stands although there is room. */
  passable(): string[] {
    return this.#runs.gates.names().filter((id) => this.hasFree(id));
  }

  /** Declared limits below a prefix, in the order of ids. */
  declared(prefix: string): LimitSize[] {
    const found = [...this.#limits].filter(([id, { declared }]) => declared && id.startsWith(prefix));
    return found.map(([id, limit]) => sizeOf(id, limit)).sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** Forgets limits that nobody declared, holds or stands at. */
  forgetIdle(): void {
    for (const [id, { declared, slots, holders }] of this.#limits) {
      if (!declared && slots !== withdrawnSlots && holders.size === 0 && this.first(id) === undefined) this.forget(id);
    }
  }

  forget(id: string): void {
    this.#note?.({ is: "limitForgotten", id });
    this.#limits.delete(id);
  }

  open({ id, slots, perMs }: Limit): void {
    if (!this.#limits.has(id)) this.resize({ id, slots, declared: false, ...(perMs === undefined ? {} : { perMs }) });
  }

  renew(limit: Limit): void {
    const { id, slots, perMs } = limit;
    const known = this.#limits.get(id);
    if (known === undefined) this.open(limit);
    else if (known.declared || known.slots === withdrawnSlots) return;
    else if (known.slots !== slots || known.perMs !== perMs)
      this.resize({ id, slots, declared: false, ...(perMs === undefined ? {} : { perMs }) });
  }

  free(limitId: string, holder: string): void {
    if (this.#limits.get(limitId)?.holders.delete(holder) === true) {
      this.#note?.({ is: "slot", limitId, runId: holder, held: false });
    }
  }

  /** The run has been claimed: what it holds of rates is the start's from now on. */
  start(run: RunRow, now: number): void {
    for (const { id } of run.limits) {
      const limit = this.#limits.get(id);
      if (limit?.perMs === undefined || limit.holders.get(run.id) !== null) continue;
      this.free(id, run.id);
      this.hold(id, startId(run), now + limit.perMs);
    }
  }

  /** Frees what starts held that are over; answers their limits. */
  freeDue(now: number): Set<string> {
    const freed = new Set<string>();
    for (let start = this.#starts.take(now); start !== undefined; start = this.#starts.take(now)) {
      const [limitId = "", holder = ""] = JSON.parse(start) as string[];
      this.free(limitId, holder);
      freed.add(limitId);
    }
    return freed;
  }

  /** Milliseconds until the next start is over; null when none holds anything. */
  nextInMs(now: number): number | null {
    return this.#starts.nextInMs(now);
  }

  holds(limitId: string, runId: string): boolean {
    return this.#limits.get(limitId)?.holders.has(runId) ?? false;
  }

  hasFree(limitId: string): boolean {
    const limit = this.#limits.get(limitId);
    return limit !== undefined && limit.holders.size < limit.slots;
  }

  take(limitId: string, runId: string): void {
    this.hold(limitId, runId);
  }

  /** `freeAt`: of a start. */
  hold(limitId: string, holder: string, freeAt?: number): void {
    this.#note?.({ is: "slot", limitId, runId: holder, held: true, ...(freeAt === undefined ? {} : { freeAt }) });
    this.#keep(limitId, holder, freeAt ?? null);
  }

  #keep(limitId: string, holder: string, freeAt: number | null): void {
    this.#limits.get(limitId)?.holders.set(holder, freeAt);
    if (freeAt !== null) this.#starts.push({ id: JSON.stringify([limitId, holder]), at: freeAt, place: 0 });
  }

  first(limitId: string): Standing | undefined {
    const run = this.#runs.gates.first(limitId);
    return run === undefined ? undefined : { run, place: this.#runs.place(run.id) };
  }

  move(runId: string, gate: string | null, rank: number): void {
    const run = this.#runs.find(runId);
    if (run !== undefined) this.#runs.put({ ...run, gate, rank });
  }

  /** Undefined for a limit that was never used or declared. */
  find(id: string, limitRows: number): LimitView | undefined {
    const limit = this.#limits.get(id);
    if (limit === undefined) return undefined;
    const all = [...limit.holders];
    const holders = all.flatMap(([holder, freeAt]) => (freeAt === null ? holder : [])).sort();
    const ends = all.flatMap(([, freeAt]) => freeAt ?? []).sort((a, b) => a - b);
    return {
      ...sizeOf(id, limit),
      holders: holders.slice(0, limitRows),
      standing: this.#runs.gates.list(id).slice(0, limitRows),
      ...(limit.perMs === undefined ? {} : { starts: ends.slice(0, limitRows) }),
    };
  }

  /** Everything, as changes that make it out of nothing. */
  content(): Change[] {
    return [...this.#limits].flatMap(([id, limit]) => [
      { is: "limit" as const, limit: { ...sizeOf(id, limit), declared: limit.declared } },
      ...[...limit.holders].map(([runId, freeAt]) => {
        return { is: "slot" as const, limitId: id, runId, held: true, ...(freeAt === null ? {} : { freeAt }) };
      }),
    ]);
  }
}

function sizeOf(id: string, { slots, perMs }: Slots): LimitSize {
  return perMs === undefined ? { id, slots } : { id, slots, perMs };
}
