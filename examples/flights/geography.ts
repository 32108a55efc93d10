/**
 * The map of the United States: Albers' equal-area projection, with Alaska (smaller) and Hawaii moved below the
 * south-west, as American maps do; and the outlines of the states from a TopoJSON file.
 */

import type { Position } from "./airports.ts";

export type Point = readonly [x: number, y: number];

/** The part of a TopoJSON topology that is read here (the format: github.com/topojson/topojson-specification). */
export interface Topology {
  readonly transform: { readonly scale: Point; readonly translate: Point };
  readonly arcs: readonly (readonly Point[])[];
  readonly objects: { readonly states: { readonly geometries: readonly StateGeometry[] } };
}

type Ring = readonly number[];
type StateGeometry =
  | { readonly type: "Polygon"; readonly id: number; readonly arcs: readonly Ring[] }
  | { readonly type: "MultiPolygon"; readonly id: number; readonly arcs: readonly (readonly Ring[])[] };

/** The size of the map in its own units. */
export const mapSize = { width: 960, height: 560 } as const;

const degrees = Math.PI / 180;
const alaska = albers({ parallels: [55, 65], centre: [-154, 50], scale: 400, at: [178, 605] });
const hawaii = albers({ parallels: [8, 18], centre: [-157, 20.9], scale: 1_130, at: [318, 508] });
const mainland = albers({ parallels: [29.5, 45.5], centre: [-96, 38.7], scale: 1_190, at: [485, 262] });

/** Where a place lies on the map; undefined for territories beyond it (Puerto Rico, Guam, the Virgin Islands). */
export function project({ longitude, latitude }: Position): Point | undefined {
  if (longitude > -68.5 && latitude < 25) return undefined;
  if (longitude > 0 && latitude < 50) return undefined;
  if (latitude > 50) return alaska(longitude > 0 ? longitude - 360 : longitude, latitude);
  if (longitude < -140) return hawaii(longitude, latitude);
  return mainland(longitude, latitude);
}

/** The outlines of the fifty states and the capital's district, one SVG path each. */
export function statePaths(topology: Topology): readonly string[] {
  const arcs = topology.arcs.map((arc) => decode(arc, topology.transform));
  const paths = topology.objects.states.geometries.map((state) => {
    const rings = state.type === "Polygon" ? state.arcs : state.arcs.flat();
    return rings.map((ring) => ringPath(ring, arcs)).join("");
  });
  return paths.filter((path) => path !== "");
}

/** Albers' equal-area conic projection of a sphere, as in Snyder, "Map Projections: A Working Manual" (1987), 14-1 ff. */
function albers(map: { parallels: Point; centre: Point; scale: number; at: Point }) {
  const [south, north] = [Math.sin(map.parallels[0] * degrees), Math.sin(map.parallels[1] * degrees)];
  const cone = (south + north) / 2;
  const constant = 1 - south ** 2 + 2 * cone * south;
  const radius = (latitude: number) => Math.sqrt(constant - 2 * cone * Math.sin(latitude * degrees)) / cone;
  const origin = radius(map.centre[1]);
  return (longitude: number, latitude: number): Point => {
    const angle = cone * (longitude - map.centre[0]) * degrees;
    const distance = radius(latitude);
    return [
      map.at[0] + map.scale * distance * Math.sin(angle),
      map.at[1] - map.scale * (origin - distance * Math.cos(angle)),
    ];
  };
}

/** A TopoJSON arc is quantised and delta-encoded: each point is a step from the one before. */
function decode(arc: readonly Point[], { scale, translate }: Topology["transform"]): readonly Position[] {
  let [x, y] = [0, 0];
  return arc.map(([dx, dy]) => {
    x += dx;
    y += dy;
    return { longitude: x * scale[0] + translate[0], latitude: y * scale[1] + translate[1] };
  });
}

/** A ring of arcs; `~n` means arc n backwards. Rings outside the map or too small to be seen are left out. */
function ringPath(ring: Ring, arcs: readonly (readonly Position[])[]): string {
  const points: Point[] = [];
  for (const reference of ring) {
    const arc = arcs[reference < 0 ? ~reference : reference] ?? [];
    // Each arc is simplified by itself, so that the two states beside it keep the same border.
    const line = simplify(
      arc.flatMap((place) => [project(place)].filter((point) => point !== undefined)),
      0.5,
    );
    points.push(...(reference < 0 ? line.toReversed() : line));
  }
  if (points.length < 4 || extent(points) < 3) return "";
  let path = "";
  let previous = "";
  for (const [x, y] of points) {
    const next = `${x.toFixed(1)} ${y.toFixed(1)}`;
    if (next !== previous) path += `${path === "" ? "M" : "L"}${next}`;
    previous = next;
  }
  return `${path}Z`;
}

/** Leaves out the points that lie within `tolerance` of the line without them (Ramer, Douglas and Peucker). */
export function simplify(points: readonly Point[], tolerance: number): readonly Point[] {
  const [first, last] = [points[0], points.at(-1)];
  if (!first || !last || points.length < 3) return points;
  let farthest = 0;
  let index = 0;
  for (const [i, point] of points.entries()) {
    const distance = distanceToLine(point, first, last);
    if (distance > farthest) [farthest, index] = [distance, i];
  }
  if (farthest <= tolerance) return [first, last];
  return [...simplify(points.slice(0, index + 1), tolerance).slice(0, -1), ...simplify(points.slice(index), tolerance)];
}

function distanceToLine([x, y]: Point, [x1, y1]: Point, [x2, y2]: Point): number {
  const length = Math.hypot(x2 - x1, y2 - y1);
  if (length === 0) return Math.hypot(x - x1, y - y1);
  return Math.abs((x2 - x1) * (y1 - y) - (x1 - x) * (y2 - y1)) / length;
}

function extent(points: readonly Point[]): number {
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  return Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys));
}
