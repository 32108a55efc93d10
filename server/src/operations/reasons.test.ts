// Faults to catch: a reason that is not so, one that is not given, a cause whose end does not let the run go on, a holder that
// is not named. Each reason is made, read, and its cause removed: then the run is claimed.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ReasonCode, RunError, Why } from "@holdfast/protocol";
import type { RunRow } from "../core/index.ts";
import { serve } from "../main.ts";
import { dayMs, namespace, next, World } from "../store/contract/world.contract.ts";
import { openMemoryStore } from "../store/memory/memory-store.ts";
import type { Serving } from "../store/store.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";

class Scene extends World {
  readonly clock: VirtualClock;
  readonly #explain: (id: string) => Promise<Why>;

  constructor(clock = new VirtualClock()) {
    const store = openMemoryStore({ clock });
    super({ store, advance: (ms) => clock.advanceMs(ms), close: () => store.close() });
    const { reasons } = serve(store, { clock, namespace });
    this.clock = clock;
    this.#explain = (id) => reasons.explain(id);
  }

  node(id: string, serves: Serving = { slots: 8, queues: null }, leaseMs = 30 * dayMs) {
    return this.store.joinMember({ id, kind: "node", name: id, namespace, serves, leaseMs });
  }

  why(run: Pick<RunRow, "id"> | string | undefined): Promise<Why> {
    return this.#explain(typeof run === "string" ? run : (run?.id ?? ""));
  }

  /** The only reason of a run, which must be this one. */
  async only(run: Pick<RunRow, "id"> | string | undefined, code: ReasonCode) {
    const { reasons } = await this.why(run);
    assert.deepEqual(
      reasons.map((reason) => reason.code),
      [code],
    );
    const [reason] = reasons;
    assert.ok(reason);
    return reason;
  }

  /** The run is claimed by this node, at once. */
  async starts(run: Pick<RunRow, "id"> | string | undefined, memberId = "n"): Promise<RunRow> {
    return this.activate(typeof run === "string" ? run : (run?.id ?? ""), memberId);
  }
}

const names = (runs: readonly { readonly name: string }[]) => runs.map(({ name }) => name);

test("nobody is there: the reason is that no node is running, and one that joins starts the run", async () => {
  const scene = new Scene();
  const run = await scene.enqueue();
  await scene.store.joinMember({
    id: "d",
    kind: "worker",
    name: "looks only",
    namespace,
    serves: null,
    leaseMs: dayMs,
  });
  const { remedy } = await scene.only(run, "no_node");
  assert.match(remedy ?? "", /holdfast server/);
  await scene.node("n");
  assert.match((await scene.only(run, "about_to_start")).message, /^n has a free slot/);
  const claimed = await scene.starts(run);
  await scene.pass(90_000);
  assert.match((await scene.only(run, "at_work")).message, /^Attempt 1 has been running on n for 90 s\.$/);
  await scene.finish(claimed, next.success());
  assert.match((await scene.only(run, "ended")).message, /succeeded/);
});

test("a body that waits: the reasons are its sleep, its signal and what it called, and without them it goes on", async () => {
  const scene = new Scene();
  await scene.node("n");
  const run = await scene.running({}, "n");
  const { id: runId, epoch, generation } = run;
  const wait = { hash: "h", delayMs: null, signal: null, child: null };
  const opens = [
    { ...wait, key: "nap", kind: "sleep", delayMs: dayMs },
    { ...wait, key: "go", kind: "signal", signal: "approved" },
    { ...wait, key: "load", kind: "call", child: scene.child(run, { name: "load" }) },
  ] as const;
  const suspend = { groups: [["nap"], ["go", "load"]], ranMs: 1 };
  await scene.store.openWaits({ rows: [{ runId, epoch, generation, opens, settles: [], suspend }] });
  const { reasons, causes } = await scene.why(run);
  assert.deepEqual(
    reasons.map(({ code }) => code),
    ["children", "sleep", "signal"],
  );
  assert.match(reasons[1]?.message ?? "", /^It sleeps \("nap"\) until \d{4}-.*, in 24 h\.$/);
  assert.match(reasons[2]?.message ?? "", /^It waits for the signal "approved"\.$/);
  assert.equal(reasons[2]?.remedy, `holdfast runs signal ${runId} approved`);
  for (const name of ["other", "aproved"]) await scene.store.signalRun({ runId, name, payload: null, request: null });
  assert.match(
    (await scene.why(run)).reasons[2]?.message ?? "",
    /^It waits for the signal "approved"\. Sent and not waited for: "aproved" \(0 s ago\), "other" \(0 s ago\)\. Was "approved" meant by "aproved"\?$/,
  );
  assert.deepEqual(names(causes.map((cause) => cause.run)), ["load"]);
  await scene.finish(await scene.starts(scene.child(run, { name: "load" })), next.success());
  await scene.store.signalRun({ runId, name: "approved", payload: null, request: null });
  await scene.starts(run);
});

