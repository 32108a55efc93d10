import type { ListedSchedule, ScheduleRow } from "../../core/index.ts";
import { jsonBytes } from "../admission.ts";
import { fittingRows } from "../page-bytes.ts";
import type { DueSchedule, FiringResult, ScheduleDeclaration, ScheduleFiring, Store } from "../store.ts";
import { enqueueRuns } from "./enqueue.ts";
import type { Memory } from "./memory.ts";

type Args<Verb extends keyof Store> = Parameters<Store[Verb]>[0];

/** See `Store.declareSchedules`. */
export function declareSchedules(
  memory: Memory,
  { namespace, definitions, rows, kept }: Args<"declareSchedules">,
): { results: ("declared" | "stale")[]; withdrawn: string[] } {
  const { schedules } = memory;
  const now = memory.now();
  const named = new Set([...kept, ...rows.map(({ id }) => id)]);
  const withdrawn = schedules
    .list(namespace)
    .filter(({ id, definition }) => definitions.includes(definition) && !named.has(id))
    .map(({ id }) => id);
  for (const id of withdrawn) schedules.withdraw(namespace, id);
  const results = rows.map(({ version, ...row }: ScheduleDeclaration) => {
    const before = schedules.find(namespace, row.id);
    if ((before?.version ?? null) !== version) return "stale";
    const { paused = false, pausedAt = null, pauseReason = null, resumedAt = null } = before ?? {};
    const pause = { paused, pausedAt, pauseReason, resumedAt };
    schedules.put({ ...row, ...pause, namespace, version: (version ?? 0) + 1, declaredAt: now });
    return "declared";
  });
  return { results, withdrawn };
}

export function listedSchedule({ spec: { params: _, ...spec }, ...row }: ScheduleRow): ListedSchedule {
  return { ...row, spec };
}

/** See `Store.dueSchedules`. */
export function dueSchedules(
  memory: Memory,
  { namespace, limitRows }: Args<"dueSchedules">,
): { due: DueSchedule[]; now: number; nextInMs: number | null } {
  const now = memory.now();
  const waiting = memory.schedules.list(namespace).flatMap((schedule) => {
    return schedule.paused || schedule.dueAt === null ? [] : [{ schedule, dueAt: schedule.dueAt }];
  });
  waiting.sort((a, b) => a.dueAt - b.dueAt);
  const late = waiting.filter(({ dueAt }) => dueAt <= now).slice(0, limitRows);
  const fit = fittingRows(late, ({ schedule }) => jsonBytes(schedule.spec.params));
  const due = late.slice(0, fit);
  const first = waiting[0]?.dueAt;
  return {
    due: due.map(({ schedule }) => ({
      schedule,
      manifestHash: memory.definitions.find(namespace, schedule.definition)?.manifestHash ?? null,
    })),
    now,
    nextInMs: first === undefined ? null : Math.max(0, first - now),
  };
}

/** See `Store.fireSchedules`. */
export function fireSchedules(memory: Memory, rows: readonly ScheduleFiring[]): FiringResult[] {
  const fired = rows.map(({ namespace, id, version, dueAt, state, runs }) => {
    const before = memory.schedules.find(namespace, id);
    if (before?.version !== version) return undefined;
    memory.schedules.put({ ...before, dueAt, state, version: version + 1 });
    return runs;
  });
  // All together, so that those that come to a gate are let in as they stand in its line.
  const results = enqueueRuns(
    memory,
    fired.flatMap((runs) => runs ?? []),
  );
  return fired.map((runs) =>
    runs === undefined ? { outcome: "stale" } : { outcome: "fired", runs: results.splice(0, runs.length) },
  );
}

/** See `Store.pauseSchedule`. */
export function pauseSchedule(
  memory: Memory,
  { namespace, id, paused, reason }: Args<"pauseSchedule">,
): { changed: boolean; schedule: ScheduleRow } | undefined {
  const before = memory.schedules.find(namespace, id);
  if (before === undefined || before.paused === paused) return before && { changed: false, schedule: before };
  const now = memory.now();
  const times = paused ? { pausedAt: now, pauseReason: reason } : { pausedAt: null, pauseReason: null, resumedAt: now };
  const schedule = { ...before, ...times, paused, version: before.version + 1 };
  memory.schedules.put(schedule);
  return { changed: true, schedule };
}

/** See `Store.removeSchedule`. */
export function removeSchedule({ schedules }: Memory, { namespace, id }: Args<"removeSchedule">): { removed: boolean } {
  if (schedules.find(namespace, id) === undefined) return { removed: false };
  schedules.withdraw(namespace, id);
  return { removed: true };
}

/** See `Store.listSchedules`. */
export function listSchedules(
  { schedules }: Memory,
  { namespace, definition, after = "", limitRows }: Args<"listSchedules">,
): ReturnType<typeof listedSchedule>[] {
  return schedules
    .list(namespace)
    .filter((row) => row.id > after && (definition === undefined || row.definition === definition))
    .slice(0, limitRows)
    .map(listedSchedule);
}
