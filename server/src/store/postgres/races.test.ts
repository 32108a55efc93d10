import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { isAppError } from "@holdfast/protocol";
import type { RunRow } from "../../core/index.ts";
import { cancelled, next, World } from "../contract/world.contract.ts";
import type { Store } from "../store.ts";
import { TestDatabase } from "./database.fixture.ts";
import { Pauses } from "./pauses.fixture.ts";

// Two connections at one run: which statement comes first is decided here, by pausing at named statements, and every order must
// end well. `mine` is the store that pauses.

let database: TestDatabase;
let mine: Store;
let other: Store;
const pauses = new Pauses();

before(async () => {
  database = await TestDatabase.create();
  mine = await database.open({ beforeStatement: pauses.beforeStatement });
  other = await database.open();
});
afterEach(() => database.empty());
after(() => database.drop());

function worldOf(store: Store): World {
  return new World({ store, close: async () => {} });
}

test("two nodes that claim at the same time share the runs, and neither waits for the other", async () => {
  const world = worldOf(mine);
  const rows = Array.from({ length: 400 }, () => world.row());
  await mine.enqueueRuns({ rows });
  const members = [await world.member(), await world.member()];
  const claims = Array.from({ length: 16 }, (_, index) => {
    const store = index % 2 === 0 ? mine : other;
    return store.claimRuns({ memberId: members[index % 2] ?? "", namespace: "shop", queues: null, limitRows: 30 });
  });
  const claimed = (await Promise.all(claims)).flat();
  const rest = await world.claim(members[0] ?? "", 400);
  const ids = [...claimed, ...rest].map((run) => run.id);
  assert.equal(ids.length, 400);
  assert.equal(new Set(ids).size, 400);
  assert.ok([...claimed, ...rest].every((run) => run.epoch === 1));
});

test("a finish that comes after the takeover is stale", async () => {
  const world = worldOf(mine);
  const memberId = await world.member();
  const run = await worldOf(other).running({}, memberId);
  const pause = pauses.at("lockRunsWithLinks");
  const finishing = world.finish(run, next.success());
  await pause.reached;
  assert.deepEqual(await other.leaveMember({ id: memberId }), { takenBack: 1 });
  pause.resume();
  assert.deepEqual(await finishing, { outcome: "stale_epoch" });
  assert.deepEqual(await world.events(run.id), ["run.enqueued", "run.started", "run.lost"]);
});

test("a takeover that comes after the finish finds nothing to take", async () => {
  const world = worldOf(mine);
  const memberId = await world.member();
  const run = await worldOf(other).running({}, memberId);
  const pause = pauses.at("updateRuns");
  const finishing = world.finish(run, next.success());
  await pause.reached;
  const leaving = other.leaveMember({ id: memberId });
  await database.lockIsWaitedFor();
  pause.resume();
  assert.equal((await finishing).outcome, "finished");
  assert.deepEqual(await leaving, { takenBack: 0 });
  assert.equal(await world.status(run.id), "succeeded");
});

// A run that was claimed here is ended by one statement, on the image that the claim left. The fault: writing it over what
// came in between, or losing the results of its batch that did not come in between.
test("of runs that were claimed here, an end that comes after a takeover is stale, and one after a cancel obeys it", async () => {
  const world = worldOf(mine);
  const memberId = await world.member();
  const taken = await world.running({}, memberId);
  const [ordered, undisturbed] = [await world.running(), await world.running()];
  const pause = pauses.at("endRoots");
  const rows = [taken, ordered, undisturbed].map((run) => ({
    runId: run.id,
    epoch: run.epoch,
    ranMs: 5,
    next: next.success({ by: run.id }),
  }));
  const finishing = mine.finishActivations({ rows });
  await pause.reached;
  await other.leaveMember({ id: memberId });
  await worldOf(other).cancel(ordered.id);
  const step = { runId: undisturbed.id, epoch: 1, generation: 1, key: "s", value: 1 };
  await other.commitSteps({ rows: [step] });
  pause.resume();
  assert.deepEqual(await finishing, [
    { outcome: "stale_epoch" },
    { outcome: "finished", status: "cancelled", readied: 0 },
    { outcome: "finished", status: "succeeded", readied: 0 },
  ]);
  assert.equal(await world.status(taken.id), "ready");
  assert.deepEqual(await world.events(ordered.id), [
    "run.enqueued",
    "run.started",
    "run.cancel_requested",
    "run.cancelled",
  ]);
  const ended = await world.get(undisturbed.id);
  assert.deepEqual([ended.status, ended.output, ended.ranMs], ["succeeded", { by: undisturbed.id }, 5]);
  assert.ok(ended.endedAt !== null && ended.endedAt >= (ended.claimedAt ?? ended.createdAt));
  assert.deepEqual(await mine.finishActivations({ rows: rows.slice(2) }), [
    { outcome: "repeated", status: "succeeded" },
  ]);
});

