/** Finds processes that a test run left behind (Linux only: elsewhere there is no /proc to ask). */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { setTimeout as delay } from "node:timers/promises";

export interface Orphan {
  readonly pid: number;
  readonly command: string;
}

/** The environment variable that marks every process of a run which inherits an environment. */
export const runVariable = "HOLDFAST_TEST_RUN";

/**
 * Processes that began after this one and are none of its descendants, and either carry the run's mark or (their
 * environment was made from nothing) have lost their parent and run this Node, name this tree, or stand in it or in the
 * folder for temporary files. Guards need a
 * moment to do their work: what is gone after `graceMs` is not reported.
 */
export async function findOrphans(options: { run: string; root: string; graceMs: number }): Promise<Orphan[]> {
  const deadlineMs = performance.now() + options.graceMs;
  for (;;) {
    const found = process.platform === "linux" ? scan(options) : [];
    if (found.length === 0 || performance.now() > deadlineMs) return found;
    await delay(100);
  }
}

function scan({ run, root }: { run: string; root: string }): Orphan[] {
  const processes = new Map(
    readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .flatMap((name) => {
        const read = readProcess(name);
        return read === undefined ? [] : [[read.pid, read] as const];
      }),
  );
  const self = processes.get(process.pid);
  if (self === undefined) return [];
  const isOwn = (pid: number): boolean => {
    for (let at = processes.get(pid); at !== undefined; at = processes.get(at.parent))
      if (at.pid === self.pid) return true;
    return false;
  };
  return [...processes.values()]
    .filter((one) => one.pid !== self.pid && one.startedTicks >= self.startedTicks && one.state !== "Z")
    .filter((one) => !isOwn(one.pid))
    .filter((one) => {
      if (one.environment.includes(`${runVariable}=${run}`)) return true;
      const lostParent = one.parent === 1 || !processes.has(one.parent);
      if (!lostParent) return false;
      const standsHere = [root, tmpdir()].some((folder) => `${one.folder}/`.startsWith(`${folder}/`));
      return one.program === process.execPath || one.command.includes(root) || standsHere;
    })
    .map(({ pid, command }) => ({ pid, command }));
}

function readProcess(name: string) {
  try {
    const stat = readFileSync(`/proc/${name}/stat`, "utf8");
    // The command's name stands in parentheses and may itself hold spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return {
      pid: Number(name),
      state: fields[0],
      parent: Number(fields[1]),
      startedTicks: Number(fields[19]),
      command: readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ").trim(),
      environment: orEmpty(() => readFileSync(`/proc/${name}/environ`, "utf8")).split("\0"),
      program: orEmpty(() => readlinkSync(`/proc/${name}/exe`)),
      folder: orEmpty(() => readlinkSync(`/proc/${name}/cwd`)),
    };
  } catch {
    // It ended while it was being read.
    return undefined;
  }
}

/** Another user's process does not show everything. */
function orEmpty(read: () => string): string {
  try {
    return read();
  } catch {
    return "";
  }
}
