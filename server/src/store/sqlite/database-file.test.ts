import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { isAppError } from "@holdfast/protocol";
import type { RunRow } from "../../core/index.ts";
import { inFolder } from "../owned/folder.fixture.ts";
import type { Judgement, MemberRow, StoreDescription } from "../store.ts";
import { Connection } from "./connection.ts";
import { call, claiming, enqueueing, fanIn, joinNode, open, refused, start, success } from "./database.fixture.ts";
import type { Database } from "./database.ts";
import { openSqliteStore } from "./open.ts";

test("what does not fit on a full disk is refused alone, and everything else goes on", () =>
  inFolder((folder) => {
    const path = join(folder, "store.db");
    const full = open(path, { maxPages: 200 });
    joinNode(full, "m");
    const kept = call<{ run: RunRow }[]>(full, "enqueueRuns", enqueueing());
    const big = "x".repeat(1_000_000);
    const { answers } = full.carryOut(
      [
        { id: 1, verb: "enqueueRuns", args: enqueueing() },
        { id: 2, verb: "enqueueRuns", args: enqueueing(big) },
        { id: 3, verb: "claimRuns", args: claiming },
      ],
      start,
    );
    assert.deepEqual(
      answers.map(({ id, error }) => [id, error?.code]),
      [
        [1, undefined],
        [2, "store_full"],
        [3, undefined],
      ],
    );
    const [claimed] = (answers[2]?.result ?? []) as RunRow[];
    assert.equal(claimed?.id, kept[0]?.run.id);
    full.close();
    const roomy = open(path);
    assert.equal(call<RunRow[]>(roomy, "listClaimed", { memberId: "m", limitRows: 10 }).length, 2);
    call(roomy, "enqueueRuns", enqueueing(big));
    roomy.close();
  }));

test("a store of a newer version is refused and left as it is", () =>
  inFolder((folder) => {
    const path = join(folder, "store.db");
    open(path).close();
    const future = new DatabaseSync(path);
    future.exec("PRAGMA user_version = 9999");
    future.close();
    const before = readFileSync(path);
    refused("store_newer", () => open(path));
    assert.deepEqual(readFileSync(path), before);
  }));

test("a store that other migrations of the same numbers made is refused and left as it is", () =>
  inFolder((folder) => {
    const path = join(folder, "store.db");
    open(path).close();
    const other = new DatabaseSync(path);
    other.exec("UPDATE migrations SET name = '0002_other.sql' WHERE version = 2");
    other.close();
    const before = readFileSync(path);
    refused("invalid_request", () => open(path));
    assert.deepEqual(readFileSync(path), before);
  }));

test("an absent schema is not made when that is not asked for", () =>
  inFolder((folder) => refused("invalid_request", () => open(join(folder, "store.db"), { migrate: false }))));

test("files that are no store are refused by name and left as they are", () =>
  inFolder((folder) => {
    const text = join(folder, "notes.txt");
    writeFileSync(text, "These are notes and no database at all. ".repeat(100));
    const before = readFileSync(text);
    refused("invalid_request", () => open(text));
    assert.deepEqual(readFileSync(text), before);
    const foreign = join(folder, "foreign.db");
    const other = new DatabaseSync(foreign);
    other.exec("CREATE TABLE customers (id INTEGER)");
    other.close();
    refused("invalid_request", () => open(foreign));
  }));

test("a damaged store says so", () =>
  inFolder((folder) => {
    const path = join(folder, "store.db");
    open(path).close();
    const bytes = readFileSync(path);
    bytes.fill(0x5a, 4_096);
    writeFileSync(path, bytes);
    refused("internal", () => open(path));
  }));

test("a folder that cannot be written in is a clear error", () =>
  inFolder(async (folder) => {
    // Root may write anywhere but in the kernel's own.
    const closed = process.getuid?.() === 0 ? "/proc/self" : join(folder, "closed");
    if (closed.startsWith(folder)) mkdirSync(closed, { mode: 0o500 });
    await assert.rejects(openSqliteStore({ path: join(closed, "store.db"), role: "owner" }), (error) =>
      isAppError(error, "store_unavailable"),
    );
  }));

test("a path that is a folder, or lies under a file, is a clear error", () =>
  inFolder(async (folder) => {
    writeFileSync(join(folder, "file"), "");
    for (const path of [folder, join(folder, "file", "store.db")]) {
      await assert.rejects(openSqliteStore({ path, role: "owner" }), (error) => isAppError(error, "store_unavailable"));
    }
  }));