test("a success that is committed first beats the cancel, and the other way round", async () => {
  const world = worldOf(mine);
  const run = await worldOf(other).running();
  const first = pauses.at("updateRuns");
  const finishing = world.finish(run, next.success());
  await first.reached;
  const cancelling = worldOf(other).cancel(run.id);
  await database.lockIsWaitedFor();
  first.resume();
  assert.equal((await finishing).outcome, "finished");
  assert.deepEqual(await cancelling, { requested: 0, status: "succeeded" });

  const second = await world.running();
  const pause = pauses.at("updateRuns");
  const ordered = world.cancel(second.id);
  await pause.reached;
  const late = worldOf(other).finish(second, next.success());
  await database.lockIsWaitedFor();
  pause.resume();
  assert.deepEqual(await ordered, { requested: 1, status: "cancelling" });
  assert.deepEqual(await late, { outcome: "finished", status: "cancelled", readied: 0 });
});

test("a cancel reaches the children that are being put in place at that moment", async () => {
  const world = worldOf(mine);
  const parent = await world.running({ kind: "workflow" });
  const pause = pauses.at("insertRuns");
  const expanding = world.expand(parent, [{ name: "a" }, { name: "b", after: ["a"] }]);
  await pause.reached;
  const cancelling = other.orderEnd({ runId: parent.id, ending: cancelled, data: {}, limitRows: 100 });
  await database.lockIsWaitedFor();
  pause.resume();
  const ids = await expanding;
  assert.deepEqual(await cancelling, { requested: 3, status: "cancelled" });
  for (const id of Object.values(ids)) assert.equal(await world.status(id), "cancelled");
});

test("a step that comes after the takeover leaves nothing", async () => {
  const world = worldOf(mine);
  const memberId = await world.member();
  const run = await world.running({}, memberId);
  const step = { runId: run.id, epoch: 1, generation: 1, key: "s", value: 1 };
  const pause = pauses.at("recordFreshSteps");
  const committing = mine.commitSteps({ rows: [step] });
  await pause.reached;
  await other.leaveMember({ id: memberId });
  pause.resume();
  assert.deepEqual(await committing, [{ outcome: "stale_epoch" }]);
  assert.deepEqual(await other.listSteps({ runId: run.id, generation: 1 }), []);
});

test("a step or a log line that waits for a takeover under way is stale when it is done", async () => {
  const world = worldOf(mine);
  const memberId = await world.member();
  const run = await world.running({}, memberId);
  const pause = pauses.at("updateRuns");
  const leaving = mine.leaveMember({ id: memberId });
  await pause.reached;
  const step = { runId: run.id, epoch: 1, generation: 1, key: "s", value: 1 };
  const line = { runId: run.id, epoch: 1, seq: 1, at: 1, stream: "log", level: "info", text: "late" } as const;
  const committing = other.commitSteps({ rows: [step] });
  const logging = other.appendLogs({ rows: [line] });
  await database.lockIsWaitedFor();
  pause.resume();
  await leaving;
  assert.deepEqual(await committing, [{ outcome: "stale_epoch" }]);
  const [logged] = await logging;
  // The takeover raised the epoch, whether or not somebody has claimed the run since.
  assert.deepEqual(logged, { outcome: "stale_epoch" });
});

test("equal steps committed at the same time are recorded once, and each caller gets the record", async () => {
  const world = worldOf(mine);
  const run = await world.running();
  const commit = (store: Store, value: number) =>
    store.commitSteps({ rows: [{ runId: run.id, epoch: 1, generation: 1, key: "s", value }] });
  const answers = (
    await Promise.all(Array.from({ length: 8 }, (_, index) => commit(index % 2 ? mine : other, index)))
  ).flat();
  const [record] = await mine.listSteps({ runId: run.id, generation: 1 });
  const recorded = answers.filter((answer) => answer.outcome === "recorded");
  assert.ok(recorded.length <= 1);
  for (const answer of answers) if (answer.outcome === "existing") assert.equal(answer.value, record?.value);
  assert.equal((await database.sql`select step_count from holdfast.runs where id = ${run.id}`)[0]?.step_count, 1);
});

test("equal steps of one call are answered together: no takeover falls between them", async () => {
  let statements = 0;
  const pausing = await database.open({
    beforeStatement: async (name) => {
      if (/^record(Fresh)?Steps$/.test(name) && ++statements === 2) await other.leaveMember({ id: memberId });
    },
  });
  const memberId = await worldOf(pausing).member();
  const run = await worldOf(pausing).running({}, memberId);
  const step = (value: number) => ({ runId: run.id, epoch: 1, generation: 1, key: "s", value });
  const answers = await pausing.commitSteps({ rows: [step(1), step(2)] });
  assert.deepEqual(answers, [{ outcome: "recorded" }, { outcome: "existing", value: 1 }]);
});

test("a claim waits for the judge who is ending its member, and then gets nothing", async () => {
  const world = worldOf(mine);
  const memberId = await world.member();
  await world.enqueue();
  const pause = pauses.at("listHeld");
  const leaving = mine.leaveMember({ id: memberId });
  await pause.reached;
  const claiming = other.claimRuns({ memberId, namespace: "shop", queues: null, limitRows: 1 });
  // Listened to from the start: the claim may be refused before the leaving has been answered.
  const refused = assert.rejects(claiming, (error) => isAppError(error, "member_gone"));
  await database.lockIsWaitedFor();
  pause.resume();
  await leaving;
  await refused;
});

