import { isEnded, type LogLine, type RunEvent, type RunStatus, type RunView, runStatuses } from "@holdfast/protocol";
import type { ControlPlane } from "@holdfast/sdk/client";
import { type Connection, connectToRead } from "./connection.ts";
import { counted } from "./definitions.ts";
import { exitCodes, UsageError } from "./failures.ts";
import { hearInterruption } from "./interruption.ts";
import { logText } from "./log-text.ts";
import type { CommonFlags } from "./project.ts";
import { treeLines } from "./run-screen.ts";
import { errorText, valueText } from "./run-text.ts";
import { RunTree } from "./run-tree.ts";
import { paintStatus } from "./statuses.ts";
import { tableText } from "./table.ts";
import { oneLine, type Terminal } from "./terminal.ts";
import { agoText, clockText, lengthText } from "./times.ts";

const logRuns = 500;
const followMs = 500;
const waitMs = 25_000;

export interface ListFlags extends CommonFlags {
  readonly status?: readonly string[];
  readonly definition?: string;
  readonly parent?: string;
  readonly all?: boolean;
  readonly limit?: string;
  readonly cursor?: string;
}

/** `holdfast runs list`. */
export function list(terminal: Terminal, flags: ListFlags): Promise<number> {
  const { definition, parent, cursor, all } = flags;
  const statuses = flags.status?.map(readStatus);
  const limit = readLimit(flags.limit, 20);
  return connected(terminal, flags, async ({ plane }) => {
    const page = await plane.listRuns({
      limit,
      scope: all === true ? "all" : "roots",
      ...(statuses === undefined ? {} : { statuses }),
      ...(definition === undefined ? {} : { definition }),
      ...(parent === undefined ? {} : { parent }),
      ...(cursor === undefined ? {} : { cursor }),
    });
    terminal.answer(page);
    if (page.runs.length === 0) terminal.note("No runs.");
    else terminal.print(runTable(terminal, page.runs));
    if (page.cursor !== null) terminal.note(terminal.colors.dim(`\nMore: --cursor ${page.cursor}`));
    return exitCodes.done;
  });
}

function runTable(terminal: Terminal, runs: readonly RunView[]): string {
  const now = Date.now();
  return tableText(
    terminal,
    [
      { title: "ID", text: ({ id }) => id },
      { title: "NAME", text: ({ name }) => oneLine(name), shrinks: true },
      {
        title: "STATUS",
        text: ({ status }) => status,
        paint: (text, { status }) => paintStatus(terminal, status, text),
      },
      { title: "STARTED", text: (run) => agoText(run.startedAt ?? run.createdAt, now), right: true },
      { title: "TOOK", text: (run) => tookText(run, now), right: true },
      { title: "KEY", text: ({ key }) => oneLine(key ?? ""), shrinks: true },
    ],
    runs,
  );
}

function tookText({ startedAt, endedAt }: RunView, now: number): string {
  if (startedAt === null) return "";
  return lengthText((endedAt === null ? now : Date.parse(endedAt)) - Date.parse(startedAt));
}

/** `holdfast runs show RUN`. */
export function show(terminal: Terminal, id: string, flags: CommonFlags): Promise<number> {
  return connected(terminal, flags, async ({ plane }) => {
    const run = await plane.getRun(id);
    const tree = run.kind === "task" ? [] : await listBelow(plane, run);
    terminal.answer({ run, tree });
    const { colors } = terminal;
    const fields: [string, string | null][] = [
      ["run", run.id],
      ["part of", run.parentId],
      ["definition", `${run.definition} ${colors.dim(run.manifestHash.slice(0, 12))}`],
      ["key", run.key],
      ["status", paintStatus(terminal, run.status, run.status)],
      ["attempt", run.attempt > 1 ? String(run.attempt) : null],
      ["queue", run.kind === "task" ? run.queue : null],
      ["created", timeText(run.createdAt)],
      ["started", timeText(run.startedAt)],
      ["ended", timeText(run.endedAt)],
      ["took", tookText(run, Date.now())],
      ["not before", timeText(run.notBefore)],
      ["expires", timeText(run.expiresAt)],
      ["waits for", run.blockedBy > 0 ? counted(run.blockedBy, "run") : null],
      ["input", run.input === null ? null : valueText(run.input)],
      ["output", run.output === null ? null : valueText(run.output)],
    ];
    for (const [name, value] of fields) {
      if (value !== null && value !== "") terminal.print(fieldText(terminal, name, value));
    }
    if (run.error !== null) terminal.print(`\n${errorText(terminal, run.error)}`);
    if (tree.length > 0) {
      const drawn = new RunTree(run);
      drawn.load(tree);
      const whole = { ...terminal, columns: terminal.columns, rows: Number.MAX_SAFE_INTEGER };
      terminal.print(`\n${treeLines(whole, drawn.root, Date.now()).join("\n")}`);
    }
    return exitCodes.done;
  });
}

function fieldText({ colors }: Terminal, name: string, value: string): string {
  const [first = "", ...more] = value.split("\n");
  return [`${colors.dim(name.padEnd(11))} ${first}`, ...more.map((line) => `${" ".repeat(12)}${line}`)].join("\n");
}

function timeText(time: string | null): string | null {
  return time === null ? null : `${new Date(time).toLocaleString("sv-SE")} (${agoText(time, Date.now())})`;
}

