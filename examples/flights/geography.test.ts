import assert from "node:assert/strict";
import { test } from "node:test";
import { mapSize, type Point, project, simplify, statePaths, type Topology } from "./geography.ts";

const honolulu = { latitude: 21.3, longitude: -157.9 };
const anchorage = { latitude: 61.2, longitude: -150 };
const sanFrancisco = { latitude: 37.6, longitude: -122.4 };
const newYork = { latitude: 40.6, longitude: -73.8 };
const miami = { latitude: 25.8, longitude: -80.3 };
const seattle = { latitude: 47.4, longitude: -122.3 };

test("places lie on the map as on the ground: east is right, south is down", () => {
  const [sf, ny, mia, sea] = [sanFrancisco, newYork, miami, seattle].map((place) => project(place) ?? [0, 0]);
  assert.ok(sf && ny && mia && sea);
  assert.ok(sf[0] < mia[0] && mia[0] < ny[0] && sea[1] < sf[1] && ny[1] < mia[1]);
});

test("Alaska and Hawaii are moved below the south-west, and everything lies within the map", () => {
  for (const place of [honolulu, anchorage, sanFrancisco, newYork, miami, seattle]) {
    const [x, y] = project(place) ?? [-1, -1];
    assert.ok(x > 0 && x < mapSize.width && y > 0 && y < mapSize.height, JSON.stringify(place));
  }
  for (const place of [honolulu, anchorage]) assert.ok((project(place)?.[1] ?? 0) > 400);
});

test("territories beyond the map have no place on it", () => {
  assert.equal(project({ latitude: 18.4, longitude: -66 }), undefined);
  assert.equal(project({ latitude: 13.5, longitude: 144.8 }), undefined);
});

test("equal areas stay equal", () => {
  const area = (longitude: number, latitude: number) => {
    const corners = [
      [0, 0],
      [1, 0],
      [1, 1],
      [0, 1],
    ] as const;
    const points = corners.map(([dx, dy]) => project({ longitude: longitude + dx, latitude: latitude + dy }) ?? [0, 0]);
    const sum = points.reduce((total, [x, y], i) => {
      const [nextX = 0, nextY = 0] = points[(i + 1) % points.length] ?? [];
      return total + x * nextY - nextX * y;
    }, 0);
    return Math.abs(sum) / 2 / (Math.sin(((latitude + 1) * Math.PI) / 180) - Math.sin((latitude * Math.PI) / 180));
  };
  const [texas, maine] = [area(-100, 30), area(-70, 46)];
  assert.ok(Math.abs(texas / maine - 1) < 0.01, `${texas} ${maine}`);
});

test("a simplified line keeps its ends and every corner that can be seen", () => {
  const line: Point[] = [
    [0, 0],
    [5, 0.1],
    [10, 0],
    [10, 10],
    [10.1, 15],
    [10, 20],
  ];
  assert.deepEqual(simplify(line, 0.5), [
    [0, 0],
    [10, 0],
    [10, 20],
  ]);
  assert.deepEqual(simplify([[1, 1]], 0.5), [[1, 1]]);
});

test("a simplified closed line does not vanish", () => {
  const square: Point[] = [
    [0, 0],
    [0, 9],
    [9, 9],
    [9, 0],
    [0, 0],
  ];
  assert.deepEqual(simplify(square, 0.5), square);
});

test("arcs are decoded, reversed where asked, and closed", () => {
  const arc: Point[] = [
    [0, 0],
    [10, 0],
    [0, 10],
  ];
  const back: Point[] = [
    [0, 0],
    [0, 10],
    [10, 0],
  ];
  const topology: Topology = {
    transform: { scale: [1, 1], translate: [-100, 35] },
    arcs: [arc, back],
    objects: { states: { geometries: [{ type: "Polygon", id: 1, arcs: [[0, -2]] }] } },
  };
  const [path = ""] = statePaths(topology);
  assert.match(path, /^M[\d.]+ [\d.]+(L[\d.]+ [\d.]+){4}Z$/);
});
