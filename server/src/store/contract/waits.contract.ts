import assert from "node:assert/strict";
import { asWaitRecord, type Json, limits, reservedBytes } from "@holdfast/protocol";
import type { NewWait, RunRow, WaitsOrder, WaitsResult } from "../../core/index.ts";
import { type Contract, cancelled, hourMs, next, plain, refused, type World } from "./world.contract.ts";

// Faults to catch: a wake without its record, or a record without its wake; a suspension that does not look for records; a signal
// that is lost or handed out twice; a wait that is opened twice; a key that answers over generations; a group that wakes too
// early or never; waits that outlive their run; an order that does not reach what a body has called.

/** What stores promise about waits (P3, P7, P12). */
export function waitsContract(contract: Contract): void {
  suspensions(contract);
  sleeps(contract);
  signals(contract);
  calls(contract);
  endings(contract);
  restarts(contract);
}

function suspensions(contract: Contract): void {
  contract("a suspension opens its waits, ends the activation and lets the run wait", async (world) => {
    const run = await world.running();
    assert.deepEqual(await suspend(world, run, [sleep("nap", hourMs)], [["nap"]]), suspended);
    const waiting = await world.get(run.id);
    const { waiting: has, ...row } = plain(waiting);
    const { waiting: had, ...before } = plain(run);
    assert.equal(had, null);
    assert.deepEqual(has, { open: 1, calls: 0, bytes: reservedBytes.sleep, awaits: [1] });
    const changed = { status: "waiting", claimedBy: null, claimedAt: null, ranMs: 5, lastEvent: 3 };
    assert.deepEqual(row, { ...before, ...changed });
    assert.deepEqual(await world.events(run.id), ["run.enqueued", "run.started", "run.waiting"]);
    const [wait] = await world.store.listWaits({ runId: run.id, limitRows: 10 });
    const { now } = await world.store.describe();
    assert.ok(wait !== undefined && wait.dueAt !== null && wait.dueAt <= now + hourMs && wait.dueAt > now);
    const facts = {
      runId: run.id,
      generation: 1,
      key: "nap",
      kind: "sleep",
      hash: "h-nap",
      signal: null,
      childId: null,
    };
    assert.deepEqual(plain(wait), { ...plain(wait), ...facts, groups: [0], epoch: 1 });
    assert.deepEqual(await world.claim(await world.member()), []);
  });

  contract("waits are opened beside an activation that goes on, and only once", async (world) => {
    const run = await world.running();
    assert.deepEqual(await open(world, run, [sleep("nap", hourMs), signal("go")]), { outcome: "open", records: [] });
    assert.deepEqual(await open(world, run, [sleep("nap", hourMs), signal("go")]), { outcome: "open", records: [] });
    const keys = (await world.store.listWaits({ runId: run.id, limitRows: 10 })).map(({ key }) => key);
    assert.deepEqual(keys, ["nap", "go"]);
    assert.deepEqual(await world.events(run.id), ["run.enqueued", "run.started", "wait.opened"]);
    assert.equal((await world.get(run.id)).status, "running");
  });

  contract("a suspension that is said again is answered as repeated and changes nothing", async (world) => {
    const run = await world.running();
    await suspend(world, run, [sleep("nap", hourMs)], [["nap"]]);
    const again = await suspend(world, run, [sleep("nap", hourMs)], [["nap"]]);
    assert.deepEqual(again, { outcome: "repeated", status: "waiting" });
    assert.equal((await world.store.listWaits({ runId: run.id, limitRows: 10 })).length, 1);
  });

  contract("an old epoch, another generation and an unknown run open nothing", async (world) => {
    const first = await world.running();
    await world.finish(first, next.retry());
    const run = await world.activate(first.id);
    assert.deepEqual(await open(world, first, [sleep("nap", 1)]), { outcome: "stale_epoch" });
    assert.deepEqual(await open(world, { ...run, generation: 2 }, [sleep("nap", 1)]), { outcome: "stale_epoch" });
    assert.deepEqual(await open(world, world.root() as never, [sleep("nap", 1)]), { outcome: "not_found" });
    assert.deepEqual(await world.store.listWaits({ runId: run.id, limitRows: 10 }), []);
  });

  contract("nobody waits for what is neither open nor recorded", async (world) => {
    const run = await world.running();
    const result = await suspend(world, run, [sleep("nap", hourMs)], [["nap"], ["other"]]);
    assert.deepEqual(result, { outcome: "not_open", key: "other" });
    assert.equal(await world.status(run.id), "running");
    assert.deepEqual(await world.events(run.id), started);
  });

  contract("a suspension gives slots back that are held for an activation, and takes losses back", async (world) => {
    const limits = [{ id: "queue/etl", slots: 1, hold: "activation" }] as const;
    const one = await world.enqueue({ limits });
    const two = await world.enqueue({ limits });
    const run = await world.activate(one.id);
    await suspend(world, run, [sleep("nap", hourMs)], [["nap"]]);
    assert.equal((await world.activate(two.id)).id, two.id);
    await world.pass(hourMs);
    await world.store.wakeRuns({ limitRows: 10 });
    assert.deepEqual((await world.get(one.id)).gate, "queue/etl");
  });

  contract("a run has so many waits open and no more", async (world) => {
    const run = await world.running();
    const many = Array.from({ length: limits.openWaitsPerRun }, (_, n) => sleep(`nap-${n}`, hourMs));
    await open(world, run, many.slice(1));
    const over = { outcome: "limit_exceeded", limit: "openWaitsPerRun" };
    assert.deepEqual(await open(world, run, [sleep("a", 1), sleep("b", 1)]), over);
    assert.deepEqual(await open(world, run, [sleep("a", 1)]), { outcome: "open", records: [] });
    const bytes = Math.floor(limits.stepBytesPerRun / reservedBytes.signal) + 1;
    const other = await world.running();
    const waits = Array.from({ length: bytes }, (_, n) => signal(`go-${n}`));
    assert.deepEqual(await open(world, other, waits), { outcome: "limit_exceeded", limit: "stepBytesPerRun" });
    assert.deepEqual(await world.store.listWaits({ runId: other.id, limitRows: 10 }), []);
  });

  contract("a wait that contradicts itself is refused, and its call opens nothing", async (world) => {
    const run = await world.running();
    const child = world.child(run, { name: "other" });
    const unfit: readonly NewWait[] = [
      { ...sleep("nap", 1), delayMs: null },
      { ...signal("go"), signal: null },
      { ...sleep("", 1) },
      { ...sleep("nap", 1), key: "a\u0000b" },
      { ...sleep("nap", -1) },
      { ...sleep("nap", 1), kind: "call", delayMs: null },
      { ...sleep("nap", 1), kind: "call", delayMs: null, child },
    ];
    for (const wait of unfit) await refused(open(world, run, [signal("good"), wait]), "invalid_request");
    await refused(suspend(world, run, [], []), "invalid_request");
    assert.deepEqual(await world.store.listWaits({ runId: run.id, limitRows: 10 }), []);
  });
}

