// Faults to catch: what a refused call had written before it was refused stays, or is rung; a commit that is not synced to
// the disk before it is answered; edges that outlive their runs and grow for ever.
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import type { RunRow } from "../../core/index.ts";
import { inFolder } from "../owned/folder.fixture.ts";
import { Connection } from "./connection.ts";
import { call, claiming, enqueueing, fanIn, joinNode, open, start, success } from "./database.fixture.ts";

test("of a call that is refused beside others nothing stays and nothing is rung", () =>
  inFolder((folder) => {
    const database = open(join(folder, "store.db"));
    joinNode(database, "m");
    const [good] = enqueueing().rows;
    const [bad] = enqueueing().rows;
    assert.ok(good && bad);
    // No text, which is noticed only when the row before it has been written.
    const broken = { ...bad, run: { ...bad.run, manifestHash: {} } };
    const { answers, rings } = database.carryOut(
      [
        { id: 1, verb: "enqueueRuns", args: { rows: [good, broken] } },
        { id: 2, verb: "renewMember", args: { id: "m", leaseMs: 15_000 } },
      ],
      start,
    );
    assert.deepEqual(
      answers.map(({ id, error }) => [id, error === undefined]),
      [
        [1, false],
        [2, true],
      ],
    );
    assert.deepEqual(rings, []);
    assert.equal(call(database, "findRun", { id: good.run.id }), undefined);
    assert.deepEqual(call(database, "claimRuns", claiming), []);
    database.close();
  }));

test("each commit is synced before it is answered", () =>
  inFolder((folder) => {
    const { run } = Connection.prototype;
    const used = new Set<Connection>();
    Connection.prototype.run = function (...args) {
      used.add(this);
      return run.apply(this, args);
    };
    try {
      const database = open(join(folder, "store.db"));
      call(database, "enqueueRuns", enqueueing());
      const modes = [...used].map((connection) => connection.find<{ synchronous: number }>("PRAGMA synchronous"));
      // 2 is FULL: https://sqlite.org/pragma.html#pragma_synchronous
      assert.deepEqual(
        modes.map((mode) => mode?.synchronous),
        [2],
      );
      database.close();
    } finally {
      Object.assign(Connection.prototype, { run });
    }
  }));

test("the edges of a tree go with it", () =>
  inFolder((folder) => {
    const path = join(folder, "store.db");
    const database = open(path);
    joinNode(database, "m");
    const { parent, a } = fanIn(database);
    call(database, "finishActivations", { rows: [success(a)] });
    const rest = () => call<RunRow[]>(database, "claimRuns", claiming);
    for (let runs = rest(); runs.length > 0; runs = rest()) {
      call(database, "finishActivations", { rows: runs.map(success) });
    }
    assert.equal(call<RunRow>(database, "findRun", { id: parent.id }).status, "succeeded");
    const edges = () => {
      const file = new DatabaseSync(path, { readOnly: true });
      const found = file.prepare("SELECT count(*) AS n FROM edges").get();
      file.close();
      return found?.n;
    };
    assert.equal(edges(), 2);
    const pruned = call<{ runs: number }>(database, "prune", { runsMs: 0, logsMs: 0, limitRows: 10 }, start + 1);
    assert.deepEqual([pruned.runs, edges()], [4, 0]);
    database.close();
  }));
