import assert from "node:assert/strict";
import { limits } from "@holdfast/protocol";
import { memberGone } from "../../core/index.ts";
import {
  type Contract,
  type ContractSubject,
  dayMs,
  hourMs,
  namespace,
  next,
  plain,
  refused,
  type World,
} from "./world.contract.ts";

const serves = { slots: 8, queues: ["etl", "default"] };

/** What stores promise about presence and takeover (P2, P9). */
export function membersContract(contract: Contract, subject: ContractSubject): void {
  contract("who joins is a member with a lease from now", async ({ store }) => {
    const before = (await store.describe()).now;
    const row = await store.joinMember({ id: "n1", kind: "worker", name: "Anna", namespace, serves, leaseMs: 5_000 });
    const { id, kind, name, endedAt } = row;
    assert.deepEqual({ id, kind, name, endedAt }, { id: "n1", kind: "worker", name: "Anna", endedAt: null });
    assert.deepEqual(plain(row.serves), serves);
    assert.ok(row.joinedAt >= before && row.leaseUntil === row.joinedAt + 5_000);
    assert.deepEqual(plain(await store.listMembers({ namespace })), [plain(row)]);
    assert.deepEqual(await store.listMembers({ namespace: "other" }), []);
  });

  contract("a member that joins again is still one member", async ({ store }) => {
    const args = { id: "n1", kind: "node", name: "Anna", namespace, serves, leaseMs: hourMs } as const;
    const first = await store.joinMember(args);
    const second = await store.joinMember({ ...args, serves: null });
    assert.deepEqual([second.joinedAt, second.serves], [first.joinedAt, null]);
    assert.equal((await store.listMembers({ namespace })).length, 1);
  });

  contract("a member that left cannot come back under its id", async (world) => {
    const id = await world.member();
    await world.store.leaveMember({ id });
    await refused(
      world.store.joinMember({ id, kind: "node", name: "x", namespace, serves, leaseMs: 1_000 }),
      "member_gone",
    );
  });

  contract("a renewal moves the lease; strangers and the gone have none to renew", async (world) => {
    const id = await world.member(1_000);
    const [before] = await world.store.listMembers({ namespace });
    assert.equal(await world.store.renewMember({ id, leaseMs: hourMs }), true);
    const [after] = await world.store.listMembers({ namespace });
    assert.ok((after?.leaseUntil ?? 0) >= (before?.joinedAt ?? 0) + hourMs);
    assert.equal(after?.joinedAt, before?.joinedAt);
    assert.equal(await world.store.renewMember({ id: "nobody", leaseMs: hourMs }), false);
    await world.store.leaveMember({ id });
    assert.equal(await world.store.renewMember({ id, leaseMs: hourMs }), false);
  });

  contract("who leaves hands back its activations at once", async (world) => {
    const id = await world.member();
    const runs = [await world.running({}, id), await world.running({}, id)];
    const other = await world.running();
    assert.deepEqual(await world.store.leaveMember({ id }), { takenBack: 2 });
    for (const before of runs) await assertTakenOver(world, before.id, id);
    assert.equal(await world.status(other.id), "running");
    const member = (await world.store.listMembers({ namespace })).find((row) => row.id === id);
    assert.notEqual(member?.endedAt, null);
  });

  contract("leaving twice takes nothing twice, and a stranger has nothing", async (world) => {
    const id = await world.member();
    const run = await world.running({}, id);
    await world.store.leaveMember({ id });
    await world.activate(run.id);
    assert.deepEqual(await world.store.leaveMember({ id }), { takenBack: 0 });
    assert.deepEqual(await world.store.leaveMember({ id: "nobody" }), { takenBack: 0 });
    assert.equal((await world.get(run.id)).epoch, 3);
  });

  contract("after a takeover nothing of the old epoch changes anything", async (world) => {
    const id = await world.member();
    const old = await world.running({}, id);
    await world.store.leaveMember({ id });
    const before = await world.get(old.id);
    const step = { runId: old.id, epoch: old.epoch, generation: 1, key: "s", value: 1 };
    const line = {
      runId: old.id,
      epoch: old.epoch,
      seq: 1,
      at: 0,
      stream: "log",
      level: "info",
      text: "late",
    } as const;
    assert.deepEqual(await world.finish(old, next.success()), { outcome: "stale_epoch" });
    assert.deepEqual(await world.store.commitSteps({ rows: [step] }), [{ outcome: "stale_epoch" }]);
    assert.deepEqual(await world.store.appendLogs({ rows: [line] }), [{ outcome: "stale_epoch" }]);
    assert.deepEqual(await world.store.expandRuns({ rows: [world.expansion(old, [{ name: "a" }])] }), [
      { outcome: "stale_epoch" },
    ]);
    assert.deepEqual(plain(await world.get(old.id)), plain(before));
    const next2 = await world.activate(old.id);
    assert.equal(next2.epoch, old.epoch + 2);
    assert.deepEqual(await world.finish(old, next.success()), { outcome: "stale_epoch" });
    assert.equal((await world.finish(next2, next.success())).outcome, "finished");
  });

  contract("a run that was being cancelled ends as ordered when its member leaves", async (world) => {
    const id = await world.member();
    const { parent, ids } = await world.workflow([{ name: "a" }]);
    await world.activate(ids.a ?? "", id);
    await world.cancel(parent.id);
    assert.equal(await world.status(parent.id), "cancelling");
    assert.deepEqual(await world.store.leaveMember({ id }), { takenBack: 1 });
    assert.deepEqual([await world.status(ids.a), await world.status(parent.id)], ["cancelled", "cancelled"]);
    assert.deepEqual(await world.store.listOwed({ memberId: id, kind: "activation", limitRows: 10 }), []);
  });

  contract("a run that is taken over too often without progress fails", async (world) => {
    const run = await world.enqueue();
    await takeTimes(world, run.id, limits.takeovers - 1);
    const last = await world.get(run.id);
    assert.deepEqual([last.status, last.takeovers, last.attempt], ["ready", limits.takeovers - 1, 1]);
    await takeTimes(world, run.id, 1);
    const failed = await world.get(run.id);
    assert.deepEqual([failed.status, failed.error?.code], ["failed", "lost_too_often"]);
    assert.equal((await world.events(run.id)).at(-1), "run.failed");
  });

  contract("a run that fails by takeovers wakes its parent and skips its dependents", async (world) => {
    const { parent, ids } = await world.workflow([{ name: "a" }, { name: "b", after: ["a"] }]);
    await takeTimes(world, ids.a ?? "", limits.takeovers);
    assert.deepEqual([await world.status(ids.b), await world.status(parent.id)], ["skipped", "ready"]);
  });

  contract("a judge must be a member", async (world) => {
    await refused(world.store.judgeMembers({ by: "nobody", limitRows: 10 }), "member_gone");
    const id = await world.member();
    await world.store.leaveMember({ id });
    await refused(world.store.judgeMembers({ by: id, limitRows: 10 }), "member_gone");
  });

  contract("a judge leaves members alone whose lease holds", async (world) => {
    const [by, id] = [await world.member(), await world.member(hourMs)];
    const run = await world.running({}, id);
    const verdict = await world.store.judgeMembers({ by, limitRows: 10 });
    assert.deepEqual(verdict, { judged: [], taken: 0, more: false });
    assert.equal(await world.status(run.id), "running");
    assert.equal(await world.store.renewMember({ id, leaseMs: hourMs }), true);
  });

  contract("a member's name that cannot be kept is refused", async ({ store }) => {
    const join = store.joinMember({ id: "n1", kind: "node", name: "a\u0000b", namespace, serves, leaseMs: 1_000 });
    await refused(join, "invalid_request");
    assert.deepEqual(await store.listMembers({ namespace }), []);
  });

  if (subject.timedLeases) timedContract(contract);
  else {
    contract("where one owner's life is the lease, time ends no member", async (world) => {
      const [by, id] = [await world.member(), await world.member(1)];
      const run = await world.running({}, id);
      await world.pass(30);
      const verdict = await world.store.judgeMembers({ by, limitRows: 10 });
      assert.deepEqual(verdict, { judged: [], taken: 0, more: false });
      assert.equal((await world.finish(run, next.success())).outcome, "finished");
    });
  }
}

