import assert from "node:assert/strict";
import type { Limit, RestartOrder, RunRow } from "../../core/index.ts";
import {
  external,
  found,
  jobOf,
  newJob,
  note,
  order,
  owedJobs,
  recorded,
  said,
  suspendOn,
  waitingFor,
} from "./jobs.fixture.ts";
import { conclude, finishAll, restart } from "./restarts.contract.ts";
import { opsIn, transaction } from "./state.fixture.ts";
import { type Contract, hourMs, namespace, next, type World } from "./world.contract.ts";

// Faults to catch: a run that starts again while a job of it is open, so that the same work is done twice at a time; one that never
// starts since nobody tells it of the job's end; an end that somebody hears of though the run was only cleared; a cancel that a clear
// swallows; a body that is taken away; a process whose epoch still writes; a slot that is lost or held twice; an answer that counts what is not there.

/** What stores promise about runs that start again before they have ended, or while jobs of theirs are open (R6). */
export function clearContract(contract: Contract): void {
  endedWithJobs(contract);
  liveAfresh(contract);
  goingOn(contract);
  answers(contract);
}

const clear = (world: World, runId: string, some: Partial<RestartOrder> = {}) =>
  restart(world, runId, { fresh: true, live: true, ...some });
const resume = (world: World, runId: string) => clear(world, runId, { fresh: false });

/** A run that was forced to end while its job goes on. */
async function forced(world: World) {
  const { run, jobs } = await waitingFor(world, ["scan"]);
  const [job] = jobs;
  assert.ok(job);
  await world.cancel(run.id);
  await world.store.forceEnds({ runId: run.id, limitRows: 10 });
  return { run, job };
}

function endedWithJobs(contract: Contract): void {
  contract("a fresh start waits until the job that is still being ended has ended", async (world) => {
    const { run, job } = await forced(world);
    const result = await clear(world, run.id);
    assert.deepEqual([result.outcome, "awaited" in result && result.awaited], ["restarted", [job.id]]);
    const waiting = await world.get(run.id);
    assert.deepEqual([waiting.status, waiting.generation, waiting.waiting?.awaits], ["waiting", 2, [1]]);
    assert.deepEqual(await world.claim(await world.member()), []);
    await note(world, job, said.cancelled);
    const fresh = await world.activate(run.id);
    await suspendOn(world, fresh, [external(fresh, "scan")]);
    assert.notEqual(newJob(fresh, "scan").id, job.id);
    await note(world, await jobOf(world, newJob(fresh, "scan").id), said.succeeded);
    await world.finish(await world.activate(run.id), next.success());
    await world.events(run.id);
  });

  contract("a retry waits for it too: what it brought answers, else the next number is submitted", async (world) => {
    for (const news of [said.succeeded, said.cancelled]) {
      const { run, job } = await forced(world);
      const result = await restart(world, run.id, {});
      assert.deepEqual("awaited" in result && result.awaited, [job.id]);
      assert.equal(await world.status(run.id), "waiting");
      await note(world, job, news);
      const again = await world.activate(run.id);
      assert.deepEqual([again.attempt, again.generation], [2, 1]);
      const opened = await order(world, again, { opens: [external(again, "scan", { number: 2 })] });
      const second = await world.store.findJob({ id: newJob(run, "scan", { number: 2 }).id });
      if (news === said.succeeded) {
        assert.equal(second, undefined);
        assert.ok(opened.outcome === "open" && opened.records.length === 1);
        assert.equal((await recorded(world, run, "scan"))?.end, "done");
      } else {
        assert.equal(second?.status, "submitting");
        assert.ok(opened.outcome === "open" && opened.records.length === 0);
        await note(world, second ?? job, said.succeeded);
      }
      await world.finish(again, next.success());
    }
  });

  contract("one that waits so is cancelled like any other, and is let go of by force", async (world) => {
    const { run, job } = await forced(world);
    await clear(world, run.id);
    await world.cancel(run.id);
    assert.equal(await world.status(run.id), "cancelling");
    await note(world, job, said.cancelled);
    assert.equal(await world.status(run.id), "cancelled");
    const other = await forced(world);
    await clear(world, other.run.id);
    await world.cancel(other.run.id);
    assert.deepEqual((await world.store.forceEnds({ runId: other.run.id, limitRows: 10 })).forced, [other.run.id]);
    assert.equal((await owedJobs(world, other.run)).filter(({ metAt }) => metAt === null).length, 1);
  });

  contract(
    "a workflow does not forget a child whose job is open, and no dependent is set back with one",
    async (world) => {
      const { parent, ids } = await world.workflow([{ name: "a" }, { name: "b", after: ["a"] }]);
      await finishAll(world, ids, ["a"]);
      const b = await world.activate(ids.b ?? "");
      await suspendOn(world, b, [external(b, "scan")]);
      await world.cancel(b.id);
      await world.store.forceEnds({ runId: b.id, limitRows: 10 });
      await conclude(world, parent.id, next.failure());
      for (const id of [parent.id, ids.a ?? ""]) {
        const refused = await clear(world, id);
        assert.deepEqual(refused.outcome === "refused" && [refused.refusal.reason, refused.refusal.runId], [
          "jobs_open",
          b.id,
        ]);
      }
      await note(world, await jobOf(world, newJob(b, "scan").id), said.cancelled);
      assert.equal((await clear(world, parent.id)).outcome, "restarted");
    },
  );
}

