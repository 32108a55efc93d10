import { type JobStatus, type JobView, type Json, jobStatuses, limits, type ResolveJob } from "@holdfast/protocol";
import { connected } from "./connection.ts";
import { counted } from "./definitions.ts";
import { exitCodes, UsageError } from "./failures.ts";
import { givenJson } from "./given-json.ts";
import { readNumber } from "./number-flags.ts";
import type { CommonFlags } from "./project.ts";
import { errorText, valueText } from "./run-text.ts";
import { tableText } from "./table.ts";
import { oneLine, type Terminal } from "./terminal.ts";
import { agoText, lengthText } from "./times.ts";

export interface JobListFlags extends CommonFlags {
  readonly run?: string;
  readonly service?: string;
  readonly status?: readonly string[];
  readonly limit?: string;
  readonly cursor?: string;
}

/** `holdfast external-jobs list`. */
export function listJobs(terminal: Terminal, flags: JobListFlags): Promise<number> {
  const { run, service, cursor } = flags;
  const limit = flags.limit === undefined ? 20 : readNumber("--limit", flags.limit, { min: 1, max: limits.pageRows });
  const status = (flags.status ?? []).map(readStatus);
  return connected(terminal, flags, async ({ plane }) => {
    const page = await plane.externalJobs.list({
      limit,
      ...(run === undefined ? {} : { run }),
      ...(service === undefined ? {} : { service }),
      ...(status.length === 0 ? {} : { status }),
      ...(cursor === undefined ? {} : { cursor }),
    });
    terminal.answer(page);
    if (page.jobs.length === 0) terminal.note("No external jobs.");
    else terminal.print(jobTable(terminal, page.jobs));
    if (page.cursor !== null) terminal.note(terminal.colors.dim(`\nMore: --cursor ${page.cursor}`));
    return exitCodes.done;
  });
}

/** `holdfast external-jobs show JOB`. */
export function showJob(terminal: Terminal, id: string, flags: CommonFlags): Promise<number> {
  return connected(terminal, flags, async ({ plane }) => {
    const job = await plane.externalJobs.get(id);
    terminal.answer({ job });
    if (terminal.json) return exitCodes.done;
    printJob(terminal, job);
    return exitCodes.done;
  });
}

export interface ResolveFlags extends CommonFlags {
  readonly as?: string;
  readonly result?: string;
  readonly ref?: string;
  readonly message?: string;
}

/** `holdfast external-jobs resolve JOB --as …`. */
export function resolveJob(terminal: Terminal, id: string, flags: ResolveFlags): Promise<number> {
  const request = readResolution(flags);
  return connected(terminal, flags, async ({ plane }) => {
    const { job } = await plane.externalJobs.resolve(id, request);
    terminal.answer({ job });
    terminal.note(
      request.as === "resubmit" ? `It is submitted once more: ${job.id}.` : `${job.id} is ${job.status} now.`,
    );
    return exitCodes.done;
  });
}

/** `holdfast external-jobs sweep`: lists what nothing waits for any more, and with --yes gives it up. */
export function sweepJobs(terminal: Terminal, flags: CommonFlags & { readonly yes?: boolean }): Promise<number> {
  const isDone = flags.yes === true;
  return connected(terminal, flags, async ({ plane }) => {
    const { jobs, more } = await plane.externalJobs.sweep({ preview: !isDone });
    terminal.answer({ jobs, more, sweptNow: isDone });
    if (jobs.length === 0) terminal.note("No external job is open whose run has ended.");
    else {
      terminal.print(jobTable(terminal, jobs));
      const what = counted(jobs.length, "external job");
      terminal.note(isDone ? `${what} given up: they may go on.` : `${what} nothing waits for. To give them up: --yes`);
    }
    if (more) terminal.note("There are more: say it again.");
    return exitCodes.done;
  });
}

