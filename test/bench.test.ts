import assert from "node:assert/strict";
import { test } from "node:test";
import { allMeasures, shortSizes } from "../bench/plan.ts";
import { markdown, thisMachine } from "../bench/report.ts";
import { measureRounds } from "../bench/rounds.ts";

const tinySizes = {
  ...shortSizes,
  drainRuns: 20,
  enqueueRuns: 40,
  latencyRuns: 3,
  chainRuns: 2,
  processRuns: 4,
  schedules: 10,
  stepBodies: 2,
};

/** One of Holdfast's own rows each, on SQLite where it is measured there; nothing here needs the peers' packages. */
const measures = allMeasures({ longHistory: false }).flatMap((measure) => {
  const own = measure.rows.filter(({ system }) => system === "holdfast");
  const row = own.find(({ store }) => store === "sqlite") ?? own[0];
  const few =
    measure.sizes?.endedRuns === undefined ? {} : { sizes: { endedRuns: Math.min(500, measure.sizes.endedRuns) } };
  return row === undefined ? [] : [{ ...measure, ...few, rows: [row] }];
});

test("the bench measures Holdfast's own rows and writes a table a measure", { timeout: 600_000 }, async () => {
  const samples = await measureRounds({ measures, sizes: tinySizes, rounds: 1, tell: () => undefined });
  assert.deepEqual(
    samples.filter(({ failure }) => failure !== undefined),
    [],
  );
  assert.deepEqual(
    samples.map(({ title }) => title),
    measures.map(({ title }) => title),
  );
  for (const { title, metrics } of samples) {
    assert.ok(metrics.length > 0, title);
    for (const { name, value } of metrics) assert.ok(Number.isFinite(value) && value > 0, `${title}: ${name} ${value}`);
  }
  const report = markdown(samples, thisMachine());
  for (const { title } of measures) assert.ok(report.includes(`## ${title}\n`), title);
});