function liveAfresh(contract: Contract): void {
  contract(
    "a run that waits for a job is cleared once the job has ended, and nobody hears of an end",
    async (world) => {
      const { run, jobs } = await waitingFor(world, ["scan"]);
      const [job] = jobs;
      assert.ok(job);
      const result = await clear(world, run.id, { data: { by: "clear" } });
      const { outcome: _, had: _had, ...told } = result as Extract<typeof result, { outcome: "restarted" }>;
      assert.deepEqual(told, {
        ...{ status: "cancelling", attempt: 2, generation: 2, reset: [], reopened: [], adopted: [], awaited: [job.id] },
      });
      assert.equal((await jobOf(world, job.id)).status, "cancelling");
      assert.deepEqual(await clear(world, run.id), { outcome: "unchanged", status: "cancelling" });
      assert.deepEqual(await world.claim(await world.member()), []);
      await note(world, job, said.cancelled);
      const again = await world.activate(run.id);
      assert.deepEqual([again.generation, again.attempt, again.ending, again.waiting], [2, 2, null, null]);
      assert.deepEqual(again.input, { order: 17 });
      const types = await world.events(run.id);
      assert.ok(!types.some((type) => type === "run.cancelled"), types.join());
      await world.finish(again, next.success());
    },
  );

  contract("a body at work is ended first, and what it says then changes nothing", async (world) => {
    const run = await world.running();
    assert.equal((await clear(world, run.id)).outcome, "restarted");
    assert.equal(await world.status(run.id), "cancelling");
    assert.equal((await world.finish(run, next.success("late"))).outcome, "finished");
    const anew = await world.get(run.id);
    assert.deepEqual([anew.status, anew.generation, anew.attempt, anew.output], ["ready", 2, 2, undefined]);
    assert.equal((await world.finish(run, next.success())).outcome, "repeated");
    const again = await world.activate(run.id);
    assert.equal((await world.finish(run, next.success())).outcome, "stale_epoch");
    await world.finish(again, next.success("new"));
    assert.equal((await world.get(run.id)).output, "new");
  });

  contract("one that waits for its next try starts afresh at once", async (world) => {
    const run = await world.running();
    await world.finish(run, next.retry(hourMs));
    assert.deepEqual((await clear(world, run.id)).outcome, "restarted");
    const again = await world.activate(run.id);
    assert.deepEqual([again.generation, again.attempt, again.firstAttempt, again.wakeAt], [2, 3, 3, null]);
  });

  contract("what has not begun is left as it is", async (world) => {
    const { ids } = await world.workflow([{ name: "a" }, { name: "b", after: ["a"] }]);
    for (const id of [ids.a ?? "", ids.b ?? ""]) {
      const before = await world.get(id);
      assert.deepEqual(await clear(world, id), { outcome: "unchanged", status: before.status });
      assert.deepEqual(await resume(world, id), { outcome: "unchanged", status: before.status });
      assert.deepEqual(await world.get(id), before);
    }
  });

  contract("a workflow that is cleared ends what is below it, and makes its children anew", async (world) => {
    const { parent, ids } = await world.workflow([{ name: "a" }, { name: "b" }]);
    const a = await world.activate(ids.a ?? "");
    await clear(world, parent.id);
    await world.store.spreadOrders({ limitRows: 100 });
    assert.deepEqual([await world.status(ids.b), await world.status(a.id)], ["cancelled", "cancelling"]);
    await world.finish(a, next.success());
    const anew = await world.get(parent.id);
    assert.deepEqual([anew.status, anew.generation, anew.openChildren], ["ready", 2, 0]);
    assert.deepEqual(anew.children, { succeeded: 0, failed: 0, skipped: 0 });
    const again = await world.expand(await world.activate(parent.id), [{ name: "a" }]);
    await finishAll(world, again, ["a"]);
    await conclude(world, parent.id, next.success());
  });

  contract("a node of a workflow that is cleared is bound anew, and what depends on it waits on", async (world) => {
    const { parent, ids } = await world.workflow([{ name: "a" }, { name: "b", after: ["a"] }]);
    const a = await world.activate(ids.a ?? "");
    await clear(world, a.id);
    await world.finish(a, next.failure());
    const anew = await world.get(a.id);
    assert.deepEqual([anew.status, anew.input, await world.status(ids.b)], ["ready", undefined, "pending"]);
    assert.equal((await world.get(parent.id)).openChildren, 2);
    await finishAll(world, ids, ["a", "b"]);
    await conclude(world, parent.id, next.success());
  });

  contract("a cancel after it holds, whoever orders it", async (world) => {
    const { run, jobs } = await waitingFor(world, ["scan"]);
    await clear(world, run.id);
    await world.cancel(run.id);
    await note(world, jobs[0] ?? (newJob(run, "scan") as never), said.cancelled);
    assert.equal(await world.status(run.id), "cancelled");
    const { parent, ids } = await world.workflow([{ name: "a" }]);
    const a = await world.activate(ids.a ?? "");
    await clear(world, a.id);
    await world.cancel(parent.id);
    await world.store.spreadOrders({ limitRows: 100 });
    await world.finish(a, next.success());
    assert.deepEqual([await world.status(a.id), await world.status(parent.id)], ["cancelled", "cancelled"]);
    await world.events(a.id);
  });

  contract("a takeover and a force let it start again too", async (world) => {
    const memberId = await world.member();
    const run = await world.running({}, memberId);
    await clear(world, run.id);
    await world.store.leaveMember({ id: memberId });
    const again = await world.activate(run.id);
    assert.equal(again.generation, 2);
    await clear(world, run.id);
    await world.store.forceEnds({ runId: run.id, limitRows: 10 });
    const third = await world.activate(run.id);
    assert.equal(third.generation, 3);
    assert.equal((await world.finish(again, next.success())).outcome, "stale_epoch");
  });

  contract("a slot that is held for its life stays its own, one of an activation is taken again", async (world) => {
    const life: Limit = { id: "shop/key/a", slots: 1, hold: "run" };
    const start: Limit = { id: "shop/definition/ship", slots: 1, hold: "activation" };
    const run = await world.activate((await world.enqueue({ limits: [life, start] })).id);
    const other = await world.enqueue({ limits: [life] });
    await clear(world, run.id);
    await world.finish(run, next.release());
    assert.notEqual((await world.get(other.id)).gate, null);
    const again = await world.activate(run.id);
    await world.finish(again, next.success());
    await world.finish(await world.activate(other.id), next.success());
  });

  contract(
    "a run that is cleared while it lives has its whole time before it again, and expires then",
    async (world) => {
      const run = await world.activate((await world.enqueue({ expiresAfterMs: 60_000 })).id);
      await clear(world, run.id);
      await world.pass(60_001);
      // Nothing is due while it is being ended.
      assert.equal((await world.store.expireRuns({ limitRows: 10 })).expired, 0);
      await world.finish(run, next.release());
      const anew = await world.get(run.id);
      assert.deepEqual([anew.status, anew.generation], ["ready", 2]);
      await world.pass(60_001);
      assert.equal((await world.store.expireRuns({ limitRows: 10 })).expired, 1);
      assert.notEqual((await world.get(run.id)).status, "ready");
    },
  );

  contract(
    "a run that was let in and is cleared before it is claimed stands in line anew, and holds nothing meanwhile",
    async (world) => {
      const start: Limit = { id: "shop/definition/ship", slots: 1, hold: "activation" };
      const run = await world.activate((await world.enqueue({ limits: [start] })).id);
      await world.finish(run, next.release());
      assert.deepEqual([(await world.get(run.id)).status, (await world.get(run.id)).gate], ["ready", null]);
      const other = await world.enqueue({ limits: [start] });
      await clear(world, run.id);
      const memberId = await world.member();
      for (const _ of [run, other]) {
        const [claimed, ...more] = await world.claim(memberId);
        assert.ok(claimed !== undefined && more.length === 0);
        await world.finish(claimed, next.success());
      }
      assert.deepEqual([await world.status(run.id), await world.status(other.id)], ["succeeded", "succeeded"]);
    },
  );
}

