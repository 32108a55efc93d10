// Faults to catch: a second job for what one has found; a page that depends on more than its answers, or shows another number.
import assert from "node:assert/strict";
import { test } from "node:test";
import { openTest } from "holdfast/testing";
import { warehousePage } from "./page.ts";
import type { Answers } from "./questions.ts";
import { ask, load } from "./warehouse.ts";

const group = { flights: 4, onTime: 3, delayMinutes: 50 };
const answers: Answers = {
  overview: [
    {
      ...{ ...group, medianMinutes: -2, airports: 2, routes: 1, records: 7 },
      ...{ firstDay: "2001-01-01", lastDay: "2001-03-31" },
    },
  ],
  hours: [{ weekday: 0, hour: 6, flights: 4, onTime: 3 }],
  delays: [{ fromMinutes: -5, flights: 4 }],
  airports: [{ ...group, code: "X<Y", city: null, destinations: 1 }],
  routes: [{ ...group, one: "ABQ", other: "LAX" }],
};

test("the page says what was answered, escaped, the same bytes each time", () => {
  const page = warehousePage(answers);
  assert.equal(page, warehousePage(structuredClone(answers)));
  for (const text of ["4\u00a0flights", "75%", "12.5 min", "X&lt;Y", "ABQ – LAX", "COUNTIF(delay &lt; @lateMinutes)"]) {
    assert.ok(page.includes(text), text);
  }
});

test("a body that dies behind its job finds what it found, and starts no other", async () => {
  await using holdfast = await openTest([ask, load]);
  for (const point of ["waiting:flights", "succeed"] as const) holdfast.crashAt(point);
  const run = await holdfast.start(load, { records: 1 });
  for (const key of ["dataset", "flights"]) {
    await holdfast.clock.advance("1h");
    await holdfast.external.finish(key, { project: "p", job_id: key });
  }
  assert.equal((await run.result()).questions.length, 5);
  assert.equal(holdfast.external.submissions("bigquery"), 2);
});
