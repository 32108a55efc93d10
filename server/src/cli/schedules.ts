import { limits, type ScheduleView, type TickNoteView } from "@holdfast/protocol";
import { timeIn } from "../ticks.ts";
import { connected, unlessNodes } from "./connection.ts";
import { exitCodes } from "./failures.ts";
import { readNumber } from "./number-flags.ts";
import type { CommonFlags } from "./project.ts";
import { tableText } from "./table.ts";
import type { Terminal } from "./terminal.ts";
import { agoText, lengthText } from "./times.ts";

export interface ScheduleListFlags extends CommonFlags {
  readonly definition?: string;
  readonly limit?: string;
  readonly cursor?: string;
}

const shownTicks = 5;

/** `holdfast schedules list`. */
export function listSchedules(terminal: Terminal, flags: ScheduleListFlags): Promise<number> {
  const { definition, cursor } = flags;
  const limit = flags.limit === undefined ? 100 : readNumber("--limit", flags.limit, { min: 1, max: limits.pageRows });
  return connected(terminal, flags, async ({ plane }) => {
    const page = await plane.listSchedules({
      limit,
      ...(definition === undefined ? {} : { definition }),
      ...(cursor === undefined ? {} : { cursor }),
    });
    terminal.answer(page);
    if (page.schedules.length > 0) terminal.print(scheduleTable(terminal, page.schedules));
    else {
      terminal.note("Nothing is scheduled.");
      const hint = 'Say schedule: { cron: "0 3 * * *" } of a task or workflow, and apply it.';
      terminal.note(terminal.colors.dim(hint));
    }
    if (page.cursor !== null) terminal.note(terminal.colors.dim(`\nMore: --cursor ${page.cursor}`));
    return exitCodes.done;
  });
}

function scheduleTable(terminal: Terminal, schedules: readonly ScheduleView[]): string {
  const now = Date.now();
  return tableText(
    terminal,
    [
      { title: "SCHEDULE", text: ({ id }) => id, shrinks: true },
      { title: "WHEN", text: whenText, shrinks: true },
      { title: "ZONE", text: ({ tz }) => tz },
      {
        title: "NEXT",
        text: (one) => (one.paused ? "paused" : nextText(one, now)),
        paint: (text, { paused }) => (paused ? terminal.colors.yellow(text) : text),
      },
      { title: "LAST", text: ({ lastTick }) => (lastTick === null ? "" : agoText(lastTick, now)), right: true },
      { title: "RUNS", text: ({ started }) => String(started), right: true },
      { title: "LEFT OUT", text: ({ leftOut }) => (leftOut === 0 ? "" : String(leftOut)), right: true },
    ],
    schedules,
  );
}

function nextText({ next: [next], tz }: ScheduleView, now: number): string {
  return next === undefined ? "never" : momentText(next, tz, now);
}

/** `holdfast schedules show SCHEDULE`. */
export function showSchedule(terminal: Terminal, id: string, flags: CommonFlags): Promise<number> {
  return connected(terminal, flags, async ({ plane }) => {
    const schedule = await plane.getSchedule(id, shownTicks);
    terminal.answer({ schedule });
    if (terminal.json) return exitCodes.done;
    const now = Date.now();
    for (const [name, value] of fieldsOf(schedule, now)) {
      if (value === null || value === "") continue;
      const [first = "", ...more] = value.split("\n");
      terminal.print(`${terminal.colors.dim(name.padEnd(11))} ${first}`);
      for (const line of more) terminal.print(`${" ".repeat(12)}${line}`);
    }
    return exitCodes.done;
  });
}

function fieldsOf(schedule: ScheduleView, now: number): [string, string | null][] {
  const { tz, jitterMs, lastTick, leftOut, notes } = schedule;
  return [
    ["schedule", schedule.id],
    ["definition", schedule.definition],
    ["when", `${whenText(schedule)}  ${tz}`],
    ["from", schedule.startAt],
    ["until", schedule.endAt],
    ["jitter", jitterMs === 0 ? null : `up to ${spanText(jitterMs)} later`],
    ["catch up", schedule.catchUp],
    ["overlap", schedule.overlap],
    ["paused", pausedText(schedule, now)],
    [
      schedule.paused ? "would be" : "next",
      schedule.next.length === 0 ? "never" : schedule.next.map((time) => momentText(time, tz, now)).join("\n"),
    ],
    ["last tick", lastTick === null ? null : momentText(lastTick, tz, now)],
    ["last run", schedule.lastRun],
    ["started", `${schedule.started} run${schedule.started === 1 ? "" : "s"}`],
    ["left out", leftOut === 0 ? null : [String(leftOut), ...notes.map((note) => noteText(note, tz))].join("\n")],
  ];
}

