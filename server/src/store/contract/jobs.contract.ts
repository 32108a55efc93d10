import assert from "node:assert/strict";
import { limits, reservedBytes } from "@holdfast/protocol";
import type { JobNews } from "../../core/index.ts";
import {
  claimJobs,
  external,
  found,
  jobOf,
  newJob,
  note,
  order,
  recorded,
  said,
  suspendOn,
  waitingFor,
} from "./jobs.fixture.ts";
import { type Contract, namespace, next, plain, refused } from "./world.contract.ts";

// Faults to catch: a wait without its job, or a job without its wait; an end without its record, its wake or its events, or that is
// taken in twice; a second job under one number, a number that is skipped; a job of an earlier try that is submitted again or
// forgotten; a record that answers over generations; news with a stale epoch, of a job that has ended, or of one that its run does
// not wait for any more, that changes something; a job that two members track; a call that is made after its end was ordered.

/** What stores promise about external jobs (P3, P5, core/jobs.ts): how they are opened, tracked, and end. */
export function jobsContract(contract: Contract): void {
  openings(contract);
  ends(contract);
  tries(contract);
  tracking(contract);
  news(contract);
  lists(contract);
}

function openings(contract: Contract): void {
  contract(
    "a job is recorded in the commit that opens the wait for it, before anybody can call for it",
    async (world) => {
      const run = await world.running();
      const opens = [external(run, "scan", { job: found, settleMs: 7, callbackHash: "c", delayMs: 60_000 })];
      assert.deepEqual(await suspendOn(world, run, opens), { outcome: "suspended", status: "waiting" });
      const { id, number, token, settleMs, spec, callbackHash, ...job } = await jobOf(world, opens[0]?.job?.id);
      assert.deepEqual(plain({ id, number, token, settleMs, spec, callbackHash }), {
        ...{ id: opens[0]?.job?.id, number: 1, token: opens[0]?.job?.token, settleMs: 7 },
        ...{ spec: { sql: "select 1" }, callbackHash: "c" },
      });
      assert.deepEqual(plain(job), {
        ...{ runId: run.id, rootId: run.rootId, namespace, generation: 1, key: "scan", service: "warehouse" },
        ...{ connection: null, submission: "token", onUnknown: "ask", status: "submitting", ...found },
        ...{ rawStatus: null, progress: null, warning: null, error: null, result: null, memberId: null, epoch: 0 },
        ...{ calls: 0, calledAt: null, calledBy: null, lookedAt: null, nextLookAt: null, tries: 0, told: 0 },
        ...{ reason: null, timedOut: false, cancelAskedAt: null, cancelAnswer: null, startedAt: null, endedAt: null },
        openedAt: job.openedAt,
      });
      const { waiting } = await world.get(run.id);
      assert.deepEqual(waiting, { open: 1, calls: 0, bytes: reservedBytes.external, awaits: [1], externals: 1 });
      const [wait] = await world.store.listWaits({ runId: run.id, limitRows: 10 });
      assert.deepEqual([wait?.kind, wait?.jobId, wait?.dueAt], ["external", id, job.openedAt + 60_000]);
      const told = ["run.enqueued", "run.started", "external.submitting", "run.waiting"];
      assert.deepEqual(await world.events(run.id), told);
    },
  );

  contract("what is opened again, or cannot be opened whole, makes no further job", async (world) => {
    const run = await world.running();
    const opens = [external(run, "scan")];
    assert.deepEqual(await order(world, run, { opens }), { outcome: "open", records: [] });
    assert.deepEqual(await order(world, run, { opens }), { outcome: "open", records: [] });
    const more = [external(run, "load")];
    const suspend = { groups: [["scan", "nowhere"]], ranMs: 1 };
    assert.deepEqual(await order(world, run, { opens: more, suspend }), { outcome: "not_open", key: "nowhere" });
    const [stale] = await world.store.openWaits({
      rows: [{ runId: run.id, epoch: run.epoch + 1, generation: 1, opens: more, settles: [], suspend: null }],
    });
    assert.equal(stale?.outcome, "stale_epoch");
    const { jobs } = await world.store.listJobs({ namespace, runId: run.id, limitRows: 10 });
    assert.deepEqual(
      jobs.map(({ key }) => key),
      ["scan"],
    );
  });

  contract(
    "a job that was started already is adopted as running, and one without its name is refused",
    async (world) => {
      const run = await world.running();
      const adopted = { submission: "adopted", spec: null } as const;
      await order(world, run, { opens: [external(run, "scan", { ...adopted, job: found })] });
      const job = await jobOf(world, newJob(run, "scan").id);
      assert.deepEqual([job.status, job.ref, job.externalId, job.group], ["running", found.ref, "j-1", "g"]);
      await refused(order(world, run, { opens: [external(run, "load", adopted)] }), "invalid_request");
      const { job: _job, ...bare } = external(run, "load");
      await refused(order(world, run, { opens: [bare] }), "invalid_request");
      const spec = "x".repeat(limits.jobSpecBytes);
      await refused(order(world, run, { opens: [external(run, "load", { spec })] }), "too_large");
    },
  );
}

