import type { EventType, Json, RunError, RunStatus } from "@holdfast/protocol";
import { brief, inputOf, startingAgain } from "./answers.ts";
import { inheritedEnding } from "./causes.ts";
import { afterCleanUp, type CleanUpStep, cleanUpDue, owesCleanUp } from "./clean-up.ts";
import { type Jobs, orderOfRun } from "./jobs.ts";
import type { LedgerRestarts } from "./ledger-restarts.ts";
import type { LedgerRows } from "./ledger-rows.ts";
import type { Next } from "./next.ts";
import { type Ending, isCleaningUp, type RunRow, unstarted } from "./run.ts";
import { transition } from "./transitions.ts";
import { externalsOf, isHeldUp } from "./waiting.ts";
import type { Waits } from "./waits.ts";

/**
 * How runs of one ledger end, and how they are ordered to. P6: a run that was ordered to end ends as ordered, whatever its
 * activation says, and after all that lives below it, its external jobs, and its clean-up (clean-up.ts).
 */
export class LedgerEnds {
  /** How many live runs were ordered to end so far. */
  reached = 0;
  readonly #rows: LedgerRows;
  readonly #jobs: Jobs;
  readonly #waits: Waits;
  readonly #restarts: LedgerRestarts;
  #unpropagated: string[] = [];
  readonly #endings: string[] = [];

  constructor(rows: LedgerRows, parts: { jobs: Jobs; waits: Waits; restarts: LedgerRestarts }) {
    this.#rows = rows;
    this.#jobs = parts.jobs;
    this.#waits = parts.waits;
    this.#restarts = parts.restarts;
  }

  /** The runs that ended so far. */
  all(): RunRow[] {
    return this.#endings.flatMap((id) => this.#rows.get(id) ?? []);
  }

  /** Those that ended since this was asked last. */
  takeNew(): string[] {
    const ended = this.#unpropagated;
    this.#unpropagated = [];
    return ended;
  }

  /** They are to be taken again. */
  putBack(ids: readonly string[]): void {
    this.#unpropagated.push(...ids);
  }

  /** Orders the end of a live run; what lives below it is reached by `spread`. */
  orderOne(run: RunRow, ending: Ending, data: Json): void {
    this.reached += 1;
    const ordered = { ...run, ending, wakeAt: null, gate: null };
    if (transition(run.status, "cancel") === "ordered" && !isHeldUp(run)) {
      this.endAsOrdered(ordered);
      return;
    }
    const cancelling: RunRow = { ...ordered, status: "cancelling", spreading: run.openChildren > 0 };
    this.#rows.write(cancelling, "run.cancel_requested", data);
    this.#orderJobs(cancelling, false);
    const row = this.#rows.get(run.id);
    if (row !== undefined && !isHeldUp(row) && row.claimedBy === null) this.endAsOrdered(row);
  }

  /** A run that is being ended to start again ends instead. */
  overrule(run: RunRow, ending: Ending, data: Json): true {
    this.#rows.write({ ...run, ending }, "run.cancel_requested", data);
    this.reached += 1;
    return true;
  }

