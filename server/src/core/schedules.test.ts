import assert from "node:assert/strict";
import { test } from "node:test";
import { type CatchUp, limits, type Overlap } from "@holdfast/protocol";
import { countNotes, lateMs, note, planTicks, type TickNote, withNotes } from "./schedules.ts";

// Faults to catch: a policy that starts what it should leave out or leaves out silently, a tick that is told of twice or never.

const now = 1_000_000;
const minute = 60_000;
/** Five minutes over, one over, and just now. */
const ticks = [now - 5 * minute, now - minute, now - 1];

function plan(catchUp: CatchUp, overlap: Overlap, { open = 0, due = ticks, resumedAt = null as number | null } = {}) {
  const judged = planTicks({ due: due.map((tick) => ({ tick, dueAt: tick })), now, resumedAt, catchUp, overlap, open });
  const told = judged.leftOut.flatMap(({ from }) => from);
  assert.deepEqual([...judged.start, ...told].sort(), [...due].sort(), "each tick starts a run or is told of");
  return { start: judged.start, told: judged.leftOut.map(({ what }) => what), endsOpen: judged.endsOpen };
}

test("what was due before a schedule was resumed was missed, however little ago", () => {
  assert.deepEqual(plan("none", "allow", { resumedAt: now }), {
    start: [],
    told: ["missed", "missed", "missed"],
    endsOpen: false,
  });
  assert.deepEqual(plan("latest", "allow", { resumedAt: now }).start, [now - 1]);
  assert.deepEqual(plan("none", "allow", { resumedAt: now - 1 }).start, [now - 1]);
  assert.deepEqual(plan("none", "allow", { resumedAt: now - 2 * minute, due: ticks }).start, [now - 1]);
});

test("ticks that are over are caught up with as the policy says", () => {
  assert.deepEqual(plan("none", "allow").start, [now - 1]);
  assert.deepEqual(plan("latest", "allow").start, [now - 1]);
  assert.deepEqual(plan("all", "allow").start, ticks);
  const missed = ticks.slice(0, 2);
  assert.deepEqual(plan("none", "allow", { due: missed }).start, []);
  assert.deepEqual(plan("latest", "allow", { due: missed }).start, missed.slice(1));
  assert.deepEqual(plan("latest", "allow", { due: missed }).told, ["missed"]);
});

test("a tick that is only a little late is not missed, under any policy", () => {
  const late = [now - lateMs, now - lateMs / 2, now];
  for (const catchUp of ["none", "latest", "all"] as const) {
    assert.deepEqual(plan(catchUp, "allow", { due: late }).start, late);
  }
});

test("a tick while an earlier run is under way does as the overlap says", () => {
  const due = [now];
  assert.deepEqual(plan("all", "allow", { due, open: 5 }).start, due);
  assert.deepEqual(plan("all", "skip", { due, open: 1 }), { start: [], told: ["skipped"], endsOpen: false });
  assert.deepEqual(plan("all", "skip", { due, open: 0 }).start, due);
  assert.deepEqual(plan("all", "wait", { due, open: 1 }).start, due, "one waits");
  assert.deepEqual(plan("all", "wait", { due, open: 2 }), { start: [], told: ["skipped"], endsOpen: false });
  assert.deepEqual(plan("all", "cancel", { due, open: 1 }), { start: due, told: [], endsOpen: true });
  assert.equal(plan("all", "cancel", { due, open: 0 }).endsOpen, false);
});

test("ticks that come together overlap each other", () => {
  assert.deepEqual(plan("all", "skip").start, ticks.slice(0, 1));
  assert.deepEqual(plan("all", "wait").start, ticks.slice(0, 2));
  assert.deepEqual(plan("all", "wait", { open: 1 }).start, ticks.slice(0, 1));
  assert.deepEqual(plan("all", "cancel").start, ticks.slice(-1));
});

test("nothing is ordered to end for a tick that starts nothing", () => {
  assert.deepEqual(plan("none", "cancel", { due: ticks.slice(0, 2), open: 1 }).endsOpen, false);
});

test("notes that say the same become one, and only the newest are kept", () => {
  const skipped = (tick: number): TickNote => note("skipped", tick, "why");
  const merged = withNotes([skipped(1)], [skipped(2), note("missed", 3, "why"), skipped(4), skipped(5)]);
  assert.deepEqual(
    merged.map(({ what, from, to, count }) => [what, from, to, count]),
    [
      ["skipped", 1, 2, 2],
      ["missed", 3, 3, 1],
      ["skipped", 4, 5, 2],
    ],
  );
  const uncounted = withNotes(merged, [{ ...skipped(6), to: 9, count: null }]);
  assert.deepEqual(uncounted.at(-1), { what: "skipped", from: 4, to: 9, count: null, why: "why" });
  assert.equal(countNotes(uncounted), 4);
  const many = Array.from({ length: 2 * limits.scheduleNotes }, (_, tick) => note("failed", tick, `why ${tick}`));
  const newest = withNotes([], many);
  assert.equal(newest.length, limits.scheduleNotes);
  assert.equal(newest.at(-1)?.from, 2 * limits.scheduleNotes - 1);
});