function goingOn(contract: Contract): void {
  contract("resumed, a body that waits goes on in its next try, and its job is adopted", async (world) => {
    const { run, jobs } = await waitingFor(world, ["scan"]);
    const [job] = jobs;
    assert.ok(job);
    const result = await resume(world, run.id);
    assert.ok(result.outcome === "restarted");
    assert.deepEqual(
      [result.status, result.attempt, result.generation, result.adopted, result.awaited],
      [...["ready", 2, 1], [job.id], []],
    );
    const again = await world.activate(run.id);
    await suspendOn(world, again, [external(again, "scan")]);
    assert.equal((await jobOf(world, job.id)).status, "submitting");
    assert.equal(await world.store.findJob({ id: newJob(run, "scan", { number: 2 }).id }), undefined);
    await note(world, job, { is: "submitted", job: found });
    await note(world, await jobOf(world, job.id), said.succeeded);
    const last = await world.activate(run.id);
    assert.equal((await recorded(world, run, "scan"))?.end, "done");
    await world.finish(last, next.success());
  });

  contract("resumed, one that waits for its next try has it at once; one at work is not taken away", async (world) => {
    const run = await world.running();
    const refused = await resume(world, run.id);
    assert.equal(refused.outcome === "refused" && refused.refusal.reason, "live");
    await world.finish(run, next.retry(hourMs));
    assert.equal((await resume(world, run.id)).outcome, "restarted");
    const again = await world.activate(run.id);
    assert.deepEqual([again.attempt, again.firstAttempt, again.generation], [3, 3, 1]);
  });
}

