import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Project } from "./command.ts";

const timeout = 300_000;
const controlStart = "\u001b";

/** Acts by its input; `hang` ends when the file `go` is there. */
const actor = `import { existsSync } from "node:fs";
import { task, workflow } from "holdfast";
import { z } from "zod";
export const act = task({ id: "act", input: z.object({ how: z.string().default("ok") }) }, async ({ how }, ctx) => {
  ctx.log.info("acting " + how);
  if (how === "skip") ctx.skip("nothing today");
  if (how === "fail") throw new Error("it was asked to fail");
  if (how === "hang") {
    await ctx.step("once", () => console.log("the step runs"));
    console.log("hanging");
    while (!existsSync("go")) await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return { how };
});
export const both = workflow({ id: "both" }, (w) => {
  const results = w.map(["a", "b"], act, { key: (how) => how, with: (how) => ({ how }) });
  return { results: results.outputs };
});
`;

/** Its map fails before anything is written. */
const twice = `import { workflow } from "holdfast";
import { act } from "./act.ts";
export const twice = workflow({ id: "twice" }, (w) =>
  w.map([1, 2, 1], act, { as: "items", key: (n) => n, with: () => ({ how: "ok" }) }).outputs);
`;

test("what init writes is valid, runs, and is not overwritten", { timeout }, async (t) => {
  const project = new Project(t);
  const made = await project.run("init", "app", "--json");
  assert.equal(made.code, 0, made.stderr);
  const answer = JSON.parse(made.stdout) as { files: string[] };
  assert.deepEqual(answer.files, [
    ".gitignore",
    "holdfast.config.ts",
    "package.json",
    "tasks/hello.test.ts",
    "tasks/hello.ts",
    "tsconfig.json",
  ]);
  const again = await project.run("init", "app");
  assert.equal(again.code, 2);
  assert.match(again.stderr, /would be overwritten/);
  const valid = await project.run("validate", "--json", "-C", "app");
  assert.equal(valid.code, 0, valid.stdout);
  const run = await project.run("run", "hello", "-C", "app", "--input", '{"name":"Ada"}');
  assert.equal(run.code, 0, run.stderr);
  assert.deepEqual(JSON.parse(run.stdout), { greeting: "Hello, Ada!" });
  assert.ok(existsSync(join(project.root, "app", ".holdfast", ".gitignore")));
});

test("a run is followed to its end, listed, shown, and its logs and events are read", { timeout }, async (t) => {
  const project = new Project(t, { "tasks/act.ts": actor });
  const run = await project.run("run", "tasks/act.ts");
  assert.equal(run.code, 0, run.stderr);
  assert.deepEqual(JSON.parse(run.stdout), { results: [{ how: "a" }, { how: "b" }] });
  assert.match(run.stderr, /act\[a\] succeeded/);
  assert.match(run.stderr, /both succeeded/);
  const listed = await project.run("runs", "list", "--json");
  const { runs } = JSON.parse(listed.stdout) as { runs: { id: string; status: string; definition: string }[] };
  assert.deepEqual(
    runs.map(({ status, definition }) => [definition, status]),
    [["both", "succeeded"]],
  );
  const id = runs[0]?.id ?? "";
  const shown = await project.run("runs", "show", id);
  assert.match(shown.stdout, /status +succeeded/);
  assert.match(shown.stdout, /├─ act\[a\] +[0-9a-z]{12} +✓ succeeded +1 /);
  const logs = await project.run("runs", "logs", id.slice(0, 12));
  assert.match(logs.stdout, /act\[a\] \| acting a/);
  const events = await project.run("runs", "events", id, "--json");
  const { events: list } = JSON.parse(events.stdout) as { events: { number: number }[] };
  assert.deepEqual(
    list.map(({ number }) => number),
    list.map((_, index) => index + 1),
  );
  const cancelled = await project.run("runs", "cancel", id);
  assert.match(cancelled.stderr, /had ended: succeeded/);
});

