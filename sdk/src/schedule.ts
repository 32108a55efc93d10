import type { CatchUp, Duration, Overlap, TickValue } from "@holdfast/protocol";
import { ReferenceMisuse } from "./reference.ts";

// When definitions start by themselves: the option `schedule`, and what its `params` may refer to.

const tickMark = Symbol.for("holdfast.tick");
declare const tickBrand: unique symbol;

/** Stands in a schedule's `params` for something of the tick that starts the run; a string in the run. */
export interface TickReference {
  readonly [tickBrand]: TickValue;
}

/**
 * What a schedule's `params` may say of the tick that starts a run. `date`: its day, `"2026-03-29"`; `time`: its moment with
 * offset, `"2026-03-29T03:00:00+02:00"`; both in the schedule's time zone. It is the tick's own time, however late the run begins.
 */
export const schedule: { readonly date: TickReference; readonly time: TickReference } = Object.freeze({
  date: makeTick("date"),
  time: makeTick("time"),
});

function makeTick(value: TickValue): TickReference {
  const misuse = (): never => {
    const hint = `It exists only when the schedule starts a run: write it as a whole, params: { day: schedule.${value} }.`;
    throw new ReferenceMisuse(`schedule.${value} was used as a string, but it is only a placeholder.`, hint);
  };
  const tick = {};
  Object.defineProperties(tick, {
    [tickMark]: { value },
    [Symbol.toPrimitive]: { value: misuse },
    toJSON: { value: misuse },
  });
  return Object.freeze(tick) as TickReference;
}

/** Which of a tick's values a user's value stands for, or undefined when it is none. */
export function tickData(value: unknown): TickValue | undefined {
  if (typeof value !== "object" || value === null || !(tickMark in value)) return undefined;
  return value[tickMark] as TickValue;
}

type IsAny<T> = 0 extends 1 & T ? true : false;
type IsUnknown<T> = IsAny<T> extends true ? true : unknown extends T ? true : false;

/** What may be written in `params` where a value of type T is wanted: the value, or a `TickReference` for a string. */
export type Scheduled<T> =
  IsUnknown<T> extends true ? unknown : (string extends T ? TickReference : never) | ScheduledValue<T>;

type ScheduledValue<T> = T extends string | number | boolean | null | undefined
  ? T
  : T extends Date
    ? T | string | TickReference
    : T extends object
      ? { readonly [K in keyof T]: Scheduled<T[K]> }
      : T;

/** Exactly one of them. */
type ScheduleTicks =
  /** 5, 6 or 7 fields: `"0 3 * * *"`. */
  | { readonly cron: string; readonly every?: never; readonly at?: never }
  /** Multiples of it, from `startAt` or else from 1970: `"15m"`. At least a second. */
  | { readonly every: Duration; readonly cron?: never; readonly at?: never }
  /** Once: a `Date`, a text with an offset, or one in the schedule's time zone, `"2026-12-24T18:00"`. */
  | { readonly at: string | Date; readonly cron?: never; readonly every?: never };

interface ScheduleRules {
  /** The time zone of everything that it says, `"Europe/Berlin"`; default `"UTC"`. */
  readonly tz?: string;
  /** Ticks that were over before a node came, or while it was paused: `latest` (default) starts the newest, `all` each. */
  readonly catchUp?: CatchUp;
  /**
   * A tick while an earlier run of the schedule is under way: `allow` (default) starts beside it, `skip` is left out, `wait`
   * starts after it (one waits at a time), `cancel` orders the earlier one to end and starts after it.
   */
  readonly overlap?: Overlap;
  /** Each tick starts up to so much later, at random but the same for every node; at most a day. */
  readonly jitter?: Duration;
  /** The first moment at which a tick may lie. */
  readonly startAt?: string | Date;
  /** The last moment at which a tick may lie. */
  readonly endAt?: string | Date;
}

type ScheduleParams<I> =
  IsUnknown<I> extends true
    ? { readonly params?: unknown }
    : undefined extends I
      ? { readonly params?: Scheduled<I> }
      : Record<never, never> extends I
        ? { readonly params?: Scheduled<I> }
        : { readonly params: Scheduled<I> };

/** When a definition with the input I starts by itself, and with what. */
export type Schedule<I = unknown> = ScheduleTicks & ScheduleRules & ScheduleParams<I>;

/** One schedule, or several with names: the one named `eu` of `nightly` is `nightly:eu`. */
export type Schedules<I = unknown> = Schedule<I> | readonly (Schedule<I> & { readonly id: string })[];
