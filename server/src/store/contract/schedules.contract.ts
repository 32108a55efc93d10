import assert from "node:assert/strict";
import type { ScheduleSpec } from "@holdfast/protocol";
import { newScheduleState, type ScheduleRow } from "../../core/index.ts";
import type { EnqueueRow, FiringResult, ScheduleDeclaration, ScheduleFiring, Store } from "../store.ts";
import { type Contract, hourMs, namespace, next, plain, refused, until, type World } from "./world.contract.ts";

// Faults to catch: a firing that does not compare the version (two nodes start a tick), one that starts runs and moves the
// schedule on in two steps, a declaration that overwrites what has fired meanwhile, one that ends a pause.

/** What stores promise about schedules. */
export function schedulesContract(contract: Contract): void {
  contract("a declared schedule is kept as it was said, and found", async (world) => {
    const { now } = await world.store.describe();
    await declare(world.store, [declaration("ship:eu", now + hourMs, { tz: "Europe/Berlin" })]);
    const found = await find(world.store, "ship:eu");
    const { declaredAt, ...row } = found;
    assert.deepEqual(plain(row), {
      ...plain({ ...declaration("ship:eu", now + hourMs, { tz: "Europe/Berlin" }), namespace }),
      ...{ paused: false, pausedAt: null, pauseReason: null, resumedAt: null },
      version: 1,
    });
    assert.ok(declaredAt >= now);
    assert.equal(await world.store.findSchedule({ namespace, id: "ship" }), undefined);
    assert.equal(await world.store.findSchedule({ namespace: "other", id: "ship:eu" }), undefined);
  });

  contract("schedules are listed in the order of their ids, by code unit, page by page", async ({ store }) => {
    const ids = ["ship:b", "ship:B", "ship:a_b", "ship:a.b", "ship", "load"];
    await declare(
      store,
      ids.map((id) => declaration(id, null)),
    );
    const sorted = [...ids].sort();
    const list = async (args: { definition?: string; after?: string; limitRows: number }) => {
      return (await store.listSchedules({ namespace, ...args })).map(({ id }) => id);
    };
    assert.deepEqual(await list({ limitRows: 10 }), sorted);
    assert.deepEqual(await list({ limitRows: 2 }), sorted.slice(0, 2));
    assert.deepEqual(await list({ after: sorted[1] ?? "", limitRows: 2 }), sorted.slice(2, 4));
    assert.deepEqual(await list({ definition: "load", limitRows: 10 }), ["load"]);
    assert.deepEqual(await list({ definition: "ship", after: "ship", limitRows: 10 }), sorted.slice(2));
  });

  contract("schedules of a definition that are named no more are withdrawn, others stay", async ({ store }) => {
    await declare(
      store,
      ["ship:a", "ship:b", "ship:c", "load"].map((id) => declaration(id, null)),
    );
    await store.declareSchedules({
      namespace: "other",
      definitions: [],
      rows: [declaration("ship:a", null)],
      kept: [],
    });
    const done = await store.declareSchedules({
      namespace,
      definitions: ["ship"],
      rows: [declaration("ship:d", null)],
      kept: ["ship:b"],
    });
    assert.deepEqual(done, { results: ["declared"], withdrawn: ["ship:a", "ship:c"] });
    const left = await store.listSchedules({ namespace, limitRows: 10 });
    assert.deepEqual(
      left.map(({ id }) => id),
      ["load", "ship:b", "ship:d"],
    );
    assert.ok(await store.findSchedule({ namespace: "other", id: "ship:a" }));
  });

  contract("a declaration changes only the version that was seen", async ({ store }) => {
    await declare(store, [declaration("ship", 5)]);
    const stale = [declaration("ship", 6), { ...declaration("ship", 7), version: 2 }];
    for (const row of stale) assert.deepEqual(await declare(store, [row]), ["stale"]);
    assert.equal((await find(store, "ship")).dueAt, 5);
    assert.deepEqual(await declare(store, [{ ...declaration("ship", 8), version: 1 }, declaration("load", 9)]), [
      "declared",
      "declared",
    ]);
    const { dueAt, version } = await find(store, "ship");
    assert.deepEqual({ dueAt, version }, { dueAt: 8, version: 2 });
  });

  contract(
    "a pause keeps when and why, and leaves behind when it was over; a schedule that is removed is gone",
    async ({ store }) => {
      await declare(store, [declaration("ship", 5)]);
      const { now } = await store.describe();
      const pause = { namespace, id: "ship", paused: true, reason: "a repair" };
      const paused = (await store.pauseSchedule(pause))?.schedule;
      assert.ok(paused?.pausedAt !== null && (paused?.pausedAt ?? 0) >= now);
      assert.equal(paused?.pauseReason, "a repair");
      await store.pauseSchedule({ ...pause, reason: "another" });
      await declare(store, [{ ...declaration("ship", 6), version: 2 }]);
      const { pausedAt, pauseReason, resumedAt } = await find(store, "ship");
      assert.deepEqual([pausedAt, pauseReason, resumedAt], [paused?.pausedAt, "a repair", null]);
      const over = (await store.pauseSchedule({ ...pause, paused: false }))?.schedule;
      assert.deepEqual([over?.pausedAt, over?.pauseReason], [null, null]);
      assert.ok((over?.resumedAt ?? 0) >= (pausedAt ?? 0));
      assert.deepEqual(await store.removeSchedule({ namespace: "elsewhere", id: "ship" }), { removed: false });
      assert.deepEqual(await store.removeSchedule({ namespace, id: "ship" }), { removed: true });
      assert.deepEqual(await store.removeSchedule({ namespace, id: "ship" }), { removed: false });
      assert.equal(await store.findSchedule({ namespace, id: "ship" }), undefined);
      await declare(store, [declaration("ship", 7)]);
      assert.deepEqual([(await find(store, "ship")).version, (await find(store, "ship")).resumedAt], [1, null]);
    },
  );

  contract("what is paused is not due, also when it is declared anew, until it goes on", async ({ store }) => {
    await declare(store, [declaration("ship", 5)]);
    const paused = await store.pauseSchedule({ namespace, id: "ship", paused: true, reason: null });
    assert.deepEqual([paused?.changed, paused?.schedule.paused], [true, true]);
    assert.deepEqual(
      (await store.pauseSchedule({ namespace, id: "ship", paused: true, reason: null }))?.changed,
      false,
    );
    assert.equal(await store.pauseSchedule({ namespace, id: "load", paused: true, reason: null }), undefined);
    const { version } = await find(store, "ship");
    assert.equal(version, 2, "who has seen it before the pause is late");
    await declare(store, [{ ...declaration("ship", 6), version }]);
    const { due, nextInMs } = await store.dueSchedules({ namespace, limitRows: 10 });
    assert.deepEqual({ due, nextInMs }, { due: [], nextInMs: null });
    assert.equal((await store.pauseSchedule({ namespace, id: "ship", paused: false, reason: null }))?.changed, true);
    assert.equal((await store.dueSchedules({ namespace, limitRows: 10 })).due[0]?.schedule.dueAt, 6);
  });

  contract("the longest due come first, and the store says how long until the next", async ({ store }) => {
    const { now } = await store.describe();
    const moments = {
      "ship:a": now - 10,
      "ship:b": now - 30,
      "ship:c": now - 20,
      "ship:d": null,
      "ship:e": now + hourMs,
    };
    await declare(
      store,
      Object.entries(moments).map(([id, dueAt]) => declaration(id, dueAt)),
    );
    const look = (limitRows: number) => store.dueSchedules({ namespace, limitRows });
    const all = await look(10);
    assert.ok(all.now >= now);
    assert.equal(all.nextInMs, 0);
    assert.deepEqual(idsOf(all), ["ship:b", "ship:c", "ship:a"]);
    assert.deepEqual(idsOf(await look(2)), ["ship:b", "ship:c"]);
    assert.deepEqual(idsOf(await store.dueSchedules({ namespace: "other", limitRows: 10 })), []);
    const rows = all.due.map(({ schedule }) => firing(schedule, { dueAt: now + hourMs / 2 }));
    await store.fireSchedules({ rows });
    const { due, nextInMs } = await look(10);
    assert.deepEqual(due, []);
    assert.ok(nextInMs !== null && nextInMs > hourMs / 4 && nextInMs <= hourMs / 2);
  });

  contract("what is due comes with the current manifest of its definition", async ({ store }) => {
    await declare(store, [declaration("ship", 5), declaration("load", 6)]);
    const manifest = { format: 1, root: "ship", definitions: {}, assets: {} } as const;
    for (const hash of ["aa", "bb"]) {
      await store.applyManifests({ namespace, manifests: [{ id: "ship", kind: "task", hash, manifest }] });
    }
    const { due } = await store.dueSchedules({ namespace, limitRows: 10 });
    assert.deepEqual(
      due.map(({ manifestHash }) => manifestHash),
      ["bb", null],
    );
  });

  contract("a firing starts its runs and moves its schedule on", async (world) => {
    const { store } = world;
    await declare(store, [declaration("ship", 5)]);
    const schedule = await find(store, "ship");
    const runs = [tickRow(world, "one"), tickRow(world, "two")];
    const state = { ...schedule.state, nextTick: 77, started: 2, lastRunId: runs[1]?.run.id ?? null };
    const [result] = await store.fireSchedules({ rows: [{ ...firing(schedule, { dueAt: 70 }), state, runs }] });
    assert.deepEqual(outcomes(result), ["created", "created"]);
    for (const { run } of runs) assert.deepEqual(await world.events(run.id), ["run.enqueued"]);
    const moved = await find(store, "ship");
    assert.deepEqual(plain(moved), plain({ ...schedule, dueAt: 70, state, version: 2 }));
    assert.equal((await world.claim(await world.member())).length, 2);
  });

  contract("a firing of another version than the one there does nothing", async (world) => {
    const { store } = world;
    await declare(store, [declaration("ship", 5), declaration("load", 5)]);
    const [ship, load] = [await find(store, "ship"), await find(store, "load")];
    await store.fireSchedules({ rows: [{ ...firing(ship, { dueAt: 9 }), runs: [tickRow(world, "one")] }] });
    await store.pauseSchedule({ namespace, id: "load", paused: true, reason: null });
    const late = [ship, load].map((row) => ({
      ...firing(row, { dueAt: 8 }),
      runs: [tickRow(world, `late ${row.id}`)],
    }));
    const gone = { ...firing({ ...ship, id: "ship:gone" }, { dueAt: 8 }), runs: [tickRow(world, "late gone")] };
    const results = await store.fireSchedules({ rows: [...late, gone] });
    assert.deepEqual(results.map(outcomes), [undefined, undefined, undefined]);
    assert.equal((await find(store, "ship")).dueAt, 9);
    for (const { runs } of [...late, gone]) {
      assert.equal(await store.findRun({ id: runs[0]?.run.id ?? "" }), undefined);
    }
  });

  contract("rows of one call stand by themselves, and the second for one schedule is late", async (world) => {
    const { store } = world;
    await declare(store, [declaration("ship", 5), declaration("load", 5)]);
    const ship = await find(store, "ship");
    const load = { ...(await find(store, "load")), version: 7 };
    const rows = [load, ship, ship].map((row, index) => {
      return { ...firing(row, { dueAt: 8 + index }), runs: [tickRow(world, `run ${index}`)] };
    });
    const results = await store.fireSchedules({ rows });
    assert.deepEqual(results.map(outcomes), [undefined, ["created"], undefined]);
    assert.deepEqual([(await find(store, "load")).dueAt, (await find(store, "ship")).dueAt], [5, 9]);
  });

  contract("a tick that has been started is not started again by whoever declares its schedule anew", async (world) => {
    const { store } = world;
    await declare(store, [declaration("ship", 5)]);
    const seen = await find(store, "ship");
    await store.fireSchedules({ rows: [{ ...firing(seen, { dueAt: 9 }), runs: [tickRow(world, "tick")] }] });
    await store.declareSchedules({ namespace, definitions: ["ship"], rows: [], kept: [] });
    await declare(store, [declaration("ship", 5)]);
    const [again] = await store.fireSchedules({
      rows: [{ ...firing(seen, { dueAt: 9 }), runs: [tickRow(world, "tick")] }],
    });
    assert.deepEqual(outcomes(again), ["existing"]);
  });

  contract("runs of a firing take slots and stand in line as others do", async (world) => {
    const { store } = world;
    await declare(store, [declaration("ship", 5)]);
    const limits = [{ id: `${namespace}/schedule/ship`, slots: 1, hold: "run" as const }];
    const runs = ["first", "second"].map((key) => tickRow(world, key, { limits }));
    await store.fireSchedules({ rows: [{ ...firing(await find(store, "ship"), { dueAt: 9 }), runs }] });
    const [first] = await world.claim(await world.member());
    assert.ok(first);
    assert.equal(first.id, runs[0]?.run.id);
    assert.deepEqual(await world.claim(await world.member()), []);
    await world.finish(first, next.success());
    assert.deepEqual(
      (await world.claim(await world.member())).map(({ id }) => id),
      [runs[1]?.run.id],
    );
  });

  contract("many who fire the same schedules at once fire each tick once", async (world) => {
    const count = 30;
    const { now } = await world.store.describe();
    const ids = Array.from({ length: count }, (_, index) => `ship:s${index}`);
    await declare(
      world.store,
      ids.map((id) => declaration(id, now - 5)),
    );
    const doors = await world.doors();
    const started: string[] = [];
    const fire = async (store: Store): Promise<number> => {
      const { due } = await store.dueSchedules({ namespace, limitRows: 7 });
      const rows = due.map(({ schedule }) => {
        const done = schedule.state.started + 1;
        const state = { ...schedule.state, started: done };
        // Without a key, so that nothing but the version keeps it from being started twice.
        const runs = [{ ...world.row({ name: `${schedule.id}/${done}` }), key: null }];
        return { ...firing(schedule, { dueAt: done < 3 ? now - 5 : null }), state, runs };
      });
      const results = await store.fireSchedules({ rows });
      for (const [index, result] of results.entries()) {
        if (result.outcome === "fired") started.push(rows[index]?.runs[0]?.run.name ?? "");
      }
      return due.length;
    };
    await until(async () => {
      const looks = await Promise.all(
        Array.from({ length: 5 }, (_, index) => fire(doors[index % doors.length] ?? world.store)),
      );
      return looks.every((due) => due === 0);
    });
    const wanted = ids.flatMap((id) => [1, 2, 3].map((tick) => `${id}/${tick}`));
    assert.deepEqual([...started].sort(), wanted.sort());
    const { runs } = await world.store.listRuns({ namespace, rootsOnly: true, limitRows: 1_000 });
    assert.deepEqual(runs.map(({ name }) => name).sort(), wanted);
  });

  contract("text that no store can keep is refused, and changes nothing", async (world) => {
    const { store } = world;
    const row = declaration("ship", 5, { params: { const: "a\u0000b" } });
    await refused(declare(store, [row]), "invalid_request");
    await declare(store, [declaration("ship", 5)]);
    const state = { ...newScheduleState(null), lastRunId: "x".repeat(2 * 1024 * 1024) };
    const firingRow = { ...firing(await find(store, "ship"), { dueAt: 9 }), state };
    await refused(store.fireSchedules({ rows: [firingRow] }), "too_large");
    assert.equal((await find(store, "ship")).version, 1);
  });
}

