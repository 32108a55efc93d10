/** The report: one HTML page that needs no script, no network and no clock. The same ranking gives the same bytes. */

import type { RouteSummary } from "./aggregate.ts";
import { delaysChart } from "./charts/delays.ts";
import { hoursChart, tellableFlights } from "./charts/hours.ts";
import { mapChart, tellableFlights as tellableDepartures } from "./charts/map.ts";
import {
  type Child,
  dayName,
  h,
  hourName,
  Markup,
  minutes,
  percent,
  plural,
  thousands,
  weekdayNames,
} from "./charts/markup.ts";
import { pipelineChart } from "./charts/pipeline.ts";
import { type Row, rowsChart, rowsDomain } from "./charts/rows.ts";
import { style } from "./charts/style.ts";
import { weeksChart } from "./charts/weeks.ts";
import type { Topology } from "./geography.ts";
import type { Ranking, WeekSummary } from "./ranking.ts";
import { daysOfWeek } from "./records.ts";
import type { Punctuality } from "./statistics.ts";

/** The whole page. */
export function reportPage(ranking: Ranking, topology: Topology): string {
  const body = [
    top(ranking),
    h(
      "main",
      {},
      placesSection(ranking, topology),
      weeksSection(ranking),
      hoursSection(ranking),
      delaysSection(ranking),
      airportsSection(ranking),
      routesSection(ranking),
      recordsSection(ranking),
    ),
    foot(),
  ];
  const head = h(
    "head",
    {},
    h("meta", { charset: "utf-8" }),
    h("meta", { name: "viewport", content: "width=device-width, initial-scale=1" }),
    h("meta", { name: "color-scheme", content: "light dark" }),
    h("title", {}, `${thousands(ranking.flights)} flights`),
    h("style", {}, new Markup(style)),
  );
  return `<!doctype html>\n${h("html", { lang: "en" }, head, h("body", {}, body))}\n`;
}

function top(ranking: Ranking): Markup {
  const { weeks, onTime, delays } = ranking;
  const figure = (value: string, name: string) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
  return h(
    "header",
    {},
    h("p", { class: "kicker" }, "A report made by a Holdfast workflow"),
    h("h1", {}, `${plural(ranking.flights, "flight")}, ${plural(weeks.length, "week")}, and how late they were`),
    h(
      "p",
      { class: "lede" },
      `Flights within the United States, ${period(weeks)}. `,
      h("strong", {}, `${percent(onTime)} arrived on time`),
      ", which by the measure of the Department of Transportation means less than 15 minutes late. ",
      `Half of all flights ${medianText(delays.medianMinutes)}.`,
    ),
    h(
      "dl",
      { class: "figures" },
      figure(thousands(ranking.airportCount), "airports"),
      figure(thousands(ranking.routeCount), "pairs of airports"),
      figure(percent(onTime), "arrived on time"),
      figure(minutes(delays.meanMinutes), "average delay"),
    ),
  );
}

function placesSection({ places, lines }: Ranking, topology: Topology): Markup {
  return section(
    "Where they flew",
    undefined,
    figure(
      mapChart(places, lines, topology),
      `The area of a circle is the number of departures, its colour how many of them arrived on time (grey where there were fewer than ${tellableDepartures}). Arcs are the ${lines.length} busiest pairs of airports. Alaska is drawn smaller; Puerto Rico, the Virgin Islands and Guam lie beyond the map.`,
      table(
        "The twenty busiest airports",
        ["Airport", "Departures", "Destinations", "On time", "Average delay"],
        places
          .slice(0, 20)
          .map((place) => [
            `${place.city} (${place.code})`,
            thousands(place.flights),
            thousands(place.destinations),
            percent(place.onTime.share),
            minutes(place.meanDelayMinutes),
          ]),
      ),
    ),
  );
}

function weeksSection({ weeks, onTime }: Ranking): Markup {
  const sorted = weeks.toSorted((a, b) => b.onTime.share - a.onTime.share);
  const [best, worst] = [sorted[0], sorted.at(-1)];
  return section(
    "Good weeks, bad weeks",
    best && worst
      ? `In the week of ${monday(best)}, ${percent(best.onTime.share)} of the flights arrived on time; in the week of ${monday(worst)}, ${percent(worst.onTime.share)}.`
      : undefined,
    figure(
      weeksChart(weeks, onTime),
      "Dots are the share of flights on time, bars the 95% interval: where the share would lie if other flights of the same week had been drawn.",
      table(
        "Punctuality by week",
        ["Week of", "Flights", "On time", "95% interval", "Average delay", "Median"],
        weeks.map((week) => [monday(week), ...punctualityCells(week), minutes(week.medianDelayMinutes)]),
      ),
    ),
  );
}

