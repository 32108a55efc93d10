import assert from "node:assert/strict";
import { test } from "node:test";
import { Fleet } from "./fleet.ts";

// P1–P4, P6, P9, P10, P12 hold in every fleet, whatever is killed, stopped, lost, doubled or cut off. HOLDFAST_SEED repeats one.

const only = process.env["HOLDFAST_SEED"];
const seeds = Number(process.env["HOLDFAST_SEEDS"] ?? 200);
const first = only === undefined ? 1 : Number(only);
const count = only === undefined ? seeds : 1;

test(`${count} simulated fleets keep the promises`, async () => {
  const sums = { runs: 0, kills: 0, stops: 0, outages: 0, hours: 0 };
  for (let seed = first; seed < first + count; seed++) {
    const report = await new Fleet(seed).run();
    assert.equal(report.breach, undefined, `HOLDFAST_SEED=${seed}: ${report.breach}`);
    sums.runs += report.runs;
    sums.kills += report.kills;
    sums.stops += report.stops;
    sums.outages += report.outages;
    sums.hours += report.virtualMs / 3_600_000;
  }
  const { runs, kills, stops, outages, hours } = sums;
  console.log(`seeds ${first}–${first + count - 1}: ${runs} runs, ${kills} kills, ${stops} stops, ${outages} outages, ${Math.round(hours)} h`);
});
