import assert from "node:assert/strict";
import { test } from "node:test";
import { domainOf, scaleOf, shareClass, ticksOf } from "./drawing.ts";

test("a domain encloses its values in whole steps", () => {
  const rounded = (values: readonly number[], step: number) =>
    domainOf(values, step).map((end) => Number(end.toFixed(4)));
  assert.deepEqual(rounded([0.672, 0.858], 0.05), [0.65, 0.9]);
  assert.deepEqual(rounded([0.65, 0.9], 0.05), [0.65, 0.9]);
  assert.deepEqual(domainOf([], 0.05), [0, 1]);
});

test("ticks are the multiples within a domain, ends included", () => {
  const ticks = ticksOf([0.55, 0.9], 0.1).map((tick) => Number(tick.toFixed(4)));
  assert.deepEqual(ticks, [0.6, 0.7, 0.8, 0.9]);
});

test("a scale maps one range onto the other, also upside down", () => {
  const y = scaleOf([0, 10], [200, 100]);
  assert.deepEqual([y(0), y(5), y(10)], [200, 150, 100]);
  assert.equal(scaleOf([3, 3], [10, 20])(3), 10);
});

test("colours go from late to punctual", () => {
  assert.deepEqual([0, 0.65, 0.72, 0.79, 0.8, 1].map(shareClass), ["s0", "s1", "s2", "s3", "s4", "s5"]);
});
