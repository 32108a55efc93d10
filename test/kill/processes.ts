import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

/** A process as /proc shows it. Zombies are left out: they run no more. */
export interface ProcessSeen {
  readonly pid: number;
  /** As in /proc: R runs, S and D wait, T is stopped. */
  readonly state: string;
  readonly command: string;
}

/** Processes whose folder for temporary files is this one or below it: a node's children and what they have started. */
export function processesWithin(folder: string): ProcessSeen[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const environment = readFileSync(`/proc/${name}/environ`, "utf8").split("\0");
        const own = environment.find((entry) => entry.startsWith("TMPDIR="))?.slice("TMPDIR=".length);
        if (own === undefined || !`${own}/`.startsWith(`${folder}/`)) return [];
        const found = processOf(Number(name));
        return found === undefined ? [] : [found];
      } catch {
        return []; // it ended meanwhile, or is another user's
      }
    });
}

/** Undefined when it has ended. */
export function processOf(pid: number): ProcessSeen | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const state = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[0] ?? "?";
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
    return state === "Z" || state === "X" ? undefined : { pid, state, command };
  } catch {
    return undefined;
  }
}

/** Waits until `look` answers something else than undefined. Throws in words after `limitMs`. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
  limitMs = 60_000,
): Promise<T> {
  for (const deadline = performance.now() + limitMs; ; await delay(25)) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`after ${limitMs} ms still not: ${what}`);
  }
}

export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch {
    return false; // it has ended
  }
}

/** The processes in which a node has its trackers. */
export function trackersOf(pid: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((one) => parentOf(one) === pid && processOf(one)?.command.includes("trackers/process") === true);
}

function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return undefined; // it has ended
  }
}