function hoursSection({ hours, weekdays }: Ranking): Markup {
  const byHour = Array.from({ length: 24 }, (_, hour) => {
    const own = hours.filter((cell) => cell.hour === hour);
    const flights = own.reduce((total, cell) => total + cell.flights, 0);
    return { hour, flights, share: own.reduce((total, cell) => total + cell.onTime, 0) / Math.max(1, flights) };
  });
  const told = byHour.filter((hour) => hour.flights >= 100).sort((a, b) => b.share - a.share);
  const [best, worst] = [told[0], told.at(-1)];
  const days = weekdays.toSorted((a, b) => b.onTime / Math.max(1, b.flights) - a.onTime / Math.max(1, a.flights));
  const [bestDay, worstDay] = [days[0], days.at(-1)];
  const dayText = (day: (typeof weekdays)[number]) =>
    `${weekdayNames[day.weekday] ?? ""} (${percent(day.onTime / Math.max(1, day.flights))})`;
  return section(
    "When to leave",
    best && worst && bestDay && worstDay
      ? `The best hour to leave was ${hourName(best.hour)}, with ${percent(best.share)} on time; the worst ${hourName(worst.hour)}, with ${percent(worst.share)}. The best day was ${dayText(bestDay)}, the worst ${dayText(worstDay)}.`
      : undefined,
    figure(
      hoursChart(hours),
      `Hour of departure, in local time. Cells with fewer than ${tellableFlights} flights have no colour.`,
      table(
        "Punctuality by hour of departure",
        ["Hour", "Flights", "On time"],
        byHour
          .filter((hour) => hour.flights > 0)
          .map(({ hour, flights, share }) => [hourName(hour), thousands(flights), percent(share)]),
      ),
    ),
  );
}

function delaysSection({ delays }: Ranking): Markup {
  return section(
    "How late is late",
    `Half of all flights ${medianText(delays.medianMinutes)}. The average, ${minutes(delays.meanMinutes)}, is made by the few that were very late.`,
    figure(
      delaysChart(delays),
      `Flights by arrival delay, in steps of ${delays.stepMinutes} minutes. The first and the last bar hold everything beyond them.`,
      table(
        "Flights by arrival delay",
        ["From (minutes)", "Flights"],
        delays.steps.map((step) => [String(step.from).replace("-", "−"), thousands(step.flights)]),
      ),
    ),
  );
}

function airportsSection({ airports, onTime }: Ranking): Markup {
  const rows = airports.map((airport) => ({ ...airport, name: `${airport.city}, ${airport.state}` }));
  const names = { code: 48, text: 168 };
  return section(
    "Airports, ranked",
    `The ${rows.length} busiest airports by the share of their departures that arrived on time. Where the bars of two airports overlap widely, their order may be chance.`,
    figure(
      rowsChart(rows, {
        id: "airports",
        title: "Airports by punctuality",
        names,
        domain: rowsDomain(rows),
        overall: onTime,
      }),
      "Dots are the share of flights on time, bars the 95% interval. The dashed line is the share of all flights.",
      rankingTable("Airports by punctuality", "Airport", rows),
    ),
  );
}

function routesSection(ranking: Ranking): Markup {
  const { bestRoutes, worstRoutes, routeMinFlights, places, onTime } = ranking;
  const cities = new Map(places.map((place) => [place.code, place.city]));
  const [best = [], worst = []] = [bestRoutes, worstRoutes].map((routes) =>
    routes.map((route) => routeRow(route, cities)),
  );
  const all = [...best, ...worst];
  const layout = { names: { code: 88, text: 232 }, domain: rowsDomain(all), overall: onTime };
  const chart = (id: string, title: string, rows: readonly Row[]) =>
    rows.length === 0 ? [] : [h("h3", {}, title), scroll(title, rowsChart(rows, { ...layout, id, title }))];
  return section(
    "Routes, ranked",
    `Among the pairs of airports with at least ${routeMinFlights} flights, both directions together. The bars are wide, since in this sample even a busy route has few flights.`,
    h(
      "figure",
      {},
      chart("best-routes", "The most punctual", best),
      chart("worst-routes", "The least punctual", worst),
      numbers(rankingTable("The most and the least punctual routes", "Route", all)),
    ),
  );
}