function sleeps(contract: Contract): void {
  contract("a sleep that is over is recorded, and its run is woken, in one step", async (world) => {
    const run = await world.running();
    await suspend(world, run, [sleep("nap", hourMs)], [["nap"]]);
    const { woken: early, nextInMs } = await world.store.wakeRuns({ limitRows: 10 });
    assert.ok(early === 0 && nextInMs !== null && nextInMs > 0 && nextInMs <= hourMs);
    await world.pass(hourMs);
    assert.deepEqual(await world.store.wakeRuns({ limitRows: 10 }), { woken: 1, nextInMs: null });
    const woken = await world.get(run.id);
    assert.deepEqual([woken.status, woken.waiting], ["ready", null]);
    assert.deepEqual(await world.events(run.id), [...started, "run.waiting", "run.woken"]);
    assert.deepEqual(await world.lastData(run.id), { key: "nap", kind: "sleep", end: "done" });
    assert.deepEqual(await endOf(world, run, "nap"), { end: "done" });
    assert.deepEqual(await world.store.listWaits({ runId: run.id, limitRows: 10 }), []);
    assert.equal((await world.activate(run.id)).epoch, 2);
  });

  contract("a record answers a key that is opened again, in this activation and every later one", async (world) => {
    const run = await world.running();
    await suspend(world, run, [sleep("nap", 1)], [["nap"]]);
    const again = await woken(world, run);
    const [answer] = records(await open(world, again, [sleep("nap", hourMs)]));
    assert.equal(answer?.key, "nap");
    assert.deepEqual(await world.store.listWaits({ runId: run.id, limitRows: 10 }), []);
  });

  contract("a suspension of which a group is answered already suspends nothing", async (world) => {
    const run = await world.running();
    await open(world, run, [sleep("nap", 1), sleep("night", hourMs)]);
    await world.pass(1);
    await world.store.wakeRuns({ limitRows: 10 });
    assert.equal((await world.get(run.id)).status, "running");
    const [answer, ...others] = records(await suspend(world, run, [], [["nap"], ["night"]]));
    assert.deepEqual([answer?.key, others], ["nap", []]);
    assert.equal((await world.get(run.id)).status, "running");
    assert.deepEqual(await suspend(world, run, [], [["night", "nap"]]), suspended);
  });

  contract("a run wakes when every wait of any one of its groups has ended, and not before", async (world) => {
    const run = await world.running();
    const waits = [sleep("a", hourMs), sleep("b", 2 * hourMs), sleep("c", 3 * hourMs), sleep("d", 4 * hourMs)];
    await suspend(world, run, waits, [
      ["a", "c"],
      ["b", "d"],
    ]);
    for (const still of ["waiting", "waiting", "ready", "ready"]) {
      await world.pass(hourMs);
      await world.store.wakeRuns({ limitRows: 10 });
      assert.equal((await world.get(run.id)).status, still);
    }
    assert.deepEqual(await world.events(run.id), [...started, "run.waiting", "run.woken"]);
    assert.equal((await world.get(run.id)).waiting, null);
  });

  contract("groups of an earlier suspension count no more", async (world) => {
    const run = await world.running();
    await suspend(world, run, [sleep("a", 1), sleep("b", hourMs)], [["b"], ["a"]]);
    const again = await woken(world, run);
    await suspend(world, again, [sleep("c", 2 * hourMs)], [["c"]]);
    await world.pass(hourMs);
    await world.store.wakeRuns({ limitRows: 10 });
    assert.equal((await world.get(run.id)).status, "waiting");
    assert.deepEqual(await endOf(world, run, "b"), { end: "done" });
  });

  contract("many that are due are ended a page at a time", async (world) => {
    const runs: RunRow[] = [];
    for (let n = 0; n < 5; n++) {
      const run = await world.running();
      await suspend(world, run, [sleep("nap", hourMs)], [["nap"]]);
      runs.push(run);
    }
    await world.pass(hourMs);
    assert.deepEqual(await world.store.wakeRuns({ limitRows: 3 }), { woken: 3, nextInMs: 0 });
    assert.deepEqual(await world.store.wakeRuns({ limitRows: 3 }), { woken: 2, nextInMs: null });
    for (const { id } of runs) assert.equal(await world.status(id), "ready");
  });

  contract("another argument under the same key changes nothing, and is told", async (world) => {
    const run = await world.running();
    await open(world, run, [sleep("nap", hourMs)]);
    const [before] = await world.store.listWaits({ runId: run.id, limitRows: 1 });
    await open(world, run, [{ ...sleep("nap", 1), hash: "other" }]);
    assert.deepEqual(await world.store.listWaits({ runId: run.id, limitRows: 1 }), [before]);
    assert.deepEqual(await world.lastData(run.id), { key: "nap" });
    assert.equal((await world.events(run.id)).at(-1), "step.arguments_changed");
  });
}

