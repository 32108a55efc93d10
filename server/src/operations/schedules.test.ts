import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError, isAppError, type Manifest, type RunView, type ScheduleSpec } from "@holdfast/protocol";
import { note } from "../core/index.ts";
import { serve } from "../main.ts";
import { openMemoryStore } from "../store/memory/memory-store.ts";
import type { ScheduleFiring } from "../store/store.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { Firing } from "./firing.ts";
import { ScheduledRuns } from "./scheduled-runs.ts";

// Faults to catch: a tick that starts two runs or none, ticks lost when a schedule is applied anew, a one-off that comes again,
// a schedule that stops because one tick could not be started, a policy that is not heeded.

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;

function manifestOf(id: string, input?: object): Manifest {
  const spec = {
    kind: "task",
    id,
    executor: "typescript",
    source: { module: "load.ts", export: "load" },
    ...(input === undefined ? {} : { input }),
    queue: "default",
    priority: 0,
    retry: { attempts: 1, delayMs: 0, factor: 1, maxDelayMs: 0, jitter: 0 },
    placement: "process",
    isolation: "pool",
    reads: [],
    writes: [],
  };
  return { format: 1, root: id, definitions: { [id]: spec }, assets: {} } as Manifest;
}

const takesDay = { type: "object", properties: { day: { type: "string" } }, required: ["day"] };

function spec(fields: Partial<ScheduleSpec> = {}): ScheduleSpec {
  return {
    id: "load",
    definition: "load",
    when: { cron: "* * * * *" },
    tz: "UTC",
    params: { const: {} },
    catchUp: "latest",
    overlap: "allow",
    jitterMs: 0,
    ...fields,
  };
}

async function open(specs: readonly ScheduleSpec[] = [spec()], manifests = [manifestOf("load")]) {
  const clock = new VirtualClock();
  const services = serve(openMemoryStore({ clock }), { clock });
  await services.schedules.apply(manifests, specs);
  const fire = async (): Promise<number> => {
    let started = 0;
    for (;;) {
      const fired = await services.firing.fireDue(100);
      started += fired.started;
      if (fired.looked === 0) return started;
    }
  };
  const pass = async (ms: number): Promise<number> => {
    await clock.advanceMs(ms);
    return fire();
  };
  /** Oldest first. */
  const runs = async (): Promise<RunView[]> =>
    (await services.runs.list({ rootsOnly: true, limit: 1_000 })).runs.reverse();
  const keys = async () => (await runs()).map(({ key }) => key?.slice("schedule/load/".length));
  const get = (id = "load", next = 3) => services.schedules.get(id, next);
  return { ...services, clock, fire, pass, listed: runs, keys, get };
}

/** Claims the runs that are ready and lets them succeed. */
async function finishAll({ store, namespace }: Awaited<ReturnType<typeof open>>): Promise<number> {
  await store.joinMember({ id: "node", kind: "node", name: "node", namespace, serves: null, leaseMs: dayMs });
  const runs = await store.claimRuns({ memberId: "node", namespace, queues: null, limitRows: 100 });
  const next = { to: "ended", status: "succeeded", outcome: "succeeded", output: null } as const;
  await store.finishActivations({ rows: runs.map(({ id, epoch }) => ({ runId: id, epoch, ranMs: 1, next })) });
  return runs.length;
}

