import type { ScheduleSpec } from "@holdfast/protocol";
import { Cron } from "croner";

// The moments that a schedule names. Daylight saving (docs/decisions/0013): a cron whose seconds, minutes and hours name no
// wildcard and no step means times of day; such a time that does not exist in spring comes at the first moment after the gap,
// and one that exists twice in autumn comes once, the first time. With a wildcard or a step it means what clocks show: what
// they skip does not come, what they show twice comes twice.

/** What of a schedule says when its ticks are. */
export type TickTiming = Pick<ScheduleSpec, "when" | "tz" | "startAt" | "endAt">;

/** What is wrong with a timing: in which of its parts, and what to do about it. */
export interface TimingDefect {
  readonly part: "cron" | "every" | "at" | "tz" | "startAt" | "endAt";
  readonly message: string;
  readonly hint: string;
}

interface Ticks {
  /** The first tick after a moment. */
  after(ms: number): number | null;
  /** The last ticks before a moment, at most `count`, in order. */
  before(ms: number, count: number): number[];
}

// A schedule is asked again at each tick.
const remembered = new Map<string, Ticks>();
const rememberedTimings = 5_000;

/** The first tick after a moment, in milliseconds since 1970; null when none comes any more. Throws for what cannot be read. */
export function tickAfter(timing: TickTiming, ms: number): number | null {
  return ticksOf(timing).after(ms);
}

/** The last ticks before a moment, at most `count`, in order. Throws for what cannot be read. */
export function ticksBefore(timing: TickTiming, ms: number, count: number): number[] {
  return ticksOf(timing).before(ms, count);
}

/** The first mistake in a timing, or undefined. */
export function timingDefect(timing: TickTiming): TimingDefect | undefined {
  const { when, tz, startAt, endAt } = timing;
  if (!isTimeZone(tz)) {
    const hint = 'Write the name of one, such as "Europe/Berlin" or "UTC".';
    return { part: "tz", message: `there is no time zone ${JSON.stringify(tz)}`, hint };
  }
  for (const [part, text] of Object.entries({ startAt, endAt })) {
    if (text !== undefined && momentOf(text, tz) === undefined) return wrongMoment(part as "startAt" | "endAt", text);
  }
  if ("at" in when) return momentOf(when.at, tz) === undefined ? wrongMoment("at", when.at) : undefined;
  if ("everyMs" in when) return neverComes(timing, "every");
  return cronDefect(when.cron, tz) ?? neverComes(timing, "cron");
}

/** The moment of a text such as `2026-12-24T18:00`, in the time zone where the text has no offset; undefined: it is none. */
export function momentOf(text: string, tz: string): number | undefined {
  const match = /^(\d{4}-\d{2}-\d{2})(?:T(\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?)(Z|[+-]\d{2}:\d{2})?)?$/.exec(text);
  if (match === null) return undefined;
  const [, day = "", time = "00:00", offset] = match;
  // A day such as February 30 is read as one in March.
  if (Number.isNaN(Date.parse(`${day}T${time}Z`)) || !new Date(`${day}T00:00Z`).toISOString().startsWith(day)) {
    return undefined;
  }
  if (offset !== undefined) {
    const ms = Date.parse(`${day}T${time}${offset}`);
    return Number.isNaN(ms) ? undefined : ms;
  }
  const [seconds = "", fraction = "0"] = (time.length === 5 ? `${time}:00` : time).split(".");
  const found = new Cron(`${day}T${seconds}`, { timezone: tz, paused: true, allowPast: true }).nextRun(new Date(0));
  return found === null ? undefined : found.getTime() + Number(fraction.padEnd(3, "0"));
}

/** The day of a moment in a time zone: `2026-03-29`. */
export function dateIn(ms: number, tz: string): string {
  return partsIn(ms, tz).date;
}

