import { limits, type TopicEventView } from "@holdfast/protocol";
import type { ControlPlane } from "@holdfast/sdk/client";
import { LogTail } from "./log-tail.ts";
import { logText } from "./log-text.ts";
import { Patience } from "./patience.ts";
import { shortId } from "./run-text.ts";
import { cut, oneLine, type Terminal } from "./terminal.ts";
import { clockText } from "./times.ts";

const waitMs = 25_000;

/** What `dev` shows: a line for each root that comes, begins or ends, and what bodies write. Ends when the signal fires. */
export async function tell(
  terminal: Terminal,
  plane: ControlPlane,
  { isQuiet, signal }: { readonly isQuiet: boolean; readonly signal: AbortSignal },
): Promise<void> {
  // The control plane's own log tells of a store that is away.
  const patience = new Patience({
    limitMs: Number.POSITIVE_INFINITY,
    say: () => undefined,
    outlivesStore: true,
  });
  const tail = new LogTail({
    plane,
    patience,
    signal,
    onLine: (line, { name }) => {
      if (line.stream !== "progress") terminal.relay(logText(terminal, line, `${name} ${shortId(line.runId)}`));
    },
  });
  const begin = await patience.ask(() => plane.listTopic({ after: "last", waitMs: 0 }), signal);
  if (!isQuiet) await openRunning({ plane, patience, tail, signal });
  const following = isQuiet ? undefined : tail.follow(signal);
  for (let last = begin?.last ?? 0; !signal.aborted; ) {
    const page = await patience.ask(() => plane.listTopic({ after: last, waitMs }, signal), signal);
    if (page === undefined) break;
    last = page.last;
    for (const event of page.events) {
      if (!isQuiet) await tailOf(tail, event);
      const said = saidOfEvent(event, page.events);
      if (said !== undefined && event.runId === event.rootId) terminal.note(eventLine(terminal, event, said));
    }
  }
  await following;
}

interface Opening {
  readonly plane: ControlPlane;
  readonly patience: Patience;
  readonly tail: LogTail;
  readonly signal: AbortSignal;
}

/** What was under way when the last one ended has begun again before anybody listened. */
async function openRunning({ plane, patience, tail, signal }: Opening): Promise<void> {
  const query = { statuses: ["running"], scope: "all", limit: limits.pageRows } as const;
  const page = await patience.ask(() => plane.listRuns(query), signal);
  for (const { id, name, epoch, kind } of page?.runs ?? []) {
    if (kind === "task") tail.open({ id, name, fromEpoch: epoch });
  }
}

/** Said of a run, not by its body. */
const silent: ReadonlySet<TopicEventView["type"]> = new Set([
  "run.paused",
  "run.resumed",
  "run.restarted",
  "run.reset",
  "run.reopened",
]);

/** A body writes from its start to its end, which is when something else is said of its run. */
async function tailOf(tail: LogTail, { type, runId, name, data }: TopicEventView): Promise<void> {
  const run = { id: runId, name, fromEpoch: epochOf(data) };
  if (silent.has(type)) return;
  if (type === "run.started") tail.open(run);
  else if (tail.isOpen(run)) await tail.settle(run);
}

const saidOf: Readonly<Partial<Record<TopicEventView["type"], keyof typeof colorOf>>> = {
  "run.enqueued": "enqueued",
  "run.started": "started",
  "run.succeeded": "succeeded",
  "run.failed": "failed",
  "run.cancelled": "cancelled",
};

const colorOf = { enqueued: "dim", started: "cyan", succeeded: "green", failed: "red", cancelled: "yellow" } as const;

/** What is said of an event among others: a run that starts at once is not said to wait, and one that goes on not to start. */
function saidOfEvent(
  { type, runId, data }: TopicEventView,
  among: readonly TopicEventView[],
): keyof typeof colorOf | undefined {
  const isWaiting = () => !among.some((other) => other.runId === runId && other.type === "run.started");
  if (type === "run.enqueued" && !isWaiting()) return undefined;
  return type === "run.started" && epochOf(data) !== 1 ? undefined : saidOf[type];
}

function epochOf(data: TopicEventView["data"]): number {
  return typeof data === "object" && data !== null && "epoch" in data ? Number(data.epoch) : 0;
}

function eventLine({ colors }: Terminal, event: TopicEventView, said: keyof typeof colorOf): string {
  const why = said === "failed" || said === "cancelled" ? reasonOf(event.data) : "";
  const head = `${colors.dim(clockText(Date.parse(event.at)))} ${event.definition} ${colors.dim(event.runId)}`;
  return `${head} ${colors[colorOf[said]](said)}${why}`;
}

/** The end of a run carries its error, cut short. */
function reasonOf(data: TopicEventView["data"]): string {
  const error = typeof data === "object" && data !== null && "error" in data ? data.error : null;
  const message = typeof error === "object" && error !== null && "message" in error ? String(error.message) : "";
  return message === "" ? "" : `: ${cut(oneLine(message), 300)}`;
}
