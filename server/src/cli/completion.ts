import { limits, nameHint } from "@holdfast/protocol";
import type { Command } from "commander";
import { type Candidate, candidatesFor, type Lookup } from "./candidates.ts";
import { completedShells, completionScripts } from "./completion-scripts.ts";
import { type Connection, connectToRead } from "./connection.ts";
import { exitCodes, UsageError } from "./failures.ts";
import { openTerminal, type Terminal } from "./terminal.ts";
import { agoText } from "./times.ts";

const shownRuns = 50;
/** Somebody waits with a finger on the key; Ctrl-C ends it before. */
const patienceMs = 10_000;

/** `holdfast completion SHELL`: prints what the shell is to be told. */
export function completion(terminal: Terminal, shell: string): number {
  const script = completionScripts[shell];
  if (script === undefined) {
    throw new UsageError(`There is no completion for "${shell}".`, nameHint(shell, completedShells));
  }
  process.stdout.write(script);
  if (terminal.live) terminal.note(terminal.colors.dim("The first lines say how a shell reads this."));
  return exitCodes.done;
}

/** `holdfast complete -- WORDS`: asked by the shells' scripts. Says nothing that is no candidate, whatever fails. */
export async function complete(program: Command, words: readonly string[]): Promise<number> {
  const { known, lookups, files } = candidatesFor(program, words);
  const last = words.at(-1) ?? "";
  const found = lookups.length === 0 ? [] : await lookUp(lookups);
  const lines = [...known, ...found.filter(({ value }) => value.startsWith(last))].map(
    ({ value, description }) => `${value}\t${description}\n`,
  );
  process.stdout.write(`${lines.join("")}${files ? ":files\n" : ""}`);
  return exitCodes.done;
}

async function lookUp(lookups: readonly Lookup[]): Promise<Candidate[]> {
  const late = new Promise<Candidate[]>((resolve) => setTimeout(resolve, patienceMs, []).unref());
  const found = connectToRead(openTerminal({ json: true }), {}).then(async (connection) => {
    const found = await Promise.all(lookups.map((lookup) => lists[lookup](connection)));
    await connection.close();
    return found.flat();
  });
  return Promise.race([found.catch(() => []), late]);
}

const lists: Readonly<Record<Lookup, (connection: Connection) => Promise<Candidate[]>>> = {
  runs: listRuns,
  definitions: listIds,
  schedules: listSchedules,
  queues: listQueues,
  assets: listAssets,
};

async function listAssets({ watched }: Connection): Promise<Candidate[]> {
  const { assets } = await watched.assets.list({ limit: limits.pageRows });
  return assets.map(({ id, uri }) => ({ value: id, description: uri ?? "" }));
}

/** Queues that are limited or paused and, where the store itself is asked, all that a definition or a run names. */
async function listQueues(connection: Connection): Promise<Candidate[]> {
  const { watched, configured = {} } = connection;
  const prefix = "queue/";
  const [declared, { pauses }] = await Promise.all([
    watched.listLimits(),
    watched.listPauses({ kind: "queue", limit: limits.pageRows }),
  ]);
  const paused = new Set(pauses.map(({ name }) => name));
  const limited = declared.flatMap(({ name }) => (name.startsWith(prefix) ? name.slice(prefix.length) : []));
  const named = (await connection.services?.pauses.queues()) ?? [];
  const names = [...new Set([...limited, ...paused, ...named, ...Object.keys(configured)])].sort();
  return names.map((value) => ({ value, description: paused.has(value) ? "paused" : "" }));
}

async function listSchedules({ watched }: Connection): Promise<Candidate[]> {
  const { schedules } = await watched.listSchedules({ limit: limits.pageRows });
  return schedules.map(({ id, paused }) => ({ value: id, description: paused ? "paused" : "" }));
}

async function listRuns({ watched }: Connection): Promise<Candidate[]> {
  const { runs } = await watched.listRuns({ limit: shownRuns });
  const now = Date.now();
  return runs.map(({ id, name, status, createdAt }) => ({
    value: id,
    description: `${name} ${status}, ${agoText(createdAt, now)}`,
  }));
}

async function listIds({ watched }: Connection): Promise<Candidate[]> {
  const definitions = await watched.listDefinitions();
  return definitions.map(({ id, kind }) => ({ value: id, description: kind }));
}
