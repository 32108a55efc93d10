import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { newScheduleState, type ScheduleRow } from "../../core/index.ts";
import { TestDatabase } from "./database.fixture.ts";
import { PlanProbe } from "./plans.fixture.ts";
import { findNextDue, listDue, lockSchedules, moveSchedules } from "./schedules.ts";
import { plannerSettings } from "./session.ts";

// Faults to catch: a look at what is due that reads every schedule; a firing that waits for a schedule that somebody else is at.

const namespace = "shop";
const many = 20_000;

let database: TestDatabase;
before(async () => {
  database = await TestDatabase.create();
  const state = JSON.stringify(newScheduleState(null));
  await database.sql.unsafe(`
    insert into holdfast.schedules (namespace, id, definition, spec, params, paused, due_at, state, version, declared_at)
    select '${namespace}', 'ship:' || n, 'ship', '{}', 'null', n % 3 = 0, case when n % 5 > 0 then 1 + 4e12 * (n % 2000 > 3)::int end,
      '${state}', 1, 1
    from generate_series(1, ${many}) n`);
});
after(() => database.drop());

test("looking for what is due reads what is due, however many schedules wait, pause or are over", async () => {
  const sql = await database.sql.reserve();
  try {
    const probe = new PlanProbe(sql);
    for (const plans of ["custom", "generic"] as const) {
      await probe.prepare(plannerSettings, plans);
      await listDue(probe, { namespace, limitRows: 10 });
      await findNextDue(probe, namespace);
      const row = { namespace, id: "ship:1", version: 1, dueAt: null, state: newScheduleState(null), runs: [] };
      await lockSchedules(probe, [row]);
      await moveSchedules(probe, [row]);
      for (const name of ["listDueSchedules", "findNextDueSchedule", "lockSchedules", "moveSchedules"]) {
        const { rows, scans } = probe.of(name);
        assert.ok(rows <= 25, `${name} (${plans}) visits ${rows} rows: ${[...scans].join(", ")}`);
      }
    }
  } finally {
    sql.release();
  }
});

test("a schedule that somebody is at is passed over, not waited for", async () => {
  const store = await database.open();
  const schedules = await Promise.all(
    ["ship:1", "ship:2"].map((id) => store.findSchedule({ namespace, id }) as Promise<ScheduleRow>),
  );
  const fire = () =>
    store.fireSchedules({
      rows: schedules.map(({ id, version, state }) => ({ namespace, id, version, state, dueAt: null, runs: [] })),
    });
  await database.sql.begin(async (held) => {
    await held`select 1 from holdfast.schedules where id = 'ship:1' for update`;
    assert.deepEqual(await fire(), [{ outcome: "stale" }, { outcome: "fired", runs: [] }]);
  });
  assert.deepEqual(await fire(), [{ outcome: "fired", runs: [] }, { outcome: "stale" }]);
});