  #orderJobs(run: RunRow, forced: boolean): void {
    if (externalsOf(run) > 0) this.#jobs.order(orderOfRun(run, forced));
  }

  /** The run without its external jobs: their end is ordered, and waited for no more. */
  letGo(run: RunRow): RunRow {
    if (externalsOf(run) === 0) return run;
    this.#orderJobs(run, true);
    this.#waits.clear(run.id);
    return { ...run, waiting: null };
  }

  /** What a run inherits whose parent was ordered to end. */
  orderFromAbove(run: RunRow): Ending | undefined {
    const parent = run.parentId === null ? undefined : this.#rows.get(run.parentId);
    return parent?.status === "cancelling" ? inheritedEnding(parent) : undefined;
  }

  /** The run as its parent's order leaves it, though the page that brings the order may be still to come (P6). */
  heeding(run: RunRow): RunRow {
    const ending = run.ending === null ? this.orderFromAbove(run) : undefined;
    return ending === undefined ? run : { ...run, status: "cancelling", ending, spreading: run.openChildren > 0 };
  }

  /** What an activation asked for, or what its takeover makes of it: a run that was ordered to end ends as ordered. */
  follow(run: RunRow, next: Next, ranMs: number, takenFrom?: RunRow): RunStatus {
    if (isCleaningUp(run)) return this.#followCleanUp(run, next, takenFrom);
    const arrival = transition(run.status, inputOf(next));
    const released = { ...run, claimedBy: null, claimedAt: null, ranMs };
    if (arrival === "ordered") return this.endAsOrdered(released);
    if (next.to === "ended") {
      // What is below a body that fails for good, and what it started outside, ends before it does.
      if (next.status === "failed" && isHeldUp(run)) {
        this.orderOne(released, { status: "failed", error: next.error }, { reason: next.error.code });
        return "cancelling";
      }
      return this.end(released, next.status, next.status === "succeeded" ? { output: next.output } : next);
    }
    if (next.to === "line") {
      return this.#rows.becomeReady(unstarted(released, next.limits), "ready", "run.given_back", {});
    }
    const { row, type, data } = startingAgain(released, next, { now: this.#rows.now, takenFrom });
    return this.#rows.becomeReady(row, "ready", type, data);
  }

  /** Where something is left to be waited for, the run stays `cancelling`. One that was cleared starts again instead of ending. */
  endAsOrdered(run: RunRow): RunStatus {
    if (run.ending === null) throw new Error(`run ${run.id} was never ordered to end`);
    if (isHeldUp(run)) return this.#awaitOthers(run);
    if (owesCleanUp(run)) return this.#tell(cleanUpDue(run, run.ending, this.#rows.arrive(run, "clean_up")));
    // Whatever else has ended of it: only its clean-up ends it now.
    if (isCleaningUp(run)) return run.status;
    const ending = (run.ending.again && this.orderFromAbove(run)) ?? run.ending;
    if (ending.again !== undefined) return this.#restarts.startAnew(run, ending.again);
    return this.end({ ...run, ending }, ending.status, { error: ending.error });
  }

  #followCleanUp(run: RunRow, next: Next, takenFrom: RunRow | undefined): RunStatus {
    const { isOver, ...step } = afterCleanUp(run, next, { now: this.#rows.now, takenFrom });
    const status = this.#tell(step);
    return isOver ? this.endAsOrdered(this.#rows.get(run.id) ?? step.row) : status;
  }

  #tell({ row, type, data }: CleanUpStep): RunStatus {
    this.#rows.write(row, type, data);
    return row.status;
  }

  /** What is below it, and its external jobs, end first: the last of them ends it. */
  #awaitOthers(run: RunRow): RunStatus {
    if (this.#rows.get(run.id)?.status === "cancelling") this.#rows.put(run);
    else {
      this.#rows.write(run, "run.cancel_requested", { reason: run.ending?.error.message ?? null });
      this.#orderJobs(run, false);
    }
    return run.status;
  }

  end(ending: RunRow, status: RunStatus, result: { output?: Json | undefined; error?: RunError | null }): RunStatus {
    const run = this.letGo(ending);
    const { output, error = null } = result;
    const free = { claimedBy: null, claimedAt: null, wakeAt: null, gate: null, spreading: false, waiting: null };
    if (run.waiting !== null) this.#waits.clear(run.id);
    const data = { attempt: run.attempt, ...(error === null ? {} : { error: brief(error) }) };
    const row: RunRow = { ...run, ...free, endedAt: this.#rows.now, status, output, error };
    this.#rows.write(row, `run.${status}` as EventType, data);
    this.#unpropagated.push(run.id);
    this.#endings.push(run.id);
    return status;
  }
}
