import assert from "node:assert/strict";
import { test } from "node:test";
import { type TriggerRule, triggerRules } from "@holdfast/protocol";
import fc from "fast-check";
import { canBeOrdered, LedgerBook } from "./ledger.fixture.ts";
import { Ledger } from "./ledger.ts";
import type { Next } from "./next.ts";
import { judgeRule, outcomeOf } from "./rules.ts";
import { newRun } from "./run.fixture.ts";
import { isClaimable, type OutcomeCounts, type RunRow, startingRun } from "./run.ts";
import { isEnded } from "./transitions.ts";

const error = { code: "task_failed", message: "The disk is full." };
const cancelled = { status: "cancelled", error: { code: "cancelled", message: "Not needed." } } as const;

const nexts: readonly [Next, ...Next[]] = [
  { to: "ended", status: "succeeded", outcome: "succeeded", output: 1 },
  { to: "ended", status: "failed", outcome: "failed", error },
  { to: "ended", status: "skipped", outcome: "skipped", error: { code: "skipped_by_task", message: "" } },
  { to: "ready", outcome: "failed", error, delayMs: 0 },
  { to: "ready", outcome: "lost", error, delayMs: 0 },
  { to: "ready", outcome: "released", error: null, delayMs: 0 },
];

interface Shape {
  readonly rule: TriggerRule;
  /** One choice for each node before this one: whether it is an upstream. */
  readonly upstreams: readonly boolean[];
}

const graphs = fc.array(
  fc.record({
    rule: fc.constantFrom(...triggerRules),
    upstreams: fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
  }),
  { minLength: 1, maxLength: 7 },
);
const acts = fc.array(
  fc.record({ act: fc.nat(99), at: fc.nat(1_000), next: fc.nat(nexts.length - 1), graph: graphs }),
  {
    minLength: 1,
    maxLength: 60,
  },
);

function expand(book: LedgerBook, parent: RunRow, shapes: readonly Shape[]): void {
  const id = (index: number) => `${parent.id}.${index}`;
  const edges = shapes.flatMap(({ upstreams }, index) =>
    upstreams
      .slice(0, index)
      .flatMap((isUpstream, at) => (isUpstream ? [{ upstream: id(at), downstream: id(index) }] : [])),
  );
  const children = shapes.map(({ rule }, index) => {
    const blockedBy = edges.filter(({ downstream }) => downstream === id(index)).length;
    return newRun({
      id: id(index),
      rootId: parent.rootId,
      parentId: parent.id,
      depth: parent.depth + 1,
      rule,
      blockedBy,
    });
  });
  book.expand({ runId: parent.id, epoch: parent.epoch, ranMs: 1, input: null, children, edges });
}

/** Hands every order on until it has reached all. */
function spreadAll(book: LedgerBook): void {
  while ([...book.rows.values()].some(({ spreading }) => spreading)) {
    book.spread(2);
    book.check();
  }
}

function act(
  book: LedgerBook,
  { act: what, at, next, graph }: { act: number; at: number; next: number; graph: Shape[] },
): void {
  const rows = [...book.rows.values()];
  const pick = (which: (row: RunRow) => boolean): RunRow | undefined => {
    const fit = rows.filter(which);
    return fit[at % Math.max(1, fit.length)];
  };
  const held = pick(({ claimedBy }) => claimedBy !== null);
  const ready = pick((row) => book.isClaimable(row));
  if (ready !== undefined && (held === undefined || what < 35)) book.claim(ready.id);
  else if (held === undefined) return;
  else if (what < 70) book.finish({ runId: held.id, epoch: held.epoch, ranMs: 2, next: nexts[next] ?? nexts[0] });
  else if (what < 85 && held.depth < 3 && !rows.some(({ parentId }) => parentId === held.id)) expand(book, held, graph);
  else if (what < 92) book.takeOver(held.id);
  else if (what < 96) book.spread(1 + (at % 3));
  else book.order(pick(() => true)?.id ?? "", cancelled, at % 4);
}

test("whatever befalls a tree, its counts, edges and histories agree, and what has ended stays ended", () => {
  fc.assert(
    fc.property(acts, (steps) => {
      const book = new LedgerBook();
      book.add(newRun({ id: "r" }));
      for (const step of steps) {
        act(book, step);
        book.check();
      }
    }),
    { numRuns: 400 },
  );
});