function ends(contract: Contract): void {
  contract("the end of a job ends the wait for it and wakes its run in one commit", async (world) => {
    const { run, jobs } = await waitingFor(world, ["scan"]);
    const [job] = await claimJobs(world, await world.member());
    assert.ok(job !== undefined && jobs[0] !== undefined);
    await note(world, job, said.submitted);
    assert.deepEqual(await note(world, job, said.succeeded), { outcome: "noted", status: "succeeded" });
    const { links, externalId } = found;
    const facts = { id: job.id, service: "warehouse", externalId, rawStatus: "DONE", links };
    assert.deepEqual(await recorded(world, run, "scan"), { end: "done", job: facts, value: { rows: 3 } });
    const woken = await world.get(run.id);
    assert.deepEqual([woken.status, woken.waiting], ["ready", null]);
    assert.deepEqual(await world.store.listWaits({ runId: run.id, limitRows: 10 }), []);
    const told = ["external.submitting", "run.waiting", "external.submitted", "external.ended", "run.woken"];
    assert.deepEqual(await world.events(run.id), ["run.enqueued", "run.started", ...told]);
    const over = await jobOf(world, job.id);
    assert.deepEqual([over.status, over.memberId, over.result], ["succeeded", null, { rows: 3 }]);
    assert.ok(over.endedAt !== null && over.endedAt >= over.openedAt);
  });

  contract("an end that is no success says why, and a large result is left in the job", async (world) => {
    const result = "x".repeat(limits.waitValueBytes);
    const large: JobNews = { is: "ended", status: "succeeded", result };
    const lost: JobNews = { is: "ended", status: "lost", error: { code: "gone", message: "It is not there." } };
    const { run, jobs } = await waitingFor(world, ["a", "b", "c", "d"]);
    for (const [index, end] of [said.failed, said.cancelled, lost, large].entries()) {
      const job = jobs[index];
      assert.ok(job);
      await note(world, job, end);
      assert.equal(await world.status(run.id), index === 3 ? "ready" : "waiting");
    }
    const of = async (key: string) => {
      const { job: _job, ...facts } = (await recorded(world, run, key)) ?? { end: "missing" };
      return facts;
    };
    assert.deepEqual(await of("a"), { end: "failed", status: "failed", error: said.failed.error });
    assert.deepEqual(await of("b"), { end: "failed", status: "cancelled" });
    assert.deepEqual(await of("c"), { end: "failed", status: "lost", error: lost.error });
    assert.deepEqual(await of("d"), { end: "done", large: true });
    assert.equal((await jobOf(world, jobs[3]?.id)).result, result);
    const over = "x".repeat(limits.jobResultBytes);
    await refused(note(world, jobs[3] ?? newRow, { ...large, result: over }), "too_large");
  });

  contract("what has ended stays as it is, whatever is said of it", async (world) => {
    const { run, jobs } = await waitingFor(world, ["scan"], { callbackHash: "secret" });
    const [job = newRow] = jobs;
    await note(world, job, said.failed);
    const events = await world.events(run.id);
    const before = await jobOf(world, job.id);
    const all: JobNews[] = [said.submitted, said.running, said.succeeded, said.failed, said.unknown];
    all.push({ is: "calling", memberId: "n" }, { is: "cancel_asked", answer: "accepted", nextLookInMs: 1 });
    all.push({ is: "replaced", error: said.unknown.error, next: newJob(run, "scan", { number: 2 }) });
    for (const late of all) assert.deepEqual(await note(world, job, late), { outcome: "stale", status: "failed" });
    const called = await note(world, job, said.succeeded, { callbackHash: "secret" });
    assert.deepEqual(called, { outcome: "stale", status: "failed" });
    assert.deepEqual(await jobOf(world, job.id), before);
    assert.deepEqual(await world.events(run.id), events);
    assert.deepEqual(await note(world, { id: "nobody", epoch: 0 }, said.running), { outcome: "not_found" });
  });

  contract("the holder of its one-time address ends a job once, and does nothing else", async (world) => {
    const { run, jobs } = await waitingFor(world, ["scan"], { callbackHash: "secret" });
    const [job = newRow] = jobs;
    await claimJobs(world, await world.member());
    const wrong = await note(world, job, said.succeeded, { callbackHash: "guessed" });
    assert.deepEqual(wrong, { outcome: "stale", status: "submitting" });
    const other = await note(world, job, said.submitted, { callbackHash: "secret" });
    assert.deepEqual(other, { outcome: "stale", status: "submitting" });
    const done = await note(world, job, said.succeeded, { callbackHash: "secret" });
    assert.deepEqual(done, { outcome: "noted", status: "succeeded" });
    assert.equal((await recorded(world, run, "scan"))?.end, "done");
    const plainJob = await waitingFor(world, ["scan"]);
    const [bare = newRow] = plainJob.jobs;
    const none = await note(world, bare, said.succeeded, { callbackHash: "null" });
    assert.deepEqual(none, { outcome: "stale", status: "submitting" });
  });
}