test("each tick starts one run, whose key and time are the tick's own", async () => {
  const params = { object: { day: { tick: "date" }, at: { tick: "time" }, n: { const: 3 } } } as const;
  const holdfast = await open([spec({ params, tz: "Asia/Kolkata", when: { cron: "0 3 * * *" } })]);
  assert.equal(await holdfast.fire(), 0);
  // 03:00 in Kolkata is 21:30 the day before in UTC.
  assert.equal(await holdfast.pass(dayMs), 1);
  assert.equal(await holdfast.pass(dayMs + 90_000), 1);
  const [first, second] = await holdfast.listed();
  assert.deepEqual(first?.input, { day: "2026-01-02", at: "2026-01-02T03:00:00+05:30", n: 3 });
  assert.equal(first?.key, "schedule/load/2026-01-01T21:30:00.000Z");
  assert.equal(second?.key, "schedule/load/2026-01-02T21:30:00.000Z");
  const { lastTick, lastRun, started, next } = await holdfast.get();
  assert.deepEqual(
    { lastTick, lastRun, started },
    { lastTick: "2026-01-02T21:30:00.000Z", lastRun: second?.id, started: 2 },
  );
  assert.deepEqual(next.slice(0, 2), ["2026-01-03T21:30:00.000Z", "2026-01-04T21:30:00.000Z"]);
});

test("nodes that look at the same moment start each tick once", async () => {
  const holdfast = await open([spec({ when: { everyMs: 1_000 } })]);
  const store = holdfast.store;
  for (let second = 0; second < 20; second++) {
    await holdfast.clock.advanceMs(1_000);
    const looks = await Promise.all([1, 2, 3].map(() => holdfast.firing.fireDue(10)));
    assert.equal(
      looks.reduce((sum, { started }) => sum + started, 0),
      1,
      `second ${second}`,
    );
  }
  assert.equal(new Set(await holdfast.keys()).size, 20);
  assert.equal((await store.listSchedules({ namespace: "default", limitRows: 10 }))[0]?.version, 21);
});

for (const [catchUp, wanted] of [
  ["none", []],
  ["latest", ["00:05"]],
  ["all", ["00:01", "00:02", "00:03", "00:04", "00:05"]],
] as const) {
  test(`ticks that nobody was there for are caught up with: ${catchUp}`, async () => {
    const holdfast = await open([spec({ catchUp })]);
    assert.equal(await holdfast.pass(5 * minuteMs + 30_000), wanted.length);
    assert.deepEqual(
      (await holdfast.keys()).map((key) => key?.slice(11, 16)),
      wanted,
    );
    const { notes, leftOut } = await holdfast.get();
    assert.equal(leftOut, 5 - wanted.length);
    if (catchUp !== "all") assert.deepEqual([notes.length, notes[0]?.what, notes[0]?.count], [1, "missed", leftOut]);
    assert.equal(await holdfast.pass(30_000), 1, "and it goes on");
  });
}

test("a pause lets no tick start a run, and ends with what the schedule says of missed ticks", async () => {
  const holdfast = await open([spec({ catchUp: "all" })]);
  assert.equal((await holdfast.schedules.pause("load", { paused: true })).changed, true);
  assert.equal(await holdfast.pass(3 * minuteMs), 0);
  await holdfast.schedules.apply([manifestOf("load")], [spec({ catchUp: "all", params: { const: { a: 1 } } })]);
  assert.equal(await holdfast.pass(minuteMs), 0, "applied anew it is still paused");
  const resumed = await holdfast.schedules.pause("load", { paused: false });
  assert.deepEqual([resumed.changed, resumed.schedule.paused], [true, false]);
  assert.equal(await holdfast.fire(), 4);
});

test("what was missed is started though the schedule's params have changed meanwhile, but not once its ticks have", async () => {
  const holdfast = await open([spec({ catchUp: "all" })]);
  await holdfast.clock.advanceMs(2 * minuteMs);
  await holdfast.schedules.apply([manifestOf("load")], [spec({ catchUp: "all", params: { const: { a: 1 } } })]);
  assert.equal(await holdfast.fire(), 2);
  await holdfast.clock.advanceMs(2 * minuteMs);
  const anew = spec({ catchUp: "all", when: { cron: "*/2 * * * *" } });
  const { schedules } = await holdfast.schedules.apply([manifestOf("load")], [anew]);
  assert.deepEqual(schedules, { declared: ["load"], withdrawn: [] });
  assert.equal(await holdfast.fire(), 0);
  assert.equal(await holdfast.pass(2 * minuteMs), 1);
  assert.equal((await holdfast.get()).started, 3);
});

