import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { isDefinition } from "./definitions.ts";
import { schedule, task, workflow } from "./index.ts";

// Type tests of the option `schedule`: `tsc` is what runs them.

const day = z.object({ day: z.string(), level: z.number().default(1) });

export const daily = workflow(
  { id: "daily", params: day, schedule: { cron: "0 3 * * *", tz: "Europe/Berlin", params: { day: schedule.date } } },
  (w) => w.params.day,
);
export const several = task(
  {
    id: "several",
    input: day,
    schedule: [
      { id: "eu", cron: "0 3 * * *", tz: "Europe/Berlin", params: { day: schedule.date, level: 2 }, overlap: "skip" },
      { id: "us", every: "15m", params: { day: schedule.time }, catchUp: "all", jitter: "30s" },
      { id: "once", at: new Date(0), params: { day: "2026-12-24" }, startAt: "2026-01-01", endAt: new Date(0) },
    ],
  },
  async (input) => input.level,
);
export const nested = task(
  {
    id: "nested",
    input: z.object({ range: z.object({ from: z.string(), tags: z.array(z.string()) }) }),
    schedule: { every: "1h", params: { range: { from: schedule.time, tags: ["a", schedule.date] } } },
  },
  async (input) => input.range.from,
);
export const bare = task({ id: "bare", schedule: { cron: "* * * * *" } }, async () => 1);
export const annotated = task(
  { id: "annotated", schedule: { every: "1h", params: { a: 1 } } },
  async (input: { a: number }) => input.a,
);
export const optional = workflow(
  { id: "optional", params: z.object({ n: z.number().default(1) }), schedule: { every: "1h" } },
  (w) => w.params.n,
);

// @ts-expect-error a required parameter is not bound
workflow({ id: "x", params: day, schedule: { cron: "0 3 * * *" } }, (w) => w.params.day);
// @ts-expect-error a required parameter is missing
workflow({ id: "x", params: day, schedule: { cron: "0 3 * * *", params: { level: 2 } } }, (w) => w.params.day);
// @ts-expect-error a parameter of the wrong type
workflow({ id: "x", params: day, schedule: { cron: "0 3 * * *", params: { day: 3 } } }, (w) => w.params.day);
const numbered = z.object({ n: z.number() });
// @ts-expect-error a day is no number
workflow({ id: "x", params: numbered, schedule: { every: "1h", params: { n: schedule.date } } }, () => 1);
// @ts-expect-error no such parameter
workflow({ id: "x", params: day, schedule: { every: "1h", params: { day: "x", dya: "y" } } }, (w) => w.params.day);
// @ts-expect-error a task's input that is not bound
task({ id: "x", input: day, schedule: { every: "1h" } }, async () => 1);
// @ts-expect-error the body says what the input is
task({ id: "x", schedule: { every: "1h", params: { a: "1" } } }, async (input: { a: number }) => input.a);
// @ts-expect-error when it starts is not said
task({ id: "x", schedule: { tz: "UTC" } }, async () => 1);
// @ts-expect-error said twice
task({ id: "x", schedule: { cron: "* * * * *", every: "1h" } }, async () => 1);
// @ts-expect-error several have ids
task({ id: "x", schedule: [{ cron: "* * * * *" }] }, async () => 1);
// @ts-expect-error no such policy
task({ id: "x", schedule: { cron: "* * * * *", overlap: "queue" } }, async () => 1);
// @ts-expect-error not a duration
task({ id: "x", schedule: { every: "15 minutes" } }, async () => 1);
// @ts-expect-error a tick exists only in a schedule
workflow({ id: "x" }, (w) => w.call(several, { day: schedule.date }).output);

test("a tick's values are told where they are used as strings", () => {
  assert.throws(() => `${schedule.date as unknown as string}`, /schedule\.date was used as a string/);
  assert.throws(() => JSON.stringify({ day: schedule.time }), /schedule\.time was used as a string/);
  for (const definition of [daily, several, nested, bare, annotated, optional]) assert.ok(isDefinition(definition));
});
