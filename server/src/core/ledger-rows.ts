import type { EventType, Json, RunStatus } from "@holdfast/protocol";
import { type LedgerEvent, rowChanges } from "./changes.ts";
import { enqueuedData } from "./claims.ts";
import { firstGate, isClaimable, type NewRun, type RunRow, startingRun } from "./run.ts";
import { type RunInput, transition } from "./transitions.ts";

/** The rows of one ledger: as they were, as they are, and what is to be told of them (P10: each event takes its run's next number). */
export class LedgerRows {
  /** The store's clock, read after the locks were taken (P9). */
  readonly now: number;
  readonly events: LedgerEvent[] = [];
  /** How many runs became claimable so far; those at a gate are not. */
  readied = 0;
  readonly #rows = new Map<string, RunRow>();
  readonly #before = new Map<string, RunRow>();

  constructor(now: number) {
    this.now = now;
  }

  /** Takes in rows that the store has locked. A row that is known already keeps its image here. */
  load(rows: Iterable<RunRow>): void {
    for (const row of rows) {
      if (this.#rows.has(row.id)) continue;
      this.#rows.set(row.id, row);
      this.#before.set(row.id, row);
    }
  }

  get(id: string): RunRow | undefined {
    return this.#rows.get(id);
  }

  /** As it was loaded. */
  before(id: string): RunRow | undefined {
    return this.#before.get(id);
  }

  put(row: RunRow): void {
    this.#rows.set(row.id, row);
  }

  write(run: RunRow, type: EventType, data: Json): void {
    const written = { ...run, lastEvent: run.lastEvent + 1 };
    this.#rows.set(run.id, written);
    this.events.push({ run: written, number: written.lastEvent, type, at: this.now, data });
  }

  insert(child: NewRun, parentGeneration: number): void {
    const run = startingRun(child, this.now, parentGeneration);
    this.#rows.set(run.id, run);
    this.events.push({ run, number: 1, type: "run.enqueued", at: this.now, data: enqueuedData(run) });
    if (isClaimable(run)) this.readied += 1;
  }

  /** Where `input` takes a run, which it has to take somewhere. */
  arrive(run: RunRow, input: RunInput): RunStatus {
    const arrival = transition(run.status, input);
    if (arrival === "stale" || arrival === "ordered") throw new Error(`${input} cannot befall a ${run.status} run`);
    return arrival;
  }

  becomeReady(run: RunRow, status: RunStatus, type: EventType, data: Json): RunStatus {
    const gate = run.wakeAt === null ? firstGate(run) : null;
    this.write({ ...run, status, gate }, type, data);
    if (run.wakeAt === null && gate === null) this.readied += 1;
    return status;
  }

  changes(): ReturnType<typeof rowChanges> {
    return rowChanges(this.#rows, this.#before, this);
  }
}