test("applied again as it was, a schedule goes on; no longer named, it is withdrawn; not spoken of, it stays", async () => {
  const holdfast = await open([spec({ id: "load:a" }), spec({ id: "load:b" })]);
  await holdfast.pass(minuteMs);
  const before = await holdfast.get("load:a");
  const again = await holdfast.schedules.apply([manifestOf("load")], [spec({ id: "load:a" })]);
  assert.deepEqual(again.schedules, { declared: [], withdrawn: ["load:b"] });
  assert.deepEqual(await holdfast.get("load:a"), before);
  await holdfast.schedules.apply([manifestOf("load")]);
  await holdfast.schedules.apply([manifestOf("other")], []);
  assert.deepEqual(await holdfast.get("load:a"), before);
  await assert.rejects(holdfast.get("load:b"), (error) => isAppError(error, "not_found"));
});

test("with skip a tick is left out while an earlier run is under way, and that is told", async () => {
  const holdfast = await open([spec({ overlap: "skip" })]);
  assert.deepEqual(
    [await holdfast.pass(minuteMs), await holdfast.pass(minuteMs), await holdfast.pass(minuteMs)],
    [1, 0, 0],
  );
  const { notes, leftOut } = await holdfast.get();
  assert.deepEqual(
    [leftOut, notes],
    [2, [{ what: "skipped", from: minute(2), to: minute(3), count: 2, why: "an earlier run was under way" }]],
  );
  await finishAll(holdfast);
  assert.equal(await holdfast.pass(minuteMs), 1);
});

test("with wait one tick waits for the run before it, and more are left out", async () => {
  const holdfast = await open([spec({ overlap: "wait" })]);
  for (const started of [1, 1, 0]) assert.equal(await holdfast.pass(minuteMs), started);
  const [, waiting] = await holdfast.listed();
  assert.deepEqual([waiting?.status, waiting?.limit], ["ready", "schedule/load"]);
  const { reasons } = await holdfast.reasons.explain(waiting?.id ?? "");
  assert.match(reasons[0]?.remedy ?? "", /^Let the run before it end, or cancel it; with overlap/);
  assert.equal(await finishAll(holdfast), 1);
  assert.equal(await finishAll(holdfast), 1, "now the one that waited");
  assert.equal(await finishAll(holdfast), 0);
});

test("with skip a run that has been started again counts as under way", async () => {
  const holdfast = await open([spec({ overlap: "skip" })]);
  await holdfast.pass(minuteMs);
  await finishAll(holdfast);
  await holdfast.pass(minuteMs);
  await finishAll(holdfast);
  const [first] = await holdfast.listed();
  const order = { runId: first?.id ?? "", fresh: true, ifAttempt: null, data: {} };
  const [restarted] = await holdfast.store.restartRuns({ rows: [order] });
  assert.equal(restarted?.outcome, "restarted");
  assert.equal(await holdfast.pass(minuteMs), 0);
  await finishAll(holdfast);
  assert.equal(await holdfast.pass(minuteMs), 1);
});

test("with cancel the run before is ordered to end, and the tick's starts after it", async () => {
  const holdfast = await open([spec({ overlap: "cancel" })]);
  await holdfast.pass(minuteMs);
  const { store, namespace } = holdfast;
  await store.joinMember({ id: "node", kind: "node", name: "node", namespace, serves: null, leaseMs: dayMs });
  const [first] = await store.claimRuns({ memberId: "node", namespace, queues: null, limitRows: 10 });
  assert.equal(await holdfast.pass(minuteMs), 1);
  assert.deepEqual(
    (await holdfast.listed()).map(({ status, limit }) => [status, limit]),
    [
      ["cancelling", null],
      ["ready", "schedule/load"],
    ],
  );
  const next = { to: "ready", outcome: "released", error: null, delayMs: 0 } as const;
  await store.finishActivations({ rows: [{ runId: first?.id ?? "", epoch: 1, ranMs: 1, next }] });
  const [cancelled, second] = await holdfast.listed();
  assert.equal(cancelled?.error?.message, "It was cancelled: the next tick of its schedule load has come.");
  assert.deepEqual([second?.status, second?.limit], ["ready", null]);
});