test("a copied store is a new incarnation, a renamed or reopened one is the same", () =>
  inFolder((folder) => {
    const path = join(folder, "store.db");
    const incarnation = (database: Database) => {
      const { incarnation } = call<StoreDescription>(database, "describe");
      database.close();
      return incarnation;
    };
    const first = incarnation(open(path));
    assert.equal(incarnation(open(path)), first);
    copyFileSync(path, join(folder, "copy.db"));
    const copied = incarnation(open(join(folder, "copy.db")));
    assert.notEqual(copied, first);
    assert.equal(incarnation(open(join(folder, "copy.db"))), copied);
    renameSync(path, join(folder, "renamed.db"));
    assert.equal(incarnation(open(join(folder, "renamed.db"))), first);
    // A backup put back in its place.
    copyFileSync(join(folder, "renamed.db"), path);
    assert.notEqual(incarnation(open(path)), first);
    const second = incarnation(open(path));
    copyFileSync(path, join(folder, "backup.db"));
    // Set aside and not removed, so that the file system does not give its number to the backup.
    renameSync(path, join(folder, "aside.db"));
    copyFileSync(join(folder, "backup.db"), path);
    assert.notEqual(incarnation(open(path)), second);
  }));

test("the clock of the next boot is never earlier than what was written before", () =>
  inFolder((folder) => {
    const path = join(folder, "store.db");
    const before = open(path);
    call(before, "enqueueRuns", enqueueing(), start + 5_000);
    assert.equal(call<StoreDescription>(before, "describe", undefined, start).now, start + 5_000);
    before.close();
    const after = open(path);
    assert.equal(call<StoreDescription>(after, "describe").now, start + 5_000);
    after.close();
  }));

test("the first join of a new boot ends the members of the owner before, and their runs are taken over", () =>
  inFolder((folder) => {
    const path = join(folder, "store.db");
    const before = open(path);
    joinNode(before, "m");
    call(before, "enqueueRuns", enqueueing());
    const [claimed] = call<RunRow[]>(before, "claimRuns", claiming);
    assert.ok(claimed);
    before.close();
    const after = open(path);
    // Also before anybody has joined: who asks then is told that nobody is there.
    const [gone] = call<MemberRow[]>(after, "listMembers", { namespace: "shop" });
    assert.notEqual(gone?.endedAt, null);
    joinNode(after, "n");
    // Pruning before the judge has come by forgets nobody who holds something.
    call(after, "prune", { runsMs: 0, logsMs: 0, limitRows: 10 }, start + 10);
    const { lost, ...judgement } = call<Judgement>(after, "judgeMembers", { by: "n", limitRows: 10 });
    assert.equal(lost?.length, 1);
    assert.deepEqual(judgement, { judged: [], taken: 1, more: false });
    assert.equal(call<boolean>(after, "renewMember", { id: "m", leaseMs: 15_000 }), false);
    assert.deepEqual(call(after, "finishActivations", { rows: [success(claimed)] }), [{ outcome: "stale_epoch" }]);
    after.close();
  }));

test("a member behind the socket outlives the owner if it renews in time, and is judged gone if not", () =>
  inFolder((folder) => {
    const path = join(folder, "store.db");
    const before = open(path);
    for (const id of ["quick", "dead"]) {
      const args = { id, kind: "node", name: id, namespace: "shop", serves: null, leaseMs: 15_000 };
      before.carryOut([{ id: 1, verb: "joinMember", args, remote: true }], start);
    }
    before.close();
    const after = open(path);
    joinNode(after, "n");
    after.carryOut([{ id: 1, verb: "renewMember", args: { id: "quick", leaseMs: 15_000 }, remote: true }], start);
    const judge = { by: "n", limitRows: 10 };
    assert.deepEqual(call(after, "judgeMembers", judge), { judged: [], taken: 0, more: false });
    const later = start + 6_000;
    assert.deepEqual(call(after, "judgeMembers", judge, later), { judged: ["dead"], taken: 0, more: false });
    assert.equal(call<boolean>(after, "renewMember", { id: "quick", leaseMs: 15_000 }, later), true);
    after.close();
  }));

