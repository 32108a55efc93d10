import type { ScheduleSpec } from "@holdfast/protocol";
import type { ListedSchedule, RunRow } from "../../server/src/core/index.ts";
import type { Chance } from "../../server/src/store/contract/chance.contract.ts";
import { tickAfter } from "../../server/src/ticks.ts";
import { randomScript } from "./workload.ts";

/** A schedule of the task alone, in some fleets two. They end before the fleet is left in peace. */
export function randomSchedules(chance: Chance, { from, until }: { from: number; until: number }): ScheduleSpec[] {
  const count = chance.happens(0.4) ? chance.between(1, 2) : 0;
  return Array.from({ length: count }, (_, index) => ({
    id: `unit:beat-${index}`,
    definition: "unit",
    when: chance.happens(0.5)
      ? { everyMs: chance.between(2_000, 9_000) }
      : { cron: `*/${chance.between(2, 9)} * * * * *` },
    tz: "Europe/Berlin",
    params: { const: { ...randomScript(chance) } },
    catchUp: "all",
    overlap: chance.pick(["allow", "allow", "wait", "skip", "cancel"] as const),
    jitterMs: chance.happens(0.5) ? chance.between(1, 4_000) : 0,
    startAt: new Date(from).toISOString(),
    endAt: new Date(until).toISOString(),
  }));
}

/** Each tick has started one run or was left out by its rules, and is counted once. */
export function ticksVerdict(
  { id, spec, state, declaredAt }: ListedSchedule,
  rows: readonly RunRow[],
): string | undefined {
  const prefix = `schedule/${id}/`;
  const own = rows.filter(({ key, parentId }) => parentId === null && key?.startsWith(prefix) === true);
  const ticks = own.map(({ key }) => Date.parse(key?.slice(prefix.length) ?? ""));
  const due: number[] = [];
  for (let tick = tickAfter(spec, declaredAt); tick !== null; tick = tickAfter(spec, tick)) due.push(tick);
  if (new Set(ticks).size < ticks.length) return `P1 a tick of ${id} was started twice`;
  const strange = ticks.find((tick) => !due.includes(tick));
  if (strange !== undefined)
    return `${id} was started at ${new Date(strange).toISOString()}, which is none of its ticks`;
  if (state.started !== ticks.length) return `P3 ${id} says ${state.started} runs, where there are ${ticks.length}`;
  const lost = due.length - ticks.length - state.leftOut;
  if (lost !== 0)
    return `P1 of ${due.length} ticks of ${id} ${ticks.length} were started and ${state.leftOut} left out`;
  if (spec.overlap === "allow" && state.leftOut > 0) return `${id} left out ${state.leftOut} ticks`;
  return undefined;
}