test("jitter puts each tick off by less than it says, and every node says the same", async () => {
  const jittered = spec({ when: { everyMs: minuteMs }, jitterMs: 50_000 });
  const [one, two] = [await open([jittered]), await open([jittered])];
  const delays = new Set<number>();
  for (let tick = 1; tick <= 20; tick++) {
    const [a] = await one.store.listSchedules({ namespace: "default", limitRows: 1 });
    const [b] = await two.store.listSchedules({ namespace: "default", limitRows: 1 });
    assert.equal(a?.dueAt, b?.dueAt);
    const delay = (a?.dueAt ?? 0) - (a?.state.nextTick ?? 0);
    assert.ok(delay >= 0 && delay < 50_000);
    delays.add(delay);
    for (const holdfast of [one, two]) {
      const { now } = await holdfast.store.describe();
      assert.equal(await holdfast.pass((a?.dueAt ?? 0) - now), 1);
    }
  }
  assert.ok(delays.size > 15);
  assert.deepEqual(await one.keys(), await two.keys());
  assert.equal((await one.keys())[0], "2026-01-01T00:01:00.000Z", "the run's tick is told without jitter");
});

test("a jitter that is longer than the time between two ticks loses none and starts them in their order", async () => {
  const holdfast = await open([spec({ when: { everyMs: minuteMs }, jitterMs: 30 * minuteMs })]);
  let started = 0;
  for (let look = 0; look < 122; look++) started += await holdfast.pass(minuteMs / 2);
  assert.ok(started >= 60, `${started} runs`);
  const keys = await holdfast.keys();
  assert.deepEqual(keys, [...keys].sort());
  assert.deepEqual((await holdfast.get()).notes, []);
});

test("a tick that can start nothing ends no run, whatever overlap says", async () => {
  const params = { object: { at: { tick: "time" } } } as const;
  const holdfast = await open([spec({ overlap: "cancel", params })]);
  await holdfast.pass(minuteMs);
  await holdfast.definitions.apply([manifestOf("load", takesDay)]);
  assert.equal(await holdfast.pass(minuteMs), 0);
  assert.deepEqual(
    (await holdfast.listed()).map(({ status }) => status),
    ["ready"],
  );
  assert.equal((await holdfast.get()).notes[0]?.what, "failed");
});

test("what is once comes once, also when it is applied again", async () => {
  const once = spec({ when: { at: "2026-01-01T00:05" } });
  const holdfast = await open([once]);
  assert.equal(await holdfast.pass(10 * minuteMs), 1);
  await holdfast.schedules.apply([manifestOf("load")], [once]);
  assert.equal(await holdfast.pass(dayMs), 0);
  assert.deepEqual((await holdfast.get()).next, []);
});

test("ticks past counting are told of, and those that are made up for are the newest", async () => {
  const all = await open([spec({ catchUp: "all", when: { everyMs: 1_000 } })]);
  assert.equal(await all.pass(dayMs), 1_000);
  const { notes, next } = await all.get();
  assert.deepEqual(notes, [
    {
      what: "missed",
      from: "2026-01-01T00:00:01.000Z",
      to: "2026-01-01T23:43:20.000Z",
      count: null,
      why: "more than 1000 were missed",
    },
  ]);
  assert.equal((await all.keys())[0], "2026-01-01T23:43:21.000Z");
  assert.equal(next[0], "2026-01-02T00:00:01.000Z");
  const latest = await open([spec({ when: { cron: "* * * * * *" } })]);
  assert.equal(await latest.pass(365 * dayMs), 11, "those of the last ten seconds are in time");
  assert.equal((await latest.get()).next[0], "2027-01-01T00:00:01.000Z");
});