test("a node whose lease has run out is nobody", async () => {
  const scene = new Scene();
  await scene.node("gone", undefined, 1_000);
  const held = await scene.running({}, "gone");
  const run = await scene.enqueue();
  await scene.pass(2_000);
  await scene.only(run, "no_node");
  const { message, remedy } = await scene.only(held, "at_work");
  assert.match(message, /not been heard of/);
  assert.match(remedy ?? "", /No node is running here/);
  await scene.node("n");
  assert.match((await scene.only(held, "at_work")).remedy ?? "", /takes it over/);
});

test("no node serves the queue: a node that does starts the run", async () => {
  const scene = new Scene();
  await scene.node("n", { slots: 8, queues: ["etl"] });
  const run = await scene.enqueue({ queue: "mail" });
  assert.match((await scene.only(run, "queue_unserved")).message, /none of the 1 node serves its queue "mail"/);
  await scene.node("m", { slots: 8, queues: ["mail"] });
  await scene.only(run, "about_to_start");
  await scene.starts(run, "m");
});

test("every node is at work on as much as it may: when something ends, the run starts", async () => {
  const scene = new Scene();
  await scene.node("n", { slots: 2, queues: null });
  const [first] = [await scene.running({}, "n"), await scene.running({}, "n")];
  const run = await scene.enqueue();
  const { message, runs } = await scene.only(run, "nodes_busy");
  assert.match(message, /n 2 of 2/);
  assert.equal(runs.length, 2);
  await scene.finish(first, next.success());
  await scene.starts(run);
});

test("a run in line at a limit: who holds it is named, and how many stand before it", async () => {
  const scene = new Scene();
  await scene.node("n");
  const limits = [{ id: `${namespace}/queue/etl`, slots: 1, hold: "activation" }] as const;
  const holder = await scene.enqueue({ limits, name: "holder" });
  const claimed = await scene.starts(holder);
  const ahead = await scene.enqueue({ limits, priority: 1 });
  const run = await scene.enqueue({ limits });
  const { message, runs, remedy } = await scene.only(run, "limit");
  assert.equal(message, "It stands in line at queue/etl: 1 slot, all held; 1 stands before it.");
  assert.deepEqual(names(runs), ["holder"]);
  assert.match(remedy ?? "", /give queue\/etl more slots/);
  await scene.finish(claimed, next.success());
  await scene.finish(await scene.starts(ahead), next.success());
  await scene.starts(run);
});

test("a run in line at its key: the other keys are not named, and the end of the holder lets it in", async () => {
  const scene = new Scene();
  await scene.node("n");
  const limits = [{ id: `${namespace}/key/sync:acme`, slots: 1, hold: "run" }] as const;
  const others = [{ id: `${namespace}/key/sync:globex`, slots: 1, hold: "run" }] as const;
  const holder = await scene.starts(await scene.enqueue({ limits, name: "holder" }));
  await scene.starts(await scene.enqueue({ limits: others, name: "other" }));
  // Its key is known once it has been claimed, and it stands in line then.
  const run = await scene.running({}, "n");
  await scene.finish(run, next.line(limits));
  const { message, runs, remedy } = await scene.only(run, "limit");
  assert.equal(message, "It stands in line at key/sync:acme: 1 slot, all held; 0 stand before it.");
  assert.deepEqual(names(runs), ["holder"]);
  assert.match(remedy ?? "", /raise the concurrency of "sync"/);
  await scene.finish(holder, next.success());
  await scene.starts(run);
});

