import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { dateIn, momentOf, type TickTiming, tickAfter, ticksBefore, timeIn, timingDefect } from "./ticks.ts";

// Faults to catch: a time of day lost in spring or doubled in autumn, a wildcard that stops for an hour, a tick answered twice
// or passed over when asked from within its second, a look back that finds other ticks than the look ahead.

const cron = (text: string, tz: string): TickTiming => ({ when: { cron: text }, tz });

function ticksFrom(timing: TickTiming, from: string, count: number): string[] {
  const ticks: string[] = [];
  for (let tick = tickAfter(timing, Date.parse(from)); tick !== null && ticks.length < count; ) {
    ticks.push(timeIn(tick, timing.tz));
    tick = tickAfter(timing, tick);
  }
  return ticks;
}

/** What clocks show at the ticks after a moment, with the offset that tells the two halves of an autumn night apart. */
const table: readonly (readonly [what: string, cron: string, tz: string, from: string, ticks: readonly string[]])[] = [
  // Spring: 02:00 to 03:00 does not exist in Berlin on March 29, 2026.
  ["a time of day in the gap comes after it", "30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z",
    ["2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]],
  ["two times of day in the gap come once", "0,30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z",
    ["2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00", "2026-03-30T02:30:00+02:00"]],
  ["of several times of day those in the gap come after it", "30 2,14 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z",
    ["2026-03-29T03:00:00+02:00", "2026-03-29T14:30:00+02:00", "2026-03-30T02:30:00+02:00"]],
  ["a wildcard goes on through the gap", "*/30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z",
    ["2026-03-29T01:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-29T03:30:00+02:00"]],
  ["a step within a skipped hour does not come", "*/30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z",
    ["2026-03-30T02:00:00+02:00", "2026-03-30T02:30:00+02:00"]],
  // Autumn: 02:00 to 03:00 comes twice in Berlin on October 25, 2026.
  ["a time of day that comes twice is meant once, the first time", "30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z",
    ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00", "2026-10-27T02:30:00+01:00"]],
  ["of several times of day each is meant once", "30 2,14 * * *", "Europe/Berlin", "2026-10-24T14:00:00Z",
    ["2026-10-25T02:30:00+02:00", "2026-10-25T14:30:00+01:00", "2026-10-26T02:30:00+01:00"]],
  ["a wildcard comes in both hours", "*/30 * * * *", "Europe/Berlin", "2026-10-24T23:45:00Z",
    ["2026-10-25T02:00:00+02:00", "2026-10-25T02:30:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T02:30:00+01:00",
      "2026-10-25T03:00:00+01:00"]],
  ["a step within a repeated hour comes in both", "*/30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z",
    ["2026-10-25T02:00:00+02:00", "2026-10-25T02:30:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T02:30:00+01:00",
      "2026-10-26T02:00:00+01:00"]],
  ["each minute of an hour that comes twice", "59 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z",
    ["2026-10-25T01:59:00+02:00", "2026-10-25T02:59:00+02:00", "2026-10-25T02:59:00+01:00", "2026-10-25T03:59:00+01:00"]],
  // The other side of the ocean, and of the equator.
  ["the gap in New York", "30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z",
    ["2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"]],
  ["the repeated hour in New York", "30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z",
    ["2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"]],
  ["the gap in Sydney, in October", "30 2 * * *", "Australia/Sydney", "2026-10-02T18:00:00Z",
    ["2026-10-04T03:00:00+11:00", "2026-10-05T02:30:00+11:00"]],
  ["the repeated hour in Sydney, in April", "30 2 * * *", "Australia/Sydney", "2026-04-03T18:00:00Z",
    ["2026-04-05T02:30:00+11:00", "2026-04-06T02:30:00+10:00"]],
  ["midnight that does not exist, in Santiago", "0 0 * * *", "America/Santiago", "2026-09-05T12:00:00Z",
    ["2026-09-06T01:00:00-03:00", "2026-09-07T00:00:00-03:00"]],
  ["the hour before midnight that comes twice, in Santiago", "30 23 * * *", "America/Santiago", "2026-04-04T12:00:00Z",
    ["2026-04-04T23:30:00-03:00", "2026-04-05T23:30:00-04:00"]],
  // Lord Howe moves by half an hour: 02:00 to 02:30 is skipped, 01:30 to 02:00 comes twice.
  ["half an hour's gap on Lord Howe", "15 2 * * *", "Australia/Lord_Howe", "2026-10-02T18:00:00Z",
    ["2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"]],
  ["a wildcard in half an hour's gap", "*/15 * * * *", "Australia/Lord_Howe", "2026-10-03T15:10:00Z",
    ["2026-10-04T01:45:00+10:30", "2026-10-04T02:30:00+11:00", "2026-10-04T02:45:00+11:00"]],
  ["half an hour that comes twice on Lord Howe", "45 1 * * *", "Australia/Lord_Howe", "2026-04-03T18:00:00Z",
    ["2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"]],
  ["a wildcard in half an hour that comes twice", "*/15 * * * *", "Australia/Lord_Howe", "2026-04-04T14:40:00Z",
    ["2026-04-05T01:45:00+11:00", "2026-04-05T01:30:00+10:30", "2026-04-05T01:45:00+10:30", "2026-04-05T02:00:00+10:30"]],
  // Zones without daylight saving, one with a quarter of an hour, and a day that one of them skipped.
  ["Kolkata has no daylight saving", "30 2 * * *", "Asia/Kolkata", "2026-03-28T12:00:00Z",
    ["2026-03-29T02:30:00+05:30", "2026-03-30T02:30:00+05:30"]],
  ["Kathmandu", "0 3 * * *", "Asia/Kathmandu", "2026-10-24T12:00:00Z",
    ["2026-10-25T03:00:00+05:45", "2026-10-26T03:00:00+05:45"]],
  ["a day that a zone skipped, in Samoa, has no ticks", "0 12 * * *", "Pacific/Apia", "2011-12-29T00:00:00Z",
    ["2011-12-29T12:00:00-10:00", "2011-12-31T12:00:00+14:00"]],
  ["UTC", "0 0 * * *", "UTC", "2026-12-31T00:00:00Z", ["2027-01-01T00:00:00Z", "2027-01-02T00:00:00Z"]],
  // Days.
  ["leap days", "0 12 29 2 *", "UTC", "2026-01-01T00:00:00Z",
    ["2028-02-29T12:00:00Z", "2032-02-29T12:00:00Z", "2036-02-29T12:00:00Z"]],
  ["the 31st, where a month has one", "0 0 31 * *", "UTC", "2026-01-01T00:00:00Z",
    ["2026-01-31T00:00:00Z", "2026-03-31T00:00:00Z", "2026-05-31T00:00:00Z"]],
  ["the last day of a month", "0 0 L * *", "Asia/Kolkata", "2028-01-01T00:00:00Z",
    ["2028-01-31T00:00:00+05:30", "2028-02-29T00:00:00+05:30", "2028-03-31T00:00:00+05:30"]],
  ["the first Monday of a month", "0 9 * * MON#1", "America/Los_Angeles", "2026-03-01T00:00:00Z",
    ["2026-03-02T09:00:00-08:00", "2026-04-06T09:00:00-07:00"]],
  ["a day of the month or of the week", "0 0 13 * FRI", "UTC", "2026-01-01T00:00:00Z",
    ["2026-01-02T00:00:00Z", "2026-01-09T00:00:00Z", "2026-01-13T00:00:00Z"]],
  // Six fields have seconds, seven a year.
  ["seconds", "*/20 * * * * *", "UTC", "2026-01-01T00:00:05Z",
    ["2026-01-01T00:00:20Z", "2026-01-01T00:00:40Z", "2026-01-01T00:01:00Z"]],
  ["a year", "0 0 0 1 1 * 2028-2029", "UTC", "2026-01-01T00:00:00Z", ["2028-01-01T00:00:00Z", "2029-01-01T00:00:00Z"]],
]; // biome-ignore format: a table

for (const [what, text, tz, from, ticks] of table) {
  test(`${what}: ${text} in ${tz}`, () => {
    assert.deepEqual(ticksFrom(cron(text, tz), from, ticks.length), ticks);
  });
}

const zones = [
  "Europe/Berlin",
  "America/New_York",
  "Australia/Lord_Howe",
  "America/Santiago",
  "Africa/Casablanca",
  "UTC",
];
const patterns = ["30 2 * * *", "*/20 * * * *", "30 1,2,14 * * *", "15 1-3 * * *", "0 0 L * *", "*/15 0 */2 * * *"];

test("looking back finds the ticks that looking ahead has found, whatever the zone and the day", () => {
  const anyMoment = fc.integer({ min: Date.UTC(2024, 0), max: Date.UTC(2030, 0) });
  const property = fc.property(fc.constantFrom(...zones), fc.constantFrom(...patterns), anyMoment, (tz, text, from) => {
    const timing = cron(text, tz);
    const ticks: number[] = [];
    for (let tick = tickAfter(timing, from); tick !== null && ticks.length < 6; tick = tickAfter(timing, tick)) {
      ticks.push(tick);
      assert.equal(tickAfter(timing, tick - 1), tick, "the same from just before it");
    }
    assert.ok(ticks.every((tick, index) => tick > (ticks[index - 1] ?? from)));
    const last = ticks.at(-1) ?? 0;
    assert.deepEqual(ticksBefore(timing, last, 5), ticks.slice(0, 5));
    assert.deepEqual(ticksBefore(timing, last + 1, 1), [last]);
  });
  fc.assert(property, { numRuns: 300 });
});

test("intervals are multiples from 1970, or from their start", () => {
  const every = (everyMs: number, startAt?: string): TickTiming => {
    return { when: { everyMs }, tz: "UTC", ...(startAt === undefined ? {} : { startAt }) };
  };
  assert.deepEqual(ticksFrom(every(900_000), "2026-01-01T00:07:00Z", 2), [
    "2026-01-01T00:15:00Z",
    "2026-01-01T00:30:00Z",
  ]);
  const week = every(7 * 86_400_000, "2026-01-05T09:00");
  assert.deepEqual(ticksFrom(week, "2025-01-01T00:00:00Z", 2), ["2026-01-05T09:00:00Z", "2026-01-12T09:00:00Z"]);
  assert.deepEqual(ticksBefore(week, Date.parse("2026-01-19T09:00:00Z"), 5), [
    Date.parse("2026-01-05T09:00:00Z"),
    Date.parse("2026-01-12T09:00:00Z"),
  ]);
});

test("start and end belong to what they bound, and are read in the schedule's zone", () => {
  const timing = { ...cron("0 9 * * *", "Europe/Berlin"), startAt: "2026-03-28T09:00", endAt: "2026-03-30T09:00" };
  assert.deepEqual(ticksFrom(timing, "2026-01-01T00:00:00Z", 10), [
    "2026-03-28T09:00:00+01:00",
    "2026-03-29T09:00:00+02:00",
    "2026-03-30T09:00:00+02:00",
  ]);
  assert.equal(ticksBefore(timing, Date.UTC(2030, 0), 10).length, 3);
});

test("what is once comes once", () => {
  const timing = { when: { at: "2026-12-24T18:00" }, tz: "Europe/Berlin" };
  assert.deepEqual(ticksFrom(timing, "2026-01-01T00:00:00Z", 3), ["2026-12-24T18:00:00+01:00"]);
  assert.equal(tickAfter(timing, Date.parse("2026-12-24T17:00:00Z")), null);
  assert.deepEqual(ticksBefore(timing, Date.parse("2026-12-24T17:00:00Z"), 3), []);
});

test("moments are read with an offset, or in the zone", () => {
  const read = (text: string): string | undefined => {
    const ms = momentOf(text, "Europe/Berlin");
    return ms === undefined ? undefined : new Date(ms).toISOString();
  };
  assert.equal(read("2026-12-24T18:00"), "2026-12-24T17:00:00.000Z");
  assert.equal(read("2026-12-24T18:00:30.25"), "2026-12-24T17:00:30.250Z");
  assert.equal(read("2026-12-24"), "2026-12-23T23:00:00.000Z");
  assert.equal(read("2026-12-24T18:00:00Z"), "2026-12-24T18:00:00.000Z");
  assert.equal(read("2026-12-24T18:00+05:30"), "2026-12-24T12:30:00.000Z");
  assert.equal(read("1969-07-20T21:17:40+01:00"), "1969-07-20T20:17:40.000Z");
  for (const text of ["", "tomorrow", "2026-13-01", "2026-02-30T00:00", "2026-01-01T25:00", "24.12.2026", "2026-1-1"]) {
    assert.equal(read(text), undefined, text);
  }
});

test("a moment is told as clocks in its zone show it", () => {
  assert.equal(dateIn(Date.parse("2026-03-28T23:30:00Z"), "Europe/Berlin"), "2026-03-29");
  assert.equal(timeIn(Date.parse("2026-03-28T23:30:00.007Z"), "Europe/Berlin"), "2026-03-29T00:30:00.007+01:00");
  assert.equal(timeIn(Date.parse("2026-01-01T00:00:00Z"), "America/St_Johns"), "2025-12-31T20:30:00-03:30");
  assert.equal(timeIn(Date.parse("2026-01-01T00:00:00Z"), "Europe/London"), "2026-01-01T00:00:00Z");
});

test("mistakes are told by their part, with what to do", () => {
  const told = (timing: TickTiming): string => {
    const { part = "none", message = "", hint = "" } = timingDefect(timing) ?? {};
    if (part !== "none") assert.ok(hint.length > 0);
    return part === "none" ? part : `${part}: ${message}`;
  };
  assert.equal(told(cron("0 3 * * *", "Europe/Berlin")), "none");
  assert.equal(told(cron("@daily", "UTC")), "none");
  assert.equal(told(cron("0 3 * *", "UTC")), 'cron: "0 3 * *" has 4 fields');
  assert.equal(told(cron("2026-01-01T00:00:00", "UTC")), 'cron: "2026-01-01T00:00:00" has 1 fields');
  assert.match(told(cron("61 * * * *", "UTC")), /^cron: "61 \* \* \* \*" is no cron: Invalid value for minute: 61$/);
  assert.match(told(cron("0 0 30 2 *", "UTC")), /^cron: it never comes$/);
  assert.equal(told(cron("0 3 * * *", "Europe/Berlim")), 'tz: there is no time zone "Europe/Berlim"');
  assert.equal(told({ when: { at: "tomorrow" }, tz: "UTC" }), 'at: "tomorrow" is no moment');
  assert.equal(told({ ...cron("0 3 * * *", "UTC"), startAt: "soon" }), 'startAt: "soon" is no moment');
  const backwards = { ...cron("0 3 * * *", "UTC"), startAt: "2026-02-01", endAt: "2026-01-01" };
  assert.equal(told(backwards), "cron: it never comes between its startAt and endAt");
});
