import { createInterface } from "node:readline/promises";
import { type Bulk, type BulkPage, isEnded } from "@holdfast/protocol";
import type { ControlPlane } from "@holdfast/sdk/client";
import { connected } from "./connection.ts";
import { counted } from "./definitions.ts";
import { exitCodes, UsageError } from "./failures.ts";
import type { CommonFlags } from "./project.ts";
import { noneFound, readMoment, readStatus } from "./run-filters.ts";
import { listBelow } from "./run-tree-list.ts";
import { paintStatus } from "./statuses.ts";
import { tableText } from "./table.ts";
import { oneLine, type Terminal } from "./terminal.ts";

/** Which runs an action is for, when none is named. */
export interface BulkFlags extends CommonFlags {
  readonly status?: readonly string[];
  readonly definition?: string;
  readonly since?: string;
  readonly all?: boolean;
  readonly preview?: boolean;
  readonly yes?: boolean;
  readonly reason?: string;
  readonly force?: boolean;
  readonly resume?: boolean;
}

type Acted = BulkPage["runs"];

const shownRuns = 20;

/** `holdfast runs ACTION` with a filter in the place of a run. */
export function bulk(terminal: Terminal, action: Bulk["action"], flags: BulkFlags): Promise<number> {
  const request = requestOf(action, flags);
  return connected(terminal, flags, async ({ plane }) => {
    const matched = await allPages(plane, { ...request, preview: true });
    if (matched.length === 0) terminal.note(await noneFound(plane, "No run is meant", flags.definition));
    if (flags.preview === true || matched.length === 0) return preview(terminal, action, matched);
    const answer = flags.yes === true ? "yes" : await ask(terminal, action, matched);
    if (answer !== "yes") {
      terminal.note("Nothing was done.");
      return answer === "no" ? exitCodes.failed : exitCodes.interrupted;
    }
    const done = await allPages(plane, request);
    terminal.answer({ action, runs: done });
    const of = (outcome: Acted[number]["outcome"]) => done.filter((run) => run.outcome === outcome);
    const counts = [`${counted(of("changed").length, "run")}: ${words[action].done}`];
    const over = of("unchanged").filter(({ message }) => message !== undefined).length;
    const same = of("unchanged").length - over;
    if (over > 0) counts.push(`${over} ${words[action].over}`);
    if (same > 0) counts.push(`${same} ${words[action].unchanged}`);
    if (of("refused").length > 0) counts.push(`${of("refused").length} refused`);
    terminal.note(`${counts.join("; ")}.`);
    for (const { id, message } of of("refused").slice(0, shownRuns)) terminal.note(`${id}: ${message ?? ""}`);
    return of("refused").length > 0 ? exitCodes.failed : exitCodes.done;
  });
}

/** One action for one run. Beside a run a filter says nothing; with `--preview` it is shown what is meant, and nothing is done. */
export async function actOnOne(
  terminal: Terminal,
  { action, id, flags }: { readonly action: Bulk["action"]; readonly id: string; readonly flags: BulkFlags },
  act: () => Promise<number>,
): Promise<number> {
  const filter = (["status", "definition", "since", "all"] as const).find((flag) => flags[flag] !== undefined);
  if (filter !== undefined) {
    throw new UsageError(
      `--${filter} says which runs are meant, and ${id} says which one.`,
      "Name a run or a filter, not both.",
    );
  }
  if (flags.preview !== true) return act();
  return connected(terminal, flags, async ({ plane }) => {
    const run = await plane.getRun(id);
    const below = (await listBelow(plane, run)).filter(({ status }) => action === "clear" || !isEnded(status));
    const meant = [run, ...below].map(({ id: runId, name, status }) => ({
      id: runId,
      name,
      status,
      outcome: "matched" as const,
    }));
    terminal.answer({ action, runs: meant });
    list(terminal, action, meant);
    return exitCodes.done;
  });
}