function signals(contract: Contract): void {
  contract("a signal that comes before its wait is kept for it", async (world) => {
    const run = await world.running();
    assert.deepEqual(await send(world, run, "go", { n: 1 }), { outcome: "kept" });
    assert.deepEqual(await send(world, run, "go", { n: 2 }), { outcome: "kept" });
    assert.deepEqual(await send(world, run, "stop", null), { outcome: "kept" });
    const [first] = records(await suspend(world, run, [signal("go")], [["go"]]));
    assert.deepEqual(ended(first?.value), { end: "done", value: { n: 1 } });
    const kept = await world.store.listSignals({ runId: run.id, limitRows: 10 });
    assert.deepEqual(
      kept.map(({ name, number }) => [name, number]),
      [
        ["go", 4],
        ["stop", 5],
      ],
    );
    assert.deepEqual(await world.store.listSignals({ runId: run.id, limitRows: 1 }), kept.slice(0, 1));
    const [second] = records(await open(world, run, [{ ...signal("again"), signal: "go" }]));
    assert.deepEqual(ended(second?.value), { end: "done", value: { n: 2 } });
    assert.deepEqual(await suspend(world, run, [{ ...signal("third"), signal: "go" }], [["third"]]), suspended);
    const told = ["run.signalled", "run.signalled", "run.signalled", "run.waiting"];
    assert.deepEqual(await world.events(run.id), [...started, ...told]);
  });

  contract("a signal ends the wait for it and wakes the run, in one step", async (world) => {
    const run = await world.running();
    await suspend(world, run, [signal("go"), signal("stop")], [["go"], ["stop"]]);
    assert.deepEqual(await send(world, run, "go", "now"), { outcome: "delivered" });
    assert.equal(await world.status(run.id), "ready");
    assert.deepEqual(await endOf(world, run, "go"), { end: "done", value: "now" });
    assert.deepEqual(await world.events(run.id), [...started, "run.waiting", "run.signalled", "run.woken"]);
    assert.deepEqual(
      (await world.store.listWaits({ runId: run.id, limitRows: 9 })).map(({ key }) => key),
      ["stop"],
    );
  });

  contract("the oldest wait of a name gets the first signal, and each signal goes to one", async (world) => {
    const run = await world.running();
    await open(world, run, [
      { ...signal("z"), signal: "go" },
      { ...signal("a"), signal: "go" },
    ]);
    await send(world, run, "go", 1);
    await send(world, run, "go", 2);
    assert.deepEqual(await send(world, run, "go", 3), { outcome: "kept" });
    assert.deepEqual(await endOf(world, run, "z"), { end: "done", value: 1 });
    assert.deepEqual(await endOf(world, run, "a"), { end: "done", value: 2 });
  });

  contract("a signal that comes while its run is between two waits is neither lost nor doubled", async (world) => {
    const run = await world.running();
    await suspend(world, run, [signal("go")], [["go"]]);
    await send(world, run, "go", 1);
    await send(world, run, "go", 2);
    const again = await world.activate(run.id);
    await send(world, run, "go", 3);
    const waits = ["b", "c"].map((key) => ({ ...signal(key), signal: "go" }));
    const answers = records(await open(world, again, waits));
    assert.deepEqual(
      answers.map(({ value }) => ended(value)),
      [
        { end: "done", value: 2 },
        { end: "done", value: 3 },
      ],
    );
  });

  contract("a request that is repeated signals once; another one under its key is a conflict", async (world) => {
    const run = await world.running();
    const request = { key: "r-1", hash: "one", retentionMs: hourMs };
    assert.deepEqual(await send(world, run, "go", 1, request), { outcome: "kept" });
    assert.deepEqual(await send(world, run, "go", 1, request), { outcome: "repeated" });
    const other = { ...request, hash: "two" };
    assert.deepEqual(await send(world, run, "go", 2, other), { outcome: "request_conflict" });
    const [kept] = records(await open(world, run, [signal("go")]));
    assert.deepEqual(ended(kept?.value), { end: "done", value: 1 });
    assert.deepEqual(await send(world, run, "go", 1, request), { outcome: "repeated" });
    const { id } = await world.running();
    assert.deepEqual(await send(world, { id }, "go", 1, request), { outcome: "kept" });
  });

  contract("nobody signals a run that has ended, or is not there", async (world) => {
    const run = await world.running();
    await world.finish(run, next.success());
    assert.deepEqual(await send(world, run, "go", 1), { outcome: "ended", status: "succeeded" });
    assert.deepEqual(await send(world, world.root(), "go", 1), { outcome: "not_found" });
    assert.deepEqual(await world.events(run.id), [...started, "run.succeeded"]);
  });

  contract("a run keeps so many signals and no more; a payload that is too large is refused", async (world) => {
    const run = await world.running();
    for (let n = 0; n < limits.signalsPerRun; n++) await send(world, run, "go", n);
    assert.deepEqual(await send(world, run, "go", 0), { outcome: "limit_exceeded" });
    await refused(send(world, run, "go", "x".repeat(limits.signalBytes)), "too_large");
    await refused(send(world, run, "", 1), "invalid_request");
    assert.equal((await world.get(run.id)).lastEvent, limits.signalsPerRun + 2);
  });

  contract("a wait for a signal is over at its time, and then a signal is kept", async (world) => {
    const run = await world.running();
    await suspend(world, run, [{ ...signal("go"), delayMs: hourMs }], [["go"]]);
    await world.pass(hourMs);
    assert.equal((await world.store.wakeRuns({ limitRows: 10 })).woken, 1);
    assert.deepEqual(await endOf(world, run, "go"), { end: "timed_out" });
    assert.deepEqual(await send(world, run, "go", 1), { outcome: "kept" });
    assert.equal((await world.activate(run.id)).epoch, 2);
  });

  contract("of a signal and its time, sent at once, one ends the wait", async (world) => {
    const doors = await world.doors();
    const run = await world.running();
    await suspend(world, run, [{ ...signal("go"), delayMs: 1 }], [["go"]]);
    await world.pass(1);
    const [sent] = await Promise.all([
      send({ store: doors[0] ?? world.store }, run, "go", 1),
      (doors[1] ?? world.store).wakeRuns({ limitRows: 10 }),
    ]);
    const { end } = await endOf(world, run, "go");
    assert.equal(sent.outcome, end === "done" ? "delivered" : "kept");
    assert.equal((await world.events(run.id)).filter((type) => type === "run.woken").length, 1);
  });
}