/** A moment as clocks in a time zone show it, with their offset: `2026-03-29T03:00:00+02:00`; in UTC with `Z`. */
export function timeIn(ms: number, tz: string): string {
  const { date, time } = partsIn(ms, tz);
  const fraction = ms % 1_000 === 0 ? "" : `.${String(ms % 1_000).padStart(3, "0")}`;
  const offsetMinutes = Math.round((Date.parse(`${date}T${time}Z`) - Math.floor(ms / 1_000) * 1_000) / 60_000);
  if (offsetMinutes === 0) return `${date}T${time}${fraction}Z`;
  const two = (value: number): string => String(value).padStart(2, "0");
  const minutes = Math.abs(offsetMinutes);
  const offset = `${offsetMinutes < 0 ? "-" : "+"}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
  return `${date}T${time}${fraction}${offset}`;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function partsIn(ms: number, tz: string): { date: string; time: string } {
  let format = formats.get(tz);
  if (format === undefined) {
    const two = "2-digit";
    const fields = { year: "numeric", month: two, day: two, hour: two, minute: two, second: two } as const;
    format = new Intl.DateTimeFormat("en-US", { timeZone: tz, calendar: "iso8601", hourCycle: "h23", ...fields });
    formats.set(tz, format);
  }
  const parts = new Map(format.formatToParts(ms).map(({ type, value }) => [type, value]));
  const part = (name: Intl.DateTimeFormatPartTypes): string => parts.get(name) ?? "";
  return {
    date: `${part("year").padStart(4, "0")}-${part("month")}-${part("day")}`,
    time: `${part("hour")}:${part("minute")}:${part("second")}`,
  };
}

function ticksOf(timing: TickTiming): Ticks {
  const { when, tz, startAt, endAt } = timing;
  const key = JSON.stringify([when, tz, startAt, endAt]);
  let ticks = remembered.get(key);
  if (ticks === undefined) {
    if (remembered.size >= rememberedTimings) remembered.clear();
    ticks = bounded(unboundedTicks(timing), timing);
    remembered.set(key, ticks);
  }
  return ticks;
}

function unboundedTicks({ when, tz, startAt }: TickTiming): Ticks {
  if ("at" in when) {
    const at = readMoment(when.at, tz);
    return { after: (ms) => (at > ms ? at : null), before: (ms) => (at < ms ? [at] : []) };
  }
  if ("everyMs" in when) return multiples(when.everyMs, startAt === undefined ? 0 : readMoment(startAt, tz));
  const cron = openCron(when.cron, tz);
  return {
    after: (ms) => cron.nextRun(new Date(ms))?.getTime() ?? null,
    before: (ms, count) =>
      cron
        .previousRuns(count, new Date(ms))
        .map((date) => date.getTime())
        .sort((a, b) => a - b),
  };
}

function multiples(everyMs: number, from: number): Ticks {
  return {
    after: (ms) => from + (Math.floor((ms - from) / everyMs) + 1) * everyMs,
    before: (ms, count) => {
      const last = Math.ceil((ms - from) / everyMs) - 1;
      return Array.from({ length: count }, (_, index) => from + (last - count + 1 + index) * everyMs);
    },
  };
}

/** `startAt` and `endAt` belong to what they bound. */
function bounded(ticks: Ticks, { tz, startAt, endAt }: TickTiming): Ticks {
  const first = startAt === undefined ? Number.NEGATIVE_INFINITY : readMoment(startAt, tz);
  const last = endAt === undefined ? Number.POSITIVE_INFINITY : readMoment(endAt, tz);
  return {
    after: (ms) => {
      const tick = ticks.after(Math.max(ms, first - 1));
      return tick === null || tick > last ? null : tick;
    },
    before: (ms, count) => ticks.before(Math.min(ms, last + 1), count).filter((tick) => tick >= first),
  };
}

function openCron(pattern: string, tz: string): Cron {
  return new Cron(pattern, { timezone: tz, paused: true, fixedTimeRule: "no-wildcard" });
}

function readMoment(text: string, tz: string): number {
  const ms = momentOf(text, tz);
  if (ms === undefined) throw new RangeError(`"${text}" is no moment`);
  return ms;
}

function isTimeZone(tz: string): boolean {
  try {
    return new Intl.DateTimeFormat("en-US", { timeZone: tz }) !== undefined;
  } catch {
    return false;
  }
}

const cronHint =
  'Write 5 fields (minute hour day month weekday) as in "0 3 * * *", with seconds before them 6, and with the year behind them 7.';

function cronDefect(pattern: string, tz: string): TimingDefect | undefined {
  const fields = pattern.trim().split(/\s+/).length;
  // A text such as 2026-01-01T00:00:00 is a moment to the library.
  if (!pattern.startsWith("@") && (fields < 5 || fields > 7)) {
    return { part: "cron", message: `${JSON.stringify(pattern)} has ${fields} fields`, hint: cronHint };
  }
  try {
    openCron(pattern, tz);
    return undefined;
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^CronPattern: /, "").replace(/\.$/, "") : String(error);
    return { part: "cron", message: `${JSON.stringify(pattern)} is no cron: ${why}`, hint: cronHint };
  }
}

function neverComes(timing: TickTiming, part: "cron" | "every"): TimingDefect | undefined {
  if (tickAfter(timing, 0) !== null) return undefined;
  const bounds = timing.startAt ?? timing.endAt;
  const message = bounds === undefined ? "it never comes" : "it never comes between its startAt and endAt";
  return { part, message, hint: "Is it a day that no month has, or does it end before it starts?" };
}

function wrongMoment(part: TimingDefect["part"], text: string): TimingDefect {
  const hint =
    'Write "2026-12-24T18:00" for a time in the schedule\'s time zone, or with an offset: "2026-12-24T18:00:00Z".';
  return { part, message: `${JSON.stringify(text)} is no moment`, hint };
}
