import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { next, World } from "../contract/world.contract.ts";
import { TestDatabase } from "./database.fixture.ts";
import { listPartitions } from "./partitions.ts";
import { Session } from "./session.ts";

let database: TestDatabase;

before(async () => {
  database = await TestDatabase.create();
});
after(() => database.drop());

async function partitions(): Promise<string[]> {
  const session = await Session.open({ url: database.url, applicationName: "test", prepare: true });
  try {
    return (await listPartitions(session)).map(({ name }) => name);
  } finally {
    await session.close();
  }
}

const dayMs = 86_400_000;
const oldDay = Date.UTC(2020, 0, 1);

/** Partitions of the given day of January 2020. */
async function makeOldPartitions(day: "01" | "02"): Promise<void> {
  const from = oldDay + (Number(day) - 1) * dayMs;
  for (const table of ["events", "logs"]) {
    await database.sql.unsafe(`create table holdfast.${table}_202001${day} partition of holdfast.${table}
      for values from (${from}) to (${from + dayMs})`);
  }
}

test("partitions are made for the days ahead, and what is written today does not lie in the default one", async () => {
  const store = await database.open();
  const world = new World({ store, close: async () => {} });
  const run = await world.running();
  const line = { runId: run.id, epoch: 1, seq: 1, at: 1, stream: "log", level: "info", text: "hello" } as const;
  await store.appendLogs({ rows: [line] });
  await store.sequenceEvents({ limitRows: 100 });
  assert.equal((await partitions()).length, 8);
  const rows = await database.sql`select (select count(*) from holdfast.events_default) as events,
    (select count(*) from holdfast.logs_default) as logs, (select count(*) from holdfast.logs) as lines`;
  assert.deepEqual({ ...rows[0] }, { events: 0, logs: 0, lines: 1 });
});

test("pruning drops old partitions whole and keeps the history of runs that are still there", async () => {
  const store = await database.open();
  const world = new World({ store, close: async () => {} });
  const waiting = await world.running();
  const ended = await world.running();
  await world.finish(ended, next.success());
  await store.sequenceEvents({ limitRows: 1_000 });
  await makeOldPartitions("01");
  await database.sql.unsafe(`
    update holdfast.events set at = ${oldDay} where run_id in ('${waiting.id}', '${ended.id}');
    update holdfast.logs set written_at = ${oldDay};
    update holdfast.runs set created_at = ${oldDay} where id in ('${waiting.id}', '${ended.id}');
    update holdfast.runs set ended_at = ${oldDay} where id = '${ended.id}'`);
  // On pages of their own before and after it: history of runs that went before.
  await database.sql.unsafe(`
    insert into holdfast.events (namespace, position, run_id, root_id, definition, name, number, type, at, data)
    select 'other', n, id || n, id || n, 'ship', 'ship', 1, 'run.enqueued', ${oldDay}, '{}'
    from generate_series(1, 12000) n, unnest(array['0', 'z']) id`);
  const result = await store.prune({ runsMs: 3_600_000, logsMs: 3_600_000, limitRows: 100 });
  assert.deepEqual(result, { runs: 1, more: false });
  assert.equal((await partitions()).filter((name) => name.includes("2020")).length, 0);
  assert.deepEqual(await world.events(waiting.id), ["run.enqueued", "run.started"]);
  assert.deepEqual(await store.listEvents({ runId: ended.id, after: 0, limitRows: 10 }), []);
  const rows = await database.sql`select (select count(*) from holdfast.events where run_id = ${ended.id}) as events,
    (select count(*) from holdfast.logs) as logs`;
  assert.deepEqual({ ...rows[0] }, { events: 0, logs: 0 });
  const kept = async () => (await database.sql`select count(*) as events from holdfast.events_default`)[0]?.events;
  assert.equal(Number(await kept()), 2);
  await world.finish(waiting, next.success());
  await world.pass(20);
  assert.equal((await store.prune({ runsMs: 0, logsMs: 3_600_000, limitRows: 100 })).runs, 1);
  assert.equal(Number(await kept()), 0, "what was kept goes with its run");
});

test("what comes into an old partition while it is looked through is kept", async () => {
  await makeOldPartitions("01");
  const late = (runId: string, position: number) => database.sql`
    insert into holdfast.events (namespace, position, run_id, root_id, definition, name, number, type, at, data)
    values ('shop', ${position}, ${runId}, ${runId}, 'ship', 'ship', ${position}, 'run.enqueued', ${oldDay}, '{}')`;
  const world = new World({ store: await database.open(), close: async () => {} });
  const run = await world.running();
  await world.store.sequenceEvents({ limitRows: 100 });
  const { last } = await world.store.listTopic({ namespace: "shop", after: 0, limitRows: 1 });
  await late(run.id, last);
  let isLate = false;
  const beforeStatement = async (name: string) => {
    if (name !== "detachPartition" || isLate) return;
    // Before the first one, which is of events: from then on the table is held.
    isLate = true;
    await late(run.id, last + 1);
  };
  const pruning = await database.open({ beforeStatement });
  await pruning.prune({ runsMs: 3_600_000, logsMs: 3_600_000, limitRows: 100 });
  const rows = await database.sql`select position from holdfast.events_default where run_id = ${run.id} order by 1`;
  assert.deepEqual(
    rows.map(({ position }) => Number(position)),
    [last, last + 1],
  );
});

test("a partition that somebody reads is left for the next time, and nobody waits for it", async () => {
  const store = await database.open();
  // What was kept of the first day lies in the default partition.
  await makeOldPartitions("02");
  await database.sql.begin(async (sql) => {
    await sql`select count(*) from holdfast.events`;
    assert.deepEqual(await store.prune({ runsMs: 3_600_000, logsMs: 3_600_000, limitRows: 100 }), {
      runs: 0,
      more: false,
    });
    assert.equal((await partitions()).filter((name) => name.includes("2020")).length, 2);
  });
  await store.prune({ runsMs: 3_600_000, logsMs: 3_600_000, limitRows: 100 });
  assert.equal((await partitions()).filter((name) => name.includes("2020")).length, 0);
});
