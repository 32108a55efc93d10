import { type Gates, type Limit, type Standing, withdrawnSlots } from "../../core/index.ts";
import type { LimitSize, LimitView } from "../store.ts";
import type { Change, Note, NotedLimit } from "./changes.ts";
import type { RunTable } from "./run-table.ts";

interface Slots {
  readonly slots: number;
  readonly declared: boolean;
  /** Ids of runs. */
  readonly holders: Set<string>;
}

/** Limits and who holds their slots. Who stands at their gates is written in the runs' own rows. */
export class SlotTable implements Gates {
  readonly #runs: RunTable;
  readonly #note: Note;
  readonly #limits = new Map<string, Slots>();

  constructor(runs: RunTable, note?: Note) {
    this.#runs = runs;
    this.#note = note;
  }

  /** Makes a limit or changes its number of slots; who holds one keeps it. */
  resize(limit: NotedLimit): void {
    const { id, slots, declared } = limit;
    this.#note?.({ is: "limit", limit: { id, slots, declared } });
    this.#limits.set(id, { slots, declared, holders: this.#limits.get(id)?.holders ?? new Set() });
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
    return found.map(([id, { slots }]) => ({ id, slots })).sort((a, b) => (a.id < b.id ? -1 : 1));
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

  open({ id, slots }: Limit): void {
    if (!this.#limits.has(id)) this.resize({ id, slots, declared: false });
  }

  renew(limit: Limit): void {
    const { id, slots } = limit;
    const known = this.#limits.get(id);
    const isItsOwn = known !== undefined && !known.declared && known.slots !== withdrawnSlots;
    if (isItsOwn && known.slots !== slots) this.resize({ id, slots, declared: false });
    else this.open(limit);
  }

  free(limitId: string, runId: string): void {
    if (this.#limits.get(limitId)?.holders.delete(runId) === true) {
      this.#note?.({ is: "slot", limitId, runId, held: false });
    }
  }

  holds(limitId: string, runId: string): boolean {
    return this.#limits.get(limitId)?.holders.has(runId) ?? false;
  }

  hasFree(limitId: string): boolean {
    const limit = this.#limits.get(limitId);
    return limit !== undefined && limit.holders.size < limit.slots;
  }

  take(limitId: string, runId: string): void {
    this.#note?.({ is: "slot", limitId, runId, held: true });
    this.#limits.get(limitId)?.holders.add(runId);
  }

  first(limitId: string): Standing | undefined {
    const run = this.#runs.gates.first(limitId);
    return run === undefined ? undefined : { run, place: this.#runs.place(run.id) };
  }

  move(runId: string, gate: string | null): void {
    const run = this.#runs.find(runId);
    if (run !== undefined) this.#runs.put({ ...run, gate });
  }

  /** Undefined for a limit that was never used or declared. */
  find(id: string, limitRows: number): LimitView | undefined {
    const limit = this.#limits.get(id);
    if (limit === undefined) return undefined;
    const holders = [...limit.holders].sort().slice(0, limitRows);
    return { id, slots: limit.slots, holders, standing: this.#runs.gates.list(id).slice(0, limitRows) };
  }

  /** Everything, as changes that make it out of nothing. */
  content(): Change[] {
    return [...this.#limits].flatMap(([id, { slots, declared, holders }]) => [
      { is: "limit" as const, limit: { id, slots, declared } },
      ...[...holders].map((runId) => ({ is: "slot" as const, limitId: id, runId, held: true })),
    ]);
  }
}
