import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Effect } from "./bodies.ts";
import { processesWithin } from "./processes.ts";

/** The lines in which the bodies of a campaign say what they do, in the order in which they did it. */
export function effectLines(folder: string): string[] {
  try {
    return readFileSync(join(folder, "effects"), "utf8").trim().split("\n");
  } catch {
    return []; // nobody has done anything yet
  }
}

/** The same, read. */
export function readEffects(folder: string): Effect[] {
  return effectLines(folder).map((line) => JSON.parse(line) as Effect);
}

/** A node's child processes. Those that have acted lately come first: a child that only waits is a poor target. */
export function childrenOf(nodeFolder: string, campaignFolder: string): number[] {
  const children = processesWithin(nodeFolder).filter(({ command }) => /child\.ts|holdfast_sdk\.child/.test(command));
  const lately = effectLines(campaignFolder).slice(-20);
  const hasActed = (pid: number) => lately.some((line) => line.includes(`"pid":${pid}}`));
  return children.map(({ pid }) => pid).sort((a, b) => Number(hasActed(b)) - Number(hasActed(a)));
}
