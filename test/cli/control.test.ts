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
  assert.match(early.stderr, /There is no definition work yet\./);
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
  assert.match(
    (await project.run("runs", "resume", id)).stderr,
    /nothing to resume[\s\S]*To start it again: .* runs retry/,
  );
  const unknown = await project.run("runs", "pause", "00000000000000000000");
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /There is no run/);
});

const flaky = {
  "tasks/work.ts": `import { existsSync } from "node:fs";
import { task, workflow } from "holdfast";
export const first = task({ id: "first" }, async (_input, ctx) => ctx.step("once", () => Math.random()));
export const work = task({ id: "work" }, () => { if (!existsSync("ready")) throw new Error("not yet"); return 1; });
export const last = task({ id: "last" }, () => 2);
export const job = workflow({ id: "job" }, (w) => {
  const a = w.call(first, {});
  const b = w.call(work, {}, { after: [a] });
  return w.call(last, {}, { after: [b] }).output;
});
`,
};

interface Shown {
  readonly run: { readonly id: string; readonly status: string; readonly generation: number };
  readonly tree: {
    readonly id: string;
    readonly name: string;
    readonly status: string;
    readonly attempt: number;
    readonly output: unknown;
  }[];
}

test("a failed workflow is tried again where it failed, then cleared, and says what it did", { timeout }, async (t) => {
  const project = new Project(t, flaky);
  const failed = await project.run("run", "tasks/work.ts", "--id", "job", "--json");
  assert.equal(failed.code, 1, failed.stderr);
  const listed = JSON.parse((await project.run("runs", "list", "--json")).stdout) as { runs: { id: string }[] };
  const run = { id: listed.runs[0]?.id ?? "" };
  const show = async () => JSON.parse((await project.run("runs", "show", run.id, "--json")).stdout) as Shown;
  const before = await show();
  project.write("ready", "");
  const retried = await project.run("runs", "retry", run.id);
  assert.equal(retried.code, 0, retried.stderr);
  assert.match(
    retried.stderr,
    /Run \w+ starts again\.\n1 run that depends on it waits again\.\n1 run above is open again\.\n/,
  );
  const again = await project.run("runs", "retry", run.id);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /has not ended/);
  await project.run("run", "tasks/work.ts", "--id", "job", "--resume");
  const after = await show();
  assert.deepEqual(
    after.tree.map(({ name, status, attempt }) => [name, status, attempt]),
    [
      ["first", "succeeded", 1],
      ["work", "succeeded", 2],
      ["last", "succeeded", 1],
    ],
  );
  assert.deepEqual(
    after.tree.map(({ id }) => id),
    before.tree.map(({ id }) => id),
  );
  const refused = await project.run("runs", "retry", run.id);
  assert.match(refused.stderr, /has succeeded: there is nothing to try again/);
  const cleared = await project.run("runs", "clear", run.id);
  assert.match(cleared.stderr, /Run \w+ starts again \(try 2, generation 2\)\./);
  await project.run("run", "tasks/work.ts", "--id", "job", "--resume");
  const anew = await show();
  assert.deepEqual([anew.run.status, anew.run.generation, anew.tree.length], ["succeeded", 2, 3]);
  assert.notEqual(anew.tree[0]?.id, before.tree[0]?.id);
});

test("a person marks and skips runs, and what depends on them follows", { timeout }, async (t) => {
  const project = new Project(t, flaky);
  await project.run("run", "tasks/work.ts", "--id", "job", "--json");
  const listed = JSON.parse((await project.run("runs", "list", "--json")).stdout) as { runs: { id: string }[] };
  const root = listed.runs[0]?.id ?? "";
  const show = async () => JSON.parse((await project.run("runs", "show", root, "--json")).stdout) as Shown;
  const work = (await show()).tree.find(({ name }) => name === "work")?.id ?? "";
  const marked = await project.run("runs", "mark", work, "succeeded", "--output", "7", "--reason", "done by hand");
  assert.equal(marked.code, 0, marked.stderr);
  assert.match(
    marked.stderr,
    /is marked as succeeded\.\n1 run that depends on it is judged anew\.\n1 run above is open again\.\n/,
  );
  assert.match(
    (await project.run("runs", "mark", work, "succeeded", "--output", "7")).stderr,
    /was succeeded already\./,
  );
  const last = (await show()).tree.find(({ name }) => name === "last")?.id ?? "";
  assert.match((await project.run("runs", "skip", last)).stderr, /is skipped\./);
  await project.run("run", "tasks/work.ts", "--id", "job", "--resume");
  assert.deepEqual(
    [(await show()).run.status, ...(await show()).tree.map(({ name, status }) => `${name} ${status}`)],
    ["succeeded", "first succeeded", "work succeeded", "last skipped"],
  );
  const events = await project.run("runs", "events", work, "--json");
  const said = (JSON.parse(events.stdout) as { events: { type: string; data: unknown }[] }).events;
  const marking = said.find(({ type }) => type === "run.marked");
  assert.deepEqual(marking?.data, { reason: "done by hand", status: "succeeded" });
  const wrong = await project.run("runs", "mark", work, "done");
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /cannot be marked as "done"/);
});