/** `holdfast runs cancel RUN`. */
export function cancel(
  terminal: Terminal,
  id: string,
  flags: CommonFlags & { readonly reason?: string },
): Promise<number> {
  return connected(terminal, flags, async ({ plane, kind }) => {
    const { run, requested } = await plane.cancelRun(id, flags.reason);
    terminal.answer({ run, requested });
    if (requested === 0) {
      const state = run.status === "cancelling" ? "is being cancelled already" : `had ended: ${run.status}`;
      terminal.note(`Run ${run.id} ${state}.`);
    } else if (isEnded(run.status)) terminal.note(`Run ${run.id} is cancelled.`);
    else {
      const later = kind === "embedded" ? " A node ends its processes at the next start." : "";
      terminal.note(`Run ${run.id} is being cancelled (${counted(requested, "run")}).${later}`);
    }
    return exitCodes.done;
  });
}

export interface LogFlags extends CommonFlags {
  readonly follow?: boolean;
}

/** `holdfast runs logs RUN`: its own and those of what it started, in the order of writing. */
export function logs(terminal: Terminal, id: string, flags: LogFlags): Promise<number> {
  return connected(terminal, flags, async ({ plane }) => {
    const interruption = hearInterruption();
    const root = await plane.getRun(id);
    const cursors = new Map<string, string>();
    const all: LogLine[] = [];
    for (;;) {
      const { status } = await plane.getRun(root.id);
      const runs = [root, ...(root.kind === "task" ? [] : await listBelow(plane, root))];
      const lines = await readLogs(plane, runs.filter(({ kind }) => kind === "task").slice(0, logRuns), cursors);
      const names = new Map(runs.length === 1 ? [] : runs.map((run) => [run.id, run.name]));
      for (const line of lines) terminal.print(logText(terminal, line, names.get(line.runId)));
      if (terminal.json) all.push(...lines);
      if (flags.follow !== true || isEnded(status) || interruption.signal.aborted) break;
      await new Promise((resolve) => setTimeout(resolve, followMs));
    }
    interruption.stop();
    terminal.answer({ lines: all });
    return interruption.signal.aborted ? exitCodes.interrupted : exitCodes.done;
  });
}

/** What the runs have written since the last time. */
async function readLogs(
  plane: ControlPlane,
  runs: readonly RunView[],
  cursors: Map<string, string>,
): Promise<LogLine[]> {
  const lines: LogLine[] = [];
  for (const { id } of runs) {
    for (;;) {
      const cursor = cursors.get(id);
      const page = await plane.listLogs(id, { limit: 1_000, ...(cursor === undefined ? {} : { cursor }) });
      if (page.cursor !== null) cursors.set(id, page.cursor);
      lines.push(...page.lines);
      if (page.lines.length < 1_000) break;
    }
  }
  return lines.sort((a, b) => a.at - b.at);
}

export interface EventFlags extends CommonFlags {
  readonly follow?: boolean;
  readonly after?: string;
}

/** `holdfast runs events RUN`: by their numbers, which have no gaps. */
export function events(terminal: Terminal, id: string, flags: EventFlags): Promise<number> {
  const from = flags.after === undefined ? 0 : readNumber("--after", flags.after, { min: 0, max: 2 ** 31 });
  return connected(terminal, flags, async ({ plane }) => {
    const interruption = hearInterruption();
    const { signal } = interruption;
    const all: RunEvent[] = [];
    for (let after = from; ; ) {
      const isOver = isEnded((await plane.getRun(id)).status);
      const wait = flags.follow === true && !isOver ? waitMs : 0;
      const page = await plane.listEvents(id, { after, waitMs: wait }, signal);
      after = page.last;
      for (const event of page.events) terminal.print(eventText(terminal, event));
      if (terminal.json) all.push(...page.events);
      if (signal.aborted || (page.events.length === 0 && (isOver || flags.follow !== true))) break;
    }
    interruption.stop();
    terminal.answer({ events: all });
    return signal.aborted ? exitCodes.interrupted : exitCodes.done;
  });
}

function eventText({ colors }: Terminal, { number, type, at, data }: RunEvent): string {
  const text = JSON.stringify(data);
  const details = text === "{}" || text === "null" ? "" : ` ${colors.dim(text)}`;
  return `${colors.dim(String(number).padStart(4))} ${colors.dim(clockText(at))} ${type}${details}`;
}

/** Everything below a run, in the order of creation. */
async function listBelow(plane: ControlPlane, root: RunView): Promise<RunView[]> {
  const below: RunView[] = [];
  const inside = new Set([root.id]);
  let after: string | undefined;
  do {
    const { runs, cursor } = await plane.listTree(root.id, after);
    for (const run of runs) {
      if (run.parentId === null || !inside.has(run.parentId)) continue;
      inside.add(run.id);
      below.push(run);
    }
    after = cursor ?? undefined;
  } while (after !== undefined);
  return below;
}

async function connected(
  terminal: Terminal,
  flags: CommonFlags,
  act: (connection: Connection) => Promise<number>,
): Promise<number> {
  const connection = await connectToRead(terminal, flags);
  try {
    return await act(connection);
  } finally {
    await connection.close();
  }
}

function readStatus(text: string): RunStatus {
  const status = runStatuses.find((known) => known === text);
  if (status !== undefined) return status;
  throw new UsageError(`"${text}" is not a status.`, `A status is one of ${runStatuses.join(", ")}.`);
}

function readLimit(text: string | undefined, fallback: number): number {
  return text === undefined ? fallback : readNumber("--limit", text, { min: 1, max: 1_000 });
}

function readNumber(flag: string, text: string, { min, max }: { min: number; max: number }): number {
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw new UsageError(`${flag} is "${text}".`, `Write a whole number from ${min} to ${max}.`);
}