test("a run in line at a rate: how many starts there were, when the next may be, and for it: then it starts", async () => {
  const scene = new Scene();
  await scene.node("n");
  const limits = [{ id: `${namespace}/rate/call`, slots: 2, hold: "activation", perMs: 60_000 }] as const;
  for (let i = 0; i < 2; i++) await scene.finish(await scene.starts(await scene.enqueue({ limits })), next.success());
  const ahead = await scene.enqueue({ limits });
  const run = await scene.enqueue({ limits });
  await scene.pass(57_000);
  const { message, until, remedy } = await scene.only(run, "rate");
  assert.equal(message, "It stands in line at rate/call: 2 starts in 60 s; next start in 3 s; 1 stands before it.");
  assert.equal(Date.parse(until ?? ""), scene.clock.now() + 3_000);
  assert.match(remedy ?? "", /raise the limit of rate\/call/);
  await scene.pass(3_000);
  await scene.store.wakeRuns({ limitRows: 10 });
  await scene.starts(ahead);
  await scene.starts(run);
});

test("a run in line at a rate whose starts are still to be made: who may make them is named", async () => {
  const scene = new Scene();
  await scene.node("n");
  const limits = [{ id: `${namespace}/queue-rate/etl`, slots: 1, hold: "activation", perMs: 60_000 }] as const;
  const ready = await scene.enqueue({ limits, name: "ready" });
  const run = await scene.enqueue({ limits });
  const { message, runs, until } = await scene.only(run, "rate");
  assert.equal(
    message,
    "It stands in line at queue-rate/etl: 1 start in 60 s; those that may start have not; 0 stand before it.",
  );
  assert.deepEqual([names(runs), until], [["ready"], null]);
  await scene.cancel(ready.id);
  await scene.starts(run);
});

test("a run that waits for its turn among those of its key: who goes first is named, and when they have started, it does", async () => {
  const scene = new Scene();
  await scene.node("n");
  const id = `${namespace}/fair/sync:acme`;
  const limits = [{ id, slots: 1, hold: "activation", perMs: 0, ageingMs: 60_000 }] as const;
  const first = await scene.enqueue({ limits, name: "first" });
  const run = await scene.enqueue({ limits });
  const { message, runs, remedy } = await scene.only(run, "turn");
  assert.equal(
    message,
    "It waits for its turn at fair/sync:acme: 1 run of its key may start before it, and 0 stand before it in line.",
  );
  assert.deepEqual(names(runs), ["first"]);
  assert.match(remedy ?? "", new RegExp(`holdfast why ${first.id}`));
  await scene.starts(first);
  await scene.starts(run);
});

test("a retry is put off until its time: then it starts", async () => {
  const scene = new Scene();
  await scene.node("n");
  const run = await scene.running({}, "n");
  await scene.finish(run, next.retry(60_000));
  const { message, until } = await scene.only(run, "retry_delay");
  assert.match(message, /^Attempt 2 starts in 60 s; the one before failed: The disk is full\.$/);
  assert.equal(Date.parse(until ?? ""), scene.clock.now() + 60_000);
  await scene.pass(60_000);
  await scene.store.wakeRuns({ limitRows: 10 });
  await scene.starts(run);
});

test("a run that was asked to start later starts then", async () => {
  const scene = new Scene();
  await scene.node("n");
  const run = await scene.enqueue({ startAfter: scene.clock.now() + 3 * 3_600_000 });
  const { message, until } = await scene.only(run, "start_after");
  assert.match(message, /, in 3 h\.$/);
  await scene.pass(Date.parse(until ?? "") - scene.clock.now());
  await scene.store.wakeRuns({ limitRows: 10 });
  await scene.starts(run);
});

test("a pause keeps a run, whichever of its run, tree, definition and queue it is of: when all have ended, it starts", async () => {
  const scene = new Scene();
  await scene.node("n");
  const { parent, ids } = await scene.workflow([{ name: "a", definition: "load", queue: "etl" }]);
  const targets = [
    { namespace, kind: "queue", name: "etl" },
    { namespace, kind: "run", name: ids.a ?? "" },
    { namespace, kind: "definition", name: "load" },
    { namespace, kind: "run", name: parent.id },
  ] as const;
  for (const target of targets) await scene.store.pauseRuns({ target, reason: "The bucket is full." });
  assert.deepEqual(await scene.claim("n"), []);
  const { reasons } = await scene.why(ids.a);
  assert.deepEqual(
    reasons.map(({ message, remedy }) => [message.replace(/ for .*/, ""), remedy]),
    [
      ['The queue "etl" has been paused', "holdfast queues resume etl"],
      ["It has been paused", `holdfast runs resume ${ids.a}`],
      ['The definition "load" has been paused', "holdfast definitions resume load"],
      [`The run ${parent.id} that it belongs to has been paused`, `holdfast runs resume ${parent.id}`],
    ],
  );
  assert.match(reasons[0]?.message ?? "", /for 0 s: The bucket is full\.$/);
  for (const [place, target] of targets.entries()) {
    assert.equal((await scene.why(ids.a)).reasons.length, targets.length - place);
    await scene.store.resumeRuns({ target, limitRows: 10 });
    await scene.claim("n");
  }
  await scene.only(ids.a, "at_work");
});

