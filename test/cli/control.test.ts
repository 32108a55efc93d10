/**
 * Control from the command line. Faults to catch: an action that says nothing of what it did, or says it did what was so already;
 * a pause that a restart or a new application of its definition forgets; one that holds what it should not.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Project } from "./command.ts";

const timeout = 300_000;

const files = {
  "tasks/work.ts": `import { task, workflow } from "holdfast";
export const work = task({ id: "work", queue: "etl" }, () => 1);
export const job = workflow({ id: "job" }, (w) => w.call(work, {}).output);
`,
};

test("definitions and queues are paused before they have runs, and say what became of it", { timeout }, async (t) => {
  const project = new Project(t, files);
  const early = await project.run("definitions", "pause", "work", "--reason", "a repair");
  assert.equal(early.code, 0, early.stderr);
  assert.match(early.stderr, /Definition work is paused: none of its runs starts/);
  await project.run("apply");
  const again = await project.run("definitions", "pause", "work");
  assert.match(again.stderr, /Definition work was paused already, (?:just now|.* ago)\./);
  assert.match((await project.run("definitions", "list")).stdout, /work +task +(?:now|\S+ ago) +(?:now|\S+ ago)/);
  const paused = await project.run("queues", "pause", "etl");
  assert.match(paused.stderr, /Queue etl is paused: nothing in it starts\. What is running goes on to its end\./);
  assert.match((await project.run("queues")).stderr, /The queue etl is paused, (?:just now|.* ago)\./);
  const started = await project.run("run", "work", "--no-wait");
  const id = started.stdout.trim();
  const shown = await project.run("runs", "show", id, "--json");
  const { run } = JSON.parse(shown.stdout) as {
    run: { status: string; pauses: { kind: string; reason: string | null }[] };
  };
  assert.deepEqual(
    [run.status, ...run.pauses.map(({ kind, reason }) => `${kind} ${reason}`)],
    ["ready", "queue null", "definition a repair"],
  );
  assert.match(
    (await project.run("runs", "show", id)).stdout,
    /paused +definition work is paused, (?:just now|.* ago) \(a repair\)/,
  );
  const resumed = await project.run("definitions", "resume", "work", "--json");
  assert.deepEqual(
    { ...JSON.parse(resumed.stdout), since: "" },
    { kind: "definition", name: "work", paused: false, changed: true, since: "", others: [] },
  );
  assert.match((await project.run("definitions", "resume", "work")).stderr, /Definition work was not paused\./);
  await project.run("queues", "resume", "etl");
  const followed = await project.run("run", "tasks/work.ts", "--id", "job", "--json");
  assert.equal(followed.code, 0, followed.stderr);
});

test("a paused run says what else holds it, and one that has ended cannot be paused", { timeout }, async (t) => {
  const project = new Project(t, files);
  await project.run("queues", "pause", "etl");
  const id = (await project.run("run", "tasks/work.ts", "--id", "work", "--no-wait")).stdout.trim();
  assert.match((await project.run("runs", "pause", id)).stderr, /Run \w+ is paused: nothing in it starts\./);
  const resumed = await project.run("runs", "resume", id);
  assert.match(resumed.stderr, /is resumed\.\nIt still waits: queue etl is paused/);
  await project.run("runs", "cancel", id);
  const late = await project.run("runs", "pause", id);
  assert.equal(late.code, 1);
  assert.match(late.stderr, /has ended: there is nothing to pause/);
  const unknown = await project.run("runs", "pause", "00000000000000000000");
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /There is no run/);
});
