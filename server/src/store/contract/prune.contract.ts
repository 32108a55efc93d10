import assert from "node:assert/strict";
import type { Uniqueness } from "../store.ts";
import { type Contract, created, hourMs, namespace, next, refused, until, type World } from "./world.contract.ts";

const all = { runsMs: 0, logsMs: 0, limitRows: 1_000 };

/** What stores promise about retention. */
export function pruneContract(contract: Contract): void {
  contract("a tree whose root ended long ago goes whole, with its steps and its history", async (world) => {
    const { parent, ids } = await world.workflow([{ name: "a" }, { name: "b" }]);
    const memberId = await world.member();
    const [a, b] = await world.claim(memberId);
    assert.ok(a !== undefined && b !== undefined);
    await world.store.commitSteps({ rows: [{ runId: a.id, epoch: 1, generation: 1, key: "s", value: 1 }] });
    await log(world, a.id, 1);
    for (const run of [a, b]) await world.finish(run, next.success());
    await world.finish(await world.activate(parent.id), next.success());
    await world.pass(20);
    assert.deepEqual(await world.store.prune(all), { runs: 3, more: false });
    for (const id of [parent.id, ...Object.values(ids)]) {
      assert.equal(await world.store.findRun({ id }), undefined);
      assert.deepEqual(await world.store.listEvents({ runId: id, after: 0, limitRows: 10 }), []);
    }
    assert.deepEqual(await world.store.listSteps({ runId: a.id, generation: 1 }), []);
    assert.deepEqual((await world.store.listLogs({ runId: a.id, limitRows: 10 })).lines, []);
    assert.deepEqual(await world.store.listTree({ rootId: parent.id, limitRows: 10 }), []);
    const { runs } = await world.store.listRuns({ namespace, rootsOnly: false, limitRows: 10 });
    assert.deepEqual(runs, []);
    assert.deepEqual(await world.store.findRunIds({ namespace, prefix: "", limitRows: 10 }), []);
    assert.deepEqual(await world.store.prune(all), { runs: 0, more: false });
  });

  contract("what is live stays, however old, and so do the ended children of a live root", async (world) => {
    const ready = await world.enqueue();
    const running = await world.running();
    const { parent, ids } = await world.workflow([{ name: "a" }, { name: "b" }]);
    await world.cancel(ids.a);
    await world.pass(20);
    assert.deepEqual(await world.store.prune(all), { runs: 0, more: false });
    for (const id of [ready.id, running.id, parent.id, ids.a, ids.b]) await world.events(id);
    assert.equal((await world.finish(running, next.success())).outcome, "finished");
  });

  contract("a root that ended within the retention stays", async (world) => {
    const run = await world.running();
    await world.finish(run, next.success());
    assert.deepEqual(await world.store.prune({ ...all, runsMs: hourMs }), { runs: 0, more: false });
    assert.equal((await world.events(run.id)).length, 3);
  });

  contract("pruning works in pieces of whole trees and says that more is left", async (world) => {
    for (let i = 0; i < 3; i++) {
      const { parent } = await world.workflow([{ name: "a" }, { name: "b" }]);
      await world.cancel(parent.id);
    }
    await world.pass(20);
    let runs = 0;
    let more = true;
    for (let call = 0; more; call++) {
      assert.ok(call < 10, "pruning comes to an end");
      const piece = await world.store.prune({ ...all, limitRows: 2 });
      runs += piece.runs;
      more = piece.more;
      const left = await world.store.listRuns({ namespace, rootsOnly: false, limitRows: 100 });
      assert.deepEqual([left.runs.length, left.runs.length % 3], [9 - runs, 0]);
    }
    assert.equal(runs, 9);
  });

  contract("log lines go by their own retention; their run stays", async (world) => {
    const run = await world.running();
    await log(world, run.id, 1);
    await world.pass(30);
    await world.store.prune({ runsMs: hourMs, logsMs: hourMs, limitRows: 100 });
    assert.equal((await world.store.listLogs({ runId: run.id, limitRows: 10 })).lines.length, 1);
    await world.store.prune({ runsMs: hourMs, logsMs: 0, limitRows: 100 });
    assert.deepEqual((await world.store.listLogs({ runId: run.id, limitRows: 10 })).lines, []);
    assert.equal(await world.status(run.id), "running");
  });

  contract("topic events go by the retention of runs; positions are not given out again", async (world) => {
    await world.enqueue();
    await world.store.sequenceEvents({ limitRows: 10 });
    const before = await world.store.listTopic({ namespace, after: 0, limitRows: 10 });
    await world.store.prune({ ...all, runsMs: hourMs });
    assert.deepEqual(await world.store.listTopic({ namespace, after: 0, limitRows: 10 }), before);
    await world.pass(20);
    await world.store.prune(all);
    const after = await world.store.listTopic({ namespace, after: 0, limitRows: 10 });
    assert.deepEqual(after, { events: [], last: before.last });
    await world.enqueue();
    await world.store.sequenceEvents({ limitRows: 10 });
    const later = await world.store.listTopic({ namespace, after: before.last, limitRows: 10 });
    assert.equal(later.events.length, 1);
    assert.ok(later.last > before.last);
  });

  contract("a member that ended long ago is forgotten, and is still told that it is gone", async (world) => {
    const [id, by] = [await world.member(), await world.member()];
    const held = await world.running({}, id);
    await world.store.leaveMember({ id });
    await world.pass(20);
    await world.store.prune({ ...all, runsMs: hourMs });
    assert.equal((await world.store.listMembers({ namespace })).length, 2, "it ended within the retention");
    await world.store.prune(all);
    assert.deepEqual(
      (await world.store.listMembers({ namespace })).map((member) => member.id),
      [by],
    );
    assert.equal(await world.store.renewMember({ id, leaseMs: hourMs }), false);
    await refused(world.claim(id), "member_gone");
    await refused(world.store.judgeMembers({ by: id, limitRows: 10 }), "member_gone");
    assert.equal((await world.enqueue({}, { claimFor: id })).status, "ready");
    assert.deepEqual(await world.store.leaveMember({ id }), { takenBack: 0 });
    // Whoever joins under its id is somebody new, to whom nothing belongs that it held.
    const again = await world.store.joinMember({
      id,
      kind: "node",
      name: "again",
      namespace,
      serves: null,
      leaseMs: hourMs,
    });
    assert.equal(again.endedAt, null);
    assert.deepEqual(await world.store.listClaimed({ memberId: id, limitRows: 10 }), []);
    assert.deepEqual(await world.finish(held, next.success()), { outcome: "stale_epoch" });
  });

  contract("a member that lives stays, however old", async (world) => {
    const id = await world.member();
    await world.pass(20);
    await world.store.prune(all);
    assert.equal(await world.store.renewMember({ id, leaseMs: hourMs }), true);
  });

  for (const kind of ["key", "request"] as const) {
    contract(`a ${kind} outlives its run until its own retention is over`, async (world) => {
      const run = await end(world, kind, { key: "k", hash: "h1", retentionMs: hourMs });
      await world.pass(20);
      assert.equal((await world.store.prune(all)).runs, 1);
      assert.equal(await world.store.findRun({ id: run }), undefined);
      const row = world.row({}, { [kind]: { key: "k", hash: "h1", retentionMs: hourMs } });
      assert.deepEqual(await world.store.enqueueRuns({ rows: [row] }), [{ outcome: "existing", runId: run }]);
      const other = world.row({}, { [kind]: { key: "k", hash: "h2", retentionMs: hourMs } });
      assert.equal((await world.store.enqueueRuns({ rows: [other] }))[0]?.outcome, `${kind}_conflict`);
    });

    contract(
      `a ${kind} past its retention stands as long as its run is there, and is free after that`,
      async (world) => {
        const name = { key: "k", hash: "h1", retentionMs: 1 };
        const run = await end(world, kind, name);
        await world.pass(20);
        await world.store.prune({ ...all, runsMs: hourMs });
        const again = world.row({}, { [kind]: { ...name, hash: "h2" } });
        assert.deepEqual(await world.store.enqueueRuns({ rows: [again] }), [
          { outcome: `${kind}_conflict`, runId: run },
        ]);
        await until(async () => {
          const { more } = await world.store.prune(all);
          return !more && (await world.store.findRun({ id: run })) === undefined;
        });
        await world.store.prune(all);
        const [result] = await world.store.enqueueRuns({ rows: [again] });
        assert.equal(created(result).id, again.run.id);
      },
    );
  }
}

async function end(world: World, kind: "key" | "request", name: Uniqueness): Promise<string> {
  const run = await world.enqueue({}, { [kind]: name, claimFor: await world.member() });
  await world.finish(run, next.success());
  return run.id;
}

async function log(world: World, runId: string, epoch: number): Promise<void> {
  const { now: at } = await world.store.describe();
  const line = { runId, epoch, seq: 1, at, stream: "log", level: "info", text: "Hello." } as const;
  assert.deepEqual(await world.store.appendLogs({ rows: [line] }), [{ outcome: "kept" }]);
}
