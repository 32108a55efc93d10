import assert from "node:assert/strict";
import { isEnded, type Manifest, type ScheduleSpec } from "@holdfast/protocol";
import type { RunRow } from "../../server/src/core/index.ts";
import { serve } from "../../server/src/main.ts";
import type { Store } from "../../server/src/store/store.ts";
import { listAllRuns } from "./all-runs.ts";
import { until } from "./processes.ts";
import { patiently } from "./topic-reader.ts";

// What starts by itself while a campaign strikes: a schedule, whose runs take turns. Each of its ticks has one run or is told
// as left out, whoever was killed at whatever point.

const everyMs = 3_000;

/** Its runs take turns at one slot, which the next one gets from the end of the one before. */
const schedule: ScheduleSpec = {
  ...{ id: "pulse", definition: "pulse", when: { everyMs }, tz: "UTC", params: { const: {} } },
  ...{ catchUp: "all", overlap: "wait", jitterMs: 0 },
};

/** Makes the campaign's definitions known, and lets the schedule start its runs, where there is to be one. */
export async function beginPulse(store: Store, manifests: readonly Manifest[], isBeating: boolean): Promise<void> {
  await serve(store, { pollMs: 250 }).schedules.apply(manifests, isBeating ? [schedule] : []);
}

/** No tick starts a run any more. Resolves when all that were started have ended. */
export async function endPulse(store: Store, isOver: () => boolean): Promise<void> {
  const { schedules } = serve(store, { pollMs: 250 });
  const { schedules: known } = await patiently(isOver, () => schedules.list({ limit: 1, next: 1 }));
  if (known.length === 0) return;
  await patiently(isOver, () => schedules.pause(schedule.id, { paused: true }));
  await until(
    "all runs of the schedule have ended",
    async () => {
      const runs = await patiently(isOver, () => listAllRuns(store));
      return runs.every((run) => !isPulse(run) || isEnded(run.status)) || undefined;
    },
    180_000,
  );
}

/** Whether a root is of the schedule, and not somebody's who asked for it. */
export function isPulse({ definition }: { readonly definition: string }): boolean {
  return definition === "pulse";
}

/** Every tick from the first to the last has one run, or is told as left out since one was waiting for its turn already. */
export async function checkTicks(store: Store, roots: readonly RunRow[]): Promise<void> {
  if (roots.length === 0) return;
  const { started, leftOut } = await serve(store, { pollMs: 250 }).schedules.get(schedule.id, 1);
  const ticks = roots.map(({ key }) => Date.parse(key?.replace(`schedule/${schedule.id}/`, "") ?? ""));
  const [first, last] = [Math.min(...ticks), Math.max(...ticks)];
  assert.equal(new Set(ticks).size, ticks.length, "P1 a tick has two runs");
  const places = ticks.map((tick) => (tick - first) / everyMs);
  assert.ok(places.every(Number.isInteger), `P1 not all of these are ticks: ${ticks.join(", ")}`);
  assert.equal(started, ticks.length, "the schedule counts its runs");
  const missing = (last - first) / everyMs + 1 - ticks.length;
  assert.ok(missing <= leftOut, `P1 ${missing} ticks have no run, and ${leftOut} are told as left out`);
}