function tries(contract: Contract): void {
  contract("a later try finds the job of an earlier one, and its record once it has succeeded", async (world) => {
    const run = await world.running();
    await order(world, run, { opens: [external(run, "scan")] });
    await world.finish(run, next.retry());
    const second = await world.activate(run.id);
    const again = external(second, "scan");
    assert.deepEqual(await suspendOn(world, second, [again]), { outcome: "suspended", status: "waiting" });
    const { jobs } = await world.store.listJobs({ namespace, runId: run.id, limitRows: 10 });
    assert.deepEqual(
      jobs.map(({ number, status }) => [number, status]),
      [[1, "submitting"]],
    );
    await note(world, jobs[0] ?? newRow, said.succeeded);
    const third = await world.activate(run.id);
    await world.finish(third, next.retry());
    const fourth = await world.activate(run.id);
    const answer = await suspendOn(world, fourth, [external(fourth, "scan", { number: 2 })]);
    assert.equal(answer.outcome, "open");
    assert.equal((await world.store.listJobs({ namespace, runId: run.id, limitRows: 10 })).jobs.length, 1);
  });

  contract(
    "a job that succeeded without a result that can be kept fails its wait, and is not done again",
    async (world) => {
      const { run, jobs } = await waitingFor(world, ["scan"]);
      const error = { code: "unkept_result", message: "It is too large." };
      const unkept: JobNews = { is: "ended", status: "succeeded", rawStatus: "DONE", result: 7, error, warning: "odd" };
      await note(world, jobs[0] ?? newRow, unkept);
      const { status, result, error: why, warning } = await jobOf(world, jobs[0]?.id);
      assert.deepEqual([status, result, why, warning], ["succeeded", null, error, "odd"]);
      const { job: _job, ...facts } = (await recorded(world, run, "scan")) ?? { end: "missing" };
      assert.deepEqual(facts, { end: "failed", status: "succeeded", error });
      await world.finish(await world.activate(run.id), next.retry());
      const later = await world.activate(run.id);
      const answer = await suspendOn(world, later, [external(later, "scan", { number: 2 })]);
      assert.equal(answer.outcome, "open");
      assert.equal((await world.store.listJobs({ namespace, runId: run.id, limitRows: 10 })).jobs.length, 1);
    },
  );

  contract("what failed is submitted again by a later try alone, with the next number", async (world) => {
    const { run, jobs } = await waitingFor(world, ["scan"]);
    await note(world, jobs[0] ?? newRow, said.failed);
    const second = await world.activate(run.id);
    const same = await suspendOn(world, second, [external(second, "scan", { number: 2 })]);
    assert.equal(same.outcome, "open");
    await world.finish(second, next.retry());
    const third = await world.activate(run.id);
    for (const number of [1, 3]) {
      const refusal = await suspendOn(world, third, [external(third, "scan", { number })]);
      assert.deepEqual(refusal, { outcome: "other_number", key: "scan", number: 2 });
    }
    await suspendOn(world, third, [external(third, "scan", { number: 2 })]);
    const [wait] = await world.store.listWaits({ runId: run.id, limitRows: 10 });
    assert.equal(wait?.jobId, newJob(run, "scan", { number: 2 }).id);
    const list = await world.store.listJobs({ namespace, runId: run.id, limitRows: 10 });
    assert.deepEqual(
      new Set(list.jobs.map(({ number, status }) => `${number} ${status}`)),
      new Set(["1 failed", "2 submitting"]),
    );
  });

  contract("a run that is cleared begins with the first number of another job", async (world) => {
    const { run, jobs } = await waitingFor(world, ["scan"]);
    await note(world, jobs[0] ?? newRow, said.succeeded);
    await world.finish(await world.activate(run.id), next.success());
    await world.store.restartRuns({ rows: [{ runId: run.id, fresh: true, ifAttempt: null, data: {} }] });
    const fresh = await world.activate(run.id);
    assert.equal(fresh.generation, 2);
    assert.equal((await suspendOn(world, fresh, [external(fresh, "scan")])).outcome, "suspended");
    const first = newJob(run, "scan");
    const other = newJob(fresh, "scan");
    assert.notEqual(other.id, first.id);
    assert.deepEqual(
      [(await jobOf(world, first.id)).status, (await jobOf(world, other.id)).status],
      ["succeeded", "submitting"],
    );
  });

  contract(
    "one of which nobody knows whether it began is given up and submitted once more, in one commit",
    async (world) => {
      const { run, jobs } = await waitingFor(world, ["scan"], { submission: "blind" });
      const [job = newRow] = jobs;
      const { error } = said.unknown;
      const skipping = await note(world, job, { is: "replaced", error, next: newJob(run, "scan", { number: 3 }) });
      assert.equal(skipping.outcome, "stale");
      assert.equal((await note(world, job, said.unknown)).outcome, "noted");
      assert.equal(await world.status(run.id), "waiting");
      const replaced: JobNews = { is: "replaced", error, next: newJob(run, "scan", { number: 2 }) };
      assert.deepEqual(await note(world, job, replaced), { outcome: "noted", status: "lost" });
      assert.equal((await note(world, job, replaced)).outcome, "stale");
      const list = await world.store.listJobs({ namespace, runId: run.id, limitRows: 10 });
      assert.deepEqual(
        new Set(list.jobs.map(({ number, status }) => `${number} ${status}`)),
        new Set(["1 lost", "2 submitting"]),
      );
      assert.equal(await world.status(run.id), "waiting");
      const [wait] = await world.store.listWaits({ runId: run.id, limitRows: 10 });
      const second = await jobOf(world, wait?.jobId ?? "");
      assert.equal(second.number, 2);
      await note(world, second, said.succeeded);
      assert.equal((await recorded(world, run, "scan"))?.job?.id, second.id);
      assert.equal(await world.status(run.id), "ready");
    },
  );
}

