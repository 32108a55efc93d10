/** From single flights to airports, routes and hours. */

import type { Airport, Position } from "./airports.ts";
import { type Flight, weekdayOf } from "./records.ts";
import { isOnTime, mean, type Punctuality, punctuality, quantile, round } from "./statistics.ts";

/** The flights that leave one airport. */
export interface AirportSummary extends Punctuality {
  readonly code: string;
  readonly city: string;
  readonly state: string;
  /** Null for an airport that the list does not know. */
  readonly position: Position | null;
  readonly destinations: number;
}

/** The flights between two airports, both directions together. */
export interface RouteSummary extends Punctuality {
  /** The two codes in alphabetical order. */
  readonly ends: readonly [string, string];
  readonly distanceMiles: number;
}

/** One hour of one weekday. */
export interface HourSummary {
  /** Monday is 0. */
  readonly weekday: number;
  readonly hour: number;
  readonly flights: number;
  readonly onTime: number;
  readonly meanDelayMinutes: number;
}

/** How late flights arrive, over all of them. */
export interface DelaySummary {
  /** Flights by delay in steps of `stepMinutes`; `from` is the lower end. The first and last step hold what lies beyond. */
  readonly steps: readonly { readonly from: number; readonly flights: number }[];
  readonly stepMinutes: number;
  readonly medianMinutes: number;
  readonly meanMinutes: number;
}

type Report = (done: number, total: number) => void;
/** Groups between two reports of progress: a person reads a few of them each second. */
const reportEvery = 20;

/** Every airport that a flight leaves, the busiest first. An airport missing from the list keeps its code as its name. */
export function summariseAirports(
  flights: readonly Flight[],
  options: { airports: ReadonlyMap<string, Airport>; resamples: number; report?: Report },
): readonly AirportSummary[] {
  const groups = [...Map.groupBy(flights, (flight) => flight.origin)];
  const summaries = groups.map(([code, group], index) => {
    if (index % reportEvery === 0) options.report?.(index, groups.length);
    const airport = options.airports.get(code);
    return {
      code,
      city: airport?.city ?? code,
      state: airport?.state ?? "",
      position: airport?.position ?? null,
      destinations: new Set(group.map((flight) => flight.destination)).size,
      ...punctuality(group, { seed: code, resamples: options.resamples }),
    };
  });
  return summaries.sort((a, b) => b.flights - a.flights || (a.code < b.code ? -1 : 1));
}

/** Every pair of airports with flights between them, the busiest first. */
export function summariseRoutes(
  flights: readonly Flight[],
  options: { resamples: number; report?: Report },
): readonly RouteSummary[] {
  const groups = [...Map.groupBy(flights, (flight) => endsOf(flight).join("–"))];
  const summaries = groups.flatMap(([name, group], index): RouteSummary[] => {
    if (index % reportEvery === 0) options.report?.(index, groups.length);
    const first = group[0];
    if (!first) return [];
    const { distanceMiles } = first;
    return [
      { ends: endsOf(first), distanceMiles, ...punctuality(group, { seed: name, resamples: options.resamples }) },
    ];
  });
  return summaries.sort((a, b) => b.flights - a.flights || (a.ends.join() < b.ends.join() ? -1 : 1));
}

/** The week as a grid of 7 × 24 hours of departure, in order; hours without a flight are part of it. */
export function summariseHours(flights: readonly Flight[]): readonly HourSummary[] {
  const groups = Map.groupBy(flights, (flight) => weekdayOf(flight.departure) * 24 + hourOf(flight));
  return Array.from({ length: 7 * 24 }, (_, slot) => {
    const group = groups.get(slot) ?? [];
    return {
      weekday: Math.floor(slot / 24),
      hour: slot % 24,
      flights: group.length,
      onTime: group.filter(isOnTime).length,
      meanDelayMinutes: round(mean(group.map((flight) => flight.delayMinutes)), 2),
    };
  });
}

/** The distribution of delays from 30 minutes early to 2 hours late. */
export function summariseDelays(flights: readonly Flight[]): DelaySummary {
  const [first, last, stepMinutes] = [-30, 120, 5];
  const steps = Array.from({ length: (last - first) / stepMinutes + 1 }, (_, i) => ({
    from: first + i * stepMinutes,
    flights: 0,
  }));
  for (const { delayMinutes } of flights) {
    const index = Math.floor((delayMinutes - first) / stepMinutes);
    const step = steps[Math.max(0, Math.min(steps.length - 1, index))];
    if (step) step.flights++;
  }
  const delays = flights.map((flight) => flight.delayMinutes).sort((a, b) => a - b);
  return { steps, stepMinutes, medianMinutes: quantile(delays, 0.5), meanMinutes: round(mean(delays), 2) };
}

function endsOf(flight: Flight): [string, string] {
  return flight.origin < flight.destination ? [flight.origin, flight.destination] : [flight.destination, flight.origin];
}

function hourOf(flight: Flight): number {
  return Number(flight.departure.slice(11, 13));
}