function calls(contract: Contract): void {
  contract("a called run is put in place with the wait for it", async (world) => {
    const run = await world.running();
    assert.deepEqual(await suspend(world, run, [call(world, run, "load")], [["load"]]), suspended);
    const waiting = await world.get(run.id);
    assert.deepEqual([waiting.openChildren, waiting.waiting?.calls], [1, 1]);
    const child = await world.activate(world.child(run, { name: "load" }).id);
    assert.deepEqual([child.parentId, child.parentGeneration, child.name], [run.id, 1, "load"]);
    await world.finish(child, next.success({ rows: 7 }));
    assert.deepEqual(await endOf(world, run, "load"), { end: "done", run: child.id, value: { rows: 7 } });
    const ready = await world.get(run.id);
    assert.deepEqual([ready.status, ready.openChildren, ready.children.succeeded], ["ready", 0, 1]);
    assert.deepEqual(await world.events(run.id), [...started, "run.waiting", "run.woken"]);
  });

  contract("a called run that ends before the suspension commits is found there", async (world) => {
    const run = await world.running();
    await open(world, run, [call(world, run, "load")]);
    const child = await world.activate(world.child(run, { name: "load" }).id);
    await world.finish(child, next.success(1));
    assert.equal(await world.status(run.id), "running");
    const [answer] = records(await suspend(world, run, [call(world, run, "load")], [["load"]]));
    assert.deepEqual(ended(answer?.value), { end: "done", run: child.id, value: 1 });
    assert.equal((await world.get(run.id)).openChildren, 0);
  });

  contract("a called run that fails is recorded with its error, for that try alone", async (world) => {
    const run = await world.running();
    await suspend(world, run, [call(world, run, "load")], [["load"]]);
    const first = world.child(run, { name: "load" });
    await world.finish(await world.activate(first.id), next.failure());
    const { error, ...end } = await endOf(world, run, "load");
    assert.deepEqual(end, { end: "failed", run: first.id, status: "failed" });
    assert.deepEqual(error, { code: "task_failed", message: "The disk is full." });
    const second = await world.activate(run.id);
    assert.equal(records(await open(world, second, [call(world, second, "load")])).length, 1);
    await world.finish(second, next.retry());
    const third = await world.activate(run.id);
    const again = { ...world.child(third, { name: "load" }), id: world.root().id };
    const wait = { ...call(world, third, "load"), child: again };
    assert.deepEqual(await suspend(world, third, [wait], [["load"]]), suspended);
    await world.finish(await world.activate(again.id), next.success(2));
    assert.deepEqual(await endOf(world, run, "load"), { end: "done", run: again.id, value: 2 });
    const steps = await world.store.listSteps({ runId: run.id, generation: 1 });
    assert.equal(steps.length, 1);
  });

  contract("an output that is large stays with its run", async (world) => {
    const run = await world.running();
    await suspend(world, run, [call(world, run, "load")], [["load"]]);
    const child = await world.activate(world.child(run, { name: "load" }).id);
    await world.finish(child, next.success("x".repeat(limits.waitValueBytes)));
    assert.deepEqual(await endOf(world, run, "load"), { end: "done", run: child.id, large: true });
  });

  contract("siblings that end in one step wake the one that called them once", async (world) => {
    const run = await world.running();
    const names = ["a", "b", "c"];
    await suspend(
      world,
      run,
      names.map((name) => call(world, run, name)),
      [names],
    );
    const children = await world.claim(await world.member());
    assert.equal(children.length, 3);
    const rows = children.map(({ id, epoch }) => ({ runId: id, epoch, ranMs: 1, next: next.success(id) }));
    await world.store.finishActivations({ rows });
    assert.equal((await world.events(run.id)).filter((type) => type === "run.woken").length, 1);
    for (const [n, name] of names.entries()) {
      assert.deepEqual(await endOf(world, run, name), { end: "done", run: children[n]?.id, value: children[n]?.id });
    }
  });

  contract("a race that is decided drops the other waits and orders the end of what they called", async (world) => {
    const run = await world.running();
    const waits = [call(world, run, "slow"), call(world, run, "idle"), signal("go")];
    await suspend(world, run, waits, [["slow"], ["idle"], ["go"]]);
    const slow = await world.activate(world.child(run, { name: "slow" }).id);
    await send(world, run, "go", 1);
    const idle = world.child(run, { name: "idle" });
    const again = (await world.claim(await world.member())).find(({ id }) => id === run.id);
    assert.ok(again);
    const settles = [{ key: "first", value: { winner: "go" }, drops: ["slow", "idle"] }];
    const order = { ...orderOf(again), settles };
    const [result] = await world.store.openWaits({ rows: [order] });
    assert.deepEqual(result, { outcome: "open", records: [] });
    assert.deepEqual(await endOf(world, run, "slow"), { end: "dropped" });
    assert.deepEqual([await world.status(slow.id), await world.status(idle.id)], ["cancelling", "cancelling"]);
    const held = await world.store.listOwed({ memberId: slow.claimedBy ?? "", kind: "activation", limitRows: 10 });
    assert.deepEqual(
      held.map(({ runId }) => runId),
      [slow.id],
    );
    const steps = await world.store.listSteps({ runId: run.id, generation: 1 });
    assert.deepEqual(steps.find(({ key }) => key === "first")?.value, { winner: "go" });
    assert.equal((await world.finish(again, next.success())).outcome, "finished");
    await world.finish(slow, next.success());
    assert.deepEqual([await world.status(slow.id), await world.status(run.id)], ["cancelled", "succeeded"]);
  });

  contract(
    "a call that is given up by the order that makes it has ended as any other, and is pruned with it",
    async (world) => {
      const run = await world.running();
      const settles = [{ key: "first", value: { winner: "go" }, drops: ["late"] }];
      await world.store.openWaits({ rows: [{ ...orderOf(run), opens: [call(world, run, "late")], settles }] });
      const { status, error, endedAt, gate } = await world.get(world.child(run, { name: "late" }).id);
      assert.deepEqual([status, error?.code, endedAt !== null, gate], ["cancelled", "cancelled", true, null]);
      assert.equal((await world.finish(run, next.success())).outcome, "finished");
    },
  );
}