function recordsSection(ranking: Ranking): Markup {
  const { weeks, undated } = ranking;
  const counts = (of: { records: number; duplicates: number; broken: number; flights: number }) =>
    [of.records, of.duplicates, of.broken, of.flights].map(thousands);
  const rows = weeks.map((week) => [week.week, ...counts(week)]);
  if (undated > 0) rows.push(["no date", ...counts({ records: undated, duplicates: 0, broken: undated, flights: 0 })]);
  return section(
    "How this report was made",
    `The published extracts overlap: of ${thousands(ranking.records)} records ${thousands(ranking.duplicates)} were repetitions and ${thousands(ranking.broken)} broken. Each box is a task whose result is kept: whatever is killed while they run, finished boxes are not done again.`,
    figure(
      pipelineChart(weeks),
      "The workflow, from left to right. Weeks are cleaned at the same time, as far as there is room.",
      table("Records by week", ["Week", "Records", "Repeated", "Broken", "Flights"], rows, ["All", ...counts(ranking)]),
    ),
  );
}

function foot(): Markup {
  return h(
    "footer",
    {},
    h(
      "p",
      {},
      "Data: US Bureau of Transportation Statistics, a sample published in the npm package ",
      h("code", {}, "vega-datasets"),
      ". State outlines: US Census Bureau, by way of the TopoJSON US Atlas. Intervals are percentile bootstraps with a fixed seed, so the same records give the same report, byte for byte.",
    ),
  );
}

function section(title: string, text: string | undefined, ...children: Child[]): Markup {
  return h("section", {}, h("h2", {}, title), text === undefined ? undefined : h("p", {}, text), ...children);
}

function figure(chart: Markup, caption: string, data: Markup): Markup {
  return h("figure", {}, scroll(caption, chart), h("figcaption", {}, caption), numbers(data));
}

/** A narrow screen scrolls a chart sideways; the keyboard must be able to do so too. */
function scroll(name: string, content: Markup): Markup {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": name }, content);
}

function numbers(data: Markup): Markup {
  return h("details", {}, h("summary", {}, "Show the numbers"), h("div", { class: "scroll" }, data));
}

function table(
  caption: string,
  columns: readonly string[],
  rows: readonly (readonly string[])[],
  total?: readonly string[],
): Markup {
  const line = ([first = "", ...rest]: readonly string[]) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, first),
      rest.map((cell) => h("td", {}, cell)),
    );
  return h(
    "table",
    {},
    h("caption", {}, caption),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        columns.map((column) => h("th", { scope: "col" }, column)),
      ),
    ),
    h("tbody", {}, rows.map(line)),
    total ? h("tfoot", {}, line(total)) : undefined,
  );
}

function rankingTable(caption: string, first: string, rows: readonly Row[]): Markup {
  return table(
    caption,
    [first, "Flights", "On time", "95% interval", "Average delay"],
    rows.map((row) => [`${row.name} (${row.code})`, ...punctualityCells(row)]),
  );
}

function punctualityCells({ flights, onTime, meanDelayMinutes }: Punctuality): readonly string[] {
  const interval = `${percent(onTime.low)} – ${percent(onTime.high)}`;
  return [thousands(flights), percent(onTime.share), interval, minutes(meanDelayMinutes)];
}

function routeRow(route: RouteSummary, cities: ReadonlyMap<string, string>): Row {
  const [a, b] = route.ends;
  return { ...route, code: `${a}–${b}`, name: `${cities.get(a) ?? a} – ${cities.get(b) ?? b}` };
}

function monday(week: WeekSummary): string {
  return dayName(daysOfWeek(week.week).monday);
}

function period(weeks: readonly WeekSummary[]): string {
  const [first, last] = [weeks[0]?.firstDay, weeks.at(-1)?.lastDay];
  if (first === undefined || last === undefined) return "none at all";
  const [from, to] = [first.slice(0, 4), last.slice(0, 4)];
  return `${dayName(first)}${from === to ? "" : ` ${from}`} to ${dayName(last)} ${to}`;
}

/** What half of the flights did. */
function medianText(median: number): string {
  if (median === 0) return "arrived to the minute or earlier";
  return median < 0 ? `arrived at least ${minutes(-median)} early` : `arrived at most ${minutes(median)} late`;
}