test("a run waits for those before it, and a workflow for those below it: each is explained, down to the one that keeps all", async () => {
  const scene = new Scene();
  const { parent, ids } = await scene.workflow([
    { name: "a", queue: "etl" },
    { name: "b", after: ["a"] },
    { name: "c", after: ["b"] },
  ]);
  const { reasons, causes, more } = await scene.why(ids.c);
  assert.deepEqual([reasons[0]?.code, names(reasons[0]?.runs ?? [])], ["upstreams", ["b"]]);
  assert.deepEqual(
    causes.map(({ run, reasons: [reason] }) => [run.name, reason?.code]),
    [
      ["b", "upstreams"],
      ["a", "no_node"],
    ],
  );
  assert.equal(more, false);
  const ofParent = await scene.why(parent);
  assert.equal(ofParent.reasons[0]?.code, "children");
  assert.deepEqual(new Set(names(ofParent.causes.map(({ run }) => run))), new Set(["a", "b", "c"]));
  await scene.node("n");
  for (const id of [ids.a, ids.b, ids.c]) await scene.finish(await scene.starts(id), next.success());
  await scene.starts(parent);
});

test("of many that it waits for, some are explained and it is said that there are more", async () => {
  const scene = new Scene();
  const nodes = Array.from({ length: 60 }, (_, place) => ({ name: `n${place}` }));
  const { parent } = await scene.workflow([...nodes, { name: "last", after: names(nodes) }]);
  const { reasons, causes, more } = await scene.why(parent);
  assert.match(reasons[0]?.message ?? "", /61 runs below/);
  assert.ok(causes.length > 0 && causes.length <= 20 && more);
});

test("a run that is being cancelled: by whom, and for which of those below it", async () => {
  const scene = new Scene();
  await scene.node("n");
  const { parent, ids } = await scene.workflow([{ name: "a" }]);
  const a = await scene.starts(ids.a);
  await scene.cancel(parent.id);
  const { reasons, causes } = await scene.why(parent);
  assert.match(reasons[0]?.message ?? "", /It ends once 1 run below it has ended\. It was cancelled: not needed\./);
  assert.match(causes[0]?.reasons[0]?.message ?? "", /^n is ending its process/);
  await scene.finish(a, next.success());
  await scene.only(parent, "ended");
});

test("while a cancel is on its way through the tree, nothing of it starts, and that is said", async () => {
  const scene = new Scene();
  await scene.node("n");
  const { parent, ids } = await scene.workflow([{ name: "kept" }, { name: "sub", kind: "workflow" }]);
  const kept = await scene.starts(ids.kept);
  const sub = await scene.starts(ids.sub);
  await scene.expand(sub, [{ name: "x" }, { name: "y" }, { name: "z" }]);
  await scene.finish(kept, next.retry(0));
  await scene.order(sub.id, 1);
  const { runs } = await scene.only(ids.kept, "order_on_its_way");
  assert.deepEqual(names(runs), ["sub"]);
  while ((await scene.store.spreadOrders({ limitRows: 10 })).more);
  await scene.starts(ids.kept);
  assert.equal(await scene.status(parent.id), "waiting");
});