function pausedText({ paused, pausedAt, pauseReason }: ScheduleView, now: number): string | null {
  if (!paused) return null;
  const since = pausedAt === null ? "yes" : `since ${agoText(pausedAt, now)}`;
  return `${since}${pauseReason === null ? "" : ` (${pauseReason})`}: no tick starts a run`;
}

function noteText({ what, from, to, count, why }: TickNoteView, tz: string): string {
  const many = count === null ? `to ${timeText(to, tz)}, ` : count > 1 ? `to ${timeText(to, tz)} (${count}), ` : "";
  return `${timeText(from, tz)} ${many}${what}: ${why}`;
}

/** `holdfast schedules next SCHEDULE`: its next ticks, a line each. */
export function nextTicks(
  terminal: Terminal,
  id: string,
  flags: CommonFlags & { readonly count?: string },
): Promise<number> {
  const count = flags.count === undefined ? 10 : readNumber("--count", flags.count, { min: 1, max: limits.pageRows });
  return connected(terminal, flags, async ({ plane }) => {
    const { next, tz, paused } = await plane.getSchedule(id, count);
    terminal.answer({ next, tz, paused });
    const now = Date.now();
    for (const time of next) terminal.print(momentText(time, tz, now));
    if (next.length === 0) terminal.note("No tick comes any more.");
    if (paused) terminal.note(terminal.colors.dim(`It is paused: holdfast schedules resume ${id} lets it go on.`));
    return exitCodes.done;
  });
}

/** `holdfast schedules pause|resume SCHEDULE`. */
export function pauseSchedule(
  terminal: Terminal,
  id: string,
  { paused, reason, ...flags }: CommonFlags & { readonly paused: boolean; readonly reason?: string },
): Promise<number> {
  return connected(terminal, flags, async ({ plane }) => {
    const answer = await (paused ? plane.pauseSchedule(id, reason) : plane.resumeSchedule(id));
    terminal.answer(answer);
    const { schedule, changed } = answer;
    const now = Date.now();
    if (!changed) terminal.note(`${id} ${paused ? "was paused already" : "was not paused"}.`);
    else if (paused) terminal.note(`${id} is paused: no tick starts a run until it is resumed.`);
    else terminal.note(`${id} goes on; its next tick: ${nextText(schedule, now)}.`);
    return exitCodes.done;
  });
}

/** `holdfast schedules remove SCHEDULE`. */
export function removeSchedule(terminal: Terminal, id: string, flags: CommonFlags): Promise<number> {
  return connected(terminal, flags, async ({ plane }) => {
    const answer = await plane.removeSchedule(id);
    terminal.answer(answer);
    const whose = answer.definition === null ? "its definition" : answer.definition;
    terminal.note(`${id} is removed: it starts nothing any more. Runs that it has started go on.`);
    terminal.note(terminal.colors.dim(`Applying ${whose} puts it back as long as its file says so.`));
    return exitCodes.done;
  });
}

/** `holdfast schedules start SCHEDULE`. */
export function startSchedule(terminal: Terminal, id: string, flags: CommonFlags): Promise<number> {
  return connected(terminal, flags, async (connection) => {
    const { run, existing } = await connection.plane.startSchedule(id, crypto.randomUUID());
    terminal.answer({ run, existing });
    terminal.print(run.id);
    const later = await unlessNodes(connection, " A node carries it out at the next start.");
    const line = run.limit === null ? "" : " It takes its turn behind the run that is under way.";
    terminal.note(`${run.definition} was started.${line}${later}`);
    return exitCodes.done;
  });
}

/** `0 3 * * *`, `every 15m`, `once 2026-12-24T18:00`. */
function whenText({ when }: ScheduleView): string {
  if ("cron" in when) return when.cron;
  return "everyMs" in when ? `every ${spanText(when.everyMs)}` : `once ${when.at}`;
}

function spanText(ms: number): string {
  return lengthText(ms).replace(/\.0s$/, "s");
}

/** `2026-11-30 03:00:00+01:00 (in 5h 2m)`. */
function momentText(time: string, tz: string, now: number): string {
  const ms = Date.parse(time);
  const distance = ms > now ? `in ${spanText(Math.ceil((ms - now) / 1_000) * 1_000)}` : agoText(time, now);
  return `${timeText(time, tz)} (${distance})`;
}

function timeText(time: string, tz: string): string {
  return timeIn(Date.parse(time), tz).replace("T", " ");
}
