// Faults to catch: a child under the wrong parent, a failed item of a large map that is not shown, a wait without its reason,
// a try that is not counted.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RunView } from "@holdfast/protocol";
import picocolors from "picocolors";
import type { Terminal } from "./terminal.ts";
import { treeTable } from "./tree-table.ts";

const now = Date.parse("2026-01-01T12:00:00Z");
const silent = (): void => undefined;
const terminal: Terminal = {
  json: false,
  live: false,
  colors: picocolors.createColors(false),
  columns: 200,
  rows: 24,
  typed: (text) => text,
  print: silent,
  note: silent,
  relay: silent,
  answer: silent,
  answerLine: silent,
  write: silent,
};

function view(id: string, parentId: string | null, over: Partial<RunView> = {}): RunView {
  return {
    ...{ id, parentId, rootId: "r", kind: "task", definition: id, name: id, item: null, key: null, queue: "default" },
    ...{
      priority: 0,
      status: "succeeded",
      attempt: 1,
      epoch: 1,
      parentGeneration: 1,
      generation: 1,
      manifestHash: "",
      input: null,
    },
    ...{
      output: null,
      error: null,
      blockedBy: 0,
      openChildren: 0,
      notBefore: null,
      limit: null,
      expiresAt: null,
      ranMs: 0,
    },
    ...{ createdAt: "2026-01-01T11:59:00Z", startedAt: "2026-01-01T11:59:00Z", endedAt: "2026-01-01T11:59:02Z" },
    ...over,
  };
}

const idle = { startedAt: null, endedAt: null };

function lines(runs: readonly RunView[], all = false): string[] {
  return treeTable(terminal, runs, { all, now })
    .split("\n")
    .map((line) => line.replaceAll(/\d\d:\d\d:\d\d/g, "(time)"));
}

test("a tree shows each run under its parent, with tries, times and why it stands there", () => {
  const shown = lines([
    view("r", null, { kind: "workflow", status: "waiting", openChildren: 3, endedAt: null }),
    view("inner", "r", {
      kind: "workflow",
      status: "failed",
      error: failure("child_failed", 'One failed. "x" failed: no'),
    }),
    view("x", "inner", { status: "failed", attempt: 3, error: failure("task_failed", "no\nreally") }),
    view("again", "r", {
      ...{ status: "ready", attempt: 2, endedAt: null, notBefore: "2026-01-01T12:00:30Z" },
      error: failure("task_failed", "busy"),
    }),
    view("later", "r", { status: "pending", blockedBy: 2, ...idle }),
    view("lined", "r", { status: "ready", limit: "definition/load", ...idle }),
    view("queued", "r", { status: "ready", queue: "etl", ...idle }),
  ]);
  assert.deepEqual(shown, [
    "NAME       ID      STATUS     TRY  STARTED   TOOK  WHY",
    "r          r       ▸ waiting       (time)    1m  waits for 3 runs below it",
    "├─ inner   inner   ✗ failed        (time)  2.0s  One failed.",
    "│  └─ x    x       ✗ failed     3  (time)  2.0s  no really (task_failed)",
    "├─ again   again   · ready      2  (time)    1m  try 2 in 30s: busy (task_failed)",
    "├─ later   later   · pending                       waits for 2 runs before it",
    "├─ lined   lined   · ready                         stands in line for definition/load",
    "└─ queued  queued  · ready                         waits for a free node (queue etl)",
  ]);
});

test("of a large map what failed and what is under way is shown, the rest counted, and all of it when asked", () => {
  const items = Array.from({ length: 100 }, (_, i) =>
    view(`i${i}`, "m", i === 97 ? { status: "failed" } : i === 98 ? { status: "running", endedAt: null } : {}),
  );
  const map = [view("m", null, { kind: "map", status: "waiting", endedAt: null }), ...items];
  const shown = lines(map);
  assert.equal(shown.length, 1 + 1 + 20 + 1);
  assert.ok(shown.some((line) => line.includes("i97 ")) && shown.some((line) => line.includes("i98 ")));
  assert.match(shown.at(-1) ?? "", /└─ … 80 more: 80 succeeded \(--all\)/);
  assert.equal(lines(map, true).length, 102);
});

function failure(code: string, message: string): RunView["error"] {
  return { code, message };
}
