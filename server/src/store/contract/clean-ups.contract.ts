import assert from "node:assert/strict";
import type { NewRun, NewWait, ObligationRow, RunRow } from "../../core/index.ts";
import type { ClaimedCleanUps } from "../obligation-verbs.ts";
import { type Contract, cancelled, dayMs, hourMs, namespace, next, refused, type World } from "./world.contract.ts";

// Faults to catch: a run that ends without its clean-up, or begins it while its body or what is below it is at work; a clean-up of a run
// whose body never began or that failed by itself; one that two members have; one that is lost with its member, or tried for ever; one
// that changes how its run ends; one that a late word of the body's ends; one that force does not pass over, or that a later order of
// the same run does not get; an obligation that stays, or is not there.

/** What stores promise about clean-ups of runs that are cut off (P1, P2, P6, core/clean-up.ts). */
export function cleanUpsContract(contract: Contract): void {
  beginnings(contract);
  ends(contract);
  forces(contract);
}

const cleansUp = { cleansUp: true } as const;

function beginnings(contract: Contract): void {
  contract(
    "a run that is cut off is cleaned up once its activation has ended, and then ends as ordered",
    async (world) => {
      const run = await world.running(cleansUp);
      await world.cancel(run.id);
      assert.deepEqual(await claim(world), none);
      await world.finish(run, next.success());
      const due = await world.get(run.id);
      assert.deepEqual([due.status, due.claimedBy, due.output], ["cancelling", null, undefined]);
      const owed = await open(world);
      assert.deepEqual(
        owed.map(({ kind, memberId, runId, reason }) => ({ kind, memberId, runId, reason })),
        [{ kind: "clean_up", memberId: null, runId: run.id, reason: cancelled.error.message }],
      );
      assert.deepEqual(await world.claim(await world.member()), []);
      const memberId = await world.member();
      const [cleaning] = (await claim(world, { memberId })).runs;
      assert.deepEqual(
        [cleaning?.id, cleaning?.status, cleaning?.epoch, cleaning?.claimedBy, cleaning?.input],
        [run.id, "cancelling", 2, memberId, run.input],
      );
      assert.deepEqual(await claim(world), none);
      // Nobody ends who cleans up.
      assert.deepEqual(await world.store.listOwed({ memberId, kind: "activation", limitRows: 5 }), []);
      assert.equal((await world.finish(run, next.success())).outcome, "stale_epoch");
      assert.equal((await world.finish({ id: run.id, epoch: 2 }, next.success(null))).outcome, "finished");
      const { status, error, output } = await world.get(run.id);
      assert.deepEqual([status, error, output], ["cancelled", cancelled.error, undefined]);
      assert.deepEqual(await open(world), []);
      assert.deepEqual(await world.events(run.id), [
        ...["run.enqueued", "run.started", "run.cancel_requested", "run.clean_up_due", "run.clean_up_started"],
        ...["run.cleaned_up", "run.cancelled"],
      ]);
    },
  );

  contract(
    "who never began, or failed by itself, is not cleaned up; who waits for its next try is, and who expires",
    async (world) => {
      const fresh = await world.enqueue(cleansUp);
      await world.cancel(fresh.id);
      const failed = await world.running(cleansUp);
      await world.finish(failed, next.failure());
      assert.deepEqual([await world.status(fresh.id), await world.status(failed.id)], ["cancelled", "failed"]);
      assert.deepEqual(await claim(world), none);
      const again = await world.running(cleansUp);
      await world.finish(again, next.retry(hourMs));
      await world.cancel(again.id);
      const late = await world.running({ ...cleansUp, expiresAfterMs: 1 });
      await world.finish(late, next.retry(hourMs));
      await world.pass(10);
      await world.store.expireRuns({ limitRows: 10 });
      const { runs } = await claim(world);
      assert.deepEqual(runs.map(({ id }) => id).sort(), [again.id, late.id].sort());
      for (const run of runs) await world.finish(run, next.success());
      assert.deepEqual([await world.status(again.id), await world.status(late.id)], ["cancelled", "failed"]);
      assert.equal((await world.get(late.id)).error?.code, "expired");
    },
  );

  contract("what is below a run is cleaned up and has ended before the run itself is cleaned up", async (world) => {
    const parent = await world.running(cleansUp);
    const child = { ...world.child(parent, { name: "below", workflow: null }), ...cleansUp };
    await suspend(world, parent, child);
    const below = await world.activate(child.id);
    await world.cancel(parent.id);
    assert.deepEqual(await claim(world), none);
    await world.finish(below, next.release());
    const first = await only(world);
    assert.equal(first.id, child.id);
    assert.equal(await world.status(parent.id), "cancelling");
    await world.finish(first, next.success());
    const second = await only(world);
    assert.equal(second.id, parent.id);
    await world.finish(second, next.success());
    assert.deepEqual([await world.status(child.id), await world.status(parent.id)], ["cancelled", "cancelled"]);
  });

  contract(
    "clean-ups are claimed by queue and namespace, the longest owed first, as many as are asked for",
    async (world) => {
      const owed: string[] = [];
      for (const queue of ["slow", "fast", "slow"]) {
        owed.push((await due(world, { queue })).id);
        await world.pass(1);
      }
      assert.deepEqual(await claim(world, { namespace: "elsewhere" }), none);
      assert.deepEqual(await claim(world, { queues: ["other"] }), none);
      assert.deepEqual(await claim(world, { queues: [] }), none);
      const claimed = async (more: object) => (await claim(world, more)).runs.map(({ id }) => id);
      assert.deepEqual(await claimed({ queues: ["slow"], limitRows: 1 }), owed.slice(0, 1));
      assert.deepEqual(await claimed({ queues: ["slow", "fast"] }), owed.slice(1));
      await refused(claim(world, { memberId: "nobody" }), "member_gone");
    },
  );
}

