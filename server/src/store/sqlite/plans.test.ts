import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { inFolder } from "../owned/folder.fixture.ts";
import { Database } from "./database.ts";
import { addEndedRuns, callsOf, endOne, executedBy, exercise, touchesRows } from "./plans.fixture.ts";

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
  // What of one tree has not ended.
  "SCAN b",
  "SCAN below",
  // What orders have to bring to an end and have not.
  /^SCAN obligations USING (COVERING )?INDEX obligations_owed/,
  // What people have paused and not resumed.
  /^SCAN pauses/,
  // Limits that came with live runs: those of nobody are gone after this.
  /^SCAN l USING (COVERING )?INDEX limits_undeclared/,
];

test("no statement walks what has ended, with 100,000 ended runs beside", (t) =>
  inFolder((folder) => {
    const path = join(folder, "store.db");
    const database = new Database({ path, migrate: true }, 1_000);
    endOne(callsOf(database));
    database.close();
    addEndedRuns(path, endedRuns);
    const beside = new Database({ path, migrate: true }, 1_000);
    const executed = executedBy(() => exercise(beside));
    const statements = [...new Set(executed.map(({ sql }) => sql))].filter(touchesRows);
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