function tracking(contract: Contract): void {
  contract("one member tracks a job at a time, the oldest are claimed first", async (world) => {
    const { jobs } = await waitingFor(world, ["a"]);
    await world.pass(1);
    const later = await waitingFor(world, ["b", "c"]);
    const [one, two] = [await world.member(), await world.member()];
    const [first, ...none] = await claimJobs(world, one, 1);
    assert.deepEqual([first?.id, first?.memberId, first?.epoch, none.length], [jobs[0]?.id, one, 1, 0]);
    const rest = await claimJobs(world, two);
    assert.deepEqual(rest.map(({ id }) => id).sort(), later.jobs.map(({ id }) => id).sort());
    assert.deepEqual(rest[0]?.spec, { sql: "select 1" });
    assert.deepEqual(await claimJobs(world, one), []);
    assert.deepEqual(await world.store.claimJobs({ memberId: one, namespace: "elsewhere", limitRows: 5 }), []);
    await refused(claimJobs(world, "nobody"), "member_gone");
    const tracked = await world.store.listTracked({ memberId: two, orderedOnly: false, limitRows: 10 });
    assert.deepEqual(
      tracked.map(({ id }) => id),
      rest.map(({ id }) => id).sort(),
    );
    assert.deepEqual(new Set(tracked.map(({ spec }) => spec)), new Set([null]));
    const [last] = tracked.slice(-1);
    const after = { memberId: two, orderedOnly: false, after: tracked[0]?.id ?? "", limitRows: 10 };
    assert.deepEqual(
      (await world.store.listTracked(after)).map(({ id }) => id),
      [last?.id],
    );
  });

  contract("a member that leaves gives its jobs back as they are, and says nothing of them any more", async (world) => {
    const { run, jobs } = await waitingFor(world, ["a"]);
    const [one, two] = [await world.member(), await world.member()];
    const [mine = newRow] = await claimJobs(world, one);
    await note(world, mine, { is: "calling", memberId: one });
    await note(world, mine, said.submitted);
    const events = await world.events(run.id);
    await world.store.leaveMember({ id: one });
    const { memberId, epoch, status, calls, calledBy } = await jobOf(world, mine.id);
    assert.deepEqual([memberId, epoch, status, calls, calledBy], [null, 2, "running", 1, one]);
    for (const late of [said.running, said.succeeded, said.unknown]) {
      assert.deepEqual(await note(world, mine, late), { outcome: "stale", status: "running" });
    }
    assert.deepEqual(await world.events(run.id), events);
    await refused(claimJobs(world, one), "member_gone");
    const [again] = await claimJobs(world, two);
    assert.deepEqual([again?.id, again?.epoch], [jobs[0]?.id, 3]);
    assert.deepEqual(await note(world, again ?? newRow, said.succeeded), { outcome: "noted", status: "succeeded" });
  });

  contract("jobs of members that have ended are given back in pages, and nothing of them is ended", async (world) => {
    const { jobs } = await waitingFor(world, ["a", "b", "c"]);
    const [gone, judge] = [await world.member(), await world.member()];
    await claimJobs(world, gone);
    await endWithoutGivingBack(world, gone, judge);
    let pages = 0;
    for (let more = true; more; pages++) ({ more } = await world.store.judgeMembers({ by: judge, limitRows: 2 }));
    assert.ok(pages <= 3);
    for (const job of jobs) {
      const { memberId, epoch, status } = await jobOf(world, job.id);
      assert.deepEqual([memberId, epoch, status], [null, 2, "submitting"]);
    }
    assert.equal((await claimJobs(world, judge)).length, 3);
  });
}