test("a run that was ended by force says what is still being ended, until that has ended", async () => {
  const scene = new Scene();
  await scene.node("n");
  const { parent, ids } = await scene.workflow([{ name: "a" }]);
  const a = await scene.activate(ids.a ?? "", "n");
  await scene.cancel(parent.id);
  assert.match(
    (await scene.only(a, "cancelling")).message,
    /^n is ending its process\. nightly, to which it belongs, was cancelled/,
  );
  const name = { kind: "activation", runId: a.id, subject: String(a.epoch) } as const;
  await scene.store.noteObligations({ rows: [{ ...name, outcome: "tried", error: null }] });
  await scene.pass(60_000);
  await scene.store.noteObligations({ rows: [{ ...name, outcome: "tried", error: "It still runs." }] });
  const stubborn = await scene.only(a, "cancelling");
  assert.match(stubborn.message, /^n is ending its process: told to end 60 s ago, told 2 times, last 0 s ago\./);
  assert.match(stubborn.remedy ?? "", /--force/);
  await scene.store.forceEnds({ runId: parent.id, limitRows: 10 });
  for (const run of [a, parent]) {
    const { reasons } = await scene.why(run);
    assert.deepEqual(
      reasons.map(({ code }) => code),
      ["ended", "still_to_end"],
    );
    assert.match(reasons[1]?.message ?? "", /^n is still ending a process that worked for /);
  }
  await scene.store.noteObligations({ rows: [{ ...name, outcome: "met" }] });
  await scene.only(a, "ended");
  await scene.only(parent, "ended");
});

// The fault: the hint of what failed below is nowhere to be read, and a log is named in which nothing stands.
test("a run that failed of another says what that one's error says to do, and where to look", async () => {
  const scene = new Scene();
  await scene.node("n");
  const { parent, ids } = await scene.workflow([{ name: "a" }]);
  const a = await scene.activate(ids.a ?? "", "n");
  const fail = (error: RunError) => ({ to: "ended", status: "failed", outcome: "failed", error }) as const;
  await scene.finish(a, fail({ code: "task_failed", message: "no", hint: "Say yes." }));
  const [concluding] = await scene.claim("n");
  assert.equal(concluding?.id, parent.id);
  const below = { code: "child_failed", message: 'One task did not succeed. "a" failed: no', hint: "Say yes." };
  await scene.finish(concluding, fail({ ...below, details: { runId: a.id } }));
  const shown = await scene.only(parent, "ended");
  assert.equal(shown.remedy, `Say yes. holdfast runs show ${a.id} shows where it failed.`);
  assert.deepEqual(names(shown.runs), ["a"]);
  assert.equal((await scene.only(a, "ended")).remedy, "Say yes.");
  const line = { seq: 1, at: 1, stream: "stdout", level: "info", text: "asked", fields: {} } as const;
  await scene.store.appendLogs({ rows: [{ runId: a.id, epoch: a.epoch, ...line }] });
  assert.equal((await scene.only(parent, "ended")).remedy, `Say yes. holdfast runs logs ${a.id} shows what it wrote.`);
});

test("a limit of no slots says so", async () => {
  const scene = new Scene();
  await scene.node("n");
  const run = await scene.enqueue({ limits: [{ id: `${namespace}/queue/etl`, slots: 0, hold: "activation" }] });
  const { message } = await scene.only(run, "limit");
  assert.match(message, /^It stands in line at queue\/etl, which has no slot at all: .*; 0 stand before it\.$/);
});

test("a clean-up that is due, at work, put off, or served by nobody keeps a run, and force lets it go", async () => {
  const scene = new Scene();
  await scene.node("n", { slots: 8, queues: ["default"] });
  const [here, nowhere] = [
    await scene.running({ cleansUp: true }),
    await scene.running({ cleansUp: true, queue: "gpu" }),
  ];
  for (const run of [here, nowhere]) {
    await scene.cancel(run.id);
    await scene.finish(run, next.release());
  }
  const due = await scene.only(here, "cancelling");
  assert.match(
    due.message,
    /clean-up \(onCancel\) is due: a node begins it once it has a free slot\. It was cancelled/,
  );
  assert.match(due.remedy ?? "", /cancel .* --force ends the run without it/);
  const claimIt = () => scene.store.claimCleanUps({ memberId: "n", namespace, queues: ["default"], limitRows: 1 });
  const [cleaning] = (await claimIt()).runs;
  assert.ok(cleaning);
  await scene.clock.advanceMs(5_000);
  assert.match((await scene.only(here, "cancelling")).message, /has been running on n for 5 s, try 1\./);
  await scene.finish(cleaning, next.retry(60_000));
  assert.match((await scene.only(here, "cancelling")).message, /failed and is tried again in 60 s, as try 2\./);
  assert.match((await scene.only(nowhere, "cancelling")).message, /is due, and no node serves the queue "gpu"/);
  await scene.store.forceEnds({ runId: nowhere.id, limitRows: 1 });
  assert.equal(await scene.status(nowhere.id), "cancelled");
});
