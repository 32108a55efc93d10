import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { RunRow } from "../../core/index.ts";
import { inTask, task } from "../contract/state.fixture.ts";
import { World as TestWorld, type World } from "../contract/world.contract.ts";
import { TestDatabase } from "./database.fixture.ts";
import { type PlanProbe, type Visits, visitsBeside } from "./plans.fixture.ts";
import { deleteTrees } from "./pruning.ts";
import { listState, readState } from "./state-reading.ts";
import * as stateRows from "./state-rows.ts";
import { deleteExpiredValues, listExpiredValues } from "./state-sweeping.ts";
import { findRecords } from "./wait-rows.ts";

// The fault that this must catch: a statement of state that reads what lies in other scopes, or what has still to expire. Each is carried
// out beside none and beside 40,000 values in 20,000 scopes, right after they were written and after a vacuum, planned with and without
// its values; the rows that it visits must be the same.

const scopes = 20_000;

let database: TestDatabase;
let world: World;
let live: RunRow[];

before(async () => {
  database = await TestDatabase.create();
  world = new TestWorld({ store: await database.open(), close: async () => {} });
  live = await Promise.all(Array.from({ length: 10 }, () => world.running()));
  const ops = Array.from({ length: 20 }, (_, index) => inTask.set(`k/${index}`, index));
  await world.store.transactState({ rows: [{ namespace: "shop", writer: null, ops }] });
});
after(() => database.drop());

async function carryOut(probe: PlanProbe): Promise<Map<string, Visits>> {
  const places: stateRows.AskedPlace[] = [
    { kind: "task", id: "shop/load", generation: 0, namespace: "shop" },
    ...live.map(({ id }) => ({ kind: "run" as const, id, generation: null, namespace: "shop" })),
  ];
  const known = places.map(({ generation, ...place }) => ({ ...place, generation: generation ?? 1 }));
  const names = known.map((place) => ({ place, key: "k/1" }));
  const rows = names.map((name) => ({
    ...{ ...name, value: 1, bytes: 1, version: 2, writer: null },
    ...{ createdAt: 1, updatedAt: 1, expiresAt: 5 },
  }));
  const steps = live.map(({ id: runId, epoch }) => ({ runId, epoch, generation: 1, key: "s", value: 1 }));
  await stateRows.lockStateRuns(
    probe,
    live.map(({ id }) => id),
  );
  await stateRows.insertScopes(probe, places);
  await stateRows.lockScopes(probe, places);
  await stateRows.findValues(
    probe,
    places,
    places.map(() => "k/1"),
  );
  await stateRows.listUnder(
    probe,
    places,
    places.map(() => "k/"),
  );
  await findRecords(probe, steps);
  await stateRows.writeValues(probe, rows);
  await stateRows.deleteValues(probe, names);
  await stateRows.writeUses(
    probe,
    known.map((place) => ({ place, keys: 1, bytes: 1, objectBytes: 0, floor: 0, last: 2 })),
  );
  await stateRows.insertStateSteps(probe, { steps, now: 1 });
  await readState(probe, [{ namespace: "shop", scope: task, keys: ["k/1", "x"] }]);
  await listState(probe, { namespace: "shop", scope: task, prefix: "k/", limitRows: 5 });
  await listState(probe, { namespace: "shop", scope: task, prefix: "k/", after: "k/1", limitRows: 5 });
  await listExpiredValues(probe, 10);
  await deleteExpiredValues(
    probe,
    names.map(({ place, key }) => ({ ...place, key, expires_at: 1 })),
  );
  await deleteTrees(probe, 3_600_000, 10);
  return new Map(probe.names.map((name) => [name, probe.of(name)]));
}

async function fill(): Promise<void> {
  await database.sql.unsafe(`
    insert into holdfast.state_scopes (scope_kind, scope_id, generation, keys, bytes, floor, last)
    select case when n % 2 = 0 then 'run' else 'task' end, 'old' || n, n % 2, 2, 2, 0, 1 from generate_series(1, ${scopes}) n;
    insert into holdfast.values (scope_kind, scope_id, generation, key, version, writer_run, writer_epoch, created_at, updated_at,
      expires_at, value)
    select case when n % 2 = 0 then 'run' else 'task' end, 'old' || n, n % 2, 'k/' || k, 1, '', 0, 1, 1, holdfast.clock_ms() + 90000000, '1'
    from generate_series(1, ${scopes}) n cross join generate_series(1, 2) k;
    update holdfast.values set version = 2 where scope_id like 'old1%'`);
}

test("statements of state visit the same rows beside none and beside 40,000 values, vacuumed or not", async () => {
  const { alone, crowded, vacuumed } = await visitsBeside(database.sql, {
    carryOut,
    crowd: fill,
    tables: ["values", "state_scopes"],
  });
  for (const [name, { rows }] of alone) {
    for (const [when, later] of Object.entries({ crowded, vacuumed })) {
      const visits = later.get(name);
      assert.ok(visits !== undefined);
      const scans = [...visits.scans].join(", ");
      assert.ok(visits.rows <= rows, `${name} visits ${visits.rows} rows, alone ${rows}; ${when}; ${scans}`);
      assert.doesNotMatch(scans, /Seq Scan of (values|state_scopes|runs)/, `${name} ${when}`);
    }
  }
});
