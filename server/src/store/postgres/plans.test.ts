import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openingJob, type RunRow, type WaitRow } from "../../core/index.ts";
import { newJob } from "../contract/jobs.fixture.ts";
import { next, World as TestWorld, type World } from "../contract/world.contract.ts";
import { claimReady } from "./claim.ts";
import { TestDatabase } from "./database.fixture.ts";
import { listExpired, listSpreading, listUnreached, wakeDue } from "./endings.ts";
import { insertRoots } from "./enqueue.ts";
import { endRoots } from "./finishing.ts";
import * as jobRows from "./job-rows.ts";
import { claimJobs, findJob, giveJobsBack, listJobs, listTracked } from "./jobs.ts";
import { listRuns } from "./listing.ts";
import { insertLogs, selectLogs } from "./logs.ts";
import { listOrphans } from "./membership.ts";
import { PlanProbe, type Visits, visitsBeside } from "./plans.fixture.ts";
import { deleteTrees } from "./pruning.ts";
import { findRun, findScopes, listTree, listUpstreams } from "./reading.ts";
import { updateRuns } from "./run-rows.ts";
import { plannerSettings } from "./session.ts";
import { listOpenEdges, lockRuns, lockRunsWithLinks } from "./settling.ts";
import { recordFreshSteps, recordSteps } from "./steps.ts";
import { listTopic, moveEvents, selectEvents, selectTopic } from "./topics.ts";
import * as waitRows from "./wait-rows.ts";

// The fault that this must catch: a hot statement that reads ended runs. It is carried out beside none and beside 100,000 of
// them, right after they ended (dead entries everywhere, old statistics) and after a vacuum, planned with and without its
// values; the rows that it visits must be the same.

const endedRuns = 100_000;

/** The probe answers no rows, which is taken for a member that is gone. */
const ignore = () => undefined;

let database: TestDatabase;
let world: World;
let live: RunRow[];
let waiting: RunRow;

before(async () => {
  database = await TestDatabase.create();
  world = new TestWorld({ store: await database.open(), close: async () => {} });
  const memberId = await world.member();
  live = await Promise.all(Array.from({ length: 10 }, () => world.running({}, memberId)));
  await Promise.all(Array.from({ length: 50 }, () => world.enqueue()));
  const { ids } = await world.workflow([{ name: "a" }, { name: "b", after: ["a"] }]);
  waiting = await world.get(ids.b);
  const failed = await world.running();
  await world.finish(failed, next.failure());
});
after(() => database.drop());

/** Every hot statement, on what is live. */
async function carryOut(probe: PlanProbe): Promise<Map<string, Visits>> {
  const ids = live.map((run) => run.id);
  const claim = { namespace: "shop", limitRows: 20, memberId: "node-1" };
  await insertRoots(probe, [world.row(), world.row()]);
  await claimReady(probe, { ...claim, lookRows: claim.limitRows, queues: null }).catch(ignore);
  await claimReady(probe, { ...claim, lookRows: claim.limitRows, queues: ["default", "etl"] }).catch(ignore);
  await lockRuns(probe, ids);
  await lockRunsWithLinks(probe, ids);
  await listOpenEdges(probe, ids);
  await updateRuns(probe, live);
  await endRoots(
    probe,
    live.map((run) => ({ run, number: 3, type: "run.succeeded", at: 0, data: {} })),
  );
  const steps = live.map((run) => ({ runId: run.id, epoch: 1, generation: 1, key: "s", value: 1 }));
  await recordFreshSteps(probe, steps);
  await recordSteps(probe, steps);
  await insertLogs(
    probe,
    live.map((run) => ({ runId: run.id, epoch: 1, seq: 1, at: 1, stream: "log", level: "info", text: "" })),
  );
  await moveEvents(probe, 20);
  await wakeDue(probe, 10);
  await listExpired(probe, 10);
  await listOrphans(probe, 10);
  await listUnreached(probe, ids, 10);
  await listSpreading(probe, 10);
  await deleteTrees(probe, 3_600_000, 10);
  await carryOutWaits(probe);
  await carryOutJobs(probe);
  await findRun(probe, ids[0] ?? "");
  await listUpstreams(probe, { runId: waiting.id, limitRows: 10 });
  await listTree(probe, { rootId: ids[0] ?? "", limitRows: 10 });
  await findScopes(probe, [{ parentId: ids[0] ?? "", names: ["a"] }]);
  const days = { from: Date.now() - 86_400_000, until: Date.now() + 86_400_000 };
  await selectEvents(probe, { runId: ids[0] ?? "", after: 0, limitRows: 10, ...days });
  await selectTopic(probe, { namespace: "shop", after: 0, limitRows: 10 });
  const visits = new Map(probe.names.map((name) => [name, probe.of(name)]));
  const filter = { namespace: "shop", rootsOnly: true, limitRows: 5 };
  for (const [name, more] of Object.entries({
    newest: {},
    failed: { statuses: ["failed"] },
    ready: { statuses: ["ready", "running"] },
    definition: { definition: "nightly" },
    everything: { rootsOnly: false },
    // Nobody of these is there, however many there are of the one and of the other.
    "failed of what never fails": { definition: "ship", statuses: ["failed"], rootsOnly: false },
    "succeeded of what always fails": { definition: "sink", statuses: ["succeeded"], rootsOnly: false },
    "roots of what others call": { definition: "part" },
    "skipped roots": { statuses: ["skipped"] },
  } as const)) {
    await listRuns(probe, { ...filter, ...more });
    visits.set(`listRuns: ${name}`, probe.of("listRuns"));
  }
  return visits;
}

