import {
  isEnded,
  type JobView,
  limits,
  type ObligationView,
  type RunAssets,
  type RunView,
  type WaitView,
} from "@holdfast/protocol";
import type { ControlPlane } from "@holdfast/sdk/client";
import { connected } from "./connection.ts";
import { jobText } from "./external-jobs.ts";
import { exitCodes } from "./failures.ts";
import { pauseText } from "./pauses.ts";
import type { CommonFlags } from "./project.ts";
import { errorText, valueText } from "./run-text.ts";
import { listBelow } from "./run-tree-list.ts";
import { stateText } from "./state.ts";
import { paintStatus } from "./statuses.ts";
import type { Terminal } from "./terminal.ts";
import { agoText } from "./times.ts";
import { tookText, treeTable, whyText } from "./tree-table.ts";

/** Values of state that are shown of a run; `state list` has them all. */
const shownValues = 20;

export interface ShowFlags extends CommonFlags {
  /** Also the items of a map that have nothing to tell. */
  readonly all?: boolean;
}

/** `holdfast runs show RUN`: the run and, as a tree, what is below it. */
export function show(terminal: Terminal, id: string, flags: ShowFlags): Promise<number> {
  return connected(terminal, flags, async ({ plane }) => {
    const run = await plane.getRun(id);
    const tree = mayHaveChildren(run) ? await listBelow(plane, run) : [];
    // A tree is read without inputs and outputs: they are not null, but not there.
    const { obligations } = await plane.listObligations({ run: run.id, limit: limits.pageRows });
    const owed = obligations.filter(({ runId }) => run.parentId === null || runId === run.id);
    const state = await plane.state.list({ kind: "run", id: run.id }, { limit: shownValues });
    const { assets } = await plane.assets.ofRun(run.id);
    const below = tree.map(({ input: _input, output: _output, ...rest }) => rest);
    terminal.answer({ run, obligations: owed, tree: below, state: state.values, assets });
    if (terminal.json) return exitCodes.done;
    const now = Date.now();
    for (const [name, value] of fieldsOf(terminal, run, now)) {
      if (value !== null && value !== "") terminal.print(fieldText(terminal, name, value));
    }
    for (const pause of run.pauses ?? []) terminal.print(fieldText(terminal, "paused", pauseText(pause, now)));
    const jobs = new Map((await openJobs(plane, run)).map((job) => [job.id, job]));
    for (const wait of run.waits ?? []) {
      const job = wait.jobId === null ? undefined : jobs.get(wait.jobId);
      const text = job === undefined ? waitText(wait, now) : `${wait.key}: ${jobText(job, now)}`;
      terminal.print(fieldText(terminal, "waits for", text));
    }
    for (const { name, sentAt } of run.signals ?? []) {
      terminal.print(
        fieldText(terminal, "signal", `${name}, sent ${agoText(sentAt, now)}; nobody has waited for it yet`),
      );
    }
    for (const value of state.values) terminal.print(fieldText(terminal, "state", stateText(value)));
    if (state.cursor !== null) terminal.print(fieldText(terminal, "state", `and more: holdfast state list ${run.id}`));
    for (const asset of assets) terminal.print(fieldText(terminal, asset.uses.join(", "), assetText(asset)));
    for (const obligation of owed.filter(({ metAt }) => metAt === null)) {
      const name = obligation.kind === "clean_up" ? "to be done" : "to be ended";
      terminal.print(fieldText(terminal, name, owedText(obligation, run.id, now)));
    }
    if (run.error !== null) terminal.print(`\n${errorText(terminal, run.error)}`);
    if (tree.length > 0) terminal.print(`\n${treeTable(terminal, [run, ...tree], { all: flags.all === true, now })}`);
    return exitCodes.done;
  });
}

/** An asset that the run's task declares, and how far it is now. */
function assetText({ id, watermarks, lastEvent }: RunAssets["assets"][number]): string {
  const events = lastEvent === 0 ? "" : `; its last event is ${lastEvent}`;
  const marks = watermarks.map((mark) => stateText(mark)).join(", ");
  return `the asset ${id}${marks === "" ? "" : `: ${marks}`}${events}`;
}

async function openJobs(plane: ControlPlane, { id, waits = [] }: RunView): Promise<JobView[]> {
  if (!waits.some(({ kind }) => kind === "external")) return [];
  return (await plane.externalJobs.list({ run: id, limit: limits.pageRows })).jobs;
}

/** A body that has called something has begun more than once, or is under way. */
function mayHaveChildren({ kind, openChildren, epoch }: RunView): boolean {
  return kind !== "task" || openChildren > 0 || epoch > 1;
}

function waitText({ key, kind, until, signal, runId, jobId }: WaitView, now: number): string {
  const end = until === null ? "" : ` until ${timeText(until, now)}`;
  const what = {
    sleep: "a moment",
    signal: `the signal "${signal}"`,
    call: `the run ${runId}`,
    external: `the job ${jobId}`,
  }[kind];
  return `${key}: ${what}${end}`;
}

function fieldsOf(terminal: Terminal, run: RunView, now: number): [string, string | null][] {
  const { colors } = terminal;
  return [
    ["run", run.id],
    ["part of", run.parentId],
    ["definition", `${run.definition} ${colors.dim(run.manifestHash.slice(0, 12))}`],
    ["key", run.key],
    ["status", paintStatus(terminal, run.status, run.status)],
    ["why", run.error === null ? whyText(run, now) : null],
    ["attempt", run.attempt > 1 ? String(run.attempt) : null],
    ["queue", run.kind === "task" ? run.queue : null],
    ["created", timeText(run.createdAt, now)],
    ["started", timeText(run.startedAt, now)],
    ["ended", timeText(run.endedAt, now)],
    ["took", tookText(run, now)],
    ["not before", timeText(run.notBefore, now)],
    ["expires", isEnded(run.status) ? null : timeText(run.expiresAt, now)],
    ["input", run.input === null ? null : valueText(run.input)],
    ["output", run.output === null ? null : valueText(run.output)],
  ];
}

function fieldText({ colors }: Terminal, name: string, value: string): string {
  const [first = "", ...more] = value.split("\n");
  return [`${colors.dim(name.padEnd(11))} ${first}`, ...more.map((line) => `${" ".repeat(12)}${line}`)].join("\n");
}

/** What was told to end and has not: of the run itself, or of one below it. */
function owedText(
  { kind, runId, subject, node, orderedAt, forcedAt, tries, error }: ObligationView,
  of: string,
  now: number,
): string {
  const whose = runId === of ? "" : ` of ${runId}`;
  const told = tries > 1 ? `, told ${tries} times` : "";
  const what = {
    activation: `the process of epoch ${subject}${whose} on ${node ?? "a node"}`,
    external_job: `the external job ${subject}${whose}`,
    clean_up: `the clean-up (onCancel)${whose}`,
  }[kind];
  const run = forcedAt === null ? "" : "; its run has ended without it";
  return `${what}: ordered ${agoText(orderedAt, now)}${told}${run}${error === null ? "" : `\n${error}`}`;
}

function timeText(time: string | null, now: number): string | null {
  if (time === null) return null;
  const moment = Date.parse(time);
  const distance =
    moment > now ? `in ${agoText(new Date(now).toISOString(), moment).replace(/ ago$/, "")}` : agoText(time, now);
  return `${new Date(time).toLocaleString("sv-SE")} (${distance})`;
}