function endings(contract: Contract): void {
  contract("nobody succeeds while runs that he called are under way; sleeps and signals are let go", async (world) => {
    const run = await world.running();
    await open(world, run, [call(world, run, "load"), sleep("nap", hourMs), signal("go")]);
    assert.deepEqual(await world.finish(run, next.success()), { outcome: "calls_open" });
    assert.deepEqual(await world.finish(run, next.skip()), { outcome: "calls_open" });
    assert.equal(await world.status(run.id), "running");
    await world.finish(await world.activate(world.child(run, { name: "load" }).id), next.success());
    assert.equal((await world.finish(run, next.success())).outcome, "finished");
    assert.deepEqual(await world.store.listWaits({ runId: run.id, limitRows: 10 }), []);
    assert.equal((await world.get(run.id)).waiting, null);
    await world.pass(hourMs);
    assert.deepEqual(await world.store.wakeRuns({ limitRows: 10 }), { woken: 0, nextInMs: null });
  });

  contract("who fails for good takes with him what he has called, and ends after it", async (world) => {
    const run = await world.running();
    await open(world, run, [call(world, run, "load"), sleep("nap", hourMs)]);
    const child = await world.activate(world.child(run, { name: "load" }).id);
    const result = await world.finish(run, next.failure());
    assert.deepEqual([result.outcome, await world.status(run.id)], ["finished", "cancelling"]);
    await world.store.spreadOrders({ limitRows: 10 });
    assert.equal(await world.status(child.id), "cancelling");
    await world.finish(child, next.success());
    const ended = await world.get(run.id);
    assert.deepEqual([ended.status, ended.error?.code, ended.waiting], ["failed", "task_failed", null]);
    assert.deepEqual(await world.store.listWaits({ runId: run.id, limitRows: 10 }), []);
  });

  contract("a try that fails leaves what is open to the next one", async (world) => {
    const run = await world.running();
    await open(world, run, [call(world, run, "load"), sleep("nap", hourMs)]);
    await world.finish(run, next.retry());
    const claims = await world.claim(await world.member());
    const [again, child] = [run.id, world.child(run, { name: "load" }).id].map((id) =>
      claims.find((one) => one.id === id),
    );
    assert.ok(again !== undefined && child !== undefined);
    await world.finish(child, next.success(1));
    const [answer] = records(await suspend(world, again, [], [["load"], ["nap"]]));
    assert.deepEqual(ended(answer?.value), { end: "done", run: child.id, value: 1 });
  });

  contract("a cancel ends a run that waits, after what it has called; it beats what comes later", async (world) => {
    const run = await world.running();
    await suspend(world, run, [call(world, run, "load"), signal("go")], [["load", "go"]]);
    const child = await world.activate(world.child(run, { name: "load" }).id);
    await world.cancel(run.id);
    assert.deepEqual([await world.status(run.id), await world.status(child.id)], ["cancelling", "cancelling"]);
    await send(world, run, "go", 1);
    await world.finish(child, next.success());
    assert.deepEqual([await world.status(run.id), await world.status(child.id)], ["cancelled", "cancelled"]);
    assert.deepEqual(await world.store.listWaits({ runId: run.id, limitRows: 10 }), []);
    const idle = await world.running();
    await suspend(world, idle, [sleep("nap", hourMs)], [["nap"]]);
    await world.cancel(idle.id);
    assert.equal(await world.status(idle.id), "cancelled");
  });

  contract("a run that is being cancelled opens nothing, and a suspension ends it as ordered", async (world) => {
    const run = await world.running();
    await world.cancel(run.id);
    assert.deepEqual(await open(world, run, [sleep("nap", 1)]), { outcome: "repeated", status: "cancelling" });
    const result = await suspend(world, run, [sleep("nap", 1)], [["nap"]]);
    assert.deepEqual(result, { outcome: "suspended", status: "cancelled" });
    const other = await world.running();
    await open(world, other, [call(world, other, "load")]);
    const child = await world.activate(world.child(other, { name: "load" }).id);
    await world.cancel(other.id);
    await world.finish(other, next.release());
    assert.equal(await world.status(other.id), "cancelling");
    await world.finish(child, next.release());
    assert.equal(await world.status(other.id), "cancelled");
  });

  contract("a run that was woken, or tries again, is cancelled with what it has called", async (world) => {
    for (const isWoken of [true, false]) {
      const run = await world.running();
      await open(world, run, [call(world, run, "load"), signal("go")]);
      const child = await world.activate(world.child(run, { name: "load" }).id);
      if (isWoken) {
        await suspend(world, run, [], [["go"]]);
        await send(world, run, "go", 1);
      } else await world.finish(run, next.retry(hourMs));
      assert.equal(await world.status(run.id), "ready");
      await world.cancel(run.id);
      assert.equal((await world.get(run.id)).wakeAt, null, "who is being ended is due to nothing");
      assert.deepEqual([await world.status(run.id), await world.status(child.id)], ["cancelling", "cancelling"]);
      await world.finish(child, next.success());
      assert.equal(await world.status(run.id), "cancelled");
    }
  });

  contract("a run whose time is over while it waits expires with what it has called", async (world) => {
    const run = await world.running({ expiresAfterMs: hourMs });
    await suspend(world, run, [call(world, run, "load")], [["load"]]);
    await world.pass(hourMs);
    await world.store.expireRuns({ limitRows: 10 });
    const { status, error } = await world.get(run.id);
    assert.deepEqual([status, error?.code], ["failed", "expired"]);
    assert.equal(await world.status(world.child(run, { name: "load" }).id), "cancelled");
  });

  contract("an end by force waits for nobody but what lies below", async (world) => {
    const run = await world.running();
    await open(world, run, [call(world, run, "load")]);
    const child = await world.activate(world.child(run, { name: "load" }).id);
    await world.cancel(run.id);
    const { forced, more } = await world.store.forceEnds({ runId: run.id, limitRows: 10 });
    assert.deepEqual([forced.length, more], [2, false]);
    assert.deepEqual([await world.status(run.id), await world.status(child.id)], ["cancelled", "cancelled"]);
    assert.equal((await world.finish(run, next.success())).outcome, "stale_epoch");
  });

  contract("pruning takes waits and signals with their run", async (world) => {
    const run = await world.running();
    await send(world, run, "go", 1);
    await open(world, run, [sleep("nap", hourMs)]);
    await world.finish(run, next.success());
    await world.pass(2 * hourMs);
    await world.store.prune({ runsMs: hourMs, logsMs: hourMs, limitRows: 10 });
    assert.equal(await world.store.findRun({ id: run.id }), undefined);
    assert.deepEqual(await send(world, run, "go", 1), { outcome: "not_found" });
  });
}

