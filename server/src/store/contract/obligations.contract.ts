import assert from "node:assert/strict";
import type { RunRow } from "../../core/index.ts";
import type { ObligationNote } from "../obligation-verbs.ts";
import { type Contract, cancelled, hourMs, namespace, next, type World } from "./world.contract.ts";

// Faults to catch: an order that leaves no obligation, or one that it was given to twice leaves two; a forced end that takes it away;
// a member that can say "met" of what its run still waits for; one of a member that is gone that stays for ever, or goes before its
// run is taken over; a force that comes before its time, or by anything but the store's clock; obligations that outlive their run.

/** What stores promise about what orders have to bring to an end (P6, core/obligations.ts). */
export function obligationsContract(contract: Contract): void {
  contract("an order leaves what it has to bring to an end with the member that holds it, once", async (world) => {
    const memberId = await world.member();
    const runs = [await world.running({}, memberId), await world.running({}, memberId)];
    const other = await world.running();
    await world.enqueue({});
    assert.deepEqual(await owed(world, memberId), []);
    for (const { id } of [...runs, other]) {
      await world.cancel(id);
      await world.cancel(id);
    }
    const listed = await owed(world, memberId);
    assert.deepEqual(listed.map(({ runId }) => runId).sort(), runs.map(({ id }) => id).sort());
    const [first] = listed;
    assert.ok(first);
    const { orderedAt, ...rest } = first;
    assert.deepEqual(rest, {
      ...{ kind: "activation", runId: first.runId, rootId: first.runId, namespace, subject: "1", memberId },
      ...{ reason: cancelled.error.message, forcedAt: null, tries: 0, lastTryAt: null, error: null, metAt: null },
    });
    assert.ok(orderedAt > 0 && orderedAt <= (await world.store.describe()).now);
    assert.equal((await world.store.listOwed({ memberId, kind: "activation", limitRows: 1 })).length, 1);
    assert.deepEqual(await world.store.listOwed({ memberId: null, kind: "activation", limitRows: 5 }), []);
    assert.equal((await world.store.listObligations({ namespace, limitRows: 10 })).length, 3);
    assert.deepEqual(await world.store.listObligations({ namespace: "elsewhere", limitRows: 10 }), []);
  });

  contract("the end of the activation meets it, whatever that says, and nothing else does", async (world) => {
    for (const said of [next.success(), next.release(), next.lost()]) {
      const run = await world.running();
      await world.cancel(run.id);
      await note(world, run, { outcome: "met" });
      assert.equal((await only(world, run)).metAt, null);
      await note(world, run, { outcome: "tried", error: null });
      await note(world, run, { outcome: "tried", error: "It still runs." });
      await world.finish(run, said);
      const { metAt, lastTryAt, ...met } = await only(world, run);
      assert.ok(metAt !== null && lastTryAt !== null && metAt >= lastTryAt);
      assert.deepEqual([met.tries, met.error, met.forcedAt], [2, "It still runs.", null]);
      assert.deepEqual(await owed(world, run.claimedBy ?? ""), []);
      await note(world, run, { outcome: "tried", error: "again" });
      assert.equal((await only(world, run)).tries, 2);
    }
    assert.deepEqual(await world.store.listObligations({ namespace, limitRows: 10 }), []);
  });

  contract("an activation that ends as its parent was ordered to owes nothing", async (world) => {
    const { parent, ids } = await world.workflow([{ name: "a" }, { name: "b" }]);
    const a = await world.activate(ids.a ?? "");
    await world.store.orderEnd({ runId: parent.id, ending: cancelled, data: {}, limitRows: 0 });
    await world.finish(a, next.success());
    assert.equal(await world.status(a.id), "cancelled");
    assert.deepEqual(await ofTree(world, parent), []);
  });

  contract(
    "a forced end leaves it open until its member says that nothing is left, across retries of the run",
    async (world) => {
      const { parent, ids } = await world.workflow([{ name: "a" }]);
      const a = await world.activate(ids.a ?? "");
      await world.cancel(parent.id);
      const { forced, ended = [] } = await world.store.forceEnds({ runId: parent.id, limitRows: 10 });
      assert.deepEqual([forced, ended.map(({ id }) => id).sort()], [[a.id], [a.id, parent.id].sort()]);
      assert.deepEqual([await world.status(a.id), await world.status(parent.id)], ["cancelled", "cancelled"]);
      const open = await only(world, a);
      assert.ok(open.forcedAt !== null && open.forcedAt >= open.orderedAt && open.metAt === null);
      await world.finish(a, next.success());
      const order = { runId: a.id, fresh: true, ifAttempt: null, data: {} };
      await world.store.restartRuns({ rows: [order] });
      const again = await world.activate(a.id);
      assert.deepEqual(
        (await owed(world, a.claimedBy ?? "")).map(({ subject }) => subject),
        ["1"],
      );
      await note(world, a, { outcome: "tried", error: "It still runs." });
      await note(world, { ...a, epoch: 99 }, { outcome: "met" });
      assert.equal((await owed(world, a.claimedBy ?? "")).length, 1);
      await note(world, a, { outcome: "met" });
      await note(world, a, { outcome: "met" });
      assert.deepEqual(await owed(world, a.claimedBy ?? ""), []);
      assert.ok((await only(world, a)).metAt !== null);
      // The run that goes on owes nothing until it is ordered to end in its turn.
      await world.cancel(again.id);
      assert.deepEqual(
        (await ofTree(world, parent)).map(({ subject, metAt }) => [subject, metAt === null]),
        [
          ["1", false],
          [String(again.epoch), true],
        ],
      );
    },
  );

  contract("what a person decides over a run at work is owed by its member as well", async (world) => {
    const run = await world.running();
    const verdict = { status: "succeeded", output: null } as const;
    await world.store.markRuns({ rows: [{ runId: run.id, verdict, data: {} }] });
    const { forcedAt, metAt, memberId } = await only(world, run);
    assert.ok(forcedAt !== null && metAt === null && memberId === run.claimedBy);
    const idle = await world.enqueue({});
    await world.store.markRuns({ rows: [{ runId: idle.id, verdict, data: {} }] });
    assert.deepEqual(await ofTree(world, idle), []);
  });

  contract("the end of a member meets what it owes", async (world) => {
    const memberId = await world.member();
    const [waited, forced] = [await world.running({}, memberId), await world.running({}, memberId)];
    for (const { id } of [waited, forced]) await world.cancel(id);
    await world.store.forceEnds({ runId: forced.id, limitRows: 10 });
    assert.equal((await owed(world, memberId)).length, 2);
    await world.store.leaveMember({ id: memberId });
    assert.equal(await world.status(waited.id), "cancelled");
    assert.deepEqual(await owed(world, memberId), []);
    for (const run of [waited, forced]) assert.ok((await only(world, run)).metAt !== null);
    // One that was forced after its member had ended is met by the next who looks.
    const late = await world.running();
    await world.cancel(late.id);
    await world.store.forceEnds({ runId: late.id, limitRows: 10 });
    await world.store.leaveMember({ id: late.claimedBy ?? "" });
    await world.store.judgeMembers({ by: await world.member(), limitRows: 10 });
    assert.ok((await only(world, late)).metAt !== null);
  });

  contract("what has waited too long is ended, by the store's clock, the longest first", async (world) => {
    const runs: RunRow[] = [];
    for (let i = 0; i < 3; i++) {
      const run = await world.running();
      await world.cancel(run.id);
      runs.push(run);
    }
    const none = await world.store.forceOverdue({ afterMs: hourMs, limitRows: 10 });
    assert.deepEqual([none.forced, none.more], [[], false]);
    const first = await world.store.forceOverdue({ afterMs: 0, limitRows: 2 });
    assert.deepEqual([first.forced.length, first.more, first.ended?.length], [2, true, 2]);
    const rest = await world.store.forceOverdue({ afterMs: 0, limitRows: 2 });
    assert.deepEqual([...first.forced, ...rest.forced].sort(), runs.map(({ id }) => id).sort());
    for (const run of runs) {
      assert.equal(await world.status(run.id), "cancelled");
      assert.equal((await only(world, run)).metAt, null);
      await world.events(run.id);
    }
    assert.deepEqual((await world.store.forceOverdue({ afterMs: 0, limitRows: 2 })).forced, []);
    assert.equal((await world.store.listObligations({ namespace, limitRows: 10 })).length, 3);
  });

  contract("it goes with its run", async (world) => {
    const run = await world.running();
    await world.cancel(run.id);
    await world.store.forceEnds({ runId: run.id, limitRows: 10 });
    await world.pass(2);
    await world.store.prune({ runsMs: 0, logsMs: 0, limitRows: 10 });
    assert.deepEqual(await ofTree(world, run), []);
    assert.deepEqual(await owed(world, run.claimedBy ?? ""), []);
  });
}

function owed({ store }: World, memberId: string) {
  return store.listOwed({ memberId, kind: "activation", limitRows: 100 });
}

function ofTree({ store }: World, { rootId }: RunRow) {
  return store.listObligations({ namespace, rootId, limitRows: 100 });
}

/** That of this very activation. */
async function only(world: World, run: RunRow) {
  const found = (await ofTree(world, run)).filter(
    ({ runId, subject }) => runId === run.id && subject === String(run.epoch),
  );
  assert.equal(found.length, 1);
  const [row] = found;
  assert.ok(row);
  return row;
}

async function note(
  { store }: World,
  { id, epoch }: RunRow,
  said: { outcome: "met" } | { outcome: "tried"; error: string | null },
): Promise<void> {
  const rows: ObligationNote[] = [{ kind: "activation", runId: id, subject: String(epoch), ...said }];
  await store.noteObligations({ rows });
}
