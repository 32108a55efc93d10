import assert from "node:assert/strict";
import { test } from "node:test";
import { isAppError } from "@holdfast/protocol";
import { schedule, task, workflow } from "@holdfast/sdk";
import { z } from "zod";
import { openTest } from "./index.ts";

// Faults to catch: a schedule that the compiler drops or changes, a node that does not look when a schedule is due, mistakes
// without a place.

const extract = task({ id: "extract", input: z.object({ day: z.string() }) }, ({ day }) => day);
const nightly = workflow(
  {
    id: "nightly",
    params: z.object({ day: z.string(), level: z.number().default(2) }),
    schedule: { cron: "0 3 * * *", tz: "Europe/Berlin", params: { day: schedule.date } },
  },
  (w) => ({ day: w.call(extract, { day: w.params.day }).output, level: w.params.level }),
);

test("a workflow's schedule starts it while time goes on, with the tick's day in its zone", async () => {
  await using holdfast = await openTest({ extract, nightly }, { schedules: true });
  await holdfast.clock.advance("3d");
  const runs = await holdfast.runs();
  assert.deepEqual(
    runs.map(({ definition, status, output, createdAt }) => [definition, status, output, createdAt]),
    ["2026-01-01", "2026-01-02", "2026-01-03"].map((day) => [
      "nightly",
      "succeeded",
      { day, level: 2 },
      `${day}T02:00:00.000Z`,
    ]),
  );
});

test("schedules do nothing in a test that does not ask for them", async () => {
  await using holdfast = await openTest({ extract, nightly });
  await holdfast.clock.advance("3d");
  assert.deepEqual(await holdfast.runs(), []);
});

test("several schedules of a task have names, and each its own params", async () => {
  const greet = task(
    {
      id: "greet",
      input: z.object({ who: z.string(), at: z.string().optional() }),
      schedule: [
        { id: "eu", every: "1h", params: { who: "Europe", at: schedule.time }, tz: "Europe/Berlin" },
        { id: "once", at: "2026-01-01T00:30", params: { who: "everybody" } },
      ],
    },
    ({ who, at = "" }) => `${who} ${at}`,
  );
  await using holdfast = await openTest([greet], { schedules: true });
  await holdfast.clock.advance("1h");
  const runs = await holdfast.runs();
  assert.deepEqual(
    runs.map(({ key, output }) => [key, output]),
    [
      ["schedule/greet:once/2026-01-01T00:30:00.000Z", "everybody "],
      ["schedule/greet:eu/2026-01-01T01:00:00.000Z", "Europe 2026-01-01T02:00:00+01:00"],
    ],
  );
});

const day = z.object({ day: z.string() });
const mistakes: readonly (readonly [said: unknown, told: RegExp])[] = [
  [{ params: { day: "x" } }, /schedule: it says not when/],
  [{ cron: "* * * * *", every: "1h", params: { day: "x" } }, /schedule: it says "cron" and "every"/],
  [{ cron: "0 3 * *", params: { day: "x" } }, /schedule: "cron": "0 3 \* \*" has 4 fields/],
  [{ cron: "0 0 30 2 *", params: { day: "x" } }, /schedule: "cron": it never comes/],
  [{ every: "250ms", params: { day: "x" } }, /"every" is shorter than a second/],
  [{ every: "soon", params: { day: "x" } }, /schedule: "every" is "soon"/],
  [{ at: "tomorrow", params: { day: "x" } }, /"at": "tomorrow" is no moment/],
  [{ every: "1h", tz: "Europe/Berlim", params: { day: "x" } }, /"tz": there is no time zone "Europe\/Berlim"/],
  [{ every: "1h" }, /schedule: "params" lacks "day"/],
  [{ every: "1h", params: { day: 3 } }, /schedule: "params"\.day is a number, but a string is wanted/],
  [{ every: "1h", params: { day: () => 1 } }, /schedule: "params"\.day is a function/],
  [{ every: "1h", params: { day: extract } }, /schedule: "params"\.day is the task "extract" itself/],
  [{ every: "1h", params: { day: "x" }, overlap: "queue" }, /schedule: "overlap" is "queue"/],
  [{ every: "1h", params: { day: "x" }, jitter: "2d" }, /"jitter" is longer than a day/],
  [{ every: "1h", params: { day: "x" }, catchup: "all" }, /unknown option "catchup"/],
  [[{ every: "1h", params: { day: "x" } }], /"schedule\[0\]" has no id/],
  [[1, 2].map(() => ({ id: "a", every: "1h", params: { day: "x" } })), /two schedules have the id "a"/],
  ["0 3 * * *", /schedule: its options are "0 3 \* \* \*"/],
];

for (const [said, told] of mistakes) {
  test(`a mistake in a schedule is told with its place: ${told.source}`, async () => {
    const wrong = task({ id: "wrong", input: day, schedule: said as never }, () => 1);
    await assert.rejects(openTest([wrong]), (error) => {
      assert.ok(isAppError(error, "invalid_definition"));
      assert.match(error.message, told);
      assert.match(error.message, /schedules\.test\.ts:\d+ task "wrong": /);
      return true;
    });
  });
}

test("a tick's day in a workflow's graph is a mistake that says where it belongs", async () => {
  const wrong = workflow({ id: "wrong" }, (w) => w.call(extract, { day: schedule.date as never }).output);
  await assert.rejects(openTest([extract, wrong]), (error) => {
    return isAppError(error, "invalid_definition") && /is schedule\.date/.test(error.message);
  });
});