function restarts(contract: Contract): void {
  const again = (run: RunRow, fresh: boolean) => ({ runId: run.id, fresh, ifAttempt: null, data: {} });

  contract("afresh no record answers, and signals that nobody has taken stay", async (world) => {
    const run = await world.running();
    await suspend(world, run, [sleep("nap", 1)], [["nap"]]);
    const second = await woken(world, run);
    await send(world, run, "go", 1);
    await world.finish(second, next.failure());
    await world.store.restartRuns({ rows: [again(run, true)] });
    const third = await world.activate(run.id);
    assert.equal(third.generation, 2);
    const answers = records(await open(world, third, [sleep("nap", hourMs), signal("go")]));
    assert.deepEqual(
      answers.map(({ key }) => key),
      ["go"],
    );
  });

  contract("a retry goes on with what is recorded", async (world) => {
    const run = await world.running();
    await suspend(world, run, [sleep("nap", 1)], [["nap"]]);
    await world.finish(await woken(world, run), next.failure());
    await world.store.restartRuns({ rows: [again(run, false)] });
    assert.equal(records(await open(world, await world.activate(run.id), [sleep("nap", hourMs)])).length, 1);
  });

  contract("who called a run that starts again waits for it once more", async (world) => {
    const run = await world.running();
    await suspend(world, run, [call(world, run, "a"), call(world, run, "b")], [["a", "b"]]);
    const [a, b] = ["a", "b"].map((name) => world.child(run, { name }).id);
    for (const child of await world.claim(await world.member())) await world.finish(child, next.failure());
    await world.finish(await world.activate(run.id), next.failure());
    const rows = [a, b].map((id) => ({ ...again(run, false), runId: id ?? "" }));
    const results = await world.store.restartRuns({ rows });
    assert.deepEqual(
      results.map(({ outcome }) => outcome),
      ["restarted", "restarted"],
    );
    const reopened = await world.get(run.id);
    assert.deepEqual([reopened.status, reopened.openChildren, reopened.waiting?.awaits], ["waiting", 2, [2]]);
    const [first, second] = await world.claim(await world.member());
    assert.ok(first !== undefined && second !== undefined);
    await world.finish(first, next.success(1));
    assert.equal(await world.status(run.id), "waiting");
    await world.finish(second, next.success(2));
    const answers = records(await suspend(world, await world.activate(run.id), [], [["a", "b"]]));
    assert.deepEqual(
      answers.map(({ value }) => ended(value)?.end),
      ["done", "done"],
    );
  });

  contract("a run does not start again whose caller has taken in how it ended", async (world) => {
    const run = await world.running();
    await suspend(world, run, [call(world, run, "load")], [["load"]]);
    const child = await world.activate(world.child(run, { name: "load" }).id);
    await world.finish(child, next.failure());
    const [result] = await world.store.restartRuns({ rows: [again(child, false)] });
    assert.equal(result?.outcome === "refused" && result.refusal.reason, "caller_live");
    assert.equal(await world.status(child.id), "failed");
  });

  contract("a run that waits is marked, and what it waited for is let go", async (world) => {
    const run = await world.running();
    await suspend(world, run, [sleep("nap", hourMs)], [["nap"]]);
    const verdict = { status: "succeeded", output: 1 } as const;
    const [marked] = await world.store.markRuns({ rows: [{ runId: run.id, verdict, data: {} }] });
    assert.equal(marked?.outcome, "marked");
    assert.deepEqual(await world.store.listWaits({ runId: run.id, limitRows: 10 }), []);
    const other = await world.running();
    await suspend(world, other, [call(world, other, "load")], [["load"]]);
    const [refusal] = await world.store.markRuns({ rows: [{ runId: other.id, verdict, data: {} }] });
    assert.equal(refusal?.outcome, "refused");
    assert.equal((await world.order(other.id, 10))?.requested, 2);
    assert.equal((await world.get(other.id)).error?.message, cancelled.error.message);
  });
}