test("a tick whose params do not fit any more is told of, and the schedule goes on", async () => {
  const holdfast = await open([spec({ params: { const: { day: "x" } } })], [manifestOf("load", takesDay)]);
  const strict = { type: "object", properties: { day: { type: "number" } }, required: ["day"] };
  await holdfast.definitions.apply([manifestOf("load", strict)]);
  assert.equal(await holdfast.pass(minuteMs), 0);
  const { notes } = await holdfast.get();
  assert.deepEqual(
    [notes[0]?.what, notes[0]?.why],
    ["failed", 'The input of "load" does not fit: day must be number.'],
  );
  await holdfast.definitions.apply([manifestOf("load", takesDay)]);
  assert.equal(await holdfast.pass(minuteMs), 1);
});

test("started by a person, a run begins now with what the schedule says, also while it is paused", async () => {
  const params = { object: { at: { tick: "time" } } } as const;
  const holdfast = await open([spec({ params, overlap: "skip" })]);
  await holdfast.schedules.pause("load", { paused: true });
  await holdfast.clock.advanceMs(90_500);
  const { run, existing } = await holdfast.schedules.start("load", "request-1");
  assert.deepEqual([existing, run.status, run.input], [false, "ready", { at: "2026-01-01T00:01:30.500Z" }]);
  await holdfast.clock.advanceMs(1_000);
  const again = await holdfast.schedules.start("load", "request-1");
  assert.deepEqual([again.existing, again.run.id], [true, run.id]);
  const { lastRun, started } = await holdfast.get();
  assert.deepEqual({ lastRun, started }, { lastRun: run.id, started: 1 });
  await holdfast.schedules.pause("load", { paused: false });
  assert.equal(await holdfast.fire(), 0, "the tick that was missed meanwhile is skipped, for that run is under way");
  const other = holdfast.schedules.start("load", "request-1").then(({ run: { id } }) => id);
  assert.equal(await other, run.id);
});

test("what the store refuses of one schedule keeps no other from firing, and that one goes on without the run", async () => {
  const holdfast = await open([spec({ id: "load:a" }), spec({ id: "load:b" }), spec({ id: "load:c" })]);
  const { store, namespace } = holdfast;
  const scheduledRuns = new ScheduledRuns({ ...holdfast });
  let refusals = 0;
  const refusing = new Proxy(store, {
    get: (target, name) => {
      const verb: unknown = Reflect.get(target, name);
      if (name !== "fireSchedules" || typeof verb !== "function")
        return verb instanceof Function ? verb.bind(target) : verb;
      return (args: { rows: readonly ScheduleFiring[] }) => {
        if (!args.rows.some(({ id, runs }) => id === "load:b" && runs.length > 0)) return target.fireSchedules(args);
        refusals += 1;
        return Promise.reject(new AppError("too_large", "Row 1: its input is over 7."));
      };
    },
  });
  const firing = new Firing({ store: refusing, scheduledRuns, namespace, clock: holdfast.clock });
  await holdfast.clock.advanceMs(minuteMs);
  const { moved, started, notes } = await firing.fireDue(10);
  assert.deepEqual([moved, started, refusals], [3, 2, 2]);
  assert.deepEqual(
    notes.map(({ schedule, note }) => [schedule, note.what, note.why]),
    [["load:b", "failed", "Row 1: its input is over 7."]],
  );
  assert.equal((await firing.fireDue(10)).looked, 0);
});

