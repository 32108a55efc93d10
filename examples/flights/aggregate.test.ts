import assert from "node:assert/strict";
import { test } from "node:test";
import { summariseAirports, summariseDelays, summariseHours, summariseRoutes } from "./aggregate.ts";
import type { Flight } from "./records.ts";

const resamples = 20;

function flight(origin: string, destination: string, more: Partial<Flight> = {}): Flight {
  return { departure: "2001-01-06T07:05", delayMinutes: 0, distanceMiles: 500, origin, destination, ...more };
}

test("airports are summarised by departure, the busiest first, ties by code", () => {
  const flights = [
    flight("BBB", "AAA"),
    flight("AAA", "BBB"),
    flight("CCC", "AAA"),
    flight("CCC", "BBB", { delayMinutes: 60 }),
  ];
  const position = { latitude: 1, longitude: 2 };
  const airports = new Map([["CCC", { code: "CCC", name: "C field", city: "Ceetown", state: "CA", position }]]);
  const summaries = summariseAirports(flights, { airports, resamples });
  assert.deepEqual(
    summaries.map(({ code, flights, destinations }) => [code, flights, destinations]),
    [
      ["CCC", 2, 2],
      ["AAA", 1, 1],
      ["BBB", 1, 1],
    ],
  );
  assert.deepEqual(
    [summaries[0]?.city, summaries[0]?.position, summaries[0]?.onTime.share],
    ["Ceetown", position, 0.5],
  );
  assert.deepEqual([summaries[1]?.city, summaries[1]?.position], ["AAA", null]);
});

test("both directions are one route", () => {
  const summaries = summariseRoutes([flight("BBB", "AAA"), flight("AAA", "BBB"), flight("AAA", "CCC")], { resamples });
  assert.deepEqual(
    summaries.map(({ ends, flights }) => [ends, flights]),
    [
      [["AAA", "BBB"], 2],
      [["AAA", "CCC"], 1],
    ],
  );
});

test("the hours are a whole week, Monday at midnight first", () => {
  const saturday = flight("AAA", "BBB", { delayMinutes: 20 });
  const hours = summariseHours([saturday, flight("AAA", "BBB")]);
  assert.equal(hours.length, 168);
  assert.deepEqual([hours[0]?.weekday, hours[0]?.hour, hours[167]?.weekday, hours[167]?.hour], [0, 0, 6, 23]);
  assert.deepEqual(hours[5 * 24 + 7], { weekday: 5, hour: 7, flights: 2, onTime: 1, meanDelayMinutes: 10 });
  assert.equal(
    hours.reduce((total, hour) => total + hour.flights, 0),
    2,
  );
});

test("every delay is in one step, the outermost ones in the first and the last", () => {
  const delays = [-500, -30, -1, 0, 4, 5, 119, 120, 900].map((delayMinutes) => flight("AAA", "BBB", { delayMinutes }));
  const { steps, medianMinutes } = summariseDelays(delays);
  const filled = steps.filter((step) => step.flights > 0).map((step) => [step.from, step.flights]);
  assert.deepEqual(filled, [
    [-30, 2],
    [-5, 1],
    [0, 2],
    [5, 1],
    [115, 1],
    [120, 2],
  ]);
  assert.equal(medianMinutes, 4);
});

test("progress is told now and then", () => {
  const told: unknown[] = [];
  const flights = Array.from({ length: 45 }, (_, i) => flight(`A${String(i).padStart(2, "0")}`, "BBB"));
  summariseAirports(flights, { airports: new Map(), resamples, report: (done, total) => told.push([done, total]) });
  assert.deepEqual(told, [
    [0, 45],
    [20, 45],
    [40, 45],
  ]);
});
