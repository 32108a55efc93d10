import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import sqliteWasm from "@sqlite.org/sqlite-wasm";
import { inFolder } from "../owned/folder.fixture.ts";
import { Database } from "./database.ts";
import { addEndedRuns, callsOf, type Executed, endOne, executedBy, exercise, touchesRows } from "./plans.fixture.ts";

// The fault that this must catch: a statement whose work grows with what has ended, whatever its plan looks like (plans.test.ts
// looks at that). Every statement of every verb is carried out beside 100 ended runs and beside 100,000 of them, by a build of
// the same SQLite that tells how many instructions of its virtual machine a statement took: a few for each row visited.

type Wasm = Awaited<ReturnType<typeof sqliteWasm>>;
let wasm: Wasm;
before(async () => {
  wasm = await sqliteWasm();
});

/** The file as it was before, and what was then carried out on it. */
interface Recording {
  readonly file: Uint8Array;
  readonly executed: readonly Executed[];
}

async function recordBeside(endedRuns: number): Promise<Recording> {
  const recordings: Recording[] = [];
  await inFolder((folder) => {
    const path = join(folder, "store.db");
    const first = new Database({ path, migrate: true }, 1_000);
    endOne(callsOf(first));
    first.close();
    addEndedRuns(path, endedRuns);
    const file = new Uint8Array(readFileSync(path));
    // Versions of the file's format: in memory there is no write-ahead log.
    file.set([1, 1], 18);
    const database = new Database({ path, migrate: true }, 1_000);
    const executed = executedBy(() => exercise(database));
    database.close();
    recordings.push({ file, executed });
  });
  const [recording] = recordings;
  assert.ok(recording);
  return recording;
}

/** Instructions of each statement, those of all its executions together. */
function stepsOf({ file, executed }: Recording): Map<string, number> {
  const { capi, wasm: memory, oo1 } = wasm;
  const database = new oo1.DB(":memory:", "c");
  const pointer = database.pointer;
  assert.ok(pointer !== undefined);
  const place = memory.allocFromTypedArray(file);
  const flags = capi.SQLITE_DESERIALIZE_FREEONCLOSE | capi.SQLITE_DESERIALIZE_RESIZEABLE;
  assert.equal(capi.sqlite3_deserialize(pointer, "main", place, file.length, file.length, flags), 0);
  database.exec("PRAGMA foreign_keys = ON");
  const steps = new Map<string, number>();
  for (const { sql, values } of executed) {
    if (/^\s*PRAGMA/i.test(sql)) continue;
    const statement = database.prepare(sql);
    for (const [index, value] of values.entries()) statement.bind(index + 1, bindable(value));
    while (statement.step());
    const taken = capi.sqlite3_stmt_status(statement.pointer ?? 0, capi.SQLITE_STMTSTATUS_VM_STEP, 1);
    statement.finalize();
    if (touchesRows(sql)) steps.set(sql, (steps.get(sql) ?? 0) + taken);
  }
  database.close();
  return steps;
}

/** The store binds numbers, texts and nulls only. */
function bindable(value: Executed["values"][number]): string | number | null {
  assert.ok(value === null || typeof value === "number" || typeof value === "string");
  return value;
}

test("every statement takes as many steps beside 100,000 ended runs as beside a hundred", async (t) => {
  const few = stepsOf(await recordBeside(100));
  const many = stepsOf(await recordBeside(100_000));
  t.diagnostic(`SQLite ${wasm.capi.sqlite3_libversion()}, ${many.size} statements`);
  assert.deepEqual([...many.keys()], [...few.keys()]);
  const grown = [...many].filter(([sql, steps]) => steps > (few.get(sql) ?? 0) * 1.1 + 20);
  assert.deepEqual(
    grown.map(([sql, steps]) => ({ sql, steps, before: few.get(sql) })),
    [],
  );
});
