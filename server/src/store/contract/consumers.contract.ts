import assert from "node:assert/strict";
import {
  applyTo,
  consume,
  consumerOf,
  declaring,
  dueOf,
  emit,
  eventsOf,
  positionsOf,
  takingAll,
  tell,
} from "./assets.fixture.ts";
import { change } from "./state.fixture.ts";
import { type Contract, dayMs, namespace, plain, refused, type World } from "./world.contract.ts";

// Faults to catch: an event that a consumer has twice, or never; a place that moves without its run, or a run without its place; a consumer that
// is paused and takes something; one that waits for all and is started by one; an event that is deleted before everybody has had it, or never.

/** The consumer of these assets, and a task that writes them. */
async function withConsumer(world: World, mode: "all" | "any", ...assets: string[]): Promise<void> {
  await applyTo(world.store, declaring("load", { writes: assets }), declaring("report", { startOn: { mode, assets } }));
}

const pause = { namespace, kind: "definition", name: "report" } as const;

/** What stores promise about who is started by events. */
export function consumersContract(contract: Contract): void {
  contract(
    "who waits for all is due when each asset has something new, who waits for any when one has",
    async (world) => {
      const { store } = world;
      await withConsumer(world, "all", "orders", "customers");
      await applyTo(store, declaring("either", { startOn: { mode: "any", assets: ["orders", "customers"] } }));
      assert.deepEqual(await dueOf(store), []);
      await tell(world, "orders", 3);
      assert.deepEqual(await dueOf(store), ["either"]);
      await tell(world, "customers", 1);
      assert.deepEqual(await dueOf(store), ["either", "report"]);
      assert.deepEqual(
        (await store.dueConsumers({ namespace, limitRows: 1 })).map(({ consumer }) => consumer.definition),
        ["either"],
      );
      assert.deepEqual(
        (await store.dueConsumers({ namespace, after: "either", limitRows: 9 })).map(
          ({ consumer }) => consumer.definition,
        ),
        ["report"],
      );
      assert.deepEqual(await store.dueConsumers({ namespace: "other", limitRows: 9 }), []);
      const { places, manifestHash, paused, consumer } = await consumerOf(store, "report");
      assert.deepEqual(places, [
        { asset: "orders", position: 0, lastEvent: 3 },
        { asset: "customers", position: 0, lastEvent: 1 },
      ]);
      assert.deepEqual([manifestHash === null, paused, consumer.active, consumer.started], [false, false, true, 0]);
    },
  );

  contract(
    "events are taken and their run is there in one step, and the consumer waits for what comes next",
    async (world) => {
      const { store } = world;
      await withConsumer(world, "all", "orders", "customers");
      await tell(world, "orders", 3);
      await tell(world, "customers", 1);
      const taking = takingAll(world, await consumerOf(store, "report"));
      const [result] = await store.consumeEvents({ rows: [taking] });
      assert.equal(result?.outcome === "consumed" && result.run.outcome, "created");
      assert.equal(await world.status(taking.run.run.id), "ready");
      assert.deepEqual(await positionsOf(store, "report"), { orders: 3, customers: 1 });
      assert.deepEqual(await dueOf(store), []);
      const { consumer } = await consumerOf(store, "report");
      assert.deepEqual(
        [consumer.started, consumer.lastRunId, typeof consumer.lastAt],
        [1, taking.run.run.id, "number"],
      );
      await tell(world, "orders", 1);
      assert.deepEqual(await dueOf(store), []);
      await tell(world, "customers", 1);
      assert.deepEqual(await dueOf(store), ["report"]);
    },
  );

  contract("what was seen before somebody else took it takes nothing, and starts nothing", async (world) => {
    const { store } = world;
    await withConsumer(world, "any", "orders");
    await tell(world, "orders", 2);
    const seen = await consumerOf(store, "report");
    const rows = [takingAll(world, seen), takingAll(world, seen)];
    const [first, second] = await store.consumeEvents({ rows });
    const [third] = await store.consumeEvents({ rows: [takingAll(world, seen)] });
    assert.deepEqual([first?.outcome, second?.outcome, third?.outcome], ["consumed", "stale", "stale"]);
    assert.equal(await store.findRun({ id: rows[1]?.run.run.id ?? "" }), undefined);
    assert.equal(
      (await store.listRuns({ namespace, definition: "report", rootsOnly: true, limitRows: 9 })).runs.length,
      1,
    );
    assert.deepEqual(await store.consumeEvents({ rows: [] }), []);
  });

  contract("however many take at once through every door, each event is had once", async (world) => {
    const { store } = world;
    await withConsumer(world, "any", "orders", "customers");
    const doors = await world.doors();
    const numbers = Array.from({ length: 30 }, (_, n) => n);
    const work = numbers.flatMap((n) => {
      const door = doors[n % doors.length] ?? store;
      const id = n % 2 === 0 ? "orders" : "customers";
      return [
        door.transactState({ rows: [{ namespace, writer: null, ops: [emit(n, undefined, id)] }] }),
        consume(world, "report", door).catch((error: { code?: string }) => assert.equal(error.code, "invalid_request")),
      ];
    });
    await Promise.all(work);
    while ((await dueOf(store)).length > 0) await consume(world, "report");
    const { runs } = await store.listRuns({ namespace, definition: "report", rootsOnly: true, limitRows: 100 });
    const { consumer } = await consumerOf(store, "report");
    assert.equal(consumer.started, runs.length);
    assert.deepEqual(await positionsOf(store, "report"), { orders: 15, customers: 15 });
    // Each run says up to where it has them: no place is said twice.
    const ends = runs.flatMap(({ input }) =>
      (input as { taken: { asset: string; to: number }[] }).taken.map((one) => JSON.stringify(one)),
    );
    assert.equal(new Set(ends).size, ends.length);
  });

  contract("a run by a manifest that is not current any more takes nothing", async (world) => {
    const { store } = world;
    await withConsumer(world, "any", "orders");
    await tell(world, "orders", 1);
    const seen = await consumerOf(store, "report");
    await applyTo(store, declaring("report", { startOn: { mode: "any", assets: ["orders"] }, description: "new" }));
    assert.deepEqual(await store.consumeEvents({ rows: [takingAll(world, seen)] }), [{ outcome: "stale" }]);
    assert.deepEqual(await positionsOf(store, "report"), { orders: 0 });
    assert.equal((await consume(world, "report")).outcome, "consumed");
  });

  contract("a definition that is paused takes nothing and loses nothing", async (world) => {
    const { store } = world;
    await withConsumer(world, "any", "orders");
    await tell(world, "orders", 1);
    const seen = await consumerOf(store, "report");
    await store.pauseRuns({ target: pause, reason: null });
    assert.deepEqual(await dueOf(store), []);
    assert.equal((await consumerOf(store, "report")).paused, true);
    assert.deepEqual(await store.consumeEvents({ rows: [takingAll(world, seen)] }), [{ outcome: "stale" }]);
    await tell(world, "orders", 1);
    assert.deepEqual(await store.pruneAssetEvents({ eventsMs: 0, limitRows: 10 }), { pruned: 0, more: false });
    await store.resumeRuns({ target: pause, limitRows: 10 });
    assert.deepEqual(await dueOf(store), ["report"]);
    assert.equal((await consume(world, "report")).outcome, "consumed");
    assert.deepEqual(await positionsOf(store, "report"), { orders: 2 });
  });

  contract("a new consumer begins with what comes after it, or from the start when it says so", async (world) => {
    const { store } = world;
    await applyTo(store, declaring("load", { writes: ["orders"] }));
    await tell(world, "orders", 2);
    const assets = ["orders"];
    await applyTo(store, declaring("newest", { startOn: { mode: "any", assets } }));
    await applyTo(store, declaring("first", { startOn: { mode: "any", assets, from: "start" } }));
    assert.deepEqual(
      [await positionsOf(store, "newest"), await positionsOf(store, "first")],
      [{ orders: 2 }, { orders: 0 }],
    );
    assert.deepEqual(await dueOf(store), ["first"]);
    // Applied again, it stays where it is.
    await consume(world, "first");
    await applyTo(store, declaring("first", { startOn: { mode: "any", assets, from: "start" }, description: "new" }));
    assert.deepEqual(await positionsOf(store, "first"), { orders: 2 });
  });

  contract(
    "what is not declared any more takes nothing, and goes on from its place when it is again",
    async (world) => {
      const { store } = world;
      await withConsumer(world, "any", "orders", "customers");
      await tell(world, "orders", 2);
      await consume(world, "report");
      await applyTo(store, declaring("report", {}));
      await tell(world, "orders", 2);
      await tell(world, "customers", 1);
      assert.deepEqual(await dueOf(store), []);
      const { consumer, places } = await consumerOf(store, "report");
      assert.deepEqual([consumer.active, places], [false, []]);
      await applyTo(store, declaring("report", { startOn: { mode: "any", assets: ["orders"] } }));
      assert.deepEqual(await positionsOf(store, "report"), { orders: 2 });
      assert.deepEqual(await dueOf(store), ["report"]);
      assert.equal((await consumerOf(store, "report")).consumer.started, 1);
    },
  );

  contract("why a consumer starts nothing is kept until it does, or is declared anew", async (world) => {
    const { store } = world;
    await withConsumer(world, "any", "orders");
    await tell(world, "orders", 1);
    const problemOf = async () => (await consumerOf(store, "report")).consumer.problem;
    const note = async (problem: string) =>
      store.noteConsumer({
        namespace,
        definition: "report",
        version: (await consumerOf(store, "report")).consumer.version,
        problem,
      });
    assert.deepEqual(await note("it does not fit"), { noted: true });
    assert.equal(await problemOf(), "it does not fit");
    assert.deepEqual(await dueOf(store), ["report"]);
    await consume(world, "report");
    assert.equal(await problemOf(), null);
    await note("again");
    await withConsumer(world, "any", "orders");
    assert.equal(await problemOf(), null);
    assert.deepEqual(await store.noteConsumer({ namespace, definition: "report", version: 1, problem: "late" }), {
      noted: false,
    });
    assert.deepEqual(await store.noteConsumer({ namespace, definition: "none", version: 1, problem: "x" }), {
      noted: false,
    });
    await refused(
      store.noteConsumer({ namespace, definition: "report", version: 1, problem: "a\u0000" }),
      "invalid_request",
    );
  });

  contract("old events go once every consumer has had them, the oldest first and so many at a time", async (world) => {
    const { store } = world;
    await withConsumer(world, "any", "orders", "customers");
    await applyTo(store, declaring("slow", { startOn: { mode: "any", assets: ["orders"] } }));
    await change(world, emit(0, "k"));
    await tell(world, "orders", 5);
    await tell(world, "customers", 2);
    await consume(world, "report");
    await world.pass(5);
    const prune = (limitRows: number, eventsMs = 0) => store.pruneAssetEvents({ eventsMs, limitRows });
    assert.deepEqual(await prune(10), { pruned: 2, more: false });
    const taking = takingAll(world, await consumerOf(store, "slow"));
    await store.consumeEvents({ rows: [{ ...taking, taken: [{ asset: "orders", to: 4 }] }] });
    assert.deepEqual(await prune(10, dayMs), { pruned: 0, more: false });
    assert.deepEqual(await prune(3), { pruned: 3, more: true });
    assert.deepEqual(await prune(3), { pruned: 1, more: false });
    assert.deepEqual(
      (await eventsOf(store)).map(({ number }) => number),
      [5, 6],
    );
    assert.equal((await store.findAsset({ namespace, id: "orders" }))?.firstEvent, 5);
    // Numbers go on, and a key that went with its event is free.
    await tell(world, "customers", 1);
    assert.deepEqual(
      (await eventsOf(store, "customers")).map(({ number }) => number),
      [3],
    );
    const result = await change(world, emit(1, "k"));
    assert.deepEqual(plain(result), { outcome: "applied", results: [{ version: 0, number: 7, emitted: true }] });
    // Who begins from the start now has what is left.
    await applyTo(store, declaring("first", { startOn: { mode: "any", assets: ["orders"], from: "start" } }));
    assert.deepEqual(await positionsOf(store, "first"), { orders: 4 });
  });

  contract(
    "assets whose events somebody has not had, however many, do not keep what is old of others",
    async (world) => {
      const { store } = world;
      const assets = Array.from({ length: 110 }, (_, n) => `a${String(n).padStart(3, "0")}`);
      const tens = Array.from({ length: 11 }, (_, n) => assets.slice(n * 10, n * 10 + 10));
      const consumers = tens.map((some, n) => declaring(`report${n}`, { startOn: { mode: "any", assets: some } }));
      await applyTo(store, declaring("load", { writes: [...assets, "orders"] }), ...consumers);
      for (const some of tens) await change(world, ...some.map((id) => emit(1, undefined, id)));
      await tell(world, "orders", 2);
      await world.pass(5);
      assert.deepEqual(await store.pruneAssetEvents({ eventsMs: 0, limitRows: 10 }), { pruned: 2, more: false });
      assert.deepEqual((await eventsOf(store, "a000")).length, 1);
    },
  );

  contract(
    "a consumer that was away while events went is never waiting for what nobody has any more",
    async (world) => {
      const { store } = world;
      await withConsumer(world, "all", "orders");
      await applyTo(store, declaring("report", {}));
      await tell(world, "orders", 3);
      await world.pass(5);
      assert.deepEqual(await store.pruneAssetEvents({ eventsMs: 0, limitRows: 10 }), { pruned: 3, more: false });
      await withConsumer(world, "all", "orders");
      assert.deepEqual(await positionsOf(store, "report"), { orders: 3 });
      assert.deepEqual(await dueOf(store), []);
    },
  );

  contract("a taking that contradicts itself is refused, and its call changes nothing", async (world) => {
    const { store } = world;
    await withConsumer(world, "any", "orders");
    await tell(world, "orders", 1);
    const good = takingAll(world, await consumerOf(store, "report"));
    const unfit = [
      { ...good, taken: [] },
      { ...good, run: world.row({ definition: "load" }) },
      { ...good, namespace: "other" },
      { ...good, run: { ...good.run, claimFor: "node-1" } },
    ];
    for (const row of unfit) await refused(store.consumeEvents({ rows: [good, row] }), "invalid_request");
    assert.deepEqual(await positionsOf(store, "report"), { orders: 0 });
  });
}
