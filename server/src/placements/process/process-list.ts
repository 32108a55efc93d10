import { readdirSync, readFileSync } from "node:fs";

/** A process of this machine as /proc tells of it. */
export interface ListedProcess {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  /** It has ended, and only waits for its parent to take note. */
  readonly isZombie: boolean;
}

/** All processes; none where there is no /proc. */
export function listProcesses(): ListedProcess[] {
  const processes: ListedProcess[] = [];
  for (const name of listProc()) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const stat = readProc(`${name}/stat`);
    // The name of the program, in parentheses, may contain anything; state, parent and group follow its last one.
    const [state, parent, group] = stat?.slice(stat.lastIndexOf(")") + 2).split(" ", 3) ?? [];
    processes.push({ pid, parent: Number(parent), group: Number(group), isZombie: state === "Z" || state === "X" });
  }
  return processes;
}

/** A file below /proc; undefined when it is gone meanwhile. */
export function readProc(path: string): string | undefined {
  try {
    return readFileSync(`/proc/${path}`, "latin1");
  } catch {
    return undefined;
  }
}

function listProc(): string[] {
  try {
    return readdirSync("/proc");
  } catch {
    return [];
  }
}
