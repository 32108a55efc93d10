// Faults to catch: a Python process, frozen or not, or a command that outlives its node; inputs of tasks left in the
// temporary folder by a node that was killed.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const fixture = fileURLToPath(new URL("./fixtures/node-executors.ts", import.meta.url));

function lives(pid: number): boolean {
  try {
    return !/\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false;
  }
}

test("a node that is killed leaves no Python process, no command and no inputs behind", {
  timeout: 60_000,
}, async (t) => {
  const node = spawn(process.execPath, ["--conditions=@holdfast/source", fixture], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => node.kill("SIGKILL"));
  const [line] = await once(createInterface(node.stdout), "line");
  const { pids, folder } = JSON.parse(String(line)) as { readonly pids: readonly number[]; readonly folder: string };
  assert.equal(pids.length, 5);
  assert.ok(pids.every(lives) && existsSync(folder));
  node.kill("SIGKILL");
  const left = () => [...pids.filter(lives), ...(existsSync(folder) ? [folder] : [])];
  for (const until = performance.now() + 30_000; left().length > 0; await pause(5)) {
    assert.ok(performance.now() < until, `left behind: ${left()}`);
  }
});