test("a tree whose runs are all carried out ends, and each run started or was skipped as its rule says", () => {
  fc.assert(
    fc.property(graphs, fc.array(fc.nat(2), { minLength: 7, maxLength: 7 }), fc.nat(1_000), (shapes, says, order) => {
      const book = new LedgerBook();
      book.add(newRun({ id: "r" }));
      expand(book, book.claim("r"), shapes);
      const edges = [...book.edges];
      for (let turn = order; ; turn++) {
        const ready = [...book.rows.values()].filter((row) => isClaimable(row) && row.id !== "r");
        const chosen = ready[turn % Math.max(1, ready.length)];
        if (chosen === undefined) break;
        const run = book.claim(chosen.id);
        const next = nexts[says[Number(run.id.slice(2))] ?? 0] ?? nexts[0];
        book.finish({ runId: run.id, epoch: run.epoch, ranMs: 1, next });
        book.check();
      }
      assert.ok(isClaimable(book.row("r")), "the parent was woken");
      for (const run of book.rows.values()) if (run.id !== "r") assertRuleKept(book, run, edges);
    }),
  );
});

function assertRuleKept(
  book: LedgerBook,
  run: RunRow,
  edges: readonly { upstream: string; downstream: string }[],
): void {
  assert.ok(isEnded(run.status));
  const counts: Record<keyof OutcomeCounts, number> = { succeeded: 0, failed: 0, skipped: 0 };
  const upstreams = edges.filter(({ downstream }) => downstream === run.id).map(({ upstream }) => book.row(upstream));
  for (const upstream of upstreams) counts[outcomeOf(upstream)] += 1;
  assert.deepEqual(run.upstream, counts);
  const starts = upstreams.length === 0 || judgeRule(run.rule, counts) === "start";
  assert.equal(run.startedAt !== null, starts, `${run.id} under ${run.rule}`);
}

test("after an order nothing is left to start, and the tree has ended once its activations have", () => {
  fc.assert(
    fc.property(acts, fc.nat(8), (steps, pageRows) => {
      const book = new LedgerBook();
      book.add(newRun({ id: "r" }));
      for (const step of steps) act(book, step);
      const root = book.row("r");
      const reached = book.order("r", cancelled, pageRows);
      book.check();
      assert.equal(reached > 0, canBeOrdered(root));
      assert.ok(
        [...book.rows.values()].every((row) => !book.isClaimable(row)),
        "nothing starts between pages",
      );
      spreadAll(book);
      assert.ok([...book.rows.values()].every((row) => !isClaimable(row)));
      for (const { id, epoch, claimedBy } of [...book.rows.values()]) {
        if (claimedBy !== null) book.finish({ runId: id, epoch, ranMs: 1, next: nexts[0] });
      }
      book.check();
      assert.ok([...book.rows.values()].every(({ status }) => isEnded(status)));
      if (reached > 0) assert.equal(book.row("r").status, "cancelled");
    }),
    { numRuns: 200 },
  );
});

test("between two pages of an order, what its parent is ordered to beats what a child says", () => {
  const shape = (...upstreams: boolean[]): Shape => ({ rule: "all_done", upstreams });
  const ordered = () => {
    const book = new LedgerBook();
    book.add(newRun({ id: "r" }));
    expand(book, book.claim("r"), [shape(), shape(), shape(true, true)]);
    const [a, b] = ["r.0", "r.1"].map((id) => book.claim(id));
    assert.ok(a && b);
    assert.equal(book.order("r", cancelled, 0), 1);
    assert.deepEqual(
      [book.row("r").status, book.row("r").spreading, book.row("r.0").status],
      ["cancelling", true, "running"],
    );
    return { book, a, b };
  };
  const error = { code: "cancelled", message: "r, to which it belongs, was cancelled." };
  for (const next of nexts) {
    const { book, a, b } = ordered();
    const rows = [a, b].map(({ id, epoch }) => ({ runId: id, epoch, ranMs: 1, next }));
    assert.deepEqual(
      book.finish(...rows).map((result) => "status" in result && result.status),
      ["cancelled", "cancelled"],
    );
    book.check();
    // Its upstreams are done and its rule is met, and still it does not become ready.
    assert.deepEqual({ status: book.row("r.2").status, error: book.row("r.2").error }, { status: "cancelled", error });
    assert.deepEqual(
      { status: book.row("r").status, spreading: book.row("r").spreading },
      { status: "cancelled", spreading: false },
    );
  }
  const { book, a } = ordered();
  expand(book, a, [shape()]);
  assert.equal(book.row("r.0").status, "cancelled");
  assert.equal(book.rows.has("r.0.0"), false, "a child puts no children in place any more");
  assert.equal(book.takeOver("r.1"), true);
  assert.equal(book.row("r.1").status, "cancelled");
  book.check();
});