function ends(contract: Contract): void {
  contract(
    "a try that fails is put off and made again; the last one gives up, and the run ends as ordered",
    async (world) => {
      const run = await due(world);
      const first = await only(world);
      await world.finish(first, next.retry(hourMs));
      const { runs, nextInMs } = await claim(world);
      assert.deepEqual(runs, []);
      assert.ok(nextInMs !== null && nextInMs > hourMs - 60_000 && nextInMs <= hourMs);
      await world.pass(hourMs);
      const second = await only(world);
      assert.deepEqual([second.epoch, second.attempt, second.ending?.cleanUp?.try], [3, 1, 2]);
      await world.finish(second, next.failure());
      const ended = await world.get(run.id);
      assert.deepEqual([ended.status, ended.error?.code], ["cancelled", "cancelled"]);
      assert.match(
        ended.error?.message ?? "",
        /not needed\. Its clean-up \(onCancel\) failed 2 times: The disk is full\./,
      );
      assert.deepEqual(await open(world), []);
      const types = (await world.events(run.id)).slice(3);
      assert.deepEqual(types, [
        ...["run.clean_up_due", "run.clean_up_started", "run.clean_up_failed", "run.clean_up_started"],
        ...["run.clean_up_failed", "run.cancelled"],
      ]);
    },
  );

  contract("one that is lost, given back, or whose member is gone is due again at the same try", async (world) => {
    const run = await due(world);
    await world.finish(await only(world), next.lost());
    await world.finish(await only(world), next.release());
    const memberId = await world.member();
    const [held] = (await claim(world, { memberId })).runs;
    assert.ok(held);
    await world.store.leaveMember({ id: memberId });
    assert.equal((await world.finish(held, next.success())).outcome, "stale_epoch");
    const last = await only(world);
    assert.deepEqual([last.ending?.cleanUp?.try, last.losses, last.takeovers], [1, 1, 1]);
    await world.finish(last, next.success());
    assert.equal(await world.status(run.id), "cancelled");
  });

  contract("what a clean-up records and keeps counts, and it opens no waits", async (world) => {
    const run = await due(world);
    const cleaning = await only(world);
    const step = { runId: run.id, epoch: cleaning.epoch, generation: 1, key: "deleted", value: true };
    assert.deepEqual(await world.store.commitSteps({ rows: [step, { ...step, epoch: 1 }] }), [
      { outcome: "recorded" },
      { outcome: "stale_epoch" },
    ]);
    const nap: NewWait = { key: "nap", hash: "h", kind: "sleep", delayMs: hourMs, signal: null, child: null };
    const order = { runId: run.id, epoch: cleaning.epoch, generation: 1, opens: [nap], settles: [] };
    for (const suspended of [null, { groups: [["nap"]], ranMs: 5 }]) {
      const [result] = await world.store.openWaits({ rows: [{ ...order, suspend: suspended }] });
      assert.deepEqual(result, { outcome: "repeated", status: "cancelling" });
    }
    assert.equal((await world.get(run.id)).claimedBy, cleaning.claimedBy);
    await world.finish(cleaning, next.success());
    assert.deepEqual(await world.store.listWaits({ runId: run.id, limitRows: 5 }), []);
  });

  contract("a run that starts again and is cut off again is cleaned up again", async (world) => {
    const run = await due(world);
    await world.finish(await only(world), next.success());
    await world.store.restartRuns({ rows: [{ runId: run.id, fresh: false, ifAttempt: null, data: {} }] });
    const again = await world.activate(run.id);
    assert.equal(again.ending, null);
    await world.cancel(run.id);
    await world.finish(again, next.release());
    const cleaning = await only(world);
    assert.equal(cleaning.ending?.cleanUp?.try, 1);
    await world.finish(cleaning, next.success());
    assert.equal(await world.status(run.id), "cancelled");
    const all = await world.store.listObligations({ namespace, rootId: run.id, limitRows: 10 });
    assert.deepEqual(
      all.filter(({ kind }) => kind === "clean_up").map(({ metAt }) => metAt !== null),
      [true, true],
    );
  });
}

