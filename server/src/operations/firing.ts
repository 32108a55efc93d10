import { type ErrorCode, isAppError, limits } from "@holdfast/protocol";
import type { Clock } from "../clock.ts";
import {
  countNotes,
  note,
  planTicks,
  rememberedOpen,
  type ScheduleRow,
  type TickNote,
  type TickPlan,
  withNotes,
} from "../core/index.ts";
import type { DueSchedule, EnqueueRow, FiringResult, ScheduleFiring, Store } from "../store/store.ts";
import { type DueTicks, dueAt, dueTicks } from "./due-ticks.ts";
import { isOverrun } from "./evaluation/evaluator.ts";
import { PatientWork } from "./patient-work.ts";
import type { ScheduledRuns } from "./scheduled-runs.ts";

/** What makes it impossible to start a tick's run, now and when it is tried again. */
const tickFailures: ReadonlySet<ErrorCode> = new Set(["invalid_input", "too_large", "not_found"]);

/** Until the next look where the runs of some are being made ready. */
const slowMs = 100;
/** Runs of a schedule that stay remembered, the newest, though they have ended. */
const revivable = 10;
/** Schedules that one look reads, those included whose runs are being made ready. */
const mostRead = 5_000;

/** Runs that one call of the store inserts; a schedule's own ticks stay together. */
const runsPerCall = 1_000;

export interface FiringOptions {
  readonly store: Store;
  readonly scheduledRuns: ScheduledRuns;
  readonly namespace: string;
  readonly clock: Pick<Clock, "sleep">;
}

/** What a look at the schedules came to. */
export interface Fired {
  /** Schedules that were due, and whose runs were ready to be started. */
  readonly looked: number;
  /** Of these, those that were moved on by this call; others were at the rest. */
  readonly moved: number;
  /** Runs that were started. */
  readonly started: number;
  /** Ticks that were missed or could not be started, by schedule. */
  readonly notes: readonly { readonly schedule: string; readonly note: TickNote }[];
  /** Until the next is due; null: none waits. */
  readonly nextInMs: number | null;
}

/** What the store says of rows that it can never take. */
const refusals: ReadonlySet<ErrorCode> = new Set(["invalid_request", "too_large"]);

interface Prepared {
  readonly schedule: ScheduleRow;
  readonly firing: ScheduleFiring;
  readonly notes: readonly TickNote[];
}

/**
 * Fires what is due: judges the ticks (core/schedules.ts), and lets the store start their runs and move the schedules on, in one
 * step that compares versions. Whoever dies before that step has done nothing, whoever comes second finds another version.
 */
export class Firing {
  readonly #store: Store;
  readonly #scheduledRuns: ScheduledRuns;
  readonly #namespace: string;
  /** The ticks that are due, judged and with their runs. What an input or a key takes to be checked delays no other schedule. */
  readonly #work: PatientWork<Prepared>;

  constructor({ store, scheduledRuns, namespace, clock }: FiringOptions) {
    this.#work = new PatientWork({ clock });
    this.#store = store;
    this.#scheduledRuns = scheduledRuns;
    this.#namespace = namespace;
  }

