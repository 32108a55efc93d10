// Fault to catch: a step that reads the steps of other runs, which it did until the table was analysed for the first time.
import assert from "node:assert/strict";
import { test } from "node:test";
import { World as TestWorld } from "../contract/world.contract.ts";
import { TestDatabase } from "./database.fixture.ts";
import { PlanProbe } from "./plans.fixture.ts";
import { plannerSettings } from "./session.ts";
import { recordFreshSteps, recordSteps } from "./steps.ts";

test("a step is recorded without a look at others', also in a database that is new", async (t) => {
  const database = await TestDatabase.create();
  t.after(() => database.drop());
  const store = await database.open();
  const world = new TestWorld({ store, close: async () => {} });
  const memberId = await world.member();
  const runs = await Promise.all(Array.from({ length: 20 }, () => world.running({}, memberId)));
  const rowOf = ({ id, epoch }: { id: string; epoch: number }, key: string) => {
    return { runId: id, epoch, generation: 1, key, value: 1 };
  };
  for (let step = 0; step < 50; step++) await store.commitSteps({ rows: runs.map((run) => rowOf(run, `s${step}`)) });
  const sql = await database.sql.reserve();
  const probe = new PlanProbe(sql);
  for (const plans of ["custom", "generic"] as const) {
    await probe.prepare(plannerSettings, plans);
    const next = runs.map((run) => rowOf(run, "next"));
    await recordFreshSteps(probe, next);
    await recordSteps(probe, next);
    for (const name of ["recordFreshSteps", "recordSteps"]) {
      const { rows } = probe.of(name);
      assert.ok(rows <= 100, `${name}, ${plans}: ${rows} rows were read for 20 steps`);
    }
  }
  sql.release();
});