const started = ["run.enqueued", "run.started"];
const suspended = { outcome: "suspended", status: "waiting" };

function sleep(key: string, delayMs: number): NewWait {
  return { key, kind: "sleep", hash: `h-${key}`, delayMs, signal: null, child: null };
}

function signal(key: string): NewWait {
  return { key, kind: "signal", hash: `h-${key}`, delayMs: null, signal: key, child: null };
}

function call(world: World, run: RunRow, key: string): NewWait {
  return {
    key,
    kind: "call",
    hash: `h-${key}`,
    delayMs: null,
    signal: null,
    child: world.child(run, { name: key, workflow: null }),
  };
}

function orderOf({ id, epoch, generation }: RunRow): WaitsOrder {
  return { runId: id, epoch, generation, opens: [], settles: [], suspend: null };
}

async function open(world: World, run: RunRow, opens: readonly NewWait[]): Promise<WaitsResult> {
  const [result] = await world.store.openWaits({ rows: [{ ...orderOf(run), opens }] });
  assert.ok(result);
  return plain(result);
}

async function suspend(
  world: World,
  run: RunRow,
  opens: readonly NewWait[],
  groups: readonly (readonly string[])[],
): Promise<WaitsResult> {
  const [result] = await world.store.openWaits({ rows: [{ ...orderOf(run), opens, suspend: { groups, ranMs: 5 } }] });
  assert.ok(result);
  return plain(result);
}

function send(
  { store }: Pick<World, "store">,
  { id }: { readonly id: string },
  name: string,
  payload: Json,
  request: { key: string; hash: string; retentionMs: number } | null = null,
) {
  return store.signalRun({ runId: id, name, payload, request });
}

function records(result: WaitsResult): readonly { key: string; value: Json }[] {
  assert.equal(result.outcome, "open");
  return result.records;
}

/** How a wait ended, without what it was asked with and in which try. */
function ended(value: Json | undefined) {
  const record = value === undefined ? undefined : asWaitRecord(value);
  if (record === undefined) return undefined;
  const { kind: _kind, hash: _hash, attempt: _attempt, "holdfast.wait": _mark, ...facts } = record;
  return facts;
}

async function endOf(world: World, { id, generation }: RunRow, key: string) {
  const steps = await world.store.listSteps({ runId: id, generation });
  const facts = ended(steps.find((step) => step.key === key)?.value);
  assert.ok(facts, `the wait ${key} is recorded`);
  return facts;
}

/** Lets time pass until the run is woken, and claims it. */
async function woken(world: World, run: RunRow): Promise<RunRow> {
  await world.pass(1);
  await world.store.wakeRuns({ limitRows: 10 });
  return world.activate(run.id);
}
