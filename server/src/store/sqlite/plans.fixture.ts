import assert from "node:assert/strict";
import { DatabaseSync, type SQLInputValue, StatementSync } from "node:sqlite";
import type { StoreVerb } from "../store.ts";
import type { Database } from "./database.ts";
import { rowOf } from "./rows.fixture.ts";
import { addStateOfEndedRuns, exerciseState } from "./state-plans.fixture.ts";

// Every statement of every verb, for the tests that look at what statements visit.

/** A statement as it was carried out. */
export interface Executed {
  readonly sql: string;
  readonly values: readonly SQLInputValue[];
}

type Method = (this: StatementSync, ...values: SQLInputValue[]) => unknown;

/** Every statement that is carried out while `work` runs, in order. */
export function executedBy(work: () => void): Executed[] {
  const executed: Executed[] = [];
  const database = DatabaseSync.prototype;
  const statement = StatementSync.prototype as unknown as Record<"run" | "get" | "all", Method>;
  const { exec } = database;
  const { run, get, all } = statement;
  database.exec = function (sql) {
    executed.push({ sql, values: [] });
    return exec.call(this, sql);
  };
  const noting = (method: Method): Method =>
    function (...values) {
      executed.push({ sql: this.sourceSQL, values });
      return method.apply(this, values);
    };
  Object.assign(statement, { run: noting(run), get: noting(get), all: noting(all) });
  try {
    work();
  } finally {
    database.exec = exec;
    Object.assign(statement, { run, get, all });
  }
  return executed;
}

/** True for what reads or changes rows. */
export function touchesRows(sql: string): boolean {
  return /^\s*(SELECT|UPDATE|DELETE|INSERT|WITH)/.test(sql);
}

/** Copies of the one run that has succeeded, each with an event, a line, a step and a key. */
export function addEndedRuns(path: string, endedRuns: number): void {
  const db = new DatabaseSync(path);
  const columns = `root_id, namespace, kind, definition, manifest_hash, name, depth, queue, priority, rule, status, generation,
    attempt, epoch, losses, takeovers, blocked_by, open_children, ran_ms, last_event, created_at, started_at, ended_at, input`;
  db.exec(`INSERT INTO runs (id, ${columns})
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${endedRuns})
    SELECT printf('old%017d', i), ${columns.replace("root_id", "printf('old%017d', i)").replace("input", "'1'")}
    FROM (SELECT * FROM runs WHERE status = 'succeeded' LIMIT 1) CROSS JOIN n`);
  db.exec(`INSERT INTO events (namespace, position, run, number, type, at, data)
    SELECT 'shop', 1000000 + seq, seq, 1, 'run.enqueued', 0, '{}' FROM runs WHERE id LIKE 'old%'`);
  db.exec(`INSERT INTO logs (run_id, epoch, line, at, written_at, stream, level, text)
    SELECT id, 1, 1, 0, 200000, 'log', 'info', 'Hello.' FROM runs WHERE id LIKE 'old%'`);
  db.exec(`INSERT INTO "values" (scope_kind, scope_id, generation, key, version, writer_run, writer_epoch, created_at, updated_at, value)
    SELECT 'step', id, 1, 's', 1, id, 1, 0, 0, '1' FROM runs WHERE id LIKE 'old%'`);
  addStateOfEndedRuns(db);
  // Past their retention, but their run is still there.
  db.exec(`INSERT INTO keys (namespace, kind, scope, key, hash, run_id, expires_at)
    SELECT 'shop', 'run', 'ship', id, 'h', id, 0 FROM runs WHERE id LIKE 'old%'`);
  db.close();
}

/** `now`: the store's clock. */
export type Call = <T>(verb: StoreVerb, args?: unknown, now?: number) => T;

export function callsOf(database: Database): Call {
  return <T>(verb: StoreVerb, args?: unknown, now = 1_000) => {
    const [answer] = database.carryOut([{ id: 1, verb, args }], now).answers;
    assert.equal(answer?.error, undefined, `${verb}: ${answer?.error?.message}`);
    return answer?.result as T;
  };
}

const list = { namespace: "shop", limitRows: 5 };
const success = { to: "ended", status: "succeeded", outcome: "succeeded", output: 1 };

/** One run that has succeeded: the pattern for all that ended. */
export function endOne(call: Call): void {
  call("joinMember", { id: "m", kind: "node", name: "m", namespace: "shop", serves: null, leaseMs: 1 });
  call("enqueueRuns", { rows: [{ ...rowOf("pattern"), claimFor: "m" }] });
  for (const { runId, epoch } of call<{ runId: string; epoch: number }[]>("listClaimed", {
    memberId: "m",
    limitRows: 5,
  })) {
    call("finishActivations", { rows: [{ runId, epoch, ranMs: 1, next: success }] });
  }
}

