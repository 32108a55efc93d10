import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type AppError, isAppError } from "@holdfast/protocol";
import { systemClock } from "../../clock.ts";
import { next, until, World } from "../contract/world.contract.ts";
import { mergeCalls } from "../merging.ts";
import { TestDatabase } from "./database.fixture.ts";
import { isConflict, postgresFailure } from "./failures.ts";
import { letsGoOfStopped } from "./stopped.fixture.ts";

let database: TestDatabase;

before(async () => {
  database = await TestDatabase.create();
});
after(() => database.drop());

test("states of PostgreSQL and of the way to it become codes that callers act on", () => {
  const codes = {
    "22021": "invalid_request",
    "23505": "invalid_request",
    "40P01": "store_unavailable",
    "53100": "store_full",
    "53300": "store_unavailable",
    "57P01": "store_unavailable",
    "08006": "store_unavailable",
    "25006": "store_unavailable",
    "26000": "store_unavailable",
    "42P05": "store_unavailable",
    "42501": "store_unavailable",
    ECONNREFUSED: "store_unavailable",
    EPIPE: "store_unavailable",
    CONNECTION_CLOSED: "store_unavailable",
  };
  for (const [code, expected] of Object.entries(codes)) {
    const failure = postgresFailure(Object.assign(new Error("no"), { code }));
    assert.ok(isAppError(failure), code);
    assert.equal(failure.code, expected, code);
    assert.equal(isConflict(failure), code === "40P01");
  }
  for (const code of ["26000", "42P05"]) {
    const failure = postgresFailure(Object.assign(new Error("no such statement"), { code }));
    assert.match((failure as AppError).hint ?? "", /add \?pooler=transaction to the address/, code);
  }
  const bug = Object.assign(new Error("syntax"), { code: "42601" });
  assert.equal(postgresFailure(bug), bug);
});

test("a row that only the server refuses fails alone in a merged batch, and everything else of it is done", async () => {
  const store = mergeCalls(await database.open(), { clock: systemClock });
  const world = new World({ store, close: async () => {} });
  const memberId = await world.member();
  const runs = await Promise.all(Array.from({ length: 20 }, () => world.running({}, memberId)));
  const answers = await Promise.allSettled(
    runs.map((run, index) => {
      // Larger than the column: nothing before the server looks at it.
      const epoch = index === 13 ? 2 ** 40 : run.epoch;
      return store.commitSteps({ rows: [{ runId: run.id, epoch, generation: 1, key: "s", value: index }] });
    }),
  );
  for (const [index, answer] of answers.entries()) {
    if (index === 13) assert.ok(answer.status === "rejected" && isAppError(answer.reason, "invalid_request"));
    else assert.deepEqual(answer.status === "fulfilled" && answer.value, [{ outcome: "recorded" }]);
  }
  assert.deepEqual(await store.listSteps({ runId: runs[13]?.id ?? "", generation: 1 }), []);
  for (const run of runs) assert.equal((await world.finish(run, next.success())).outcome, "finished");
});

test("what a process holds that was stopped in the midst of a transaction is free again after a while", async () => {
  await letsGoOfStopped(await database.open(), (options) => database.open(options));
});

test("a run that somebody holds delays the waits of no other", async () => {
  const world = new World({ store: await database.open(), close: async () => {} });
  const sleeping = async () => {
    const run = await world.running();
    const opens = [{ key: "nap", kind: "sleep", hash: "h", delayMs: 1, signal: null, child: null }] as const;
    const order = { runId: run.id, epoch: run.epoch, generation: 1, opens, settles: [] };
    await world.store.openWaits({ rows: [{ ...order, suspend: { ranMs: 1, groups: [["nap"]] } }] });
    return run.id;
  };
  const [first, second] = [await sleeping(), await sleeping()];
  const holder = await database.sql.reserve();
  try {
    await holder`begin`;
    await holder`select 1 from holdfast.runs where id = ${first} for update`;
    await until(async () => {
      await world.store.wakeRuns({ limitRows: 100 });
      return (await world.status(second)) === "ready";
    });
    assert.equal(await world.status(first), "waiting");
  } finally {
    await holder`rollback`;
    holder.release();
  }
  await until(async () => {
    await world.store.wakeRuns({ limitRows: 100 });
    return (await world.status(first)) === "ready";
  });
});
