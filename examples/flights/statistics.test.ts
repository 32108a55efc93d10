import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bootstrapShare, mean, punctuality, quantile, randomOf, round } from "./statistics.ts";

const options = { seed: "group", resamples: 500 };

test("an interval holds its share, lies between 0 and 1, and comes out the same twice", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(0, 1), { minLength: 1, maxLength: 60 }), (hits) => {
      const { share, low, high } = bootstrapShare(hits, options);
      assert.ok(0 <= low && low <= share + 1e-4 && share <= high + 1e-4 && high <= 1);
      assert.deepEqual(bootstrapShare(hits, options), { share, low, high });
    }),
    { numRuns: 50 },
  );
});

test("an interval agrees with the normal approximation where that is good", () => {
  const hits = Array.from({ length: 1_000 }, (_, i) => (i % 5 === 0 ? 0 : 1));
  const { low, high } = bootstrapShare(hits, { seed: "normal", resamples: 5_000 });
  const half = 1.96 * Math.sqrt((0.8 * 0.2) / 1_000);
  assert.ok(Math.abs(low - (0.8 - half)) < 0.003 && Math.abs(high - (0.8 + half)) < 0.003, `${low} ${high}`);
});

test("more flights make a narrower interval", () => {
  const width = (size: number) => {
    const { low, high } = bootstrapShare(
      Array.from({ length: size }, (_, i) => i % 2),
      options,
    );
    return high - low;
  };
  assert.ok(width(1_000) < width(100) && width(100) < width(20));
});

test("an empty group says nothing", () => {
  assert.deepEqual(bootstrapShare([], options), { share: 0, low: 0, high: 1 });
  assert.equal(mean([]), 0);
  assert.equal(quantile([], 0.5), 0);
});

test("a flight is on time when it is less than 15 minutes late", () => {
  const flights = [-20, 0, 14, 15, 200].map((delayMinutes) => ({
    departure: "2001-01-01T10:00",
    delayMinutes,
    distanceMiles: 100,
    origin: "AAA",
    destination: "BBB",
  }));
  const { onTime, ...rest } = punctuality(flights, options);
  assert.equal(onTime.share, 0.6);
  assert.deepEqual(rest, { flights: 5, meanDelayMinutes: 41.8, medianDelayMinutes: 14 });
});

test("numbers of a name repeat, those of another name differ, and all lie from 0 to 1", () => {
  const draw = (name: string) => Array.from({ length: 100 }, randomOf(name));
  assert.deepEqual(draw("2001-W01"), draw("2001-W01"));
  assert.notDeepEqual(draw("2001-W01"), draw("2001-W02"));
  assert.ok(draw("x").every((value) => value >= 0 && value < 1));
});

test("rounding leaves no negative zero, which JSON cannot keep", () => {
  assert.ok(Object.is(round(-0.001, 2), 0));
  assert.equal(round(7.6951, 2), 7.7);
});
