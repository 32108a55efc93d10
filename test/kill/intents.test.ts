import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import postgres from "postgres";
import { openServices } from "../../server/src/main.ts";
import { promise, taskManifest } from "../../server/src/store/postgres/intents.fixture.ts";
import { openPostgresStore } from "../../server/src/store/postgres/postgres-store.ts";
import { createDatabase, dropDatabase } from "../postgres.ts";
import { Ambush } from "./ambush.ts";
import { NodeProcess } from "./node-process.ts";
import { until } from "./processes.ts";

// Faults to catch: an intent that is deleted in another transaction than the one that makes its run: killed between them, a
// node loses it or makes it twice; a cancel that is deleted before it is ordered.

/** Where a node that carries intents out is killed. */
const points = [
  "sql.listOpenIntents",
  "sql.holdIntents",
  "sql.takeNames",
  "sql.insertRoots",
  "sql.deleteIntents",
  "sql.holdTarget",
  "sql.insertSignals",
  "sql.markRejected",
  "sql.reopenJudged",
  "sql.commit",
];
/** Commits come of other work too. */
const rounds = [
  ...points.map((point) => ({ point, skips: 0 })),
  ...[1, 2].map((skips) => ({ point: "sql.commit", skips })),
  // The first is a signal's, this one the cancel's behind it.
  { point: "sql.holdTarget", skips: 2 },
];

/** So late that nobody carries the runs out: only whether they are there is looked at. */
const later = "start_after => now() + interval '1 day'";

test("a node is killed at each statement of carrying intents out, and each becomes one run, one signal, one cancel or one rejection", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "hf-kill-"));
  const url = await createDatabase();
  const store = await openPostgresStore({ url, migrate: true });
  const manifest = taskManifest("ship");
  await store.applyManifests({
    namespace: "default",
    manifests: [{ id: "ship", kind: "task", hash: "5f2a", manifest }],
  });
  await store.close();
  const sql = postgres(url, { max: 2, onnotice: () => undefined });
  const ambush = new Ambush(folder);
  const nodes: NodeProcess[] = [];
  const start = async () => {
    const name = `node-${nodes.length}`;
    const node = new NodeProcess({ folder, name, address: url, leaseMs: 1_000, concurrency: 1, deaf: false });
    nodes.push(node);
    await node.ready;
    return node;
  };
  const kept: string[] = [];
  const cancelled: string[] = [];
  const lost: string[] = [];
  let hits = 0;
  try {
    let node = await start();
    for (const [round, { point, skips }] of rounds.entries()) {
      ambush.arm(point, skips);
      await sql.begin(async (transaction) => {
        for (let i = 0; i < 3; i++) kept.push(await promise(transaction, `'ship', ${later}`));
        kept.push(await promise(transaction, `'ship', key => 'key-${round}', ${later}`));
        const doomed = await promise(transaction, `'ship', key => 'doomed-${round}', ${later}`);
        for (const name of ["first", "second"]) await transaction`select holdfast.signal(${doomed}, ${name})`;
        await transaction`select holdfast.cancel(definition => 'ship', key => ${`doomed-${round}`})`;
        cancelled.push(doomed);
        await promise(transaction, `'unknown', key => '${round}'`);
      });
      await sql
        .begin(async (transaction) => {
          lost.push(await promise(transaction, `'ship', key => 'lost-${round}', ${later}`));
          throw new Error("rolled back");
        })
        .catch(() => undefined);
      const reached = await ambush.next(20_000);
      ambush.disarm();
      if (reached === undefined) continue;
      assert.equal(reached.pid, node.pid);
      hits += 1;
      await node.kill();
      node = await start();
    }
    await until("every intent is carried out or rejected", async () => {
      const open = await sql`select 1 from holdfast.intents where error is null`;
      return open.length === 0 ? true : undefined;
    });
    await node.stop();
  } catch (error) {
    for (const { name } of nodes) console.error(readFileSync(join(folder, `${name}.log`), "utf8").slice(-1_000));
    throw error;
  } finally {
    ambush.close();
    for (const node of nodes) if (!node.hasExited) await node.kill();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
  const services = await openServices({ address: url });
  const events = async (runId: string) =>
    (await services.store.listEvents({ runId, after: 0, limitRows: 10 })).map(({ type, data }) =>
      type === "run.signalled" ? (data as { name: string }).name : type,
    );
  for (const id of kept) assert.equal((await services.runs.get(id)).status, "ready");
  for (const id of kept) assert.deepEqual(await events(id), ["run.enqueued"]);
  for (const id of cancelled) assert.equal((await services.runs.get(id)).status, "cancelled");
  const all = ["run.enqueued", "first", "second", "run.cancelled"];
  for (const id of cancelled) assert.deepEqual(await events(id), all, "each once, in the order of the promises");
  for (const id of lost) await assert.rejects(services.runs.get(id), { code: "not_found" });
  const [count] = await sql`select count(*)::int as n from holdfast.runs`;
  assert.equal(count?.n, kept.length + cancelled.length);
  const { intents } = await services.intents.list({ state: "rejected", limit: 1_000 });
  assert.equal(intents.length, rounds.length);
  await services.close();
  await sql.end();
  await dropDatabase(url);
  t.diagnostic(`${hits} kills at ${rounds.length} places; ${kept.length + cancelled.length} runs`);
  assert.equal(hits, rounds.length, "a place was never come by");
});