  async fireDue(limitRows: number): Promise<Fired> {
    const read = Math.min(limitRows + this.#work.size, mostRead);
    const { due, now, nextInMs } = await this.#store.dueSchedules({ namespace: this.#namespace, limitRows: read });
    if (due.length === 0) return { looked: 0, nextInMs, moved: 0, started: 0, notes: [] };
    const open = await this.#openRuns(due);
    const pieces = due.map((each) => ({
      id: JSON.stringify([each.schedule.id, each.schedule.version, each.manifestHash]),
      group: each.schedule.definition,
      work: () => this.#prepare(each, now, open),
    }));
    const prepared = [...(await this.#work.take(pieces)).values()];
    const isAll = prepared.length === due.length;
    const found = { looked: prepared.length, nextInMs: isAll ? nextInMs : Math.min(nextInMs ?? slowMs, slowMs) };
    const told: Fired["notes"][number][] = [];
    let [moved, started] = [0, 0];
    for (const rows of batches(prepared)) {
      for (const [{ firing, notes }, result] of await this.#fire(rows)) {
        if (result.outcome === "stale") continue;
        moved += 1;
        started += result.runs.filter(({ outcome }) => outcome === "created").length;
        told.push(...notes.map((each) => ({ schedule: firing.id, note: each })));
      }
    }
    return { ...found, moved, started, notes: told.filter((each) => each.note.what !== "skipped") };
  }

  /** What the store refuses of one schedule harms no other: that one moves on without its runs, and says so. */
  async #fire(rows: readonly Prepared[]): Promise<(readonly [Prepared, FiringResult])[]> {
    try {
      const results = await this.#store.fireSchedules({ rows: rows.map(({ firing }) => firing) });
      return results.flatMap((result, index) => {
        const row = rows[index];
        return row === undefined ? [] : [[row, result] as const];
      });
    } catch (error) {
      const [only] = rows;
      if (!isAppError(error) || !refusals.has(error.code) || only === undefined) throw error;
      if (rows.length === 1 && only.firing.runs.length === 0) throw error;
      if (rows.length === 1) return this.#fire([without(only, error)]);
      const alone: (readonly [Prepared, FiringResult])[] = [];
      for (const row of rows) alone.push(...(await this.#fire([row])));
      return alone;
    }
  }

  /** Of the runs that schedules remember, those that have not ended. */
  async #openRuns(due: readonly DueSchedule[]): Promise<ReadonlySet<string>> {
    const ids = due.flatMap(({ schedule }) => schedule.state.openRuns);
    const open = new Set(ids);
    for (let from = 0; from < ids.length; from += limits.batchRows) {
      for (const id of await this.#store.listEnded({ ids: ids.slice(from, from + limits.batchRows) })) open.delete(id);
    }
    return open;
  }

  async #prepare({ schedule, manifestHash }: DueSchedule, now: number, all: ReadonlySet<string>): Promise<Prepared> {
    let ticks: DueTicks;
    try {
      ticks = dueTicks(schedule, now);
    } catch (error) {
      // To be asked again at once, and again, would help nobody.
      const why = `it cannot be read here: ${error instanceof Error ? error.message : String(error)}`;
      const notes = [note("failed", schedule.state.nextTick ?? now, why)];
      return prepared({ schedule, next: null, runs: [], notes, open: [...schedule.state.openRuns] });
    }
    const { due, dropped, next } = ticks;
    const { catchUp, overlap } = schedule.spec;
    const open = schedule.state.openRuns.filter((id) => all.has(id));
    const { resumedAt } = schedule;
    const plan = planTicks({ due, now, resumedAt, catchUp, overlap, open: open.length });
    const { runs, failed } = await this.#runsOf(schedule, plan, manifestHash);
    // Nothing is ended for a tick that starts nothing.
    if (plan.endsOpen && runs.length > 0) await this.#endOpen(schedule, open);
    const notes = [...dropped, ...[...plan.leftOut, ...failed].sort((a, b) => a.from - b.from)];
    // One that has ended may be started again, and is under way then.
    const remembered = schedule.state.openRuns;
    const kept = remembered.filter((id, place) => all.has(id) || place >= remembered.length - revivable);
    return prepared({ schedule, next, runs, notes, open: kept });
  }

  /** A tick whose run cannot be made, say since its input does not fit any more, is told of and left behind. */
  async #runsOf(
    schedule: ScheduleRow,
    { start }: TickPlan,
    manifestHash: string | null,
  ): Promise<{ runs: { tick: number; row: EnqueueRow }[]; failed: TickNote[] }> {
    const runs: { tick: number; row: EnqueueRow }[] = [];
    const failed: TickNote[] = [];
    for (const [place, tick] of start.entries()) {
      if (manifestHash === null) {
        failed.push(note("failed", tick, `there is no definition "${schedule.definition}"`));
        continue;
      }
      try {
        runs.push({ tick, row: await this.#scheduledRuns.ofTick(schedule, tick, manifestHash) });
      } catch (error) {
        if (!isAppError(error) || !tickFailures.has(error.code)) throw error;
        // What has taken too long is not tried with each of its ticks.
        const ticks = isOverrun(error) ? start.slice(place) : [tick];
        failed.push(...ticks.map((each) => note("failed", each, error.message)));
        if (isOverrun(error)) break;
      }
    }
    return { runs, failed };
  }

  async #endOpen({ id }: ScheduleRow, open: readonly string[]): Promise<void> {
    const message = `It was cancelled: the next tick of its schedule ${id} has come.`;
    const ending = { status: "cancelled", error: { code: "cancelled", message } } as const;
    const data = { reason: `the next tick of its schedule ${id} has come` };
    for (const runId of open) await this.#store.orderEnd({ runId, ending, data, limitRows: limits.pageRows });
  }
}

function prepared(args: {
  readonly schedule: ScheduleRow;
  readonly next: number | null;
  readonly runs: readonly { readonly tick: number; readonly row: EnqueueRow }[];
  readonly notes: readonly TickNote[];
  readonly open: readonly string[];
}): Prepared {
  const { schedule, next, runs, notes, open } = args;
  const { namespace, id, version, spec, state } = schedule;
  const ids = runs.map(({ row }) => row.run.id);
  const last = runs.at(-1);
  const firing: ScheduleFiring = {
    namespace,
    id,
    version,
    dueAt: next === null ? null : dueAt(schedule, next),
    state: {
      nextTick: next,
      lastTick: last?.tick ?? state.lastTick,
      lastRunId: last?.row.run.id ?? state.lastRunId,
      openRuns: rememberedOpen(spec, [...open, ...ids]),
      started: state.started + runs.length,
      leftOut: state.leftOut + countNotes(notes),
      notes: withNotes(state.notes, notes),
    },
    runs: runs.map(({ row }) => row),
  };
  return { schedule, firing, notes };
}

/** The same without its runs, which the store does not take. */
function without({ schedule, firing, notes }: Prepared, { message }: Error): Prepared {
  const failed = note("failed", firing.state.lastTick ?? 0, message);
  const { nextTick: next } = firing.state;
  return prepared({ schedule, next, runs: [], notes: [...notes, failed], open: schedule.state.openRuns });
}

function* batches(rows: readonly Prepared[]): Generator<Prepared[]> {
  let batch: Prepared[] = [];
  let count = 0;
  for (const row of rows) {
    if (count > 0 && count + row.firing.runs.length > runsPerCall) {
      yield batch;
      batch = [];
      count = 0;
    }
    batch.push(row);
    count += row.firing.runs.length;
  }
  if (batch.length > 0) yield batch;
}