test("what a schedule keeps stays small, however much errors say and however many runs people start", async () => {
  const holdfast = await open([spec({ overlap: "skip" })]);
  for (let i = 0; i < 120; i++) await holdfast.schedules.start("load");
  const row = await holdfast.store.findSchedule({ namespace: "default", id: "load" });
  assert.deepEqual([row?.state.started, row?.state.openRuns.length], [120, 100]);
  assert.equal(row?.state.openRuns.at(-1), row?.state.lastRunId);
  const { why } = note("failed", 0, `${"x".repeat(499)}\u{1F6A2} and much more`);
  assert.equal(why, `${"x".repeat(499)}\ufffd`);
});

test("what is wrong with a schedule is told, and nothing is applied", async () => {
  const holdfast = await open([]);
  const refused = async (specs: readonly ScheduleSpec[], message: RegExp) => {
    const apply = holdfast.schedules.apply([manifestOf("load", takesDay)], specs);
    await assert.rejects(apply, (error) => isAppError(error, "invalid_definition") && message.test(error.message));
  };
  const day = { const: { day: "x" } } as const;
  await refused([spec()], /^The schedule "load": with what its params say, .*required property 'day'/);
  await refused([spec({ params: day, when: { cron: "* * *" } })], /"cron": "\* \* \*" has 3 fields/);
  await refused([spec({ params: day, tz: "Mars" })], /there is no time zone "Mars"/);
  await refused([spec({ params: day }), spec({ params: day })], /declared twice/);
  await refused([spec({ params: day, definition: "other", id: "other" })], /"other" is not applied with it/);
  await refused([spec({ params: day, id: "loads" })], /id is its definition's/);
  assert.deepEqual((await holdfast.schedules.list({ limit: 10, next: 1 })).schedules, []);
  assert.equal((await holdfast.definitions.get("load")).manifestHash.length, 64);
  const { manifestHash } = await holdfast.definitions.get("load");
  await refused([spec()], /required/);
  assert.equal((await holdfast.definitions.get("load")).manifestHash, manifestHash);
});

function minute(count: number): string {
  return new Date(Date.UTC(2026, 0, 1) + count * minuteMs).toISOString();
}

test("a schedule that is not there is told of with the nearest one, by every verb", async () => {
  const { schedules } = await open([spec({ id: "load:eu" })]);
  const verbs = [
    () => schedules.get("load:ue", 1),
    () => schedules.pause("load:ue", { paused: true }),
    () => schedules.remove("load:ue"),
    () => schedules.start("load:ue"),
  ];
  const told = { code: "not_found", message: 'There is no schedule "load:ue".', hint: 'Did you mean "load:eu"?' };
  for (const verb of verbs) await assert.rejects(verb, told);
  await assert.rejects(() => schedules.get("other", 1), { hint: /^holdfast schedules list/ });
});

test("a schedule whose runs take long to be made ready delays no other, and starts them when they are", async () => {
  const holdfast = await open([spec({ id: "load:a" }), spec({ id: "load:b" })]);
  const ready = Promise.withResolvers<void>();
  class Slow extends ScheduledRuns {
    override async ofTick(...args: Parameters<ScheduledRuns["ofTick"]>) {
      if (args[0].id === "load:a") await ready.promise;
      return super.ofTick(...args);
    }
  }
  const { store, namespace, clock } = holdfast;
  const firing = new Firing({ store, scheduledRuns: new Slow({ ...holdfast }), namespace, clock });
  const look = async () => {
    const fired = firing.fireDue(10);
    let isOver = false;
    void fired.then(() => {
      isOver = true;
    });
    while (!isOver) await clock.advanceMs(50);
    return fired;
  };
  await clock.advanceMs(minuteMs);
  assert.equal((await look()).started, 1);
  assert.deepEqual(
    (await holdfast.listed()).map(({ key }) => key),
    ["schedule/load:b/2026-01-01T00:01:00.000Z"],
  );
  await clock.advanceMs(minuteMs);
  assert.equal((await look()).started, 1, "the other goes on while the first waits");
  ready.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal((await look()).started, 1, "the tick that was made ready");
  assert.equal((await look()).started, 1, "and the one that has come since");
});