test("an epoch that was taken over changes nothing any more", () => {
  const book = new LedgerBook();
  book.add(newRun({ id: "r" }));
  const old = book.claim("r");
  assert.equal(book.takeOver("r"), true);
  const before = book.row("r");
  const finish = { runId: "r", epoch: old.epoch, ranMs: 1, next: nexts[0] };
  assert.deepEqual(book.finish(finish), [{ outcome: "stale_epoch" }]);
  assert.equal(book.row("r"), before);
  assert.deepEqual([before.epoch, before.takeovers, before.losses, before.attempt], [2, 1, 0, 1]);
  assert.equal(book.takeOver("r"), false, "nobody holds it");
});

test("one ledger ends siblings, skips their dependents and wakes their parent together", () => {
  const book = new LedgerBook();
  book.add(newRun({ id: "r" }));
  const shape = (...upstreams: boolean[]): Shape => ({ rule: "all_success", upstreams });
  expand(book, book.claim("r"), [shape(), shape(), shape(true, true), shape(false, false, true)]);
  const rows = ["r.0", "r.1"].map((id) => book.claim(id));
  book.finish(...rows.map(({ id, epoch }) => ({ runId: id, epoch, ranMs: 1, next: nexts[1] ?? nexts[0] })));
  assert.deepEqual(
    ["r.2", "r.3"].map((id) => book.row(id).status),
    ["skipped", "skipped"],
  );
  assert.deepEqual([book.row("r").status, book.row("r").children.failed], ["ready", 4]);
});

test("an order that nobody has to obey any more reaches nothing", () => {
  const book = new LedgerBook();
  book.add(newRun({ id: "r" }));
  assert.equal(book.order("r", cancelled), 1);
  assert.equal(book.order("r", cancelled), 0);
  assert.equal(book.order("nobody", cancelled), 0);
});

test("an event's error is brief, the row's is whole", () => {
  const book = new LedgerBook();
  book.add(newRun({ id: "r" }));
  const { epoch } = book.claim("r");
  const long = { ...error, message: "x".repeat(5_000), stack: "at ship" };
  book.finish({ runId: "r", epoch, ranMs: 1, next: { to: "ended", status: "failed", outcome: "failed", error: long } });
  assert.deepEqual(book.row("r").error, long);
  const data = book.events.get("r")?.at(-1)?.data;
  assert.deepEqual(data, { attempt: 1, error: { code: "task_failed", message: "x".repeat(1_000) } });
});

test("a child of a generation that was superseded counts no more when it ends", () => {
  const ledger = new Ledger(1);
  const parent = startingRun(newRun({ id: "r" }), 0);
  const child = startingRun(newRun({ id: "r.0", rootId: "r", parentId: "r" }), 0);
  const waiting: RunRow = { ...parent, status: "waiting", generation: 2, openChildren: 1 };
  ledger.load([waiting, { ...child, status: "running", epoch: 1, claimedBy: "n1" }]);
  assert.equal(ledger.finish({ runId: child.id, epoch: 1, ranMs: 1, next: nexts[0] }).outcome, "finished");
  ledger.link(ledger.propagate(), { edges: [], rows: [] });
  assert.deepEqual(ledger.propagate(), []);
  assert.equal(ledger.row(child.id)?.status, "succeeded");
  assert.deepEqual(ledger.row(parent.id), waiting);
});

test("nothing is remarked about a run that has ended", () => {
  const ledger = new Ledger(1);
  const run = startingRun(newRun({ id: "r" }), 0);
  ledger.load([run, { ...run, id: "s", status: "succeeded", endedAt: 1 }]);
  assert.deepEqual(
    ["r", "s", "nobody"].map((id) => ledger.remark(id, "run.paused", {})),
    [true, false, false],
  );
  assert.deepEqual(
    ledger.changes().events.map(({ run }) => run.id),
    ["r"],
  );
});

test("a ledger that was given no rows finds none and changes nothing", () => {
  const ledger = new Ledger(1);
  assert.deepEqual(ledger.finish({ runId: "r", epoch: 1, ranMs: 1, next: nexts[0] }), { outcome: "not_found" });
  assert.deepEqual(ledger.propagate(), []);
  assert.deepEqual(ledger.changes().events, []);
});
