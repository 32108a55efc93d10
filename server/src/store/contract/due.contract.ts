import assert from "node:assert/strict";
import { expiryData, expiryEnding, type RunRow } from "../../core/index.ts";
import { type Contract, hourMs, next, plain, until, type World } from "./world.contract.ts";

/** What stores promise about what becomes due. */
export function dueContract(contract: Contract): void {
  contract("the store's clock does not go back", async (world) => {
    const first = (await world.store.describe()).now;
    await world.pass(10);
    const second = (await world.store.describe()).now;
    assert.ok(second >= first + 10);
    assert.ok((await world.enqueue()).createdAt >= second);
  });

  contract("nothing is due where nothing waits", async (world) => {
    await world.enqueue();
    await world.running();
    assert.deepEqual(await world.store.wakeRuns({ limitRows: 10 }), { woken: 0, nextInMs: null });
    assert.deepEqual(await world.store.expireRuns({ limitRows: 10 }), { expired: 0, nextInMs: null });
  });

  contract("a run that starts later is claimable once its moment has come and it was woken", async (world) => {
    const run = await soon(world);
    const before = await world.get(run.id);
    await world.pass((run.wakeAt ?? 0) - run.createdAt);
    const { woken, nextInMs } = await world.store.wakeRuns({ limitRows: 10 });
    assert.deepEqual({ woken, nextInMs }, { woken: 1, nextInMs: null });
    assert.deepEqual(plain(await world.get(run.id)), { ...plain(before), wakeAt: null });
    assert.deepEqual(await world.events(run.id), ["run.enqueued"]);
    await world.activate(run.id);
  });

  contract("before its moment a run is not woken, and the store says how long that is", async (world) => {
    const { now } = await world.store.describe();
    await world.enqueue({ startAfter: now + 2 * hourMs });
    await world.enqueue({ startAfter: now + hourMs });
    const { woken, nextInMs } = await world.store.wakeRuns({ limitRows: 10 });
    assert.equal(woken, 0);
    assert.ok(nextInMs !== null && nextInMs > hourMs / 2 && nextInMs <= hourMs);
  });

  contract("a retry is woken after its delay, whatever lay between", async (world) => {
    const { id } = await world.running();
    await world.finish({ id, epoch: 1 }, next.retry(40));
    await world.enqueue({ startAfter: (await world.store.describe()).now + hourMs });
    await world.pass(60);
    assert.equal((await world.store.wakeRuns({ limitRows: 10 })).woken, 1);
    const run = await world.activate(id);
    assert.deepEqual([run.attempt, run.epoch], [2, 2]);
  });

  contract("runs are woken in pieces, the longest due first", async (world) => {
    const ids = await retried(world, [30, 10, 20]);
    await world.pass(40);
    assert.deepEqual(await world.store.wakeRuns({ limitRows: 2 }), { woken: 2, nextInMs: 0 });
    assert.notEqual((await world.get(ids[0])).wakeAt, null);
    assert.deepEqual(await world.store.wakeRuns({ limitRows: 2 }), { woken: 1, nextInMs: null });
  });

  contract("a ready run whose time is over fails as expired", async (world) => {
    const run = await world.enqueue({ expiresAfterMs: 20 });
    await world.pass(40);
    assert.deepEqual(await world.store.expireRuns({ limitRows: 10 }), { expired: 1, nextInMs: null });
    const { status, error } = await world.get(run.id);
    assert.deepEqual({ status, error }, expiryEnding(run));
    assert.deepEqual(await world.events(run.id), ["run.enqueued", "run.failed"]);
    assert.deepEqual(await world.claim(await world.member()), []);
  });

  contract("before its time a run is left alone, and the store says how long that is", async (world) => {
    const run = await world.enqueue({ expiresAfterMs: hourMs });
    const { expired, nextInMs } = await world.store.expireRuns({ limitRows: 10 });
    assert.equal(expired, 0);
    assert.ok(nextInMs !== null && nextInMs > hourMs / 2 && nextInMs <= hourMs);
    assert.equal(await world.status(run.id), "ready");
  });

  contract("a running run whose time is over is ended, and expiry beats its success", async (world) => {
    const run = await world.running({ expiresAfterMs: 20 });
    await world.pass(40);
    assert.equal((await world.store.expireRuns({ limitRows: 10 })).expired, 1);
    assert.equal(await world.status(run.id), "cancelling");
    assert.deepEqual(await world.lastData(run.id), expiryData);
    assert.deepEqual(await world.store.expireRuns({ limitRows: 10 }), { expired: 0, nextInMs: null });
    const owed = { memberId: run.claimedBy ?? "", kind: "activation", limitRows: 10 } as const;
    const listed = (await world.store.listOwed(owed)).map(({ runId, subject, reason }) => [runId, subject, reason]);
    assert.deepEqual(listed, [[run.id, "1", expiryEnding(run).error.message]]);
    await world.finish(run, next.success());
    const { status, error } = await world.get(run.id);
    assert.deepEqual({ status, error }, expiryEnding(run));
  });

  contract("a run that waits for its moment or its children expires all the same", async (world) => {
    const { now } = await world.store.describe();
    const later = await world.enqueue({ startAfter: now + hourMs, expiresAfterMs: 20 });
    const parent = await world.running({ kind: "workflow", expiresAfterMs: 20 });
    const ids = await world.expand(parent, [{ name: "a" }, { name: "b", after: ["a"] }]);
    await world.pass(40);
    assert.equal((await world.store.expireRuns({ limitRows: 10 })).expired, 2);
    assert.deepEqual([await world.status(later.id), await world.status(parent.id)], ["failed", "failed"]);
    assert.deepEqual([await world.status(ids.a), await world.status(ids.b)], ["cancelled", "cancelled"]);
    assert.deepEqual(await world.store.wakeRuns({ limitRows: 10 }), { woken: 0, nextInMs: null });
  });

  contract("a child that expires counts as failed for its dependents and its parent", async (world) => {
    const { parent, ids } = await world.workflow([
      { name: "a", expiresAfterMs: 20 },
      { name: "b", after: ["a"] },
    ]);
    await world.pass(40);
    assert.equal((await world.store.expireRuns({ limitRows: 10 })).expired, 1);
    assert.equal((await world.get(ids.b)).error?.code, "upstream_failed");
    const woken = await world.get(parent.id);
    assert.deepEqual({ status: woken.status, failed: woken.children.failed }, { status: "ready", failed: 2 });
  });

  contract("runs whose time is over together all expire, also those that depend on each other", async (world) => {
    const { ids } = await world.workflow([
      { name: "a", expiresAfterMs: 20 },
      { name: "b", after: ["a"], expiresAfterMs: 20 },
      { name: "c", after: ["b"] },
    ]);
    await world.pass(40);
    assert.equal((await world.store.expireRuns({ limitRows: 10 })).expired, 2);
    const codes = await Promise.all(["a", "b", "c"].map(async (name) => (await world.get(ids[name])).error?.code));
    assert.deepEqual(codes, ["expired", "expired", "upstream_failed"]);
  });

  contract("what has ended or is being ended does not expire", async (world) => {
    await world.finish(await world.running({ expiresAfterMs: 20 }), next.success());
    const cancelling = await world.running({ expiresAfterMs: 20 });
    await world.cancel(cancelling.id);
    await world.pass(40);
    assert.deepEqual(await world.store.expireRuns({ limitRows: 10 }), { expired: 0, nextInMs: null });
    await world.finish(cancelling, next.success());
    assert.equal(await world.status(cancelling.id), "cancelled");
  });

  contract("runs expire in pieces, the longest overdue first", async (world) => {
    const rows = [30, 10, 20].map((expiresAfterMs) => world.row({ expiresAfterMs }));
    await world.store.enqueueRuns({ rows });
    await world.pass(40);
    assert.deepEqual(await world.store.expireRuns({ limitRows: 2 }), { expired: 2, nextInMs: 0 });
    const statuses = await Promise.all(rows.map(({ run }) => world.status(run.id)));
    assert.deepEqual(statuses, ["ready", "failed", "failed"]);
    assert.deepEqual(await world.store.expireRuns({ limitRows: 2 }), { expired: 1, nextInMs: null });
  });

  contract("wakers at once wake each run once", async (world) => {
    await retried(
      world,
      Array.from({ length: 40 }, () => 20),
    );
    await world.pass(30);
    assert.equal(await share(world, (store) => store.wakeRuns({ limitRows: 7 }).then(({ woken }) => woken)), 40);
    assert.equal((await world.claim(await world.member())).length, 40);
  });
}

