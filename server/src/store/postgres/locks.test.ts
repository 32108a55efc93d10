// Fault to catch: what a transaction changes, and could have known beforehand, is locked in several statements, so that two which meet
// may wait for each other in a circle.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { next, World } from "../contract/world.contract.ts";
import { TestDatabase } from "./database.fixture.ts";

let database: TestDatabase;
let world: World;
let locks: string[] = [];

before(async () => {
  database = await TestDatabase.create();
  const store = await database.open({
    beforeStatement: async (name) => {
      if (name.startsWith("lock")) locks.push(name);
    },
  });
  world = new World({ store, close: async () => {} });
});
after(() => database.drop());

test("a restart locks all that depends on its run, and what is above it, in one statement, and then their open jobs", async () => {
  const { parent, ids } = await world.workflow([
    { name: "a" },
    { name: "b", after: ["a"] },
    { name: "c", after: ["b"] },
  ]);
  for (const id of [ids.a, ids.b, ids.c, parent.id]) await world.finish(await world.activate(id ?? ""), next.success());
  locks = [];
  const order = { runId: ids.a ?? "", fresh: false, ifAttempt: null, data: {} };
  const [result] = await world.store.restartRuns({ rows: [order] });
  assert.deepEqual(result?.outcome === "restarted" && [...result.reset].sort(), [ids.b, ids.c].sort());
  assert.deepEqual(locks, ["lockReach", "lockOpenJobs"]);
});

test("an order locks its run and the level below it in one statement", async () => {
  const { parent } = await world.workflow([{ name: "a" }, { name: "b" }]);
  locks = [];
  // Nothing ends with it, for then the dependents of what ends are locked too.
  await world.claim(await world.member());
  await world.cancel(parent.id);
  assert.deepEqual(locks, ["lockRuns"]);
});