/** One line about a job that a run waits for. */
export function jobText(
  { service, externalId, key, status, rawStatus, startedAt, openedAt, nextLookAt, id }: JobView,
  now: number,
): string {
  const name = `${service} job ${externalId ?? `"${key}"`}`;
  if (status === "unknown") return `${name}: nobody knows whether it began (holdfast why says what to decide; ${id})`;
  const since = lengthText(now - Date.parse(startedAt ?? openedAt));
  const look = nextLookAt === null ? Number.NaN : Date.parse(nextLookAt) - now;
  const next = look > 0 ? `, next look in ${lengthText(look)}` : "";
  return `${name}, ${rawStatus ?? status} for ${since}${next}`;
}

function jobTable(terminal: Terminal, jobs: readonly JobView[]): string {
  const now = Date.now();
  return tableText(
    terminal,
    [
      { title: "JOB", text: ({ id }) => id },
      {
        title: "SERVICE",
        text: ({ service, connection }) => oneLine(connection === null ? service : `${service} (${connection})`),
      },
      { title: "STATUS", text: ({ status }) => status },
      { title: "THERE", text: ({ rawStatus }) => oneLine(rawStatus ?? ""), shrinks: true },
      { title: "NAME", text: ({ externalId }) => oneLine(externalId ?? ""), shrinks: true },
      { title: "OPENED", text: ({ openedAt }) => agoText(openedAt, now), right: true },
      { title: "WHY", text: ({ error }) => (error === null ? "" : oneLine(error.message)), shrinks: true },
    ],
    jobs,
  );
}

function printJob(terminal: Terminal, job: JobView): void {
  const now = Date.now();
  const when = (time: string | null): string | null => (time === null ? null : `${time} (${agoText(time, now)})`);
  const fields: [string, string | null][] = [
    ["job", job.id],
    ["run", `${job.runId}, "${job.key}"${job.number > 1 ? `, submission ${job.number}` : ""}`],
    ["service", job.connection === null ? job.service : `${job.service} by ${job.connection}`],
    ["submission", job.submission],
    ["status", job.status],
    ["there", job.rawStatus],
    ["name", job.externalId],
    ...job.links.map(({ label, url }): [string, string] => [label.toLowerCase().slice(0, 10), url]),
    ["progress", job.progress === null ? null : oneLine(JSON.stringify(job.progress))],
    ["warning", job.warning],
    ["to be ended", job.reason],
    ["tracked by", job.node],
    ["opened", when(job.openedAt)],
    ["started", when(job.startedAt)],
    ["looked at", when(job.lookedAt)],
    ["next look", job.nextLookAt],
    ["ended", when(job.endedAt)],
    ["result", job.result === undefined || job.result === null ? null : valueText(job.result)],
  ];
  for (const [name, value] of fields) {
    if (value !== null && value !== "") terminal.print(`${terminal.colors.dim(name.padEnd(11))} ${value}`);
  }
  if (job.error !== null) terminal.print(`\n${errorText(terminal, job.error)}`);
}

function readResolution({ as, result, ref, message }: ResolveFlags): ResolveJob {
  const given = (flag: string, what: string, text: string): Json =>
    givenJson(text, { flag, what, maxBytes: limits.jobResultBytes });
  switch (as) {
    case "succeeded":
      return { as, ...(result === undefined ? {} : { result: given("--result", "The result", result) }) };
    case "failed":
    case "lost":
      return { as, ...(message === undefined ? {} : { message }) };
    case "running":
      if (ref === undefined) throw new UsageError("It is not said how the job is called there.", "Say it: --ref JSON.");
      return { as, ref: given("--ref", "The name", ref) };
    case "resubmit":
      return { as };
    default:
      throw new UsageError(
        as === undefined
          ? "It is not said what became of the job."
          : `"${as}" is nothing that a job can be said to be.`,
        "Say --as succeeded, failed, lost, running (with --ref) or resubmit.",
      );
  }
}

function readStatus(text: string): JobStatus {
  const known = jobStatuses.find((status) => status === text);
  if (known !== undefined) return known;
  throw new UsageError(`"${text}" is no status of an external job.`, `Write one of ${jobStatuses.join(", ")}.`);
}
