/**
 * `npm start` as a user has it: real flight records, SQLite, processes. Catches a run that is lost with the process that
 * carried it, finished work that is done again, and a report that depends on what was killed when.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { processesOf, Start, startProject } from "./start-process.ts";

const patienceMs = 480_000;

function reportOf(folder: string, name = "report.html"): Buffer {
  return readFileSync(join(folder, ".holdfast", "flights", name));
}

const hasPython = spawnSync("python3", ["--version"]).status === 0;

test("killed and started again, it goes on: nothing finished is done again and the report is the same byte for byte", {
  timeout: patienceMs,
}, async (t) => {
  const killed = startProject(t);
  const first = new Start(t, killed, "flights");
  await first.until("clean[2001-W04] succeeded");
  first.child.kill("SIGKILL");
  assert.equal((await first.finish()).code, null);
  const finished = first.tasks("succeeded");

  const second = new Start(t, killed, "flights");
  await second.until("routes started");
  const bodies = processesOf(second.pid, "child.ts");
  assert.ok(bodies.length > 0, "there is a body to kill");
  for (const pid of bodies) process.kill(pid, "SIGKILL");
  const { code, answer } = await second.finish();
  assert.equal(code, 0, second.lines.join("\n"));
  assert.ok(answer.includes(join(killed, ".holdfast", "flights", "report.html")), answer);
  const again = second.tasks("started").filter((name) => finished.includes(name));
  assert.deepEqual(again, []);

  const untouched = startProject(t);
  const third = new Start(t, untouched);
  const all = await third.finish();
  assert.equal(all.code, 0, third.lines.join("\n"));
  for (const example of ["flights/report.html", "warehouse/report.html"]) {
    assert.ok(all.answer.includes(join(untouched, ".holdfast", example)), all.answer);
  }
  assert.deepEqual(reportOf(killed), reportOf(untouched));
});

test("the workflow in YAML, with tasks in Python, gives the same report, also when it is killed", {
  timeout: patienceMs,
  skip: hasPython ? false : "there is no Python",
}, async (t) => {
  const folder = startProject(t);
  const first = new Start(t, folder, "flights");
  await first.until("weeks[2001-W04] succeeded");
  first.child.kill("SIGKILL");
  await first.finish();
  const finished = first.tasks("succeeded", "yaml");
  assert.ok(finished.includes("clean[2001-W04]"), first.lines.join("\n"));
  const second = new Start(t, folder, "flights");
  const { code, answer } = await second.finish();
  assert.equal(code, 0, second.lines.join("\n"));
  assert.match(answer, /"agrees": true/);
  const again = second.tasks("started", "yaml").filter((name) => finished.includes(name));
  assert.deepEqual(again, []);
  assert.deepEqual(reportOf(folder, "report-yaml.html"), reportOf(folder));
});

test("a run that fails is the exit code", { timeout: patienceMs }, async (t) => {
  const folder = startProject(t);
  const example = join(folder, "examples", "flights", "flights.ts");
  const source = readFileSync(example, "utf8");
  writeFileSync(example, source.replace('.default("vega-datasets")', '.default("./nowhere")'));
  const start = new Start(t, folder, "flights");
  const { code } = await start.finish();
  assert.equal(code, 1, start.lines.join("\n"));
  assert.ok(
    start.lines.some((line) => line.includes("flights-2k.json")),
    start.lines.join("\n"),
  );
});