test("an action for many runs is shown before it is done, done with --yes, and says what became of each", {
  timeout,
}, async (t) => {
  const project = new Project(t, files);
  for (let i = 0; i < 3; i++) await project.run("run", "tasks/work.ts", "--id", "work", "--no-wait");
  const nothing = await project.run("runs", "cancel");
  assert.equal(nothing.code, 2);
  assert.match(nothing.stderr, /Name a run, or say which runs/);
  const seen = await project.run("runs", "pause", "--definition", "work", "--preview");
  assert.match(seen.stderr, /Pause: 3 runs would be meant\./);
  const unasked = await project.run("runs", "pause", "--definition", "work");
  assert.equal(unasked.code, 2);
  assert.match(unasked.stderr, /Say --yes to do it, or --preview to see them\./);
  assert.match((await project.run("runs", "pause", "--definition", "work", "--yes")).stderr, /^3 runs: paused\.$/m);
  assert.match(
    (await project.run("runs", "pause", "--definition", "work", "--yes")).stderr,
    /0 runs: paused; 3 had been paused before\./,
  );
  const listed = JSON.parse((await project.run("runs", "list", "--json")).stdout) as { runs: { id: string }[] };
  const one = listed.runs[0]?.id ?? "";
  for (const verb of ["cancel", "pause", "resume", "retry", "clear"]) {
    const shown = await project.run("runs", verb, one, "--preview", "--json");
    const { runs: meant } = JSON.parse(shown.stdout) as { runs: { id: string; status: string; outcome: string }[] };
    assert.deepEqual(
      meant.map(({ id, status, outcome }) => [id, status, outcome]),
      [[one, "ready", "matched"]],
      verb,
    );
  }
  for (const filter of [["--status", "failed"], ["--definition", "work"], ["--since", "2h"], ["--all"]]) {
    const both = await project.run("runs", "cancel", one, ...filter);
    assert.deepEqual([both.code, /Name a run or a filter, not both\./.test(both.stderr)], [2, true], filter[0]);
  }
  const wrong = await project.run("runs", "pause", "--definition", "wrok", "--preview");
  assert.match(wrong.stderr, /No run is meant, and there is no definition "wrok" now\. Did you mean "work"\?/);
  const cancelled = await project.run("runs", "cancel", "--status", "ready", "--since", "1h", "--yes", "--json");
  const { runs } = JSON.parse(cancelled.stdout) as { runs: { outcome: string }[] };
  assert.deepEqual(
    runs.map(({ outcome }) => outcome),
    ["changed", "changed", "changed"],
  );
  const again = await project.run("runs", "cancel", "--definition", "work", "--yes");
  assert.match(again.stderr, /0 runs: cancelled; 3 had ended, or are being ended\./);
  assert.match(
    (await project.run("runs", "resume", "--definition", "work", "--yes")).stderr,
    /0 runs: resumed; 3 had ended\./,
  );
  assert.match((await project.run("runs", "retry", "--status", "cancelled", "--yes")).stderr, /3 runs: tried again\./);
  assert.match((await project.run("runs", "cancel", "--status", "failed", "--preview")).stderr, /No run is meant\./);
});

test("Ctrl-C at a question interrupts, Ctrl-D and n answer no, and nothing is done", { timeout }, async (t) => {
  const project = new Project(t, flaky);
  await project.run("run", "tasks/work.ts", "--id", "work");
  const asked = `'${process.execPath}' '${project.command}' runs clear --definition work`;
  for (const [keys, code] of [
    ["\\003", 130],
    ["\\004", 1],
    ["n\\r", 1],
  ] as const) {
    // The keys are pressed once the question stands there.
    const pressed = `rm -f keys; mkfifo keys; script --quiet --return --command "${asked}" /dev/null < keys > shown &
      exec 3> keys; until grep -q 'y/N' shown; do sleep 0.05; done; printf '${keys}' >&3; wait $!; echo "code $?"; cat shown`;
    const { stdout } = await project.startProgram("bash", ["-c", pressed]).ended;
    assert.match(stdout, new RegExp(`^code ${code}\\n`), stdout);
    assert.match(stdout, /Nothing was done\./);
    assert.doesNotMatch(stdout, /mistake in Holdfast/);
  }
  const [run] = (JSON.parse((await project.run("runs", "list", "--json")).stdout) as { runs: { status: string }[] })
    .runs;
  assert.equal(run?.status, "failed");
});