test("a run that fails says why and ends with 1", { timeout }, async (t) => {
  const project = new Project(t, { "tasks/act.ts": actor });
  const run = await project.run("run", "tasks/act.ts", "--id", "act", "--input", '{"how":"fail"}');
  assert.equal(run.code, 1);
  assert.match(run.stderr, /it was asked to fail \(task_failed\)/);
  assert.match(run.stderr, /tasks\/act\.ts:7/);
  const skipped = await project.run("run", "tasks/act.ts", "--id", "act", "--input", '{"how":"skip"}');
  assert.equal(skipped.code, 0, skipped.stderr);
  assert.match(skipped.stderr, /nothing today/);
  const json = await project.run("run", "act", "--input", '{"how":"fail"}', "--json");
  assert.equal(json.code, 1);
  const { id, error } = JSON.parse(json.stdout) as { id: string; error: { code: string } };
  assert.equal(error.code, "task_failed");
  project.write("tasks/twice.ts", twice);
  const below = await project.run("run", "tasks/twice.ts");
  assert.match(below.stderr, /Two items of "items" have the key "1"/);
  assert.match(below.stderr, /Choose a key that is different for every item\. .*runs show \w{20,} shows where/);
  const logs = await project.run("runs", "logs", id);
  assert.match(logs.stdout, /error .*it was asked to fail[\s\S]*tasks\/act\.ts:7/, "the log has the place of each try");
});

test("interrupted without a server, a run goes on at the next start and repeats no step", { timeout }, async (t) => {
  const project = new Project(t, { "tasks/act.ts": actor });
  const args = ["run", "tasks/act.ts", "--id", "act", "--input", '{"how":"hang"}', "--key", "one"];
  const first = project.start(...args);
  await first.says(/act started/);
  const id = (await first.says(/run (\w{20})/))[1] ?? "";
  // Its log is read through the store that the first process owns.
  await waitForLog(project, id, /hanging/);
  first.kill("SIGINT");
  const interrupted = await first.ended;
  assert.equal(interrupted.code, 130, interrupted.stderr);
  assert.match(interrupted.stderr, /goes on when you give the same command again/);
  project.write("go", "");
  const second = await project.run(...args);
  assert.equal(second.code, 0, second.stderr);
  assert.match(second.stderr, new RegExp(`Following run ${id}`));
  const logs = await project.run("runs", "logs", id);
  assert.equal(logs.stdout.match(/the step runs/g)?.length, 1, logs.stdout);
  const third = await project.run(...args);
  assert.deepEqual(JSON.parse(third.stdout), { how: "hang" });
});

test("--no-wait leaves the run to the next start, and --resume goes on with it", { timeout }, async (t) => {
  const project = new Project(t, { "tasks/act.ts": actor });
  const started = await project.run("run", "tasks/act.ts", "--no-wait");
  assert.equal(started.code, 0, started.stderr);
  const id = started.stdout.trim();
  const resumed = await project.run("run", "tasks/act.ts", "--resume", "--json");
  assert.equal((JSON.parse(resumed.stdout) as { id: string }).id, id);
});

test("on a terminal the progress is a tree that is drawn again, in colours unless NO_COLOR is set", {
  timeout,
}, async (t) => {
  const project = new Project(t, { "tasks/act.ts": actor });
  const { code, stdout } = await project.runOnTerminal("run", "tasks/act.ts");
  assert.equal(code, 0, stdout);
  assert.ok(stdout.includes("\u001b["), "it is coloured");
  assert.match(stdout, /✓/);
  assert.match(stdout, new RegExp(`${controlStart}\\[\\d+A`), "lines are drawn over");
  const plain = await project.startProgram("env", [
    "NO_COLOR=1",
    "script",
    "--quiet",
    "--return",
    "--command",
    `'${process.execPath}' '${join(import.meta.dirname, "../../server/bin/holdfast.js")}' runs list`,
    "/dev/null",
  ]).ended;
  assert.match(plain.stdout, /both +succeeded/);
  assert.doesNotMatch(plain.stdout, new RegExp(`${controlStart}\\[3\\dm`));
});

