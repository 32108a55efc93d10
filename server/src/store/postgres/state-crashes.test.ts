import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { isAppError } from "@holdfast/protocol";
import { inTask, ofRun, opsIn, orders, task, transaction, useOf, writerOf } from "../contract/state.fixture.ts";
import { plain, until, World } from "../contract/world.contract.ts";
import type { Store } from "../store.ts";
import { TestDatabase } from "./database.fixture.ts";

// The fault that this must catch: half of a transaction of state that stands when its connection dies between two of its statements,
// whichever they are, or a record without its effect. The backend is ended before each statement in its turn; told again, the transaction
// is done once.

const application = "holdfast victim";

let database: TestDatabase;
let world: World;
before(async () => {
  database = await TestDatabase.create();
  world = new World({ store: await database.open(), close: async () => {} });
});
after(() => database.drop());

test("a connection that dies before any statement of a transaction leaves nothing of it, and told again it is done once", async () => {
  const run = await world.running();
  await world.store.transactState({ rows: [transaction([inTask.set("gone", 1), opsIn(orders).set("old/1", 1)])] });
  const ops = [
    inTask.increment("n"),
    inTask.delete("gone"),
    opsIn(orders).clear("old/"),
    opsIn(ofRun(run)).append("list", 1),
  ];
  const row = (key: string) => transaction(ops, { writer: writerOf(run, key) });
  const names = await statementsOf([row("dry")]);
  assert.deepEqual(names.slice(-1), ["commit"]);
  assert.ok(names.length >= 12, names.join(", "));
  const contents = async () =>
    plain(
      await Promise.all(
        [task, orders, ofRun(run)].map((scope) => world.store.listState({ namespace: "shop", scope, limitRows: 50 })),
      ),
    );
  for (const [place, name] of names.entries()) {
    await world.store.transactState({
      rows: [transaction([inTask.set("gone", 1), opsIn(orders).set("old/1", place)])],
    });
    const [there, steps] = [await contents(), await world.store.listSteps({ runId: run.id, generation: 1 })];
    const victim = await victimThatDiesAt(place);
    await assert.rejects(victim.transactState({ rows: [row(name)] }), (error) =>
      isAppError(error, "store_unavailable"),
    );
    await victim.close();
    assert.deepEqual(await contents(), there, `before ${name}`);
    assert.deepEqual(await world.store.listSteps({ runId: run.id, generation: 1 }), steps, `before ${name}`);
    const [done] = await world.store.transactState({ rows: [row(`${name} ${place}`)] });
    const [again] = await world.store.transactState({ rows: [row(`${name} ${place}`)] });
    assert.deepEqual([done?.outcome, again?.outcome], ["applied", "existing"], name);
  }
  assert.deepEqual(await useOf(world, task), { keys: 1, bytes: String(names.length + 1).length });
});

/** Names of the statements that a call sends, in their order. */
async function statementsOf(rows: readonly ReturnType<typeof transaction>[]): Promise<string[]> {
  const names: string[] = [];
  const store = await database.open({
    beforeStatement: async (name) => {
      names.push(name);
    },
  });
  await store.transactState({ rows });
  await store.close();
  return names;
}

/** A store whose connection is ended before it sends the statement at this place of its first transaction. */
async function victimThatDiesAt(place: number): Promise<Store> {
  let sent = 0;
  return database.open({
    maxSessions: 1,
    applicationName: application,
    beforeStatement: async () => {
      if (sent++ !== place) return;
      await database.sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = ${application}`;
      await until(async () => {
        const left = await database.sql`select 1 from pg_stat_activity where application_name = ${application}`;
        return left.length === 0;
      });
    },
  });
}