test("a clock that was set back by a year holds up nothing for a year", () =>
  inFolder((folder) => {
    const path = join(folder, "store.db");
    const ahead = open(path, { now: start + 365 * 86_400_000 });
    joinNode(ahead, "n", start + 365 * 86_400_000);
    ahead.close();
    const after = open(path);
    const at = (monotonicMs: number) => {
      const [answer] = after.carryOut(
        [{ id: 1, verb: "wakeRuns", args: { limitRows: 10 } }],
        start,
        monotonicMs,
      ).answers;
      return answer?.result as { woken: number; nextInMs: number | null };
    };
    const { rows } = enqueueing();
    const soon = rows.map((row) => ({ ...row, run: { ...row.run, startAfter: start + 365 * 86_400_000 + 1_000 } }));
    after.carryOut([{ id: 1, verb: "enqueueRuns", args: { rows: soon } }], start, 0);
    assert.equal(at(1_000).woken, 0);
    assert.equal(at(2_001).woken, 1);
    after.close();
  }));

test("an order that was on its way down a tree goes on in the next life of the store, and still holds the tree", () =>
  inFolder((folder) => {
    const path = join(folder, "store.db");
    const database = open(path);
    joinNode(database, "m");
    const { parent, a } = fanIn(database);
    const ending = { status: "cancelled", error: { code: "cancelled", message: "No." } };
    const order = { runId: parent.id, ending, data: {}, limitRows: 1 };
    assert.deepEqual(call(database, "orderEnd", order), { requested: 2, status: "cancelling" });
    // What lies on the disk is what a process killed here leaves behind.
    for (const file of ["store.db", "store.db-wal"]) copyFileSync(join(folder, file), join(folder, `killed-${file}`));
    database.close();
    const next = open(join(folder, "killed-store.db"));
    const [row] = enqueueing().rows;
    const { id } = row?.run ?? { id: "" };
    call(next, "enqueueRuns", { rows: [row] });
    joinNode(next, "m2");
    const claimed = call<RunRow[]>(next, "claimRuns", { ...claiming, memberId: "m2" });
    assert.deepEqual(
      claimed.map((run) => run.id),
      [id],
    );
    assert.deepEqual(call(next, "spreadOrders", { limitRows: 9 }), { reached: 2, more: false });
    assert.equal(call<RunRow>(next, "findRun", { id: parent.id }).status, "cancelling");
    assert.equal(call<{ taken: number }>(next, "judgeMembers", { by: "m2", limitRows: 9 }).taken, 1);
    assert.equal(call<RunRow>(next, "findRun", { id: a.id }).status, "cancelled");
    assert.equal(call<RunRow>(next, "findRun", { id: parent.id }).status, "cancelled");
    next.close();
  }));

test("a crash between any two statements of an end leaves all of it or nothing", (t) =>
  inFolder((folder) => {
    const path = join(folder, "store.db");
    const database = open(path);
    joinNode(database, "m");
    const { parent, a } = fanIn(database);
    // What lies on the disk before each statement is what a process killed there leaves behind.
    let statements = 0;
    const { run, mark } = Connection.prototype;
    const snapshot = () => {
      for (const file of ["store.db", "store.db-wal"])
        copyFileSync(join(folder, file), join(folder, `${statements}-${file}`));
      statements += 1;
    };
    Connection.prototype.run = function (...args) {
      snapshot();
      return run.apply(this, args);
    };
    Connection.prototype.mark = function (...args) {
      snapshot();
      return mark.apply(this, args);
    };
    try {
      call(database, "finishActivations", { rows: [success(a)] });
      snapshot();
    } finally {
      Object.assign(Connection.prototype, { run, mark });
      database.close();
    }
    t.diagnostic(`${statements} crash points`);
    assert.ok(statements > 10);
    for (let point = 0; point < statements; point++) {
      const left = open(join(folder, `${point}-store.db`));
      const statuses = call<RunRow[]>(left, "listTree", { rootId: parent.id, limitRows: 10 }).map((row) => row.status);
      const { events } = call<{ events: unknown[] }>(left, "listTopic", {
        namespace: "shop",
        after: 0,
        limitRows: 100,
      });
      const whole = point === statements - 1;
      assert.deepEqual(statuses, [
        "waiting",
        whole ? "succeeded" : "running",
        ...Array(2).fill(whole ? "ready" : "pending"),
      ]);
      assert.equal(events.length, whole ? 10 : 7);
      left.close();
    }
  }));