function news(contract: Contract): void {
  contract("a call that may start a job is written down before, and only while it is to be started", async (world) => {
    const { run, jobs } = await waitingFor(world, ["scan"]);
    const memberId = await world.member();
    const [job = newRow] = await claimJobs(world, memberId);
    assert.equal(job.id, jobs[0]?.id);
    const calling: JobNews = { is: "calling", memberId };
    for (const calls of [1, 2]) {
      assert.deepEqual(await note(world, job, calling), { outcome: "noted", status: "submitting" });
      const row = await jobOf(world, job.id);
      assert.deepEqual([row.calls, row.calledBy, row.calledAt !== null], [calls, memberId, true]);
    }
    const tried: JobNews = { is: "tried", error: { code: "timeout", message: "No answer." }, nextLookInMs: 500 };
    await note(world, job, tried);
    await note(world, job, tried);
    const failing = await jobOf(world, job.id);
    assert.deepEqual([failing.tries, failing.error, failing.status], [2, tried.error, "submitting"]);
    assert.equal((failing.nextLookAt ?? 0) - (failing.lookedAt ?? 0), 500);
    assert.equal((await note(world, job, said.running)).outcome, "stale");
    assert.deepEqual(await note(world, job, said.submitted), { outcome: "noted", status: "running" });
    const known = await jobOf(world, job.id);
    assert.deepEqual([known.tries, known.error, known.ref, known.links], [0, null, found.ref, found.links]);
    assert.deepEqual(await note(world, job, calling), { outcome: "stale", status: "running" });
    assert.deepEqual(await note(world, job, said.submitted), { outcome: "noted", status: "running" });
    const another = { ...said.submitted, job: { ...found, ref: { id: "j-2" } } };
    assert.deepEqual(await note(world, job, another), { outcome: "stale", status: "running" });
    assert.deepEqual(await note(world, job, said.unknown), { outcome: "stale", status: "running" });
    const replaced: JobNews = { is: "replaced", error: tried.error, next: newJob(run, "scan", { number: 2 }) };
    assert.deepEqual(await note(world, job, replaced), { outcome: "stale", status: "running" });
  });

  contract("a look is written down, and told where the service says another word", async (world) => {
    const { run } = await waitingFor(world, ["scan"]);
    const [job = newRow] = await claimJobs(world, await world.member());
    await note(world, job, said.submitted);
    const progress = { done: 1, total: 4 };
    await note(world, job, { ...said.running, progress, startedAt: 17, warning: "odd", links: [] });
    await note(world, job, said.running);
    await note(world, job, { ...said.running, rawStatus: "STAGING" });
    const row = await jobOf(world, job.id);
    assert.deepEqual([row.rawStatus, row.progress, row.startedAt, row.warning], ["STAGING", progress, 17, null]);
    assert.deepEqual(row.links, []);
    const told = (await world.events(run.id)).filter((type) => type === "external.observed");
    assert.equal(told.length, 2);
    assert.deepEqual(await world.lastData(run.id), { key: "scan", job: job.id, rawStatus: "STAGING" });
    for (let word = 0; word < limits.eventsPerJob; word++) {
      await note(world, job, { ...said.running, rawStatus: `W${word}` });
    }
    const all = (await world.events(run.id)).filter((type) => type === "external.observed");
    assert.equal(all.length, limits.eventsPerJob);
  });

  contract("nobody tracks what is unknown, until a person says what it is", async (world) => {
    const { run } = await waitingFor(world, ["scan"], { submission: "blind" });
    const memberId = await world.member();
    const [job = newRow] = await claimJobs(world, memberId);
    assert.deepEqual(await note(world, job, said.unknown), { outcome: "noted", status: "unknown" });
    assert.deepEqual(await note(world, job, said.unknown), { outcome: "noted", status: "unknown" });
    assert.deepEqual(await claimJobs(world, memberId), []);
    const asked = await jobOf(world, job.id);
    assert.deepEqual([asked.memberId, asked.error], [null, said.unknown.error]);
    assert.deepEqual((await world.events(run.id)).filter((type) => type === "external.unknown").length, 1);
    assert.deepEqual(await note(world, asked, said.submitted), { outcome: "noted", status: "running" });
    assert.equal((await claimJobs(world, memberId))[0]?.id, job.id);
  });

  contract(
    "a body names the job that it has started itself, as long as it is its run's last activation",
    async (world) => {
      const run = await world.running();
      await order(world, run, { opens: [external(run, "scan", { submission: "own", spec: null })] });
      const memberId = await world.member();
      assert.deepEqual(await claimJobs(world, memberId), []);
      const job = await jobOf(world, newJob(run, "scan").id);
      await world.finish(run, next.lost());
      // Nobody is at work on its run, and still it is the body\'s to start.
      assert.deepEqual(await claimJobs(world, memberId), []);
      const second = await world.activate(run.id);
      const late = await note(world, job, said.submitted, { epoch: 0, activation: run.epoch });
      assert.deepEqual(late, { outcome: "stale", status: "submitting" });
      const named = await note(world, job, said.submitted, { epoch: 0, activation: second.epoch });
      assert.deepEqual(named, { outcome: "noted", status: "running" });
      assert.equal((await claimJobs(world, memberId))[0]?.id, job.id);
    },
  );

  contract("notes of one call are answered in their order, each on what the ones before left", async (world) => {
    const { run, jobs } = await waitingFor(world, ["a", "b"]);
    const [a = newRow, b = newRow] = jobs;
    const say = (id: string, one: JobNews) => ({ jobId: id, by: { epoch: 0 }, news: one });
    const rows = [
      say(a.id, said.submitted),
      say(a.id, said.succeeded),
      say("none", said.running),
      say(b.id, said.failed),
    ];
    const results = await world.store.noteJobs({ rows: [...rows, say(a.id, said.failed)] });
    assert.deepEqual(
      results.map(({ outcome }) => outcome),
      ["noted", "noted", "not_found", "noted", "stale"],
    );
    assert.equal(await world.status(run.id), "ready");
    assert.equal((await recorded(world, run, "a"))?.end, "done");
  });
}

