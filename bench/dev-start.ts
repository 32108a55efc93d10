import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { endWithUs, makeFolder, removeFolder } from "./leftovers.ts";
import type { Metric } from "./plan.ts";

const root = join(import.meta.dirname, "..");
const patienceMs = 60_000;
/** Until what starting allocated has been collected or kept. */
const settleMs = 1_500;

/** Starts `holdfast dev` on a new project: until it answers, and what it then occupies in memory. */
export async function startDev(): Promise<Metric[]> {
  const project = makeFolder("hf-bench-dev-");
  try {
    writeFileSync(join(project, "package.json"), '{"type":"module"}');
    mkdirSync(join(project, "node_modules"));
    symlinkSync(join(root, "server"), join(project, "node_modules", "holdfast"));
    writeFileSync(
      join(project, "holdfast.config.ts"),
      'import { defineConfig } from "holdfast/config";\nexport default defineConfig({ include: ["tasks.ts"] });\n',
    );
    writeFileSync(
      join(project, "tasks.ts"),
      'import { task } from "holdfast";\nexport const noop = task({ id: "noop" }, () => null);\n',
    );
    // The first start fills Node's cache of compiled code, as it does once on a user's machine.
    await startOnce(project);
    return await startOnce(project);
  } finally {
    removeFolder(project);
  }
}

async function startOnce(project: string): Promise<Metric[]> {
  const startedMs = performance.now();
  const child = spawn(process.execPath, [join(root, "server", "bin", "holdfast.js"), "dev", "--port", "0"], {
    cwd: project,
    stdio: "ignore",
  });
  endWithUs(child);
  const exited = once(child, "exit");
  try {
    const url = await untilAnnounced(project, () => child.exitCode !== null);
    while (!(await answers(url))) await pause(5);
    const readyMs = performance.now() - startedMs;
    await pause(settleMs);
    const resident = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1];
    return [
      { name: "ready", unit: "ms", value: readyMs },
      { name: "resident", unit: "MB", value: Number(resident ?? 0) / 1024 },
    ];
  } finally {
    child.kill("SIGTERM");
    await exited;
  }
}

async function untilAnnounced(project: string, isOver: () => boolean): Promise<string> {
  const deadlineMs = performance.now() + patienceMs;
  while (performance.now() < deadlineMs && !isOver()) {
    try {
      const file = readFileSync(join(project, ".holdfast", "dev.json"), "utf8");
      return (JSON.parse(file) as { url: string }).url;
    } catch {
      await pause(5);
    }
  }
  throw new Error("holdfast dev did not announce itself");
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/readyz`)).ok;
  } catch {
    return false;
  }
}