/** What bodies wait for. */
async function carryOutWaits(probe: PlanProbe): Promise<void> {
  const names = live.map(({ id }) => ({ runId: id, generation: 1, key: "nap" }));
  const ids = live.map(({ id }) => id);
  const waits = names.map((name) => ({
    ...name,
    ...{
      kind: "sleep",
      hash: "h",
      dueAt: 1,
      signal: null,
      childId: null,
      jobId: null,
      groups: [0],
      epoch: 1,
      openedAt: 1,
    },
  })) as readonly WaitRow[];
  const signals = ids.map((runId, number) => ({ runId, number, name: "go", payload: null, at: 1 }));
  await waitRows.insertWaits(probe, waits);
  await waitRows.findWaits(probe, names);
  await waitRows.listWaits(probe, ids[0] ?? "", 10);
  await waitRows.findSignalWait(probe, ids[0] ?? "", "go");
  await waitRows.listDueWaits(probe, 10);
  await waitRows.findNextDueWait(probe);
  await waitRows.findRecords(probe, names);
  await waitRows.findUsed(probe, ids);
  await waitRows.insertSignals(probe, signals);
  await waitRows.listSignals(probe, ids);
  await waitRows.listKeptSignals(probe, ids[0] ?? "", 10);
  await waitRows.regroupWaits(probe, waits);
  await waitRows.writeRecords(
    probe,
    names.map((name) => ({ ...name, value: 1, epoch: 1 })),
  );
  await waitRows.deleteSignals(probe, signals);
  await waitRows.deleteWaits(probe, names);
  await waitRows.clearWaits(probe, ids);
}

/** External jobs, of which many have ended. */
async function carryOutJobs(probe: PlanProbe): Promise<void> {
  const [first] = live;
  if (first === undefined) throw new Error("nobody is live");
  const jobs = live.map((run) =>
    openingJob(newJob(run, "scan"), { runId: run.id, generation: 1, key: "scan" }, { ...run, now: 1 }),
  );
  const ids = jobs.map(({ id }) => id);
  const order = {
    runId: first.id,
    rootId: first.rootId,
    namespace: "shop",
    reason: "",
    timedOut: false,
    forced: false,
  };
  await jobRows.insertJobs(probe, jobs);
  await jobRows.updateJobs(probe, jobs);
  await jobRows.findJobNames(probe, ids);
  await jobRows.lockJobs(probe, ids);
  await jobRows.findLastNumbers(probe, jobs);
  await jobRows.orderJobs(probe, [
    { ...order, jobId: null },
    { ...order, jobId: ids[0] ?? "" },
  ]);
  await claimJobs(probe, { memberId: "m", namespace: "shop", limitRows: 10 }).catch(ignore);
  for (const orderedOnly of [true, false]) await listTracked(probe, { memberId: "m", orderedOnly, limitRows: 10 });
  await giveJobsBack(probe, 10);
  await findJob(probe, ids[0] ?? "");
  await listJobs(probe, { namespace: "shop", limitRows: 10 });
  await listJobs(probe, { namespace: "shop", cursor: "5/a", limitRows: 10 });
  await listJobs(probe, { namespace: "shop", runId: first.id, limitRows: 10 });
  await listJobs(probe, { namespace: "shop", statuses: ["unknown"], limitRows: 10 });
}

/**
 * Runs that have gone through all their states, so that every index has seen them come and go: roots that succeeded, roots
 * that failed, and below a parent some that succeeded and some that were skipped.
 */
