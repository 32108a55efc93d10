import assert from "node:assert/strict";
import { test } from "node:test";
import { summariseAirports, summariseDelays, summariseHours, summariseRoutes } from "./aggregate.ts";
import { byPunctuality, rankFlights } from "./ranking.ts";
import type { Flight } from "./records.ts";
import { punctuality } from "./statistics.ts";

const resamples = 20;

/** Each route with its own share of late flights: 1 in `every`. */
function flightsBetween(ends: readonly [string, string], count: number, every: number): readonly Flight[] {
  return Array.from({ length: count }, (_, i) => ({
    departure: `2001-01-0${1 + (i % 7)}T${String(i % 24).padStart(2, "0")}:00`,
    delayMinutes: i % every === 0 ? 45 : 0,
    distanceMiles: 300,
    origin: ends[i % 2] ?? ends[0],
    destination: ends[(i + 1) % 2] ?? ends[1],
  }));
}

function summaries(flights: readonly Flight[]) {
  const week = { week: "2001-W01", firstDay: "2001-01-01", lastDay: "2001-01-07", records: flights.length + 5 };
  return {
    undated: 2,
    weeks: [{ ...week, duplicates: 4, broken: 1, ...punctuality(flights, { seed: "w", resamples }) }],
    airports: summariseAirports(flights, { airports: new Map(), resamples }),
    routes: summariseRoutes(flights, { resamples }),
    hours: summariseHours(flights),
    delays: summariseDelays(flights),
  };
}

test("every record is accounted for", () => {
  const flights = flightsBetween(["AAA", "BBB"], 50, 5);
  const ranking = rankFlights(summaries(flights));
  assert.deepEqual([ranking.records, ranking.duplicates, ranking.broken, ranking.flights], [57, 4, 3, 50]);
  assert.equal(ranking.onTime, 0.8);
  assert.equal(
    ranking.weekdays.reduce((total, day) => total + day.flights, 0),
    50,
  );
});

test("a route with too few flights to tell is not ranked, and none is both best and worst", () => {
  const routes = Array.from({ length: 10 }, (_, i) => flightsBetween(["AAA", `B${i}X`], 40 + i, i + 2)).flat();
  const ranking = rankFlights(summaries([...routes, ...flightsBetween(["CCC", "DDD"], 39, 100)]));
  const names = (list: readonly { readonly ends: readonly string[] }[]) => list.map((route) => route.ends[1]);
  assert.deepEqual(names(ranking.bestRoutes)[0], "B9X");
  assert.deepEqual(names(ranking.worstRoutes), ["B0X", "B1X"]);
  assert.ok(!names(ranking.bestRoutes).includes("DDD"));
  assert.equal(ranking.airportCount, 13);
});

test("of equally punctual ones the busier is first", () => {
  const share = (flights: number, value: number) => ({
    ...punctuality([], { seed: "", resamples }),
    flights,
    onTime: { share: value, low: 0, high: 1 },
  });
  const order = byPunctuality([share(1, 0.5), share(9, 0.5), share(3, 0.9)]);
  assert.deepEqual(
    order.map((each) => each.flights),
    [3, 9, 1],
  );
});
