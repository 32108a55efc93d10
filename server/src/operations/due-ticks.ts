import { createHash } from "node:crypto";
import { limits } from "@holdfast/protocol";
import { type DueTick, note, type ScheduleRow, type TickNote } from "../core/index.ts";
import { tickAfter, ticksBefore } from "../ticks.ts";

/** Ticks of one schedule that one step looks at; what is left is looked at in the next. */
const ticksPerStep = 100;

/** The ticks of a schedule that are due, and what comes after them. */
export interface DueTicks {
  readonly due: readonly DueTick[];
  /** Ticks before them that were too many to look at. */
  readonly dropped: readonly TickNote[];
  /** Null: none comes any more. */
  readonly next: number | null;
}

/** Throws for a schedule that this process cannot read, say for its time zone. */
export function dueTicks(schedule: ScheduleRow, now: number): DueTicks {
  const { spec, state } = schedule;
  const first = state.nextTick;
  if (first === null) return { due: [], dropped: [], next: null };
  const taken = takeDue(schedule, first, now);
  const isAll = taken.next === null || dueAt(schedule, taken.next) > now;
  if (isAll) return { ...taken, dropped: [] };
  const limit = spec.catchUp === "all" ? limits.catchUpTicks : ticksPerStep;
  const [oldest] = ticksBefore(spec, now + 1, limit);
  if (oldest === undefined || oldest <= first) return { ...taken, dropped: [] };
  const [last = first] = ticksBefore(spec, oldest, 1);
  const dropped = { ...note("missed", first, `more than ${limit} were missed`), to: last, count: null };
  return { ...takeDue(schedule, oldest, now), dropped: [dropped] };
}

function takeDue(schedule: ScheduleRow, first: number, now: number): { due: DueTick[]; next: number | null } {
  const due: DueTick[] = [];
  let tick: number | null = first;
  while (tick !== null && due.length < ticksPerStep && dueAt(schedule, tick) <= now) {
    due.push({ tick, dueAt: dueAt(schedule, tick) });
    tick = tickAfter(schedule.spec, tick);
  }
  return { due, next: tick };
}

/**
 * When a tick starts: its jitter follows from the schedule and the tick, so that every node says the same. It ends where the next tick
 * comes, so that ticks start in their order and none is late since one before it drew a long one.
 */
export function dueAt({ namespace, id, spec }: Pick<ScheduleRow, "namespace" | "id" | "spec">, tick: number): number {
  if (spec.jitterMs === 0) return tick;
  const drawn = createHash("sha256")
    .update(JSON.stringify(["jitter", namespace, id, tick]))
    .digest()
    .readUInt32BE(0);
  const gap = (tickAfter(spec, tick) ?? Number.POSITIVE_INFINITY) - tick;
  return tick + Math.floor((drawn / 2 ** 32) * Math.min(spec.jitterMs, gap));
}
