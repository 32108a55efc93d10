import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventType, Json, RunEventView, RunView } from "@holdfast/protocol";
import picocolors from "picocolors";
import { LineView } from "./following.ts";
import { changeLine, treeLines } from "./run-screen.ts";
import { RunTree } from "./run-tree.ts";
import { openTerminal, type Terminal, visibleLength } from "./terminal.ts";

const terminal: Terminal = {
  ...openTerminal({ json: false }),
  columns: 60,
  rows: 12,
  colors: picocolors.createColors(false),
};
const start = Date.parse("2026-01-01T00:00:00Z");

function view(id: string, over: Partial<RunView> = {}): RunView {
  return {
    id,
    rootId: "root",
    parentId: null,
    kind: "workflow",
    definition: "shop",
    name: "shop",
    item: null,
    key: null,
    queue: "default",
    priority: 0,
    status: "waiting",
    attempt: 1,
    epoch: 1,
    generation: 1,
    parentGeneration: 1,
    manifestHash: "0",
    input: null,
    output: null,
    error: null,
    blockedBy: 0,
    openChildren: 0,
    notBefore: null,
    limit: null,
    expiresAt: null,
    createdAt: new Date(start).toISOString(),
    startedAt: new Date(start).toISOString(),
    endedAt: null,
    ranMs: 0,
    ...over,
  };
}

function event(runId: string, type: EventType, data: Json = {}, name = runId): RunEventView {
  return {
    runId,
    rootId: "root",
    definition: "shop",
    name,
    number: 1,
    type,
    at: new Date(start + 1_000).toISOString(),
    data,
  };
}

test("events build the tree, a map counts its items, and only those under way or failed are shown", () => {
  const tree = new RunTree(view("root"));
  tree.apply(event("m", "run.enqueued", { kind: "map", parentId: "root" }, "clean"));
  for (const id of ["i1", "i2", "i3", "i4"]) {
    tree.apply(event(id, "run.enqueued", { kind: "task", parentId: "m" }, `clean[${id}]`));
  }
  tree.apply(event("i1", "run.started"));
  tree.apply(event("i1", "run.succeeded"));
  tree.apply(event("i2", "run.started"));
  tree.apply(event("i3", "run.failed", { error: { code: "task_failed", message: "it broke" } }));
  const text = treeLines(terminal, tree.root, start + 2_000).join("\n");
  assert.match(text, /clean {2}█{8}░{8} 2\/4/);
  assert.match(text, /✗ clean\[i3\] {2}it broke/);
  assert.match(text, /▸ clean\[i2\] {2}1\.0s/);
  assert.doesNotMatch(text, /i1|i4/);
});

test("no line is wider than the terminal, there are no more lines than fit, and control characters stay out", () => {
  const tree = new RunTree(view("root", { name: `shop${"\u001b[2J"}` }));
  for (let i = 0; i < 50; i++) {
    tree.apply(event(`t${i}`, "run.enqueued", { kind: "task", parentId: "root" }, `task-${i}-${"x".repeat(100)}`));
  }
  const lines = treeLines(terminal, tree.root, start);
  assert.equal(lines.length, 10);
  assert.match(lines.at(-1) ?? "", /42 more lines/);
  assert.ok(lines.every((line) => visibleLength(line) <= 60));
  assert.ok(!lines.join("").includes("\u001b"));
});

test("an event that tells what the list already said takes nothing back", () => {
  const ended = view("t", {
    kind: "task",
    parentId: "root",
    status: "succeeded",
    endedAt: new Date(start).toISOString(),
  });
  const tree = new RunTree(view("root"));
  tree.load([ended]);
  assert.equal(tree.apply(event("t", "run.started")), undefined);
  assert.equal(tree.tasks()[0]?.status, "succeeded");
});

test("a change is one line: what failed, when it is tried again, and that a lost run starts again", () => {
  const tree = new RunTree(view("root"));
  tree.load([view("t", { kind: "task", parentId: "root", name: "load", status: "running" })]);
  const retried = tree.apply(
    event("t", "run.retry_scheduled", {
      attempt: 2,
      delayMs: 5_000,
      error: { code: "task_failed", message: "no\nroom" },
    }),
  );
  assert.ok(retried !== undefined);
  assert.match(changeLine(terminal, retried, start + 1_000) ?? "", /load failed, try 2 in 5\.0s: no room/);
  const lost = tree.apply(event("t", "run.lost", { epoch: 1, error: { code: "lost", message: "Its node is gone." } }));
  assert.ok(lost !== undefined);
  assert.match(changeLine(terminal, lost, start) ?? "", /load starts again: Its node is gone\./);
});

test("lines tell a start before what the body writes, once, and none of what is skipped by its condition", () => {
  const tree = new RunTree(view("root"));
  const lines: string[] = [];
  const lineView = new LineView({ ...terminal, relay: (text) => lines.push(text.replace(/^\S+ /, "")) }, tree, false);
  const change = (id: string, type: EventType, data: Json = {}) => {
    const node = tree.apply(event(id, type, data));
    if (node !== undefined) lineView.changed(node, start + 1_000);
  };
  const wrote = (runId: string, text: string) =>
    lineView.wrote(
      { runId, epoch: 1, seq: 1, at: new Date(start + 1_500).toISOString(), stream: "stdout", level: "info", text },
      runId,
    );
  for (const id of ["on", "off", "quick"]) change(id, "run.enqueued", { kind: "task", parentId: "root" });
  change("off", "run.started");
  change("off", "run.skipped", { error: { code: "condition_false", message: "Its condition did not hold." } });
  // Listed as running; the log of all runs tells of its start later.
  tree.load([view("quick", { parentId: "root", kind: "task", name: "quick", status: "running" })]);
  wrote("quick", "hello");
  change("quick", "run.started");
  change("on", "run.started");
  lineView.close();
  assert.deepEqual(lines, ["off skipped: Its condition did not hold.", "quick started", "quick | hello", "on started"]);
});