const words: Readonly<Record<Bulk["action"], BulkWords>> = {
  cancel: { ask: "Cancel", done: "cancelled", over: "had ended", unchanged: "had ended, or are being ended" },
  pause: { ask: "Pause", done: "paused", over: "had ended", unchanged: "had been paused before" },
  resume: { ask: "Resume", done: "resumed", over: "had ended", unchanged: "had not been paused" },
  retry: { ask: "Retry", done: "tried again", over: "had succeeded", unchanged: "had been started again before" },
  clear: { ask: "Clear", done: "started again", over: "had ended", unchanged: "had been started again before" },
};

interface BulkWords {
  readonly ask: string;
  readonly done: string;
  /** Of runs that are past it. */
  readonly over: string;
  /** Of others that it changes nothing about. */
  readonly unchanged: string;
}

function requestOf(action: Bulk["action"], flags: BulkFlags): Bulk {
  const { definition, since, all, reason, force, resume } = flags;
  const statuses = flags.status?.map(readStatus);
  if (definition === undefined && statuses === undefined && since === undefined) {
    throw new UsageError(
      "Name a run, or say which runs: --definition, --status, --since.",
      "holdfast runs list shows the runs there are.",
    );
  }
  return {
    action,
    ...(definition === undefined ? {} : { definition }),
    ...(statuses === undefined ? {} : { statuses }),
    ...(since === undefined ? {} : { since: readMoment(since) }),
    ...(all === true ? { scope: "all" as const } : {}),
    ...(reason === undefined ? {} : { reason }),
    ...(force === true ? { force } : {}),
    ...(resume === true && action === "clear" ? { mode: "resume" as const } : {}),
  };
}

async function allPages(plane: ControlPlane, request: Bulk): Promise<Acted> {
  const runs: Acted = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page: BulkPage = await plane.controlRuns({ ...request, ...(cursor === undefined ? {} : { cursor }) });
    runs.push(...page.runs);
    cursor = page.cursor;
  }
  return runs;
}

function preview(terminal: Terminal, action: Bulk["action"], runs: Acted): number {
  terminal.answer({ action, runs });
  if (runs.length > 0) list(terminal, action, runs);
  return exitCodes.done;
}

function list(terminal: Terminal, action: Bulk["action"], runs: Acted): void {
  const columns = [
    { title: "ID", text: ({ id }: Acted[number]) => id },
    { title: "NAME", text: ({ name }: Acted[number]) => oneLine(name), shrinks: true },
    {
      title: "STATUS",
      text: ({ status }: Acted[number]) => status,
      paint: (text: string, { status }: Acted[number]) => paintStatus(terminal, status, text),
    },
  ];
  terminal.print(tableText(terminal, columns, runs.slice(0, shownRuns)));
  if (runs.length > shownRuns) terminal.note(`… and ${runs.length - shownRuns} more.`);
  terminal.note(`${words[action].ask}: ${counted(runs.length, "run")} would be meant.`);
}

/** Asks on a terminal; elsewhere nobody can answer, and --yes has to be said. */
async function ask(terminal: Terminal, action: Bulk["action"], runs: Acted): Promise<"yes" | "no" | "interrupted"> {
  if (!terminal.live || terminal.json || !process.stdin.isTTY) {
    throw new UsageError(
      `${counted(runs.length, "run")} would be meant.`,
      "Say --yes to do it, or --preview to see them.",
    );
  }
  list(terminal, action, runs);
  const reading = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await reading.question(`${words[action].ask} ${counted(runs.length, "run")}? [y/N] `);
    return /^y(es)?$/i.test(answer.trim()) ? "yes" : "no";
  } catch (error) {
    if (!(error instanceof Error) || error.name !== "AbortError") throw error;
    terminal.note("");
    // Ctrl-D ends the input without an answer.
    return error.message.endsWith("Ctrl+D") ? "no" : "interrupted";
  } finally {
    reading.close();
  }
}
