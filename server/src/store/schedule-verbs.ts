import type { ListedSchedule, ScheduleRow, ScheduleState } from "../core/index.ts";
import type { EnqueueResult, EnqueueRow } from "./enqueue-rows.ts";

// The part of the store that keeps schedules: a tick starts its runs and moves its schedule on in one step, which compares the
// version that was seen, so that it fires once however many nodes look (P3).

/** What a schedule is to say from now on. */
export type ScheduleDeclaration = Pick<ScheduleRow, "id" | "definition" | "spec" | "dueAt" | "state"> & {
  /** The one that was seen; null: there was none. */
  readonly version: number | null;
};

/** A schedule that is due, with the current manifest of its definition; null: it has none. */
export interface DueSchedule {
  readonly schedule: ScheduleRow;
  readonly manifestHash: string | null;
}

/** What becomes of a schedule that was looked at. */
export interface ScheduleFiring {
  readonly namespace: string;
  readonly id: string;
  /** The one that was seen. */
  readonly version: number;
  readonly dueAt: number | null;
  readonly state: ScheduleState;
  /** The runs that it starts, as `enqueueRuns` takes them. */
  readonly runs: readonly EnqueueRow[];
}

/** `stale`: the schedule is gone, has another version, or somebody is at it; nothing of the row happened. */
export type FiringResult =
  | { readonly outcome: "fired"; readonly runs: readonly EnqueueResult[] }
  | { readonly outcome: "stale" };

export interface ScheduleVerbs {
  /**
   * Makes schedules of these definitions say what is declared, and withdraws those that are neither declared nor `kept`. One
   * that is paused stays so. `stale`: another version is there; that row was left alone.
   */
  declareSchedules(args: {
    namespace: string;
    definitions: readonly string[];
    rows: readonly ScheduleDeclaration[];
    kept: readonly string[];
  }): Promise<{ results: ("declared" | "stale")[]; withdrawn: string[] }>;
  /** In the order of ids, from after `after`; without what they start their runs with, which is not read. */
  listSchedules(args: {
    namespace: string;
    definition?: string;
    after?: string;
    limitRows: number;
  }): Promise<ListedSchedule[]>;
  findSchedule(args: { namespace: string; id: string }): Promise<ScheduleRow | undefined>;
  /**
   * Schedules that are due and not paused, the longest due first; fewer where their params are large (`limits.pageBytes`), never
   * none. `nextInMs`: until the next is due, 0 if it is.
   */
  dueSchedules(args: {
    namespace: string;
    limitRows: number;
  }): Promise<{ due: DueSchedule[]; now: number; nextInMs: number | null }>;
  /** Starts runs of schedules and moves these on: a row wholly or not at all. Never waits for a schedule that somebody else is at. */
  fireSchedules(args: { rows: readonly ScheduleFiring[] }): Promise<FiringResult[]>;
  /** Undefined: there is no such schedule. `changed` false: it was so already. `reason`: of a pause; null: none is given. */
  pauseSchedule(args: {
    namespace: string;
    id: string;
    paused: boolean;
    reason: string | null;
  }): Promise<{ changed: boolean; schedule: ScheduleRow } | undefined>;
  /** Ends a schedule, until it is declared again. */
  removeSchedule(args: { namespace: string; id: string }): Promise<{ removed: boolean }>;
}
