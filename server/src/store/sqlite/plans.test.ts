import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { inFolder } from "../owned/folder.fixture.ts";
import type { StoreVerb } from "../store.ts";
import { Database } from "./database.ts";
import { rowOf } from "./rows.fixture.ts";

// The fault that this must catch: a statement that walks ended runs, their events or their lines. Every statement of every
// verb is prepared beside 100,000 ended runs and must search an index for what it answers. The store never asks SQLite for
// statistics, so that plans rest on the schema alone.

const endedRuns = 100_000;

/** Whole tables that are small whatever has ended, or walked in order and cut short by their limit. */
const allowed = [
  "SCAN topics",
  "SCAN clock",
  "SCAN hop",
  "SCAN json_each VIRTUAL TABLE INDEX 1:",
  // Lists of everything, newest first, and the oldest lines: in the order of the key, up to the limit.
  /^SEARCH runs USING INTEGER PRIMARY KEY/,
  "SCAN logs",
  // Orders that are on their way down: the index holds nothing else.
  "SCAN runs USING COVERING INDEX runs_spreading",
  "SCAN runs USING INDEX runs_spreading",
  // Members, when all are to be listed: a row for each process that joined within the retention.
  /^SCAN members/,
  // Limits that came with live runs: those of nobody are gone after this.
  /^SCAN l USING (COVERING )?INDEX limits_undeclared/,
];

/** Every statement that the verbs prepare while `work` runs. */
function statementsOf(work: () => void): string[] {
  const statements = new Set<string>();
  const { prepare } = DatabaseSync.prototype;
  DatabaseSync.prototype.prepare = function (sql, ...rest) {
    statements.add(sql);
    return prepare.call(this, sql, ...rest);
  };
  try {
    work();
  } finally {
    DatabaseSync.prototype.prepare = prepare;
  }
  return [...statements].filter((sql) => /^\s*(SELECT|UPDATE|DELETE|INSERT|WITH)/.test(sql));
}

function addEndedRuns(path: string): void {
  const db = new DatabaseSync(path);
  const columns = `root_id, namespace, kind, definition, manifest_hash, name, depth, queue, priority, rule, status, generation,
    attempt, epoch, losses, takeovers, blocked_by, open_children, ran_ms, last_event, created_at, started_at, ended_at, input`;
  db.exec(`INSERT INTO runs (id, ${columns})
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${endedRuns})
    SELECT printf('old%017d', i), ${columns.replace("root_id", "printf('old%017d', i)").replace("input", "'1'")}
    FROM (SELECT * FROM runs WHERE status = 'succeeded' LIMIT 1) CROSS JOIN n`);
  db.exec(`INSERT INTO events (namespace, position, run, number, type, at, data)
    SELECT 'shop', 1000000 + seq, seq, 1, 'run.enqueued', 0, '{}' FROM runs WHERE id LIKE 'old%'`);
  db.close();
}

type Call = <T>(verb: StoreVerb, args?: unknown) => T;

function callsOf(database: Database): Call {
  return <T>(verb: StoreVerb, args?: unknown) => {
    const [answer] = database.carryOut([{ id: 1, verb, args }], 1_000).answers;
    assert.equal(answer?.error, undefined, `${verb}: ${answer?.error?.message}`);
    return answer?.result as T;
  };
}

const list = { namespace: "shop", limitRows: 5 };
const success = { to: "ended", status: "succeeded", outcome: "succeeded", output: 1 };

/** One run that has succeeded: the pattern for all that ended. */
function endOne(call: Call): void {
  call("joinMember", { id: "m", kind: "node", name: "m", namespace: "shop", leaseMs: 1 });
  call("enqueueRuns", { rows: [{ ...rowOf("pattern"), claimFor: "m" }] });
  for (const { runId, epoch } of call<{ runId: string; epoch: number }[]>("listClaimed", {
    memberId: "m",
    limitRows: 5,
  })) {
    call("finishActivations", { rows: [{ runId, epoch, ranMs: 1, next: success }] });
  }
}

/** Every verb, on runs of every kind. */
function exercise(database: Database): void {
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
  call("listCancelling", { memberId: "m", limitRows: 5 });
  call("findRun", { id: runId });
  call("findRunIds", { ...list, prefix: "1" });
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
  call("listTree", { rootId: runId, after: runId, limitRows: 5 });
  call("findScopes", { rows: [{ parentId: runId, names: ["x"] }] });
  call("listChildOutputs", { parentId: runId, afterIndex: -1, limitRows: 5 });
  call("listSteps", { runId, generation: 1 });
  call("listEvents", { runId, after: 0, limitRows: 5 });
  call("listTopic", { ...list, after: 0 });
  call("listLogs", { runId, limitRows: 5 });
  call("listMembers", { namespace: "shop" });
  call("renewMember", { id: "m", leaseMs: 1 });
  call("judgeMembers", { by: "m", limitRows: 5 });
  database.carryOut([{ id: 1, verb: "prune", args: { runsMs: 1, logsMs: 1, limitRows: 5 } }], 100_000);
  call("leaveMember", { id: "m" });
}

test("no statement walks what has ended, with 100,000 ended runs beside", (t) =>
  inFolder((folder) => {
    const path = join(folder, "store.db");
    const database = new Database({ path, migrate: true }, 1_000);
    endOne(callsOf(database));
    database.close();
    addEndedRuns(path);
    const beside = new Database({ path, migrate: true }, 1_000);
    const statements = statementsOf(() => exercise(beside));
    beside.close();
    const db = new DatabaseSync(path);
    for (const sql of statements) {
      const plan = db
        .prepare(`EXPLAIN QUERY PLAN ${sql}`)
        .all()
        .map((row) => String(row.detail));
      for (const step of plan.filter((detail) => /^SCAN|AUTOMATIC/.test(detail))) {
        const fine = allowed.some((known) => (typeof known === "string" ? step === known : known.test(step)));
        assert.ok(fine, `${step}\n${sql}`);
      }
      // A list that leaves a part of its index open walks the runs of all other statuses or definitions.
      for (const step of plan.filter((detail) => /INDEX runs_(roots|below|definition)/.test(detail))) {
        assert.match(step, /status=\?/, sql);
        assert.ok(!plan.some((detail) => detail.startsWith("USE TEMP B-TREE")), sql);
      }
      // Keys whose run is still there are passed over without a look.
      if (/FROM keys/.test(sql)) assert.match(sql, /run_gone = 1|key = \?/);
    }
    t.diagnostic(`${statements.length} statements`);
    assert.ok(statements.length > 60);
    db.close();
  }));
