import type { Manifest, ScheduleSpec } from "@holdfast/protocol";
import { task } from "@holdfast/sdk";

/** What the schedules of the kill test start. */
export const beat = task({ id: "beat" }, async () => "beaten");

export const beatManifest = {
  format: 1,
  root: "beat",
  definitions: {
    beat: {
      kind: "task",
      id: "beat",
      executor: "typescript",
      source: { module: "beat.ts", export: "beat" },
      queue: "default",
      priority: 0,
      retry: { attempts: 1, delayMs: 0, factor: 1, maxDelayMs: 0, jitter: 0 },
      placement: "inline",
      isolation: "pool",
      reads: [],
      writes: [],
    },
  },
  assets: {},
} satisfies Manifest;

/** A cron each second, an interval each second, and one whose ticks are put off by chance. */
export const beatSchedules: readonly ScheduleSpec[] = [
  { name: "cron", when: { cron: "* * * * * *" }, jitterMs: 0 },
  { name: "every", when: { everyMs: 1_000 }, jitterMs: 0 },
  { name: "jitter", when: { cron: "*/2 * * * * *" }, jitterMs: 1_500 },
].map(({ name, when, jitterMs }) => ({
  id: `beat:${name}`,
  definition: "beat",
  when,
  tz: "Europe/Berlin",
  params: { object: { at: { tick: "time" } } },
  // Every node may be dead at a tick.
  catchUp: "all",
  overlap: "allow",
  jitterMs,
}));

const points = [
  "fireSchedules",
  "lockSchedules",
  "moveSchedules",
  "takeNames",
  "insertRoots",
  "commit",
  "fired",
] as const;
export type Point = (typeof points)[number];
export const pointsOn = { postgres: points, owned: ["fireSchedules", "fired"] } as const;

export function isPoint(name: string): name is Point {
  return points.some((point) => point === name);
}
