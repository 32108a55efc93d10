import type { ScheduleView } from "@holdfast/protocol";
import type { ListedSchedule } from "../core/index.ts";
import { tickAfter } from "../ticks.ts";

/** A schedule as people and programs see it, with its next `count` ticks after `now`. */
export function scheduleView({ spec, state, ...row }: ListedSchedule, now: number, count: number): ScheduleView {
  return {
    id: row.id,
    definition: row.definition,
    when: spec.when,
    tz: spec.tz,
    catchUp: spec.catchUp,
    overlap: spec.overlap,
    jitterMs: spec.jitterMs,
    startAt: spec.startAt ?? null,
    endAt: spec.endAt ?? null,
    paused: row.paused,
    pausedAt: maybe(row.pausedAt),
    pauseReason: row.pauseReason,
    resumedAt: maybe(row.resumedAt),
    next: nextTicks({ spec, state }, now, count).map(timeText),
    lastTick: state.lastTick === null ? null : timeText(state.lastTick),
    lastRun: state.lastRunId,
    started: state.started,
    leftOut: state.leftOut,
    notes: state.notes.map(({ from, to, ...note }) => ({ ...note, from: timeText(from), to: timeText(to) })),
    declaredAt: timeText(row.declaredAt),
  };
}

function nextTicks({ spec, state }: Pick<ListedSchedule, "spec" | "state">, now: number, count: number): number[] {
  const ticks: number[] = [];
  let tick = state.nextTick;
  // Those that are over but have not started are a matter of catching up.
  if (tick !== null && tick <= now) tick = tickAfter(spec, now);
  while (tick !== null && ticks.length < count) {
    ticks.push(tick);
    tick = tickAfter(spec, tick);
  }
  return ticks;
}

function maybe(ms: number | null): string | null {
  return ms === null ? null : timeText(ms);
}

function timeText(ms: number): string {
  return new Date(ms).toISOString();
}
