/**
 * From published flight records to a report:
 *
 *                ┌─ clean[2001-W01] ─┐   ┌─ airports ─┐
 *        split ──┤         …         ├───┼─ routes ───┼── rank ── report
 *                └─ clean[2001-W13] ─┘   └─ hours ────┘
 *
 * `holdfast run examples/flights/flights.ts` starts it. Kill whatever you like and start it again: what has finished is
 * not done again, and the report is the same byte for byte. Large results lie in files below `.holdfast/flights`;
 * tasks hand on their names.
 */

import { resolve } from "node:path";
import { task, workflow } from "holdfast";
import { z } from "zod";
import { summariseAirports, summariseDelays, summariseHours, summariseRoutes } from "./aggregate.ts";
import { readAirports } from "./airports.ts";
import { keep, kept, readExtracts, readSource, writeWhole } from "./files.ts";
import type { Topology } from "./geography.ts";
import { type Ranking, rankFlights, type Summaries } from "./ranking.ts";
import { cleanRecords, type Flight, splitByWeek } from "./records.ts";
import { reportPage } from "./report.ts";
import { punctuality } from "./statistics.ts";

const part = z.object({ file: z.string() });
const parts = z.object({ source: z.string(), weeks: z.array(part) });
const cleanedWeek = part.extend({
  week: z.string(),
  firstDay: z.string(),
  lastDay: z.string(),
  records: z.int(),
  duplicates: z.int(),
  broken: z.int(),
  flights: z.int(),
  onTime: z.object({ share: z.number(), low: z.number(), high: z.number() }),
  meanDelayMinutes: z.number(),
  medianDelayMinutes: z.number(),
});

/** Reads the published extracts and sorts their records into weeks. */
export const split = task({ id: "split", input: z.object({ source: z.string() }) }, async ({ source }, ctx) => {
  const records = (await readExtracts(source)).flat();
  const { weeks, undated } = splitByWeek(records);
  if (undated > 0) ctx.log.warn("Records without a readable date are left out.", { undated });
  const files: { week: string; file: string }[] = [];
  for (const [week, own] of weeks) {
    ctx.progress(files.length, weeks.size, week);
    files.push({ week, file: await keep(`${week}.records`, own) });
  }
  ctx.log.info("The records are sorted into weeks.", { records: records.length, weeks: files.length });
  return { undated, weeks: files };
});

/** Cleans one week. Each step is recorded: a kill between them does not repeat the first. */
export const clean = task(
  { id: "clean", input: part.extend({ week: z.string() }), output: cleanedWeek, retry: { attempts: 3 } },
  async ({ week, file }, ctx) => {
    const cleaned = await ctx.step("clean", async () => {
      const records = await kept<readonly unknown[]>(file);
      const { flights, duplicates, broken } = cleanRecords(records);
      return { file: await keep(`${week}.flights`, flights), records: records.length, duplicates, broken };
    });
    const summary = await ctx.step("summarise", async () => {
      const flights = await kept<readonly Flight[]>(cleaned.file);
      const days = flights.map((flight) => flight.departure.slice(0, 10));
      return {
        firstDay: days[0] ?? week,
        lastDay: days.at(-1) ?? week,
        ...punctuality(flights, { seed: week, resamples: 10_000 }),
      };
    });
    ctx.log.info(`${week} has ${summary.flights} flights.`, { ...cleaned });
    return { week, ...cleaned, ...summary };
  },
);

/** How punctual the departures of each airport are. */
export const airports = task({ id: "airports", input: parts }, async ({ source, weeks }, ctx) => {
  const places = readAirports(await readSource(source, "airports.csv"));
  const summaries = summariseAirports(await flightsOf(weeks), {
    airports: places,
    resamples: 2_000,
    report: (done, total) => ctx.progress(done, total, "airports"),
  });
  return { file: await keep("airports", summaries), airports: summaries.length };
});

/** How punctual each pair of airports is, both directions together. */
export const routes = task({ id: "routes", input: parts }, async ({ weeks }, ctx) => {
  const summaries = summariseRoutes(await flightsOf(weeks), {
    resamples: 2_000,
    report: (done, total) => ctx.progress(done, total, "routes"),
  });
  return { file: await keep("routes", summaries), routes: summaries.length };
});

/** How punctual each hour of the week is, and how delays are distributed. */
export const hours = task({ id: "hours", input: parts }, async ({ weeks }) => {
  const flights = await flightsOf(weeks);
  return { file: await keep("hours", { hours: summariseHours(flights), delays: summariseDelays(flights) }) };
});

/** Brings the summaries together and chooses what the report tells. */
export const rank = task(
  {
    id: "rank",
    input: z.object({ undated: z.int(), weeks: z.array(cleanedWeek), airports: part, routes: part, hours: part }),
  },
  async ({ undated, weeks, airports, routes, hours }) => {
    const ranking = rankFlights({
      undated,
      weeks,
      airports: await kept<Summaries["airports"]>(airports.file),
      routes: await kept<Summaries["routes"]>(routes.file),
      ...(await kept<Pick<Summaries, "hours" | "delays">>(hours.file)),
    });
    return { file: await keep("ranking", ranking) };
  },
);

/** Draws the charts and writes the page. */
export const report = task(
  {
    id: "report",
    input: z.object({ source: z.string(), out: z.string(), ranking: part }),
    output: z.object({ report: z.string(), flights: z.int(), airports: z.int(), routes: z.int(), onTime: z.number() }),
  },
  async ({ source, out, ranking: { file } }, ctx) => {
    const ranking = await kept<Ranking>(file);
    const topology = JSON.parse(await readSource(source, "us-10m.json")) as Topology;
    const path = resolve(out);
    await writeWhole(path, reportPage(ranking, topology));
    ctx.log.info("The report is written.", { path });
    const { flights, airportCount, routeCount, onTime } = ranking;
    return { report: path, flights, airports: airportCount, routes: routeCount, onTime };
  },
);

export const flights = workflow(
  {
    id: "flights",
    params: z.object({
      /** The npm package, or a folder with files like its own. */
      source: z.string().default("vega-datasets"),
      out: z.string().default(".holdfast/flights/report.html"),
    }),
  },
  (w) => {
    const { source, out } = w.params;
    const { undated, weeks } = w.call(split, { source }).output;
    const cleaned = w.map(weeks, clean, { key: (item) => item.week }).outputs;
    const summaries = {
      airports: w.call(airports, { source, weeks: cleaned }).output,
      routes: w.call(routes, { source, weeks: cleaned }).output,
      hours: w.call(hours, { source, weeks: cleaned }).output,
    };
    const ranking = w.call(rank, { undated, weeks: cleaned, ...summaries }).output;
    return w.call(report, { source, out, ranking }).output;
  },
);

async function flightsOf(weeks: readonly { readonly file: string }[]): Promise<readonly Flight[]> {
  return (await Promise.all(weeks.map((week) => kept<readonly Flight[]>(week.file)))).flat();
}
