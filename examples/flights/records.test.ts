import assert from "node:assert/strict";
import { test } from "node:test";
import { cleanRecords, daysOfWeek, readDeparture, readFlight, splitByWeek, weekdayOf, weekOf } from "./records.ts";

const record = { date: "2001/02/25 18:40", delay: 12, distance: 304, origin: "phx ", destination: "SAN" };
const flight = {
  departure: "2001-02-25T18:40",
  delayMinutes: 12,
  distanceMiles: 304,
  origin: "PHX",
  destination: "SAN",
};

test("a week belongs to the year of its Thursday", () => {
  const cases = [
    ["2001-01-01T00:00", "2001-W01"],
    ["2000-12-31T23:59", "2000-W52"],
    ["2001-12-31T10:00", "2002-W01"],
    ["2021-01-03T10:00", "2020-W53"],
    ["2001-03-31T22:27", "2001-W13"],
  ] as const;
  for (const [departure, week] of cases) assert.equal(weekOf(departure), week, departure);
});

test("the days of a week are its Monday and its Sunday, and lead back to it", () => {
  assert.deepEqual(daysOfWeek("2001-W09"), { monday: "2001-02-26", sunday: "2001-03-04" });
  assert.deepEqual(daysOfWeek("2020-W53"), { monday: "2020-12-28", sunday: "2021-01-03" });
  for (const week of ["1999-W52", "2004-W53", "2012-W01", "2026-W01"]) {
    const { monday, sunday } = daysOfWeek(week);
    assert.deepEqual([weekOf(monday), weekOf(sunday), weekdayOf(monday), weekdayOf(sunday)], [week, week, 0, 6]);
  }
});

test("a moment that does not exist is no departure", () => {
  assert.equal(readDeparture("2001/02/25 18:40"), "2001-02-25T18:40");
  for (const text of [
    "2001/02/30 10:00",
    "2001/13/01 10:00",
    "2001/02/25 24:00",
    "2001/02/25 10:60",
    "soon",
    "",
    7,
    null,
  ]) {
    assert.equal(readDeparture(text), undefined, String(text));
  }
});

test("a record is made uniform", () => {
  assert.deepEqual(readFlight(record), flight);
});

test("a record with an impossible field is broken", () => {
  const faults: unknown[] = [
    { date: "never" },
    { delay: "12" },
    { delay: Number.NaN },
    { distance: 0 },
    { origin: "PHOENIX" },
    { destination: undefined },
    { destination: "PHX" },
  ];
  for (const fault of faults) assert.equal(readFlight({ ...record, ...(fault as object) }), undefined);
  for (const nothing of [undefined, null, 3, "flight", [record]]) assert.equal(readFlight(nothing), undefined);
});

test("cleaning drops repeated and broken records and forgets the order they came in", () => {
  const other = { ...record, delay: -3 };
  const records = [record, other, { ...record, distance: "far" }, { ...record, origin: "PHX" }, null];
  const cleaned = cleanRecords(records);
  assert.deepEqual(cleaned.flights.map((each) => each.delayMinutes).sort(), [-3, 12]);
  assert.deepEqual([cleaned.duplicates, cleaned.broken], [1, 2]);
  assert.deepEqual(cleanRecords(records.toReversed()), cleaned);
});

test("records are split by week in order, and those without a date are counted", () => {
  const early = { ...record, date: "2001/01/03 10:00" };
  const { weeks, undated } = splitByWeek([record, early, { ...record, date: "?" }, 5, early]);
  assert.deepEqual(
    [...weeks],
    [
      ["2001-W01", [early, early]],
      ["2001-W08", [record]],
    ],
  );
  assert.equal(undated, 2);
});