function answers(contract: Contract): void {
  contract("a restart answers how many steps and values the run had", async (world) => {
    const run = await world.running();
    const { id: runId, epoch, generation } = run;
    await world.store.commitSteps({ rows: [{ runId, epoch, generation, key: "s", value: 1 }] });
    const op = opsIn({ kind: "run", id: run.id });
    await world.store.transactState({ rows: [transaction([op.set("a", 1), op.set("b", 2)])] });
    await world.finish(run, next.failure());
    for (const [fresh, had] of [
      [false, { steps: 1, values: 2 }],
      [true, { steps: 1, values: 2 }],
      [true, { steps: 0, values: 0 }],
    ] as const) {
      const result = await restart(world, run.id, { fresh });
      assert.deepEqual(result.outcome === "restarted" && { ...result.had }, had);
      await world.finish(await world.activate(run.id), next.failure());
    }
  });

  contract("a mark answers how many jobs were open", async (world) => {
    const { run } = await waitingFor(world, ["a", "b"]);
    const verdict = { status: "succeeded", output: 1 } as const;
    const [marked] = await world.store.markRuns({ rows: [{ runId: run.id, verdict, data: {} }] });
    assert.equal(marked?.outcome === "marked" && marked.jobs, 2);
    assert.equal(await statusOf(world, run), "succeeded");
    assert.equal((await world.store.listJobs({ namespace, runId: run.id, limitRows: 10 })).jobs.length, 2);
  });
}

function statusOf(world: World, run: RunRow) {
  return world.status(run.id);
}
