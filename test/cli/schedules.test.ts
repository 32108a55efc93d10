/**
 * `holdfast schedules` as a person uses it. Faults to catch: a command that does not say what it did, a pause that says that it
 * changed something when it did not, a schedule that `run` puts in place or takes away, an id that completion does not offer.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Project } from "./command.ts";

const timeout = 300_000;
const greet = `import { schedule, task } from "holdfast";
import { z } from "zod";
export const greet = task(
  {
    id: "greet",
    input: z.object({ day: z.string() }),
    schedule: [
      { id: "eu", cron: "0 3 * * *", tz: "Europe/Berlin", params: { day: schedule.date }, overlap: "skip" },
      { id: "us", every: "90m", params: { day: "never" }, jitter: "5m" },
    ],
  },
  async ({ day }) => "hello " + day,
);
`;

test("schedules are applied, listed, shown, paused, resumed and started by hand", { timeout }, async (t) => {
  const project = new Project(t, { "tasks/greet.ts": greet });
  const none = await project.run("schedules", "list");
  assert.match(none.stderr, /there is no store/);
  await project.run("run", "tasks/greet.ts", "--input", '{"day":"x"}');
  assert.match((await project.run("schedules", "list")).stderr, /Nothing is scheduled\.\nSay schedule: \{/);
  const applied = await project.run("apply", "tasks/greet.ts");
  assert.match(applied.stderr, /scheduled: greet:eu, greet:us/);
  const listed = await project.run("schedules", "list");
  assert.match(
    listed.stdout,
    /^SCHEDULE +WHEN +ZONE +NEXT +RUNS\ngreet:eu +0 3 \* \* \* +Europe\/Berlin +\S+ 03:00:00\+0\d:00 \(in /,
  );
  assert.match(listed.stdout, /\ngreet:us +every 1h 30m +UTC /);
  const next = await project.run("schedules", "next", "greet:eu", "--count", "3");
  assert.equal(next.stdout.trim().split("\n").length, 3);
  const paused = await project.run("schedules", "pause", "greet:eu");
  assert.match(paused.stderr, /greet:eu is paused: no tick starts a run until it is resumed\./);
  assert.match((await project.run("schedules", "pause", "greet:eu")).stderr, /greet:eu was paused already\./);
  assert.match((await project.run("schedules", "list")).stdout, /greet:eu .* paused/);
  const started = await project.run("schedules", "start", "greet:eu", "--json");
  const { run, existing } = JSON.parse(started.stdout) as { run: { input: { day: string } }; existing: boolean };
  assert.match(run.input.day, /^\d{4}-\d{2}-\d{2}$/);
  assert.equal(existing, false);
  const shown = await project.run("schedules", "show", "greet:eu");
  for (const line of [/^schedule +greet:eu$/m, /^overlap +skip$/m, /^paused +since /m, /^started +1 run$/m]) {
    assert.match(shown.stdout, line);
  }
  assert.match(
    (await project.run("schedules", "resume", "greet:eu")).stderr,
    /greet:eu goes on; its next tick: .*\(in /,
  );
  const completed = await project.run("complete", "--", "schedules", "show", "greet:e");
  assert.match(completed.stdout, /^greet:eu\t/);
  const unknown = await project.run("schedules", "show", "greet:asia");
  assert.deepEqual([unknown.code, /There is no schedule "greet:asia"/.test(unknown.stderr)], [1, true]);
  project.write("tasks/greet.ts", greet.replace(/ {6}\{ id: "us".*\n/, ""));
  await project.run("run", "tasks/greet.ts", "--input", '{"day":"x"}');
  assert.match((await project.run("schedules", "list")).stdout, /greet:us/, "run leaves schedules as they are");
  assert.match((await project.run("apply", "tasks/greet.ts")).stderr, /no longer scheduled: greet:us/);
  project.write(
    "tasks/greet.ts",
    'import { task } from "holdfast";\nexport const other = task({ id: "other" }, () => 1);\n',
  );
  const { stderr } = await project.run("apply");
  assert.match(
    stderr,
    /still scheduled, though no file here defines it: greet:eu; .*holdfast.* schedules remove greet:eu/,
  );
  const partly = await project.run("apply", "tasks/greet.ts", "--prune");
  assert.deepEqual([partly.code, /takes the whole project/.test(partly.stderr)], [2, true]);
  assert.match((await project.run("apply", "--prune")).stderr, /schedules removed: greet:eu/);
  assert.match((await project.run("schedules", "list")).stderr, /Nothing is scheduled/);
});