function exerciseObligations(call: Call, runId: string): void {
  call("listOwed", { memberId: "m", kind: "activation", limitRows: 5 });
  call("listOwed", { memberId: null, kind: "activation", limitRows: 5 });
  for (const queues of [null, ["default"]])
    call("claimCleanUps", { memberId: "m", namespace: "shop", queues, limitRows: 5 });
  call("listObligations", { ...list, rootId: runId });
  call("listObligations", list);
  const name = { kind: "activation", runId, subject: "1" };
  call("noteObligations", {
    rows: [
      { ...name, outcome: "tried", error: null },
      { ...name, outcome: "met" },
    ],
  });
  call("forceEnds", { runId, limitRows: 5 });
  call("forceOverdue", { afterMs: 1_000_000, limitRows: 5 });
  const request = { namespace: "shop", key: "k", part: "", hash: "h", retentionMs: 1 };
  call("carryOutOnce", { request, call: { verb: "keep", args: 1 } });
  call("findAnswer", request);
  call("pauseSchedule", { namespace: "shop", id: "s", paused: true, reason: null });
  call("removeSchedule", { namespace: "shop", id: "s" });
}

/** Every verb, on runs of every kind. */
export function exercise(database: Database): void {
  const call = callsOf(database);
  const key = { key: "k", hash: "h", retentionMs: 1 };
  const rows = [rowOf("a"), { ...rowOf("b"), key, request: key }, rowOf("c", { startAfter: 2_000, expiresAfterMs: 1 })];
  call("enqueueRuns", { rows });
  for (const queues of [null, ["default", "other"]])
    call("claimRuns", { ...list, memberId: "m", queues, limitRows: 1 });
  const [first, second] = call<{ runId: string; epoch: number }[]>("listClaimed", { memberId: "m", limitRows: 5 });
  assert.ok(first && second);
  const { runId, epoch } = first;
  call("commitSteps", { rows: [{ runId, epoch, generation: 1, key: "s", value: 1 }] });
  exerciseState(call, first);
  call("appendLogs", { rows: [{ runId, epoch, seq: 1, at: 1, stream: "log", level: "info", text: "t" }] });
  const children = ["x", "y"].map((name, index) => ({
    ...rowOf(name, { rootId: runId, parentId: runId, name, item: name, itemIndex: index, depth: 1, blockedBy: index })
      .run,
  }));
  const edges = [{ upstream: children[0]?.id, downstream: children[1]?.id }];
  call("expandRuns", { rows: [{ runId, epoch, ranMs: 1, input: 1, children, edges }] });
  call("finishActivations", { rows: [{ runId: second.runId, epoch: second.epoch, ranMs: 1, next: success }] });
  for (const verb of ["wakeRuns", "expireRuns", "spreadOrders", "sequenceEvents"] as const)
    call(verb, { limitRows: 5 });
  const ending = { status: "cancelled", error: { code: "cancelled", message: "No." } };
  call("orderEnd", { runId, ending, data: {}, limitRows: 1 });
  for (const queues of [null, ["default", "other"]])
    call("claimRuns", { ...list, memberId: "m", queues, limitRows: 1 });
  call("spreadOrders", { limitRows: 5 });
  exerciseObligations(call, runId);
  call("findRun", { id: runId });
  call("findRunIds", { ...list, prefix: "1" });
  call("findKeyedRuns", { ...list, key: "1", definitions: ["a", "b"] });
  const statuses = [
    "pending",
    "ready",
    "running",
    "waiting",
    "cancelling",
    "succeeded",
    "failed",
    "cancelled",
    "skipped",
  ];
  for (const rootsOnly of [true, false]) {
    for (const status of [undefined, ...statuses]) {
      const ofStatus = status === undefined ? {} : { statuses: [status] };
      call("listRuns", { ...list, ...ofStatus, rootsOnly });
      call("listRuns", { ...list, ...ofStatus, rootsOnly, definition: "ship" });
      call("listRuns", { ...list, ...ofStatus, rootsOnly, parentId: runId });
    }
  }
  call("listUpstreams", { runId: children[1]?.id, limitRows: 5 });
  call("listTree", { rootId: runId, after: runId, limitRows: 5 });
  call("findScopes", { rows: [{ parentId: runId, names: ["x"] }] });
  call("listChildOutputs", { parentId: runId, afterIndex: -1, limitRows: 5 });
  call("listSteps", { runId, generation: 1 });
  call("listEvents", { runId, after: 0, limitRows: 5 });
  call("listTopic", { ...list, after: 0 });
  call("listLogs", { runId, limitRows: 5 });
  call("listMembers", { namespace: "shop" });
  call("measureBacklog", { namespace: "shop", limitRows: 10 });
  call("renewMember", { id: "m", leaseMs: 1 });
  call("judgeMembers", { by: "m", limitRows: 5 });
  // Nothing is due, then much is.
  call("prune", { runsMs: 1_000_000, logsMs: 1_000_000, limitRows: 5 });
  const pruned = call<{ runs: number }>("prune", { runsMs: 1, logsMs: 1, limitRows: 5 }, 100_000);
  assert.equal(pruned.runs, 5);
  call("leaveMember", { id: "m" });
  exerciseWaits(call);
  exerciseJobs(call);
}

