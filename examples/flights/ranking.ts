/** What the report tells: the best and the worst of the summaries, chosen so that chance does not win. */

import type { AirportSummary, DelaySummary, HourSummary, RouteSummary } from "./aggregate.ts";
import { type Punctuality, round } from "./statistics.ts";

/** One week after cleaning. */
export interface WeekSummary extends Punctuality {
  readonly week: string;
  /** The days of the first and the last flight. */
  readonly firstDay: string;
  readonly lastDay: string;
  readonly records: number;
  readonly duplicates: number;
  readonly broken: number;
}

/** The days of the week of which the worst is told. */
export interface WeekdaySummary {
  readonly weekday: number;
  readonly flights: number;
  readonly onTime: number;
}

export interface Ranking {
  readonly flights: number;
  readonly records: number;
  readonly duplicates: number;
  /** The undated ones included. */
  readonly broken: number;
  readonly undated: number;
  /** Of departure or arrival. */
  readonly airportCount: number;
  readonly routeCount: number;
  /** Of all flights, between 0 and 1. */
  readonly onTime: number;
  readonly weeks: readonly WeekSummary[];
  readonly weekdays: readonly WeekdaySummary[];
  readonly hours: readonly HourSummary[];
  readonly delays: DelaySummary;
  /** The busiest airports, the most punctual first. */
  readonly airports: readonly AirportSummary[];
  /** For the map: all airports that have a position, the busiest first. */
  readonly places: readonly AirportSummary[];
  /** For the map: the busiest routes. */
  readonly lines: readonly RouteSummary[];
  /** Of the routes with enough flights to tell, the most punctual ones, best first. */
  readonly bestRoutes: readonly RouteSummary[];
  /** The least punctual ones, worst first. */
  readonly worstRoutes: readonly RouteSummary[];
  readonly routeMinFlights: number;
}

export interface Summaries {
  /** Records without a readable date; no week has them. */
  readonly undated: number;
  readonly weeks: readonly WeekSummary[];
  readonly airports: readonly AirportSummary[];
  readonly routes: readonly RouteSummary[];
  readonly hours: readonly HourSummary[];
  readonly delays: DelaySummary;
}

const limits = { airports: 30, lines: 160, routes: 8, routeMinFlights: 40 } as const;

/** Throws when no flight is left. */
export function rankFlights({ undated, weeks, airports, routes, hours, delays }: Summaries): Ranking {
  const sum = (field: "flights" | "records" | "duplicates" | "broken") =>
    weeks.reduce((total, week) => total + week[field], 0);
  const flights = sum("flights");
  if (flights === 0) throw new Error(`No flight is left of ${sum("records") + undated} records.`);
  const onTime = hours.reduce((total, hour) => total + hour.onTime, 0);
  const tellable = byPunctuality(routes.filter((route) => route.flights >= limits.routeMinFlights));
  return {
    flights,
    records: sum("records") + undated,
    duplicates: sum("duplicates"),
    broken: sum("broken") + undated,
    undated,
    airportCount: new Set(routes.flatMap((route) => route.ends)).size,
    routeCount: routes.length,
    onTime: round(onTime / flights, 4),
    weeks: weeks.toSorted((a, b) => (a.week < b.week ? -1 : 1)),
    weekdays: weekdays(hours),
    hours,
    delays,
    airports: byPunctuality(airports.slice(0, limits.airports)),
    places: airports.filter((airport) => airport.position !== null),
    lines: routes.slice(0, limits.lines),
    bestRoutes: tellable.slice(0, limits.routes),
    worstRoutes: tellable.toReversed().slice(0, Math.min(limits.routes, Math.max(0, tellable.length - limits.routes))),
    routeMinFlights: limits.routeMinFlights,
  };
}

/** The highest share of flights on time first; of equal ones, the one with more flights. */
export function byPunctuality<T extends Punctuality>(summaries: readonly T[]): readonly T[] {
  return summaries.toSorted((a, b) => b.onTime.share - a.onTime.share || b.flights - a.flights);
}

function weekdays(hours: readonly HourSummary[]): readonly WeekdaySummary[] {
  return Array.from({ length: 7 }, (_, weekday) => {
    const own = hours.filter((hour) => hour.weekday === weekday);
    const flights = own.reduce((total, hour) => total + hour.flights, 0);
    return { weekday, flights, onTime: own.reduce((total, hour) => total + hour.onTime, 0) };
  });
}