/** Which comes first: that a call is answered, or that a lock is waited for. */
function waitsOrEnds(call: Promise<unknown>): Promise<"waits" | "ends"> {
  return Promise.race([call.then(() => "ends" as const), database.lockIsWaitedFor().then(() => "waits" as const)]);
}

test("a run that is enqueued for a member that is just leaving waits for that, and is nobody's", async () => {
  const world = worldOf(mine);
  const memberId = await world.member();
  await world.running({}, memberId);
  const pause = pauses.at("lockRunsWithLinks");
  const leaving = mine.leaveMember({ id: memberId });
  await pause.reached;
  // What the member holds has been looked for: what it got now would stay with it.
  const row = world.row({}, { claimFor: memberId });
  const enqueueing = other.enqueueRuns({ rows: [row] });
  const seen = await waitsOrEnds(enqueueing);
  pause.resume();
  assert.equal(seen, "waits");
  assert.deepEqual(await leaving, { takenBack: 1 });
  await enqueueing;
  const { status, claimedBy, epoch } = await world.get(row.run.id);
  assert.deepEqual({ status, claimedBy, epoch }, { status: "ready", claimedBy: null, epoch: 0 });
});

test("who judges is not ended before its judgement", async () => {
  const by = await worldOf(mine).member();
  const pause = pauses.at("endLapsed");
  const judging = mine.judgeMembers({ by, limitRows: 10 });
  await pause.reached;
  const leaving = other.leaveMember({ id: by });
  const seen = await waitsOrEnds(leaving);
  pause.resume();
  assert.equal(seen, "waits");
  assert.deepEqual(await judging, { judged: [], taken: 0, more: false });
  await leaving;
});

test("a takeover leaves alone what its member has given back and another has claimed meanwhile", async () => {
  const world = worldOf(mine);
  const [memberId, successor] = [await world.member(), await world.member()];
  const run = await world.running({}, memberId);
  const pause = pauses.at("lockRunsWithLinks");
  const leaving = mine.leaveMember({ id: memberId });
  await pause.reached;
  await worldOf(other).finish(run, { to: "ready", outcome: "released", error: null, delayMs: 0 });
  const claimed = await worldOf(other).activate(run.id, successor);
  pause.resume();
  assert.deepEqual(await leaving, { takenBack: 0 });
  const { status, claimedBy, epoch } = await world.get(run.id);
  assert.deepEqual({ status, claimedBy, epoch }, { status: "running", claimedBy: successor, epoch: claimed.epoch });
  assert.equal((await world.finish(claimed, next.success())).outcome, "finished");
});

test("two enqueues with one key at the same time make one run", async () => {
  const world = worldOf(mine);
  const rows = Array.from({ length: 10 }, () =>
    world.row({ key: "order" }, { key: { key: "order", hash: "h", retentionMs: 1_000 } }),
  );
  const answers = await Promise.all(rows.map((row, index) => (index % 2 ? mine : other).enqueueRuns({ rows: [row] })));
  const outcomes = answers.flat().map((answer) => answer.outcome);
  assert.equal(outcomes.filter((outcome) => outcome === "created").length, 1);
  assert.equal(outcomes.filter((outcome) => outcome === "existing").length, 9);
  assert.equal((await database.sql`select count(*) as n from holdfast.runs`)[0]?.n, 1);
});

/** Two rows in a circle of waiters. True when PostgreSQL ended the store's transaction, false when it ended the test's. */
async function meetInACircle(low: RunRow, high: RunRow, finish: () => Promise<unknown>): Promise<boolean> {
  try {
    await database.sql.begin(async (sql) => {
      await sql`select 1 from holdfast.runs where id = ${high.id} for update`;
      void finish();
      await database.lockIsWaitedFor();
      await sql`select 1 from holdfast.runs where id = ${low.id} for update`;
    });
    return true;
  } catch (error) {
    if ((error as { code?: unknown }).code === "40P01") return false;
    throw error;
  }
}

test("a batch that loses a deadlock is repeated whole", async () => {
  const world = worldOf(mine);
  // Who began to wait first looks for a circle first; on a busy machine the circle may be closed after it has looked.
  for (let isLost = false, tries = 0; !isLost; tries++) {
    assert.ok(tries < 20, "the store's transaction is never the one that is ended");
    const [a, b] = [await world.running(), await world.running()];
    const [low, high] = a.id < b.id ? [a, b] : [b, a];
    const rows = [low, high].map((run) => ({ runId: run.id, epoch: run.epoch, ranMs: 1, next: next.success() }));
    let finishing: Promise<unknown> = Promise.resolve();
    isLost = await meetInACircle(low, high, () => {
      finishing = mine.finishActivations({ rows });
      return finishing;
    });
    assert.deepEqual(await finishing, [
      { outcome: "finished", status: "succeeded", readied: 0 },
      { outcome: "finished", status: "succeeded", readied: 0 },
    ]);
    assert.deepEqual(await world.events(low.id), ["run.enqueued", "run.started", "run.succeeded"]);
  }
});
