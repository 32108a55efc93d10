import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Project } from "../cli/command.ts";
import { processOf, until } from "./processes.ts";

// Fault to catch: code in a loop outside of tasks outlives the command that was to load it, with all that it has started: its
// process hears of nothing.

const endless = `
  import { spawn } from "node:child_process";
  import { renameSync, writeFileSync } from "node:fs";
  const sleeper = spawn("/bin/sleep", ["1000"], { stdio: "ignore" });
  writeFileSync("started.new", JSON.stringify([process.pid, sleeper.pid]));
  renameSync("started.new", "started");
  for (;;);`;

test("when a command is killed while it loads a project, nothing is left of what it loads", async (t) => {
  const project = new Project(t, { "tasks/endless.ts": endless });
  const command = project.start("validate", "tasks/endless.ts");
  const pids = await until("the file is being loaded", () => {
    try {
      return JSON.parse(readFileSync(join(project.root, "started"), "utf8")) as number[];
    } catch {
      return undefined; // not yet
    }
  });
  command.kill("SIGKILL");
  await command.ended;
  for (const pid of pids)
    await until(`process ${pid} has ended`, () => processOf(pid) === undefined || undefined, 20_000);
});