function declaration(id: string, dueAt: number | null, spec: Partial<ScheduleSpec> = {}): ScheduleDeclaration {
  const definition = id.split(":")[0] ?? id;
  const says: ScheduleSpec = {
    id,
    definition,
    when: { cron: "* * * * *" },
    tz: "UTC",
    params: { object: { day: { tick: "date" }, n: { const: 3 } } },
    catchUp: "latest",
    overlap: "allow",
    jitterMs: 0,
    ...spec,
  };
  return { id, definition, spec: says, dueAt, state: newScheduleState(dueAt), version: null };
}

async function declare(store: Store, rows: readonly ScheduleDeclaration[]): Promise<("declared" | "stale")[]> {
  return (await store.declareSchedules({ namespace, definitions: [], rows, kept: [] })).results;
}

async function find(store: Store, id: string): Promise<ScheduleRow> {
  const row = await store.findSchedule({ namespace, id });
  assert.ok(row, `the schedule ${id} is there`);
  return row;
}

function firing(schedule: ScheduleRow, { dueAt }: { dueAt: number | null }): ScheduleFiring {
  const { id, version, state } = schedule;
  return { namespace, id, version, dueAt, state, runs: [] };
}

/** The run of a tick, with its key. */
function tickRow(world: World, key: string, fields: Parameters<World["row"]>[0] = {}): EnqueueRow {
  const row = world.row({ key, ...fields });
  return { ...row, key: { key, hash: "h", retentionMs: hourMs } };
}

function idsOf({ due }: { due: readonly { readonly schedule: ScheduleRow }[] }): string[] {
  return due.map(({ schedule }) => schedule.id);
}

/** Undefined: it was late. */
function outcomes(result: FiringResult | undefined): string[] | undefined {
  return result?.outcome === "fired" ? result.runs.map(({ outcome }) => outcome) : undefined;
}
