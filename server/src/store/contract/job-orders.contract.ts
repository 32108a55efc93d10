import assert from "node:assert/strict";
import type { JobNews, JobRow, RunRow } from "../../core/index.ts";
import {
  claimJobs,
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
import { type Contract, cancelled, hourMs, namespace, next, refused } from "./world.contract.ts";

// Faults to catch: an order that does not reach the jobs of a run, or that reaches those of another; a run that ends before its jobs
// have, or that is never ended by the last of them; a forced end that forgets what is owed; an obligation that somebody but the
// job's end meets, or that outlives it; a timeout that ends the wait and lets the job go on, or that comes twice; a job that was
// dropped and holds its run up; a tree that is deleted while something of it goes on outside; a stopping node that ends a job.

/** What stores promise about jobs whose end is ordered (P6, core/jobs.ts). */
export function jobOrdersContract(contract: Contract): void {
  cancels(contract);
  failures(contract);
  timeouts(contract);
  drops(contract);
  forces(contract);
  leftovers(contract);
}

function cancels(contract: Contract): void {
  contract(
    "an order makes the jobs of a run cancelling in its own commit, and the last of them ends the run",
    async (world) => {
      const { run, jobs } = await waitingFor(world, ["a", "b"]);
      await world.pass(1);
      const other = await waitingFor(world, ["a"]);
      const memberId = await world.member();
      const [a = missing] = await claimJobs(world, memberId, 1);
      await note(world, a, said.submitted);
      assert.deepEqual(await world.cancel(run.id), { requested: 1, status: "cancelling" });
      await world.cancel(run.id);
      for (const { id } of jobs) {
        const { status, reason, timedOut, endedAt } = await jobOf(world, id);
        assert.deepEqual([status, reason, timedOut, endedAt], ["cancelling", cancelled.error.message, false, null]);
      }
      assert.equal((await jobOf(world, other.jobs[0]?.id)).status, "submitting");
      const owed = await owedJobs(world, run);
      assert.deepEqual(owed.map(({ subject }) => subject).sort(), jobs.map(({ id }) => id).sort());
      const { orderedAt, subject: _subject, ...facts } = owed[0] ?? { orderedAt: 0, subject: "" };
      assert.deepEqual(facts, {
        ...{ kind: "external_job", runId: run.id, rootId: run.rootId, namespace, memberId: null, metAt: null },
        ...{ reason: cancelled.error.message, forcedAt: null, tries: 0, lastTryAt: null, error: null },
      });
      assert.ok(orderedAt > 0);
      const ordered = await world.store.listTracked({ memberId, orderedOnly: true, limitRows: 10 });
      assert.deepEqual(
        ordered.map(({ id }) => id),
        [a.id],
      );
      const [b = missing] = (await claimJobs(world, memberId)).filter(({ runId }) => runId === run.id);
      assert.deepEqual(await note(world, b, said.cancelled), { outcome: "noted", status: "cancelled" });
      assert.equal(await world.status(run.id), "cancelling");
      const [result] = await world.store.noteJobs({
        rows: [{ jobId: a.id, by: { epoch: a.epoch }, news: said.succeeded }],
      });
      assert.deepEqual(result?.outcome === "noted" && result.ended?.map(({ id }) => id), [run.id]);
      assert.equal(await world.status(run.id), "cancelled");
      assert.deepEqual((await world.get(run.id)).error, cancelled.error);
      for (const { metAt } of await owedJobs(world, run)) assert.ok(metAt !== null);
      const events = await world.events(run.id);
      assert.deepEqual(events.slice(-4), ["run.cancel_requested", "external.ended", "external.ended", "run.cancelled"]);
    },
  );

  contract(
    "what is to end is not called for any more, and is known by its name as soon as that is there",
    async (world) => {
      const { run } = await waitingFor(world, ["scan"]);
      const memberId = await world.member();
      const [job = missing] = await claimJobs(world, memberId);
      await note(world, job, { is: "calling", memberId });
      await world.cancel(run.id);
      const refusal = { outcome: "cancelling", reason: cancelled.error.message };
      assert.deepEqual(await note(world, job, { is: "calling", memberId }), refusal);
      const { error } = said.unknown;
      const another: JobNews = { is: "replaced", error, next: newJob(run, "scan", { number: 2 }) };
      assert.deepEqual(await note(world, job, another), refusal);
      assert.deepEqual(await note(world, job, said.submitted), { outcome: "noted", status: "cancelling" });
      assert.deepEqual((await jobOf(world, job.id)).ref, found.ref);
      const asked: JobNews = { is: "cancel_asked", answer: "accepted", nextLookInMs: 9 };
      assert.deepEqual(await note(world, job, asked), { outcome: "noted", status: "cancelling" });
      assert.deepEqual(await note(world, job, said.running), { outcome: "noted", status: "cancelling" });
      const seen = await jobOf(world, job.id);
      assert.deepEqual([seen.cancelAnswer, seen.cancelAskedAt !== null, seen.rawStatus], ["accepted", true, "RUNNING"]);
      await note(world, job, said.cancelled);
      assert.equal(await world.status(run.id), "cancelled");
    },
  );

  contract("a run whose activation is at work waits for that and for its jobs, whichever ends first", async (world) => {
    for (const jobFirst of [true, false]) {
      const run = await world.running();
      await order(world, run, { opens: [external(run, "scan")] });
      await world.cancel(run.id);
      const job = await jobOf(world, newJob(run, "scan").id);
      const end = () => note(world, job, said.cancelled);
      const finish = () => world.finish(run, next.success());
      await (jobFirst ? end() : finish());
      assert.equal(await world.status(run.id), "cancelling");
      await (jobFirst ? finish() : end());
      assert.equal(await world.status(run.id), "cancelled");
    }
  });

  contract("an order from above and an expiry reach the jobs below", async (world) => {
    const { parent, ids } = await world.workflow([{ name: "a" }]);
    const child = await world.activate(ids.a ?? "");
    await suspendOn(world, child, [external(child, "scan")]);
    await world.cancel(parent.id);
    const job = await jobOf(world, newJob(child, "scan").id);
    assert.equal(job.status, "cancelling");
    assert.equal(await world.status(child.id), "cancelling");
    await note(world, job, said.cancelled);
    assert.deepEqual([await world.status(child.id), await world.status(parent.id)], ["cancelled", "cancelled"]);
    const brief = await world.running({ expiresAfterMs: 1 });
    await suspendOn(world, brief, [external(brief, "scan")]);
    await world.pass(1);
    await world.store.expireRuns({ limitRows: 10 });
    assert.equal((await jobOf(world, newJob(brief, "scan").id)).status, "cancelling");
  });

  contract(
    "a body below a parent that was ordered to end has its jobs ended, though the order has not come to it",
    async (world) => {
      for (const said of [next.failure(), next.release(), next.retry(), next.lost()]) {
        const { parent, ids } = await world.workflow([{ name: "a" }]);
        const child = await world.activate(ids.a ?? "");
        await order(world, child, { opens: [external(child, "scan")] });
        await world.order(parent.id, 0);
        assert.equal((await jobOf(world, newJob(child, "scan").id)).status, "submitting");
        await world.finish(child, said);
        assert.equal(await world.status(child.id), "cancelling");
        const job = await jobOf(world, newJob(child, "scan").id);
        assert.deepEqual([job.status, (await owedJobs(world, child)).length], ["cancelling", 1]);
        await note(world, job, { is: "ended", status: "cancelled" });
        assert.deepEqual([await world.status(child.id), await world.status(parent.id)], ["cancelled", "cancelled"]);
      }
    },
  );

  contract("a job that its body would have started is claimed when nobody can start it any more", async (world) => {
    const run = await world.running();
    await order(world, run, { opens: [external(run, "scan", { submission: "own", spec: null })] });
    const memberId = await world.member();
    await world.cancel(run.id);
    assert.deepEqual(await claimJobs(world, memberId), []);
    await world.finish(run, next.release());
    assert.equal(await world.status(run.id), "cancelling");
    const [job = missing] = await claimJobs(world, memberId);
    assert.deepEqual(await note(world, job, said.unknown), { outcome: "noted", status: "lost" });
    assert.equal(await world.status(run.id), "cancelled");
    assert.ok((await owedJobs(world, run)).every(({ metAt }) => metAt !== null));
  });

  contract("what is unknown is tracked again once it is to end, and lost when it stays unknown", async (world) => {
    const { run, jobs } = await waitingFor(world, ["scan"], { submission: "blind" });
    await note(world, jobs[0] ?? missing, said.unknown);
    await world.cancel(run.id);
    const [job = missing] = await claimJobs(world, await world.member());
    assert.equal(job.id, jobs[0]?.id);
    assert.deepEqual(await note(world, job, said.unknown), { outcome: "noted", status: "lost" });
    assert.equal(await world.status(run.id), "cancelled");
  });

  contract("nothing that a node does by stopping orders the end of a job", async (world) => {
    const one = await world.member();
    const run = await world.running({}, one);
    await order(world, run, { opens: [external(run, "scan")] });
    await claimJobs(world, one);
    await world.store.leaveMember({ id: one });
    assert.equal((await jobOf(world, newJob(run, "scan").id)).status, "submitting");
    assert.deepEqual(await owedJobs(world, run), []);
    assert.equal(await world.status(run.id), "ready");
  });
}

function failures(contract: Contract): void {
  contract("an order is told once, also where what is below ends in its commit and a job goes on", async (world) => {
    const run = await world.running();
    const child = world.child(run, { name: "load", workflow: null });
    const call = { key: "load", kind: "call", hash: "h", delayMs: null, signal: null, child } as const;
    await suspendOn(world, run, [call, external(run, "scan")]);
    await world.cancel(run.id);
    assert.deepEqual([await world.status(run.id), await world.status(child.id)], ["cancelling", "cancelled"]);
    const told = (await world.events(run.id)).filter((type) => type === "run.cancel_requested");
    assert.equal(told.length, 1);
    assert.equal((await owedJobs(world, run)).length, 1);
    const { waiting } = await world.get(run.id);
    assert.deepEqual([waiting?.open, waiting?.calls, waiting?.externals], [1, 0, 1]);
  });

  contract("nothing starts again above a run whose job is open, though its body is ready to go on", async (world) => {
    const { ids } = await world.workflow([{ name: "a" }, { name: "b", after: ["a"] }]);
    const a = await world.activate(ids.a ?? "");
    await world.finish(a, next.success());
    const b = await world.activate(ids.b ?? "");
    const opens = [external(b, "x"), external(b, "y")];
    await suspendOn(world, b, opens, [["x"], ["y"]]);
    await note(world, await jobOf(world, opens[0]?.job?.id), said.succeeded);
    assert.equal(await world.status(b.id), "ready");
    const [result] = await world.store.restartRuns({
      rows: [{ runId: a.id, fresh: false, ifAttempt: null, data: {} }],
    });
    assert.equal(result?.outcome, "refused");
    assert.equal((await jobOf(world, opens[1]?.job?.id)).status, "submitting");
  });

  contract("an order leaves alone what has ended of a run, and owes nothing for it", async (world) => {
    const { run, jobs } = await waitingFor(world, ["a", "b"]);
    const [a = missing, b = missing] = jobs;
    await note(world, a, said.succeeded);
    await world.cancel(run.id);
    assert.deepEqual(
      [(await jobOf(world, a.id)).status, (await jobOf(world, b.id)).status],
      ["succeeded", "cancelling"],
    );
    assert.deepEqual(
      (await owedJobs(world, run)).map(({ subject }) => subject),
      [b.id],
    );
  });

  contract(
    "a body cannot succeed before its jobs have ended, and ends them first where it fails for good",
    async (world) => {
      const run = await world.running();
      await order(world, run, { opens: [external(run, "scan")] });
      assert.deepEqual(await world.finish(run, next.success()), { outcome: "calls_open" });
      assert.deepEqual(await world.finish(run, next.skip()), { outcome: "calls_open" });
      await world.finish(run, next.failure());
      assert.equal(await world.status(run.id), "cancelling");
      const job = await jobOf(world, newJob(run, "scan").id);
      assert.deepEqual([job.status, job.reason], ["cancelling", "The disk is full."]);
      await note(world, job, said.cancelled);
      assert.equal(await world.status(run.id), "failed");
      const { run: waiting, jobs } = await waitingFor(world, ["scan"]);
      await note(world, jobs[0] ?? missing, said.succeeded);
      const again = await world.activate(waiting.id);
      assert.equal((await world.finish(again, next.success())).outcome, "finished");
    },
  );

  contract("a run that is woken by something else, and is ordered to end, waits for its jobs", async (world) => {
    const run = await world.running();
    const opens = [external(run, "a"), external(run, "b")];
    await suspendOn(world, run, opens, [["a"], ["b"]]);
    await note(world, await jobOf(world, opens[0]?.job?.id), said.succeeded);
    const { status, waiting } = await world.get(run.id);
    assert.deepEqual([status, waiting?.externals, waiting?.awaits], ["ready", 1, null]);
    assert.deepEqual(await world.cancel(run.id), { requested: 1, status: "cancelling" });
    assert.deepEqual(await world.claim(await world.member()), []);
    await note(world, await jobOf(world, opens[1]?.job?.id), said.cancelled);
    assert.equal(await world.status(run.id), "cancelled");
  });
}

function timeouts(contract: Contract): void {
  contract("a job whose time is over is ended first, and its run goes on once it has", async (world) => {
    const { run, jobs } = await waitingFor(world, ["scan"], { delayMs: 1 });
    const [job = missing] = jobs;
    await world.pass(1);
    assert.equal((await world.store.wakeRuns({ limitRows: 10 })).woken, 1);
    assert.equal((await world.store.wakeRuns({ limitRows: 10 })).woken, 0);
    const due = await jobOf(world, job.id);
    assert.deepEqual([due.status, due.timedOut, due.reason], ["cancelling", true, "It did not end within 1ms."]);
    assert.equal(await world.status(run.id), "waiting");
    assert.equal((await owedJobs(world, run))[0]?.forcedAt, null);
    assert.equal((await world.events(run.id)).at(-1), "external.timed_out");
    await note(world, job, { ...said.cancelled, error: { code: "stopped", message: "Stopped." } });
    const { job: _job, ...facts } = (await recorded(world, run, "scan")) ?? { end: "missing" };
    const error = { code: "stopped", message: "Stopped." };
    assert.deepEqual(facts, { end: "timed_out", status: "cancelled", error });
    assert.equal(await world.status(run.id), "ready");
    assert.ok((await owedJobs(world, run))[0]?.metAt !== null);
  });

  contract("a job that succeeds before its end took hold has succeeded", async (world) => {
    const { run, jobs } = await waitingFor(world, ["scan"], { delayMs: 1 });
    await world.pass(1);
    await world.store.wakeRuns({ limitRows: 10 });
    assert.deepEqual(await note(world, jobs[0] ?? missing, said.succeeded), { outcome: "noted", status: "succeeded" });
    assert.equal((await recorded(world, run, "scan"))?.end, "done");
  });
}

function drops(contract: Contract): void {
  contract("a race that is decided ends the jobs that lost it, and its run waits for them no more", async (world) => {
    const run = await world.running();
    const opens = [external(run, "a"), external(run, "b"), external(run, "c")];
    await order(world, run, { opens });
    const settles = [{ key: "first", value: { winner: "c" }, drops: ["a", "b"] }];
    await order(world, run, { settles });
    for (const key of ["a", "b"]) {
      const job = await jobOf(world, newJob(run, key).id);
      assert.deepEqual([job.status, job.timedOut], ["cancelling", false]);
      assert.deepEqual(await recorded(world, run, key), { end: "dropped" });
    }
    assert.equal((await jobOf(world, newJob(run, "c").id)).status, "submitting");
    assert.equal((await world.get(run.id)).waiting?.externals, 1);
    assert.equal(
      (await owedJobs(world, run)).filter(({ forcedAt, metAt }) => forcedAt !== null && metAt === null).length,
      2,
    );
    await note(world, await jobOf(world, newJob(run, "c").id), said.succeeded);
    assert.equal((await world.finish(run, next.success())).outcome, "finished");
    const before = await world.get(run.id);
    assert.deepEqual(await note(world, await jobOf(world, newJob(run, "a").id), said.succeeded), {
      ...{ outcome: "noted", status: "succeeded" },
    });
    assert.deepEqual(await world.get(run.id), before);
    assert.deepEqual(await recorded(world, run, "a"), { end: "dropped" });
    assert.equal((await owedJobs(world, run)).filter(({ metAt }) => metAt === null).length, 1);
  });

  contract("a later order takes nothing from what is owed of a job that nobody waits for", async (world) => {
    const run = await world.running();
    await order(world, run, { opens: [external(run, "a"), external(run, "b")] });
    await order(world, run, { settles: [{ key: "first", value: 1, drops: ["a"] }] });
    await world.pass(1);
    await world.cancel(run.id);
    const owed = await owedJobs(world, run);
    const forced = owed.filter(({ forcedAt }) => forcedAt !== null).map(({ subject }) => subject);
    assert.deepEqual([owed.length, forced], [2, [newJob(run, "a").id]]);
  });

  contract("a job that is opened and lost in one commit is there, and is to end", async (world) => {
    const run = await world.running();
    const settles = [{ key: "first", value: 1, drops: ["a"] }];
    await order(world, run, { opens: [external(run, "a")], settles });
    assert.equal((await jobOf(world, newJob(run, "a").id)).status, "cancelling");
    assert.deepEqual(
      (await owedJobs(world, run)).map(({ subject }) => subject),
      [newJob(run, "a").id],
    );
  });
}

function forces(contract: Contract): void {
  contract(
    "a forced end does not wait for jobs, which are owed until they have ended, and tells them of no other run",
    async (world) => {
      const { run, jobs } = await waitingFor(world, ["scan"]);
      const [job = missing] = jobs;
      assert.deepEqual((await world.store.forceEnds({ runId: run.id, limitRows: 10 })).forced, []);
      await world.cancel(run.id);
      assert.deepEqual((await world.store.forceEnds({ runId: run.id, limitRows: 10 })).forced, [run.id]);
      assert.equal(await world.status(run.id), "cancelled");
      assert.deepEqual(await world.store.listWaits({ runId: run.id, limitRows: 10 }), []);
      const [owed] = await owedJobs(world, run);
      assert.ok(owed !== undefined && owed.forcedAt !== null && owed.metAt === null);
      const name = { kind: "external_job", runId: run.id, subject: job.id } as const;
      await world.store.noteObligations({ rows: [{ ...name, outcome: "met" }] });
      await world.store.noteObligations({ rows: [{ ...name, outcome: "tried", error: "It is away." }] });
      const [tried] = await owedJobs(world, run);
      assert.deepEqual([tried?.metAt, tried?.tries, tried?.error], [null, 1, "It is away."]);
      const owing = await world.store.listOwed({ memberId: null, kind: "external_job", limitRows: 10 });
      assert.deepEqual(
        owing.map(({ subject }) => subject),
        [job.id],
      );
      const before = await world.get(run.id);
      await note(world, job, said.succeeded);
      assert.deepEqual(await world.get(run.id), before);
      assert.equal(await recorded(world, run, "scan"), undefined);
      assert.ok((await owedJobs(world, run))[0]?.metAt !== null);
    },
  );

  contract("what is marked by a person owes the end of its jobs", async (world) => {
    const { run, jobs } = await waitingFor(world, ["scan"]);
    const verdict = { status: "succeeded", output: 1 } as const;
    const [marked] = await world.store.markRuns({ rows: [{ runId: run.id, verdict, data: {} }] });
    assert.equal(marked?.outcome, "marked");
    assert.equal((await jobOf(world, jobs[0]?.id)).status, "cancelling");
    assert.ok((await owedJobs(world, run)).every(({ forcedAt, metAt }) => forcedAt !== null && metAt === null));
    assert.equal((await owedJobs(world, run)).length, 1);
  });

  contract(
    "what waits too long for a job is forced: a run that is to end ends, another goes on without it",
    async (world) => {
      const ending = await waitingFor(world, ["scan"]);
      const late = await waitingFor(world, ["scan"], { delayMs: 1 });
      await world.cancel(ending.run.id);
      await world.pass(1);
      await world.store.wakeRuns({ limitRows: 10 });
      const early = await world.store.forceOverdue({ afterMs: hourMs, limitRows: 10 });
      assert.deepEqual([early.forced, early.more], [[], false]);
      await world.pass(1);
      const { forced } = await world.store.forceOverdue({ afterMs: 0, limitRows: 10 });
      assert.deepEqual(forced, [ending.run.id]);
      assert.deepEqual([await world.status(ending.run.id), await world.status(late.run.id)], ["cancelled", "ready"]);
      assert.equal((await recorded(world, late.run, "scan"))?.end, "timed_out");
      assert.equal(await recorded(world, ending.run, "scan"), undefined);
      for (const { run } of [ending, late]) {
        const [owed] = await owedJobs(world, run);
        assert.ok(owed !== undefined && owed.forcedAt !== null && owed.metAt === null);
      }
      assert.deepEqual((await world.store.forceOverdue({ afterMs: 0, limitRows: 10 })).forced, []);
      const before = await world.get(late.run.id);
      await note(world, late.jobs[0] ?? missing, said.cancelled);
      assert.deepEqual(await world.get(late.run.id), { ...before, lastEvent: before.lastEvent + 1 });
      assert.ok((await owedJobs(world, late.run))[0]?.metAt !== null);
    },
  );

  contract("a forced end below lets its parent end without the jobs of both", async (world) => {
    const parent = await world.running();
    const child = world.child(parent, { name: "load", workflow: null });
    const call = { key: "load", kind: "call", hash: "h", delayMs: null, signal: null, child } as const;
    await suspendOn(world, parent, [call, external(parent, "scan")]);
    const below = await world.activate(child.id);
    await suspendOn(world, below, [external(below, "scan")]);
    await world.cancel(parent.id);
    const { forced } = await world.store.forceEnds({ runId: parent.id, limitRows: 10 });
    assert.deepEqual([...forced].sort(), [parent.id, below.id].sort());
    assert.deepEqual([await world.status(parent.id), await world.status(below.id)], ["cancelled", "cancelled"]);
    assert.equal((await owedJobs(world, parent)).length, 2);
  });
}

function leftovers(contract: Contract): void {
  contract("a tree is kept as long as one of its jobs has still to be ended, and goes with its jobs", async (world) => {
    const { run, jobs } = await waitingFor(world, ["scan"]);
    await world.cancel(run.id);
    await world.store.forceEnds({ runId: run.id, limitRows: 10 });
    const done = await world.running();
    await world.finish(done, next.success());
    await world.pass(1);
    const all = { runsMs: 0, logsMs: 0, limitRows: 1 };
    for (let more = true; more; ) ({ more } = await world.store.prune(all));
    assert.equal(await world.store.findRun({ id: done.id }), undefined);
    assert.equal((await owedJobs(world, run)).length, 1);
    assert.equal(await world.status(run.id), "cancelled");
    await note(world, jobs[0] ?? missing, said.cancelled);
    await world.pass(1);
    for (let more = true; more; ) ({ more } = await world.store.prune(all));
    assert.equal(await world.store.findRun({ id: run.id }), undefined);
    assert.equal(await world.store.findJob({ id: jobs[0]?.id ?? "" }), undefined);
    assert.deepEqual(await world.store.listObligations({ namespace, limitRows: 10 }), []);
  });

  contract("those who wait for jobs hear of new ones, of orders, and of what is given back", async (world) => {
    const heard: string[] = [];
    world.store.onRing((topics) => heard.push(...topics));
    const rung = async (act: () => Promise<unknown>, what: string) => {
      heard.length = 0;
      await act();
      assert.ok(heard.includes("jobs"), what);
    };
    const run: RunRow = await world.running();
    await rung(() => suspendOn(world, run, [external(run, "scan")]), "a new one");
    const memberId = await world.member();
    await claimJobs(world, memberId);
    await rung(() => world.store.leaveMember({ id: memberId }), "one that was given back");
    await claimJobs(world, await world.member());
    await rung(() => world.cancel(run.id), "one that is to end");
    const quiet: RunRow = await world.running();
    heard.length = 0;
    await world.finish(quiet, next.success());
    assert.ok(!heard.includes("jobs"));
    await refused(note(world, missing, { ...said.running, nextLookInMs: -1 }), "invalid_request");
  });
}

/** Stands where a job is missing, so that what is said of it is not found. */
const missing: Pick<JobRow, "id" | "epoch"> = { id: "missing", epoch: 0 };
