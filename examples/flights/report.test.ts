import assert from "node:assert/strict";
import { before, test } from "node:test";
import { summariseAirports, summariseDelays, summariseHours, summariseRoutes } from "./aggregate.ts";
import { readAirports } from "./airports.ts";
import { readExtracts, readSource } from "./files.ts";
import type { Topology } from "./geography.ts";
import { type Ranking, rankFlights } from "./ranking.ts";
import { cleanRecords, splitByWeek } from "./records.ts";
import { reportPage } from "./report.ts";
import { punctuality } from "./statistics.ts";

const resamples = 10;
/** What a number or a value that is missing looks like in text. */
const nonsense = /.{0,40}(?:NaN|undefined|Infinity|\[object).{0,40}/;

async function rankingOf(records: readonly unknown[]): Promise<Ranking> {
  const { weeks, undated } = splitByWeek(records);
  const cleaned = [...weeks].map(([week, own]) => ({ week, records: own.length, ...cleanRecords(own) }));
  const flights = cleaned.flatMap((week) => week.flights);
  const airports = readAirports(await readSource("vega-datasets", "airports.csv"));
  return rankFlights({
    undated,
    weeks: cleaned.map((week) => ({
      ...week,
      firstDay: week.flights[0]?.departure.slice(0, 10) ?? "",
      lastDay: week.flights.at(-1)?.departure.slice(0, 10) ?? "",
      ...punctuality(week.flights, { seed: week.week, resamples }),
    })),
    airports: summariseAirports(flights, { airports, resamples }),
    routes: summariseRoutes(flights, { resamples }),
    hours: summariseHours(flights),
    delays: summariseDelays(flights),
  });
}

let records: readonly unknown[] = [];
let topology: Topology;
let page = "";

before(async () => {
  records = (await readExtracts("vega-datasets")).flat();
  topology = JSON.parse(await readSource("vega-datasets", "us-10m.json")) as Topology;
  page = reportPage(await rankingOf(records), topology);
});

test("the order of the records does not change a byte of the report", async () => {
  assert.ok(reportPage(await rankingOf(records.toReversed()), topology) === page);
});

test("the page is well formed: every element is closed by its own end", () => {
  const open: string[] = [];
  for (const [, end, name = ""] of page.matchAll(/<(\/?)([a-z][a-z0-9]*)\b[^>]*>/g)) {
    if (end === "/") assert.equal(open.pop(), name);
    else if (!["meta", "br"].includes(name)) open.push(name);
  }
  assert.deepEqual(open, []);
  assert.deepEqual(page.match(nonsense)?.[0], undefined);
});

test("the page needs no script, no network and no clock", () => {
  assert.deepEqual(page.match(/<script|<link|<img|\bsrc=|@import|url\(/)?.[0], undefined);
  assert.deepEqual(
    new Set([...page.matchAll(/https?:\/\/[^"\s]+/g)].map(([url]) => url)),
    new Set(["http://www.w3.org/2000/svg"]),
  );
});

test("every picture has a name and a description, and no id is used twice", () => {
  const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
  assert.equal(new Set(ids).size, ids.length);
  const pictures = [...page.matchAll(/<svg [^>]*role="img" aria-labelledby="([^"]+)"/g)];
  assert.equal(pictures.length, page.split("<svg").length - 1);
  for (const [, names = ""] of pictures) for (const name of names.split(" ")) assert.ok(ids.includes(name), name);
});

test("both colour schemes define the same colours", () => {
  const [light = "", dark = ""] = page.split("prefers-color-scheme: dark");
  const colours = (text: string) => [...text.matchAll(/(--[a-z0-9]+): #/g)].map(([, name]) => name).sort();
  assert.deepEqual(colours(dark), colours(light));
});

test("the report tells of all flights of the source", () => {
  assert.ok(page.includes("20,000\u00a0flights, 13\u00a0weeks"));
  assert.ok(page.includes("of 37,000 records 17,000 were repetitions and 0 broken"));
});

test("a handful of flights makes a report too", async () => {
  const few = reportPage(await rankingOf(records.slice(0, 3)), topology);
  assert.ok(few.includes("3\u00a0flights, 1\u00a0week,"));
  assert.deepEqual(few.match(nonsense)?.[0], undefined);
});

test("no flights at all are refused", async () => {
  await assert.rejects(rankingOf([{ ...(records[0] as object), delay: null }]), /No flight is left/);
});
