import { type CatchUp, limits, type Overlap, type ScheduleSpec, storableText } from "@holdfast/protocol";

// Which ticks of a schedule start a run, and what is said of those that do not. A tick is judged once: the store compares the
// schedule's version in the step that starts its runs and moves it on.

/** A tick that is no later than this came in time, whatever `catchUp` says: a node may have been busy, or just died. */
export const lateMs = 10_000;

/** A tick and the moment at which it starts, its jitter counted in. Milliseconds of the store's clock. */
export interface DueTick {
  readonly tick: number;
  readonly dueAt: number;
}

/** Why ticks started no run: left out by `overlap`, over before a node came (`catchUp`), or not to be started. */
export interface TickNote {
  readonly what: "skipped" | "missed" | "failed";
  /** The first and the last of ticks that follow each other. */
  readonly from: number;
  readonly to: number;
  /** How many; null when they were too many to count. */
  readonly count: number | null;
  readonly why: string;
}

/** What a schedule remembers from tick to tick. */
export interface ScheduleState {
  /** The tick that comes next; null: none comes any more. */
  readonly nextTick: number | null;
  /** The last tick that started a run, and that run, or one that a person started. */
  readonly lastTick: number | null;
  readonly lastRunId: string | null;
  /** Runs of it that may be under way, also since they were started again; kept where `overlap` asks. */
  readonly openRuns: readonly string[];
  /** Runs that it has started, and ticks that started none. */
  readonly started: number;
  readonly leftOut: number;
  /** The newest, at most `limits.scheduleNotes`, the newest last. */
  readonly notes: readonly TickNote[];
}

/** A schedule as the store keeps it. */
export interface ScheduleRow {
  readonly namespace: string;
  readonly id: string;
  readonly definition: string;
  readonly spec: ScheduleSpec;
  readonly paused: boolean;
  /** Since when it is paused, and why; null: it is not, or nobody said. */
  readonly pausedAt: number | null;
  readonly pauseReason: string | null;
  /** When it was resumed last: what was due before was missed. */
  readonly resumedAt: number | null;
  /** When it is to be looked at next; null: never. */
  readonly dueAt: number | null;
  readonly state: ScheduleState;
  /** Rises with each change; who changes it says which one was seen. */
  readonly version: number;
  /** When what it says came into force. */
  readonly declaredAt: number;
}

/** A schedule as lists show it: without what it starts its runs with, which may be as large as an input. */
export type ListedSchedule = Omit<ScheduleRow, "spec"> & { readonly spec: Omit<ScheduleSpec, "params"> };

/** The state of a schedule that has just come. */
export function newScheduleState(nextTick: number | null): ScheduleState {
  return { nextTick, lastTick: null, lastRunId: null, openRuns: [], started: 0, leftOut: 0, notes: [] };
}

export interface TickPlan {
  /** Ticks that start a run, in order. */
  readonly start: readonly number[];
  readonly leftOut: readonly TickNote[];
  /** The runs that are under way are ordered to end first. */
  readonly endsOpen: boolean;
}

/** Judges ticks that are due, in order. `open`: how many earlier runs are under way. `resumedAt`: see ScheduleRow. */
export function planTicks(args: {
  readonly due: readonly DueTick[];
  readonly now: number;
  readonly resumedAt: number | null;
  readonly catchUp: CatchUp;
  readonly overlap: Overlap;
  readonly open: number;
}): TickPlan {
  const { due, now, resumedAt, catchUp, overlap, open } = args;
  const wanted = wantedTicks(due, Math.max(now - lateMs, resumedAt ?? 0), catchUp);
  const missed = due.filter((each) => !wanted.includes(each)).map(({ tick }) => note("missed", tick, missedWhy));
  const ticks = wanted.map(({ tick }) => tick);
  const started = chosenTicks(ticks, overlap, open);
  const skipped = ticks.filter((tick) => !started.includes(tick)).map((tick) => note("skipped", tick, skippedWhy));
  const leftOut = [...missed, ...skipped].sort((a, b) => a.from - b.from);
  return { start: started, leftOut, endsOpen: overlap === "cancel" && open > 0 && started.length > 0 };
}

const missedWhy = "no node was there, or the schedule was paused";
const skippedWhy = "an earlier run was under way";

function wantedTicks(due: readonly DueTick[], since: number, catchUp: CatchUp): readonly DueTick[] {
  if (catchUp === "all") return due;
  const inTime = due.filter(({ dueAt }) => dueAt >= since);
  return inTime.length > 0 || catchUp === "none" ? inTime : due.slice(-1);
}

function chosenTicks(ticks: readonly number[], overlap: Overlap, open: number): readonly number[] {
  switch (overlap) {
    case "allow":
      return ticks;
    case "skip":
      return open > 0 ? [] : ticks.slice(0, 1);
    case "wait":
      return ticks.slice(0, Math.max(0, 2 - open));
    case "cancel":
      return ticks.slice(-1);
  }
}

/** Of a note's reason: what is kept of a schedule stays small, whatever an error says. */
const whyCharacters = 500;

/** What is said of one tick that starts no run. */
export function note(what: TickNote["what"], tick: number, why: string): TickNote {
  return { what, from: tick, to: tick, count: 1, why: storableText(why.slice(0, whyCharacters)) };
}

/** Runs that a schedule remembers as perhaps under way: people may start many by hand. */
const rememberedRuns = 100;

/** The runs to remember, the newest last; none where nothing asks for them. */
export function rememberedOpen({ overlap }: Pick<ScheduleSpec, "overlap">, runIds: readonly string[]): string[] {
  return overlap === "allow" ? [] : runIds.slice(-rememberedRuns);
}

/** Notes with others after them; those that say the same of ticks that follow each other become one. */
export function withNotes(notes: readonly TickNote[], more: readonly TickNote[]): TickNote[] {
  const all = [...notes];
  for (const next of more) {
    const last = all.at(-1);
    if (last === undefined || last.what !== next.what || last.why !== next.why) all.push(next);
    else all[all.length - 1] = { ...last, to: next.to, count: added(last.count, next.count) };
  }
  return all.slice(-limits.scheduleNotes);
}

function added(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a + b;
}

/** How many ticks notes tell of; those that nobody counted as one. */
export function countNotes(notes: readonly TickNote[]): number {
  return notes.reduce((sum, { count }) => sum + (count ?? 1), 0);
}