test("mistakes in definitions are said with their place and end with 2", { timeout }, async (t) => {
  const wrong = 'import { task } from "holdfast";\n\nexport const x = task({ id: "x", retries: 3 }, () => 1);\n';
  const project = new Project(t, { "tasks/x.ts": wrong, "tasks/empty.ts": "export const nothing = 1;\n" });
  const text = await project.run("validate", "tasks/x.ts");
  assert.equal(text.code, 2);
  assert.match(text.stderr, /tasks\/x\.ts:3:\d+: .*unknown option "retries"[\s\S]*Did you mean "retry"/);
  const json = await project.run("run", "tasks/x.ts", "--json");
  assert.equal(json.code, 2);
  const { error } = JSON.parse(json.stdout) as { error: { code: string; details: { file: string; line: number }[] } };
  assert.equal(error.code, "invalid_definition");
  assert.deepEqual([error.details[0]?.file, error.details[0]?.line], ["tasks/x.ts", 3]);
  const empty = await project.run("validate", "tasks/empty.ts");
  assert.equal(empty.code, 2);
  assert.match(empty.stderr, /tasks\/empty\.ts/);
  assert.ok(!existsSync(join(project.root, ".holdfast", "holdfast.db")), "nothing was applied");
});

test("what is typed wrongly is answered with what was likely meant, and ends with 2", { timeout }, async (t) => {
  const project = new Project(t, { "tasks/act.ts": actor });
  const cases: [string[], RegExp][] = [
    [["rnu"], /Did you mean node .*holdfast.js run\?/],
    [["worker"], /There is no command "worker"/],
    [["runs", "lst"], /Did you mean node .*holdfast.js runs list\?/],
    [["help", "rnu"], /Did you mean node .*holdfast.js run\?/],
    [["-C", ".", "runs", "list"], /Flags stand after the command/],
    [["schedules", "pause", "x", "--wat"], /Unknown option '--wat'\.\n {2}\S+ \S+holdfast.js schedules pause --help/],
    [["run"], /missing required argument/i],
    [["run", "tasks/act.ts", "--inptu", "1"], /--input/],
    [["run", "tasks/act.ts", "--input", "{"], /not JSON/],
    [["run", "tasks/nobody.ts"], /not there/],
    [["runs", "list", "--status", "dead"], /A status is one of/],
    [["server", "--port", "many"], /--port/],
    [["server", "--host", "0.0.0.0"], /needs a token/],
  ];
  for (const [args, pattern] of cases) {
    const { code, stderr, stdout } = await project.run(...args);
    assert.equal(code, 2, `${args.join(" ")}: ${stdout}${stderr}`);
    assert.match(stderr, pattern, args.join(" "));
    assert.equal(stdout, "", args.join(" "));
  }
  const version = JSON.parse((await project.run("--version", "--json")).stdout) as object;
  assert.deepEqual(Object.keys(version), ["version"]);
  const json = await project.run("runs", "lst", "--json");
  assert.equal((JSON.parse(json.stdout) as { error: { code: string } }).error.code, "usage");
});

test("an input file that is not text in UTF-8 is refused, and nothing is started", { timeout }, async (t) => {
  const project = new Project(t, { "tasks/act.ts": actor });
  writeFileSync(
    join(project.root, "input.json"),
    Buffer.from([...Buffer.from('{"how":"'), 0xff, ...Buffer.from('"}')]),
  );
  const run = await project.run("run", "tasks/act.ts", "--id", "act", "--input", "@input.json");
  assert.equal(run.code, 2);
  assert.match(run.stderr, /The input in \S+ is no UTF-8 text\.\n {2}Save it as UTF-8/);
  assert.deepEqual(JSON.parse((await project.run("runs", "list", "--json")).stdout), { runs: [], cursor: null });
});

test("a manifest is printed the same from every folder", { timeout }, async (t) => {
  const first = new Project(t, { "tasks/act.ts": actor });
  const second = new Project(t, { "tasks/act.ts": actor });
  const [a, b] = await Promise.all([
    first.run("manifest", "both"),
    new Project(t).run("manifest", "tasks/act.ts", "--id", "both", "-C", second.root),
  ]);
  assert.equal(a.code, 0, a.stderr);
  assert.equal(a.stdout, b.stdout);
  assert.match(a.stderr, /sha256 [0-9a-f]{64}/);
  assert.equal(readFileSync(join(first.root, "tasks", "act.ts"), "utf8"), actor);
});

/** A line is in the store once it has been handed over, a moment after it was printed. */
async function waitForLog(project: Project, id: string, pattern: RegExp): Promise<void> {
  const follow = project.start("runs", "logs", id, "--follow");
  await follow.says(pattern);
  follow.kill("SIGKILL");
  await follow.ended;
}