async function endMany(): Promise<void> {
  await database.sql.unsafe(`
    insert into holdfast.runs (id, root_id, parent_id, namespace, kind, definition, manifest_hash, name, depth, queue, priority, rank,
      rule, status, generation, attempt, epoch, losses, takeovers, blocked_by, upstream_succeeded, upstream_failed,
      upstream_skipped, open_children, children_succeeded, children_failed, children_skipped, ran_ms, last_event, created_at)
    select 'old' || n, 'old' || n / 4 * 4, case when n % 4 > 1 then 'old' || n / 4 * 4 end, 'shop', 'task',
      (array['ship', 'sink', 'part', 'part'])[1 + n % 4], 'h', n, n % 4 / 2, 'default', 0, 1,
      'all_success', 'ready', 1, 1, 0, 0, 0,
      0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1
    from generate_series(1, ${endedRuns}) n;
    update holdfast.runs set ended_at = holdfast.clock_ms(), epoch = 1, last_event = 3,
      status = case when definition = 'sink' then 'failed' when id like '%3' then 'skipped' else 'succeeded' end
    where id like 'old%';
    insert into holdfast.external_jobs (id, run_id, root_id, namespace, generation, key, number, service, submission, status, epoch,
      timed_out, opened_at, ended_at, facts, spec, result)
    select 'old' || n, 'old' || n, 'old' || n, 'shop', 1, 'scan', 1, 'warehouse', 'token', 'succeeded', 1, false, n, n, '{}', '{}', '{}'
    from generate_series(1, ${endedRuns}, 4) n`);
}

test("hot statements visit the same rows beside none and beside 100,000 ended runs, vacuumed or not", async () => {
  const { alone, crowded, vacuumed } = await visitsBeside(database.sql, {
    carryOut,
    crowd: endMany,
    tables: ["runs", "external_jobs"],
  });
  for (const [name, { rows }] of alone) {
    for (const [when, later] of Object.entries({ crowded, vacuumed })) {
      const visits = later.get(name);
      assert.ok(visits !== undefined);
      const scans = [...visits.scans].join(", ");
      // A page of ended runs may take the place of a page of live ones.
      assert.ok(visits.rows <= rows + 30, `${name} visits ${visits.rows} rows, alone ${rows}; ${when}; ${scans}`);
      assert.doesNotMatch(scans, /Seq Scan of (runs|external_jobs)/, `${name} ${when}`);
    }
  }
  for (const later of [crowded, vacuumed]) {
    for (const plans of ["custom", "generic"]) {
      assert.ok(later.get(`claimRuns (${plans})`)?.scans.has("runs_ready"));
      assert.deepEqual([...(later.get(`listExpired (${plans})`)?.scans ?? [])], ["runs_expiry"]);
      assert.ok(later.get(`claimRunsOfQueues (${plans})`)?.scans.has("runs_ready_in_queue"));
      for (const name of ["updateRuns", "endRoots"]) {
        assert.deepEqual([...(later.get(`${name} (${plans})`)?.scans ?? [])], ["runs_pkey"]);
      }
    }
  }
});

test("a run's events and lines are looked for in the partitions of its time alone, a topic's in none when there is nothing new", async () => {
  const dayMs = 86_400_000;
  const today = Math.floor(Date.now() / dayMs) * dayMs;
  for (let back = 1; back <= 30; back++) {
    const from = today - back * dayMs;
    await database.sql.unsafe(`create table holdfast.events_back${back} partition of holdfast.events
      for values from (${from}) to (${from + dayMs});
      create table holdfast.logs_back${back} partition of holdfast.logs for values from (${from}) to (${from + dayMs})`);
  }
  const sql = await database.sql.reserve();
  try {
    await sql.unsafe(plannerSettings);
    const probe = new PlanProbe(sql);
    const runId = live[0]?.id ?? "";
    await selectEvents(probe, { runId, after: 0, limitRows: 10, from: today - dayMs, until: today + dayMs - 1 });
    await selectLogs(probe, { runId, after: 0, limitRows: 10 });
    await insertLogs(probe, [{ runId, epoch: 1, seq: 1, at: 1, stream: "log", level: "info", text: "" }]);
    for (const name of ["selectEvents", "listLogs", "insertLogs"]) {
      const old = [...probe.of(name).scans].filter((scan) => /back/.test(scan));
      assert.ok(
        old.length > 0 && old.every((scan) => /^(events|logs)_back1_/.test(scan)),
        `${name}: ${old.join(", ")}`,
      );
    }
    await listTopic(probe, { namespace: "shop", after: 0, limitRows: 10 });
    assert.deepEqual([...probe.of("findTopic").scans], ["topics_pkey"]);
    assert.ok(!probe.names.includes("selectTopic"));
  } finally {
    sql.release();
  }
});
