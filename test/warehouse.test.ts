/**
 * `npm start -- warehouse` as a user has it: real SQL in a server of BigQuery's protocol, SQLite, processes. Faults to catch: a process that
 * waits for a job; a job that is started twice, or lost with whoever watched it; a server that forgets its jobs; a report that depends
 * on what was killed when.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { CloudsRemote } from "./clouds/remote.ts";
import { processesOf, Start, startProject } from "./start-process.ts";

const timeout = 480_000;
const jobs = 7;
const command = ["--conditions=@holdfast/source", join(import.meta.dirname, "..", "server", "bin", "holdfast.js")];

function reportOf(folder: string): string {
  const bytes = readFileSync(join(folder, ".holdfast", "warehouse", "report.html"));
  return createHash("sha256").update(bytes).digest("hex");
}

/** The server of a start, once it has said where it is. */
async function serverOf(start: Start): Promise<CloudsRemote> {
  await start.until("The warehouse is another process");
  return new CloudsRemote(/http:\S+\d/.exec(start.lines.at(-1) ?? "")?.[0] ?? "");
}

function kill(pids: readonly number[], what: string): void {
  assert.notDeepEqual(pids, [], `there is no ${what} to kill`);
  for (const pid of pids) process.kill(pid, "SIGKILL");
}

interface Event {
  readonly name: string;
  readonly type: string;
}

/** What befell the runs below the only one of the folder. */
function eventsOf(folder: string): Event[] {
  const ask = (...args: string[]) => {
    const options = { cwd: folder, encoding: "utf8" } as const;
    const { status, stdout, stderr } = spawnSync(process.execPath, [...command, ...args, "--json"], options);
    assert.equal(status, 0, stderr);
    return JSON.parse(stdout);
  };
  const [{ id }] = (ask("runs", "list") as { runs: [{ id: string }] }).runs;
  const { tree } = ask("runs", "show", id) as { tree: { id: string; name: string }[] };
  return tree.flatMap(({ id, name }) =>
    (ask("runs", "events", id) as { events: { type: string }[] }).events.map(({ type }) => ({ name, type })),
  );
}

/** Held where their ends are asked for: no job ends before the server is killed. */
const endings = { service: "bigquery", operation: "jobs.get" } as const;

test("nobody works while jobs run; whatever is killed, each job is started once and the report is the same", {
  timeout,
}, async (t) => {
  const untouched = startProject(t);
  const whole = new Start(t, untouched, "warehouse");
  const { code, answer } = await whole.finish();
  assert.equal(code, 0, whole.lines.join("\n"));
  assert.match(answer, /"flights": 20000/);
  const expected = reportOf(untouched);

  const folder = startProject(t);
  const first = new Start(t, folder, "warehouse");
  const server = await serverOf(first);
  await server.fault(endings, { kind: "hold", when: "before" });
  await first.until("load waits");
  // Processes that are kept ready hold no run: to lose them all is to lose nothing.
  kill(processesOf(first.pid, "child.ts"), "child");
  kill(processesOf(first.pid, "trackers/process.ts"), "tracker process");
  kill(processesOf(first.pid, "clouds/main.ts"), "server");
  await first.until("ask[routes] waits");
  kill([first.pid], "node");
  await first.finish();

  const second = new Start(t, folder, "warehouse");
  const again = await serverOf(second);
  await second.until("page started");
  const made = await again.jobs({ service: "bigquery" });
  kill(processesOf(second.pid, "child.ts"), "body");
  const end = await second.finish();
  assert.equal(end.code, 0, second.lines.join("\n"));
  assert.equal(reportOf(folder), expected);
  assert.equal(made.length, jobs);
  const load = eventsOf(folder)
    .filter(({ name }) => name === "load")
    .map(({ type }) => type);
  assert.equal(load.filter((type) => type === "run.started").length, 3, load.join(" "));
  assert.ok(!load.includes("run.lost"), load.join(" "));
});
