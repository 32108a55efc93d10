// Faults to catch: text that Prometheus refuses; buckets that are not cumulative; a value on a bucket's bound in the next
// bucket; series without end.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseExposition } from "../../../test/telemetry/exposition.ts";
import { BoundedLabel, Counter, Gauge, Histogram } from "./instruments.ts";

test("counters and gauges are written as Prometheus reads them, whatever their labels say", () => {
  const plain = new Counter({ name: "plain_total", help: "Begins at\nnothing." });
  const odd = new Counter({ name: "odd_total", help: "Odd \\ labels.", labels: ["a", "b"] });
  odd.add(1, 'quo"te', "new\nline");
  odd.add(2, 'quo"te', "new\nline");
  odd.add(1, "back\\slash", "");
  const gauge = new Gauge({ name: "gauge", help: "Of two under one name the greater.", labels: ["x"] }, () => [
    [1, "one"],
    [3, "one"],
    [-0.5, "two"],
  ]);
  const families = parseExposition(plain.text() + odd.text() + gauge.text());
  assert.deepEqual([...(families.get("plain_total")?.samples ?? [])], [["plain_total{}", 0]]);
  assert.deepEqual(
    [...(families.get("odd_total")?.samples ?? [])],
    [
      ['odd_total{a="quo\\"te",b="new\\nline"}', 3],
      ['odd_total{a="back\\\\slash",b=""}', 1],
    ],
  );
  assert.deepEqual(
    [...(families.get("gauge")?.samples ?? [])],
    [
      ['gauge{x="one"}', 3],
      ['gauge{x="two"}', -0.5],
    ],
  );
});

test("a histogram's buckets hold what is at most their bound", () => {
  const histogram = new Histogram({ name: "h", help: "H.", labels: ["verb"], bounds: [0.1, 1] });
  for (const value of [0.05, 0.1, 0.5, 1, 7]) histogram.observe(value, "claim");
  const samples = parseExposition(histogram.text()).get("h")?.samples;
  assert.deepEqual(Object.fromEntries(samples ?? []), {
    'h_bucket{verb="claim",le="0.1"}': 2,
    'h_bucket{verb="claim",le="1"}': 4,
    'h_bucket{verb="claim",le="+Inf"}': 5,
    'h_sum{verb="claim"}': 8.65,
    'h_count{verb="claim"}': 5,
  });
});

test("the values of a label that others choose are bounded", () => {
  const label = new BoundedLabel(2);
  assert.deepEqual(
    ["a", "b", "c", "a", "d"].map((value) => label.of(value)),
    ["a", "b", "_other", "a", "_other"],
  );
});