/** A run that waits for external jobs, of which one ends, one is given up with it, and one is forced. */
function exerciseJobs(call: Call): void {
  call("joinMember", { id: "j", kind: "node", name: "j", namespace: "shop", serves: null, leaseMs: 1 });
  call("enqueueRuns", { rows: [{ ...rowOf("jobs"), claimFor: "j" }] });
  const [held] = call<{ runId: string; epoch: number }[]>("listClaimed", { memberId: "j", limitRows: 5 });
  assert.ok(held);
  const { runId } = held;
  const job = { service: "warehouse", connection: null, submission: "token", spec: 1, job: null, settleMs: 0 } as const;
  const opens = ["a", "b", "c"].map((key) => ({
    ...{ key, kind: "external", hash: "h", delayMs: key === "c" ? 1 : null, signal: null, child: null },
    job: { ...job, id: `job-${key}`, number: 1, token: key, onUnknown: "ask", callbackHash: null },
  }));
  const suspend = { groups: [["a", "b", "c"]], ranMs: 1 };
  call("openWaits", { rows: [{ ...held, generation: 1, opens, settles: [], suspend }] });
  const tracking = { memberId: "j", limitRows: 5 };
  const jobs = call<{ id: string; epoch: number }[]>("claimJobs", { ...tracking, namespace: "shop" });
  const note = (news: object) => ({ jobId: "job-a", by: { epoch: jobs[0]?.epoch }, news });
  call("noteJobs", {
    rows: [note({ is: "calling", memberId: "j" }), note({ is: "ended", status: "succeeded", result: 1 })],
  });
  for (const orderedOnly of [true, false]) call("listTracked", { ...tracking, orderedOnly, after: "job-a" });
  for (const filter of [{}, { runId }, { runId, key: "a" }, { statuses: ["unknown"] }, { statuses: ["lost"] }]) {
    call("listJobs", { namespace: "shop", limitRows: 5, ...filter });
    call("listJobs", { namespace: "shop", limitRows: 5, cursor: "5/a", ...filter });
  }
  call("findJob", { id: "job-a" });
  call("wakeRuns", { limitRows: 5 }, 200_000);
  call("forceOverdue", { afterMs: 0, limitRows: 5 }, 201_000);
  call("orderEnd", {
    runId,
    ending: { status: "cancelled", error: { code: "cancelled", message: "" } },
    data: {},
    limitRows: 5,
  });
  call("leaveMember", { id: "j" });
  call("joinMember", { id: "k", kind: "node", name: "k", namespace: "shop", serves: null, leaseMs: 1 });
  call("judgeMembers", { by: "k", limitRows: 5 });
  call("forceEnds", { runId, limitRows: 5 });
  call("prune", { runsMs: 1, logsMs: 1, limitRows: 5 }, 900_000);
}

/** A run that sleeps, calls another one, is signalled, and lets the other one go. */
function exerciseWaits(call: Call): void {
  call("joinMember", { id: "w", kind: "node", name: "w", namespace: "shop", serves: null, leaseMs: 1 });
  call("enqueueRuns", { rows: [{ ...rowOf("waits"), claimFor: "w" }] });
  const [held] = call<{ runId: string; epoch: number }[]>("listClaimed", { memberId: "w", limitRows: 5 });
  assert.ok(held);
  const { runId } = held;
  const child = rowOf("called", { rootId: runId, parentId: runId, name: "called", depth: 1 }).run;
  const none = { hash: "h", delayMs: null, signal: null, child: null };
  const opens = [
    { ...none, key: "nap", kind: "sleep", delayMs: 1_000 },
    { ...none, key: "called", kind: "call", child },
    { ...none, key: "go", kind: "signal", signal: "go" },
    { ...none, key: "gone", kind: "signal", signal: "go" },
  ];
  const order = { ...held, generation: 1, opens: [], settles: [], suspend: null };
  const request = { key: "k", hash: "h", retentionMs: 1 };
  call("signalRun", { runId, name: "go", payload: 1, request });
  call("openWaits", { rows: [{ ...order, opens }] });
  call("listWaits", { runId, limitRows: 5 });
  call("listSignals", { runId, limitRows: 5 });
  call("openWaits", { rows: [{ ...order, suspend: { groups: [["nap"], ["called", "gone"]], ranMs: 1 } }] });
  call("signalRun", { runId, name: "go", payload: 2, request: null });
  call("wakeRuns", { limitRows: 5 }, 102_000);
  const claimed = call<{ id: string; epoch: number }[]>("claimRuns", { ...list, memberId: "w", queues: null });
  const woken = claimed.find(({ id }) => id === runId);
  assert.ok(woken);
  const settles = [{ key: "race", value: 1, drops: ["called"] }];
  call("openWaits", { rows: [{ ...order, epoch: woken.epoch, settles }] });
  call("finishActivations", { rows: [{ runId, epoch: woken.epoch, ranMs: 1, next: success }] });
  call("leaveMember", { id: "w" });
}