function lists(contract: Contract): void {
  contract("jobs are listed newest first, by run, key, service and status, in pages", async (world) => {
    const first = await waitingFor(world, ["a"]);
    await world.pass(1);
    const second = await waitingFor(world, ["b", "c"], { service: "cluster" });
    await note(world, second.jobs[0] ?? newRow, said.failed);
    const ids = async (filter: object) => {
      const { jobs } = await world.store.listJobs({ namespace, limitRows: 10, ...filter });
      for (const job of jobs) assert.deepEqual([job.spec, job.result], [null, null]);
      return jobs.map(({ key }) => key);
    };
    const all = await ids({});
    assert.deepEqual([all.length, all.at(-1)], [3, "a"]);
    assert.deepEqual(await ids({ runId: first.run.id }), ["a"]);
    assert.deepEqual(await ids({ runId: second.run.id, key: "c" }), ["c"]);
    assert.deepEqual(await ids({ service: "warehouse" }), ["a"]);
    assert.deepEqual(await ids({ statuses: ["failed"] }), ["b"]);
    assert.deepEqual((await ids({ statuses: ["submitting"] })).sort(), ["a", "c"]);
    assert.deepEqual(await world.store.listJobs({ namespace: "elsewhere", limitRows: 10 }), { jobs: [], cursor: null });
    const paged: string[] = [];
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const page = await world.store.listJobs({ namespace, limitRows: 1, ...(cursor === undefined ? {} : { cursor }) });
      paged.push(...page.jobs.map(({ key }) => key));
      cursor = page.cursor;
    }
    assert.deepEqual(paged, all);
    await refused(world.store.listJobs({ namespace, limitRows: 1, cursor: "here" }), "invalid_request");
    assert.equal(await world.store.findJob({ id: "nobody" }), undefined);
  });
}

/** Stands where a job is missing, so that what is said of it is not found. */
const newRow = { id: "missing", epoch: 0, spec: null };

/** A member that is gone, and whose jobs nobody has given back yet. */
async function endWithoutGivingBack(
  world: Parameters<Parameters<Contract>[1]>[0],
  gone: string,
  judge: string,
): Promise<void> {
  const { timedLeases } = await world.store.describe();
  if (timedLeases) await world.outlive(judge);
  else await world.store.leaveMember({ id: gone });
}
