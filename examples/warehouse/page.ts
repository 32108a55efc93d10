/** The report: one HTML page that needs no script, no network and no clock. The same answers give the same bytes. */

import { delaysChart } from "../flights/charts/delays.ts";
import { hoursChart } from "../flights/charts/hours.ts";
import { type Child, dayName, h, Markup, minutes, percent, plural, thousands } from "../flights/charts/markup.ts";
import { style } from "../flights/charts/style.ts";
import { type Answers, type Question, questions } from "./questions.ts";

const stepMinutes = 5;
const firstStep = -30;
const lastStep = 120;

/** The whole page. */
export function warehousePage(answers: Answers): string {
  const [{ flights }] = answers.overview;
  const head = h(
    "head",
    {},
    h("meta", { charset: "utf-8" }),
    h("meta", { name: "viewport", content: "width=device-width, initial-scale=1" }),
    h("meta", { name: "color-scheme", content: "light dark" }),
    h("title", {}, `${thousands(flights)} flights in a warehouse`),
    h("style", {}, new Markup(`${style}pre { overflow-x: auto; font-size: 0.8125rem; line-height: 1.5; }\n`)),
  );
  const sections = [hoursSection(answers), delaysSection(answers), airportsSection(answers), routesSection(answers)];
  const body = h("body", {}, top(answers), h("main", {}, sections), foot());
  return `<!doctype html>\n${h("html", { lang: "en" }, head, body)}\n`;
}

function top({ overview: [all] }: Answers): Markup {
  const figure = (value: string, name: string) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
  const share = percent(all.onTime / all.flights);
  return h(
    "header",
    {},
    h("p", { class: "kicker" }, "Asked of a warehouse by a Holdfast workflow"),
    h("h1", {}, `${plural(all.flights, "flight")}, counted by jobs that nobody waited for`),
    h(
      "p",
      { class: "lede" },
      `Flights within the United States from ${dayName(all.firstDay)} to ${dayName(all.lastDay)} ${all.lastDay.slice(0, 4)}. `,
      h("strong", {}, `${share} arrived on time`),
      `, less than 15 minutes late. Each part of this page is a query that ran as a job of BigQuery's protocol; while it ran, its task was a row in a store.`,
    ),
    h(
      "dl",
      { class: "figures" },
      figure(thousands(all.airports), "airports"),
      figure(thousands(all.routes), "pairs of airports"),
      figure(share, "arrived on time"),
      figure(minutes(all.delayMinutes / all.flights), "average delay"),
    ),
    asked("overview"),
  );
}

function hoursSection({ hours }: Answers): Markup {
  const found = new Map(hours.map((cell) => [cell.weekday * 24 + cell.hour, cell]));
  const grid = Array.from({ length: 7 * 24 }, (_, slot) => {
    const { flights = 0, onTime = 0 } = found.get(slot) ?? {};
    return { weekday: Math.floor(slot / 24), hour: slot % 24, flights, onTime, meanDelayMinutes: 0 };
  });
  const caption = "Hour of departure, in local time: the share of flights that arrived on time.";
  return section(
    "When to leave",
    "hours",
    h("figure", {}, scroll(caption, hoursChart(grid)), h("figcaption", {}, caption)),
  );
}

function delaysSection({ delays, overview: [all] }: Answers): Markup {
  const found = new Map(delays.map(({ fromMinutes, flights }) => [fromMinutes, flights]));
  const steps = Array.from({ length: (lastStep - firstStep) / stepMinutes + 1 }, (_, i) => {
    const from = firstStep + i * stepMinutes;
    return { from, flights: found.get(from) ?? 0 };
  });
  const { medianMinutes, delayMinutes, flights } = all;
  const chart = delaysChart({ steps, stepMinutes, medianMinutes, meanMinutes: delayMinutes / flights });
  const caption = `Flights by arrival delay, in steps of ${stepMinutes} minutes. The first and the last bar hold everything beyond them.`;
  return section("How late is late", "delays", h("figure", {}, scroll(caption, chart), h("figcaption", {}, caption)));
}

function airportsSection({ airports }: Answers): Markup {
  const rows = airports.map(({ code, city, flights, onTime, delayMinutes, destinations }) => [
    city === null ? code : `${city} (${code})`,
    thousands(flights),
    thousands(destinations),
    percent(onTime / flights),
    minutes(delayMinutes / flights),
  ]);
  const columns = ["Airport", "Departures", "Destinations", "On time", "Average delay"];
  return section("The twenty busiest airports", "airports", table("Airports by departures", columns, rows));
}

function routesSection({ routes }: Answers): Markup {
  const rows = routes.map(({ one, other, flights, onTime, delayMinutes }) => [
    `${one} – ${other}`,
    thousands(flights),
    percent(onTime / flights),
    minutes(delayMinutes / flights),
  ]);
  const columns = ["Route", "Flights", "On time", "Average delay"];
  return section("Routes to avoid", "routes", table("The least punctual, both directions together", columns, rows));
}

function foot(): Markup {
  const text = [
    "Data: US Bureau of Transportation Statistics, a sample published in the npm package ",
    h("code", {}, "vega-datasets"),
    ". Whatever is killed while it is made, each job is started once, and this page is the same byte for byte.",
  ];
  return h("footer", {}, h("p", {}, text));
}

function section(title: string, question: Question, ...children: Child[]): Markup {
  return h("section", {}, h("h2", {}, title), ...children, asked(question));
}

/** The SQL, for whoever wants to see what was asked. */
function asked(question: Question): Markup {
  return h("details", {}, h("summary", {}, "Show the query"), h("pre", {}, h("code", {}, questions[question].trim())));
}

/** A narrow screen scrolls a chart sideways; the keyboard must be able to do so too. */
function scroll(name: string, content: Markup): Markup {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": name }, content);
}

function table(caption: string, columns: readonly string[], rows: readonly (readonly string[])[]): Markup {
  const line = ([first = "", ...rest]: readonly string[]) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, first),
      rest.map((cell) => h("td", {}, cell)),
    );
  const head = columns.map((column) => h("th", { scope: "col" }, column));
  const content = [h("caption", {}, caption), h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows.map(line))];
  return scroll(caption, h("table", {}, content));
}
