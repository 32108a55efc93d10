/** The map: airports as circles, routes as arcs. */

import type { AirportSummary, RouteSummary } from "../aggregate.ts";
import { mapSize, type Point, project, statePaths, type Topology } from "../geography.ts";
import { label, picture, shareClass, shareKey } from "./drawing.ts";
import { h, type Markup, percent, thousands } from "./markup.ts";

interface Place {
  readonly airport: AirportSummary;
  readonly at: Point;
  readonly radius: number;
}

interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

const largestRadius = 19;
const labelled = 24;
/** An airport with fewer flights has no colour: its share would be chance. */
export const tellableFlights = 30;

/** The airports must come with the busiest first: they get the largest circles, and the names while there is room. */
export function mapChart(
  airports: readonly AirportSummary[],
  routes: readonly RouteSummary[],
  topology: Topology,
): Markup {
  const most = airports[0]?.flights ?? 1;
  const places = airports.flatMap((airport): Place[] => {
    const at = airport.position ? project(airport.position) : undefined;
    // The area stands for the number of flights.
    return at ? [{ airport, at, radius: Math.max(1.6, largestRadius * Math.sqrt(airport.flights / most)) }] : [];
  });
  return picture(
    {
      id: "map",
      ...mapSize,
      title: "Airports and routes on a map of the United States",
      description: `${places.length} airports as circles. The area of a circle is the number of departures, its colour the share of flights that arrived on time. Arcs are the ${routes.length} busiest routes.`,
    },
    h("path", { d: statePaths(topology).join(""), class: "land" }),
    h("g", { class: "routes" }, arcs(routes, places)),
    h("g", { class: "airports" }, places.map(circle)),
    h("g", { "aria-hidden": "true" }, names(places)),
    shareKey(560, mapSize.height - 36),
  );
}

function circle({ airport, at, radius }: Place): Markup {
  const { city, state, code, flights, onTime } = airport;
  const text = `${city}, ${state} (${code}): ${thousands(flights)} departures, ${percent(onTime.share)} on time`;
  return h(
    "circle",
    { cx: at[0], cy: at[1], r: radius, class: flights >= tellableFlights ? shareClass(onTime.share) : "place" },
    h("title", {}, text),
  );
}

function arcs(routes: readonly RouteSummary[], places: readonly Place[]): readonly Markup[] {
  const byCode = new Map(places.map((place) => [place.airport.code, place.at]));
  const most = routes[0]?.flights ?? 1;
  return routes.flatMap(({ ends, flights }) => {
    const [from, to] = [byCode.get(ends[0]), byCode.get(ends[1])];
    return from && to ? [h("path", { d: bow(from, to), "stroke-width": 0.4 + (2.4 * flights) / most })] : [];
  });
}

/** A curve that rises above the straight line by a part of its length, as a flight does on a globe seen from the south. */
function bow(from: Point, to: Point): string {
  const [west, east] = from[0] <= to[0] ? [from, to] : [to, from];
  const [dx, dy] = [east[0] - west[0], east[1] - west[1]];
  const bend = 0.14;
  const control = [west[0] + dx / 2 + dy * bend, west[1] + dy / 2 - dx * bend] as const;
  return `M${point(west)}Q${point(control)} ${point(east)}`;
}

function point([x, y]: Point): string {
  return `${x.toFixed(1)} ${y.toFixed(1)}`;
}

/** The names of the busiest airports, each where it covers no larger circle and no other name, or not at all. */
function names(places: readonly Place[]): readonly Markup[] {
  const taken: Box[] = places.slice(0, labelled).map(({ at: [x, y], radius: r }) => box(x - r, y - r, 2 * r, 2 * r));
  return places.slice(0, labelled).flatMap(({ airport, at: [x, y], radius }) => {
    const width = airport.code.length * 9.5;
    const spots = [
      { x: x + radius + 4, y: y + 4, anchor: undefined, area: box(x + radius + 2, y - 7, width, 14) },
      { x: x - radius - 4, y: y + 4, anchor: "end", area: box(x - radius - 2 - width, y - 7, width, 14) },
      { x, y: y - radius - 4, anchor: "middle", area: box(x - width / 2, y - radius - 16, width, 14) },
      { x, y: y + radius + 13, anchor: "middle", area: box(x - width / 2, y + radius + 2, width, 14) },
    ] as const;
    const spot = spots.find(({ area }) => !taken.some((other) => overlap(area, other)));
    if (!spot) return [];
    taken.push(spot.area);
    return [label(spot.x, spot.y, airport.code, "halo strong small", spot.anchor)];
  });
}

function box(left: number, top: number, width: number, height: number): Box {
  return { left, top, right: left + width, bottom: top + height };
}

function overlap(a: Box, b: Box): boolean {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}