/** A run that waits for a moment close by. A store with a clock of its own may be past it before the run is there. */
async function soon(world: World): Promise<RunRow> {
  for (let ms = 50; ; ms *= 2) {
    const { now } = await world.store.describe();
    const run = await world.enqueue({ startAfter: now + ms });
    if (run.wakeAt !== null) return run;
    await world.cancel(run.id);
  }
}

/** Runs that failed in one step and are retried after these delays. Answers their ids. */
async function retried(world: World, delaysMs: readonly number[]): Promise<string[]> {
  const claimFor = await world.member();
  const rows = delaysMs.map(() => world.row({}, { claimFor }));
  await world.store.enqueueRuns({ rows });
  const ids = rows.map(({ run }) => run.id);
  const finishes = delaysMs.map((ms, index) => ({ runId: ids[index] ?? "", epoch: 1, ranMs: 1, next: next.retry(ms) }));
  await world.store.finishActivations({ rows: finishes });
  return ids;
}

/** Lets four callers work until nothing is left and adds up what they did. */
async function share(world: World, work: (store: World["store"]) => Promise<number>): Promise<number> {
  const doors = await world.doors();
  let total = 0;
  await until(async () => {
    const done = await Promise.all(
      Array.from({ length: 4 }, (_, index) => work(doors[index % doors.length] ?? world.store)),
    );
    for (const count of done) total += count;
    return done.every((count) => count === 0);
  });
  return total;
}