function timedContract(contract: Contract): void {
  contract("a lease that has run out invalidates nothing by itself", async (world) => {
    const [by, id] = [await world.member(), await world.member()];
    const [one, two] = [await world.running({}, id), await world.running({}, id)];
    await world.outlive(by);
    assert.equal((await world.finish(one, next.success())).outcome, "finished");
    assert.equal(await world.store.renewMember({ id, leaseMs: hourMs }), true);
    assert.deepEqual(await world.store.judgeMembers({ by, limitRows: 10 }), { judged: [], taken: 0, more: false });
    assert.equal((await world.finish(two, next.success())).outcome, "finished");
  });

  contract("a judge ends members whose lease has run out and takes over their runs", async (world) => {
    const [by, id] = [await world.member(), await world.member()];
    const run = await world.running({}, id);
    await world.outlive(by);
    const { lost, ...judgement } = await world.store.judgeMembers({ by, limitRows: 10 });
    assert.deepEqual(judgement, { judged: [id], taken: 1, more: false });
    // As it was: who tells of the activation has to name it.
    assert.deepEqual(plain(lost), plain([{ ...run, input: undefined }]));
    await assertTakenOver(world, run.id, id);
    assert.equal(await world.store.renewMember({ id, leaseMs: hourMs }), false);
    await refused(world.claim(id), "member_gone");
    assert.deepEqual(await world.store.judgeMembers({ by, limitRows: 10 }), { judged: [], taken: 0, more: false });
    assert.equal((await world.get(run.id)).epoch, 2);
  });

  contract("a judge takes over in pieces and says that more is left", async (world) => {
    const [by, id] = [await world.member(), await world.member()];
    for (let i = 0; i < 5; i++) await world.running({}, id);
    await world.outlive(by);
    let taken = 0;
    let more = true;
    for (let call = 0; more; call++) {
      assert.ok(call < 5, "the judge comes to an end");
      const verdict = await world.store.judgeMembers({ by, limitRows: 2 });
      assert.ok(verdict.taken <= 2);
      taken += verdict.taken;
      more = verdict.more;
    }
    assert.equal(taken, 5);
    assert.deepEqual(await world.store.listClaimed({ memberId: id, limitRows: 10 }), []);
  });

  contract("what an ended member still holds is taken over although all that ended is pruned", async (world) => {
    const [by, id] = [await world.member(), await world.member()];
    for (let i = 0; i < 3; i++) await world.running({}, id);
    await world.outlive(by);
    assert.equal((await world.store.judgeMembers({ by, limitRows: 2 })).taken, 2);
    await world.pass(20);
    await world.store.prune({ runsMs: 0, logsMs: 0, limitRows: 100 });
    assert.equal((await world.store.judgeMembers({ by, limitRows: 2 })).taken, 1);
    assert.deepEqual(await world.store.listClaimed({ memberId: id, limitRows: 10 }), []);
  });

  contract("a judge never judges itself, and nobody when its own renewals have stopped", async (world) => {
    const [by, other] = [await world.member(), await world.member()];
    const runs = [await world.running({}, by), await world.running({}, other)];
    await world.outlive();
    assert.deepEqual(await world.store.judgeMembers({ by, limitRows: 10 }), { judged: [], taken: 0, more: false });
    for (const { id } of runs) assert.equal(await world.status(id), "running");
  });

  contract("after an outage nobody is judged until the judge has renewed for a whole lease", async (world) => {
    const [by, id] = [await world.member(), await world.member()];
    const run = await world.running({}, id);
    await world.outlive();
    await world.store.renewMember({ id: by, leaseMs: dayMs });
    const nobody = { judged: [], taken: 0, more: false };
    assert.deepEqual(await world.store.judgeMembers({ by, limitRows: 10 }), nobody);
    await world.pass(dayMs / 3);
    await world.store.renewMember({ id: by, leaseMs: dayMs });
    assert.deepEqual(await world.store.judgeMembers({ by, limitRows: 10 }), nobody);
    assert.equal(await world.status(run.id), "running");
    await world.outlive(by);
    assert.deepEqual((await world.store.judgeMembers({ by, limitRows: 10 })).judged, [id]);
  });

  contract("who has joined anew is no witness of what was before", async (world) => {
    const id = await world.member();
    await world.running({}, id);
    await world.outlive();
    const by = await world.member();
    assert.deepEqual((await world.store.judgeMembers({ by, limitRows: 10 })).judged, []);
  });

  contract("a judge with a short lease grants others the whole of their long one", async (world) => {
    const [by, id] = [await world.member(hourMs), await world.member()];
    await world.running({}, id);
    for (let i = 0; i < 6; i++) {
      await world.pass(hourMs / 3);
      await world.store.renewMember({ id: by, leaseMs: hourMs });
    }
    assert.deepEqual((await world.store.judgeMembers({ by, limitRows: 10 })).judged, []);
  });

  contract("a judge with a short lease has to have seen the whole of a long one pass", async (world) => {
    const id = await world.member();
    await world.running({}, id);
    await world.outlive();
    const by = await world.member(hourMs);
    for (let i = 0; i < 6; i++) {
      await world.pass(hourMs / 3);
      await world.store.renewMember({ id: by, leaseMs: hourMs });
    }
    assert.deepEqual((await world.store.judgeMembers({ by, limitRows: 10 })).judged, []);
  });

  contract("judges at once take each run once", async (world) => {
    const doors = await world.doors();
    const judges: string[] = [];
    for (let i = 0; i < 4; i++) judges.push(await world.member());
    const ids = [await world.member(), await world.member()];
    const runs = [];
    for (let i = 0; i < 10; i++) runs.push(await world.running({}, ids[i % 2]));
    await world.outlive(...judges);
    const judge = async (by: string, index: number) => {
      const store = doors[index % doors.length] ?? world.store;
      return store.judgeMembers({ by, limitRows: 100 });
    };
    const verdicts = await Promise.all(judges.map(judge));
    verdicts.push(await judge(judges[0] ?? "", 0));
    assert.equal(
      verdicts.reduce((sum, { taken }) => sum + taken, 0),
      10,
    );
    assert.deepEqual(verdicts.flatMap(({ judged }) => judged).sort(), [...ids].sort());
    for (const { id } of runs) assert.deepEqual([(await world.get(id)).epoch, (await world.get(id)).takeovers], [2, 1]);
  });

  contract("a renewal and a judgement at once agree on who holds the runs", async (world) => {
    const doors = await world.doors();
    for (let round = 0; round < 5; round++) {
      const [by, id] = [await world.member(), await world.member()];
      const run = await world.running({}, id);
      await world.outlive(by);
      const [renewed, verdict] = await Promise.all([
        (doors.at(-1) ?? world.store).renewMember({ id, leaseMs: hourMs }),
        world.store.judgeMembers({ by, limitRows: 10 }),
      ]);
      assert.equal(renewed, !verdict.judged.includes(id));
      const finished = await world.finish(run, next.success());
      assert.equal(finished.outcome, renewed ? "finished" : "stale_epoch");
      if (!renewed) await world.cancel(run.id);
    }
  });
}

async function assertTakenOver(world: World, runId: string, memberId: string): Promise<void> {
  const run = await world.get(runId);
  assert.deepEqual(
    [run.status, run.epoch, run.takeovers, run.losses, run.attempt, run.claimedBy],
    ["ready", 2, 1, 0, 1, null],
  );
  assert.deepEqual(run.error, memberGone(memberId));
  assert.deepEqual(await world.events(runId), ["run.enqueued", "run.started", "run.lost"]);
  const { code, message } = memberGone(memberId);
  assert.deepEqual(await world.lastData(runId), { epoch: 1, error: { code, message } });
}

async function takeTimes(world: World, runId: string, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    const id = await world.member();
    await world.activate(runId, id);
    await world.store.leaveMember({ id });
  }
}