function forces(contract: Contract): void {
  contract("a live run that is cleared is cleaned up before it starts afresh", async (world) => {
    const run = await world.running(cleansUp);
    await world.store.restartRuns({ rows: [{ runId: run.id, fresh: true, live: true, ifAttempt: null, data: {} }] });
    await world.finish(run, next.success());
    assert.equal(await world.status(run.id), "cancelling");
    await world.finish(await only(world), next.success());
    const again = await world.activate(run.id);
    assert.deepEqual([again.generation, again.ending], [2, null]);
    assert.deepEqual(await open(world), []);
    assert.equal((await world.finish(again, next.success())).outcome, "finished");
  });

  contract("force passes a clean-up over: while it is due, at work, or to follow", async (world) => {
    const runs = [await due(world), await due(world)];
    const cleaning = (await claim(world, { limitRows: 1 })).runs[0];
    assert.ok(cleaning);
    const busy = await world.running(cleansUp);
    await world.cancel(busy.id);
    for (const { id } of [...runs, busy]) {
      assert.deepEqual((await world.store.forceEnds({ runId: id, limitRows: 10 })).forced, [id]);
      const { status, error } = await world.get(id);
      assert.deepEqual([status, error], ["cancelled", cancelled.error]);
      assert.deepEqual((await world.events(id)).slice(-2), ["run.forced", "run.cancelled"]);
      assert.deepEqual((await world.store.forceEnds({ runId: id, limitRows: 10 })).forced, []);
    }
    assert.equal((await world.finish(cleaning, next.success())).outcome, "stale_epoch");
    assert.deepEqual(await claim(world), none);
    // Whoever was at work is still to be ended by its member.
    const left = await open(world);
    assert.deepEqual(
      left.map(({ kind, runId }) => [kind, runId]).sort(),
      [
        ["activation", busy.id],
        ["activation", cleaning.id],
      ].sort(),
    );
  });

  contract("a forced run does not go on to its clean-up when what is below it has ended", async (world) => {
    const parent = await world.running(cleansUp);
    const child = world.child(parent, { name: "below", workflow: null });
    await suspend(world, parent, child);
    await world.activate(child.id);
    await world.cancel(parent.id);
    const { forced } = await world.store.forceEnds({ runId: parent.id, limitRows: 10 });
    assert.deepEqual([...forced].sort(), [child.id, parent.id].sort());
    assert.deepEqual([await world.status(child.id), await world.status(parent.id)], ["cancelled", "cancelled"]);
    assert.deepEqual(await claim(world), none);
  });

  contract("a clean-up that is owed for 24 hours is passed over", async (world) => {
    const run = await due(world);
    assert.deepEqual((await world.store.forceOverdue({ afterMs: dayMs, limitRows: 10 })).forced, []);
    await world.pass(hourMs);
    assert.deepEqual((await world.store.forceOverdue({ afterMs: hourMs, limitRows: 10 })).forced, [run.id]);
    assert.equal(await world.status(run.id), "cancelled");
    assert.deepEqual(await open(world), []);
  });
}

const none: ClaimedCleanUps = { runs: [], nextInMs: null };

/** A run whose clean-up is due. */
async function due(world: World, fields: { readonly queue?: string } = {}): Promise<RunRow> {
  const run = await world.running({ ...cleansUp, ...fields });
  await world.cancel(run.id);
  await world.finish(run, next.release());
  return world.get(run.id);
}

/** Lets a run wait for a run that it calls. */
async function suspend(world: World, { id, epoch, generation }: RunRow, child: NewRun): Promise<void> {
  const call: NewWait = { key: child.name, hash: "h", kind: "call", delayMs: null, signal: null, child };
  const order = { runId: id, epoch, generation, opens: [call], settles: [] };
  await world.store.openWaits({ rows: [{ ...order, suspend: { groups: [[child.name]], ranMs: 5 } }] });
}

async function claim(
  world: World,
  asked: Partial<{ memberId: string; namespace: string; queues: readonly string[]; limitRows: number }> = {},
): Promise<ClaimedCleanUps> {
  const memberId = asked.memberId ?? (await world.member());
  return world.store.claimCleanUps({ namespace, queues: null, limitRows: 10, ...asked, memberId });
}

/** The one that is due. */
async function only(world: World): Promise<RunRow> {
  const { runs } = await claim(world);
  assert.equal(runs.length, 1);
  const [run] = runs;
  assert.ok(run);
  return run;
}

function open(world: World): Promise<ObligationRow[]> {
  return world.store.listObligations({ namespace, limitRows: 10 });
}
