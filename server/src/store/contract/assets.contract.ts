import assert from "node:assert/strict";
import { limits } from "@holdfast/protocol";
import { advance, applyTo, declaring, emit, eventsOf, tell, told, toldOnce } from "./assets.fixture.ts";
import {
  applied,
  change,
  changeAs,
  contentOf,
  inTask,
  opsIn,
  orders,
  transact,
  transaction,
  writerOf,
} from "./state.fixture.ts";
import { type Contract, namespace, next, plain, refused, type World } from "./world.contract.ts";

// Faults to catch: a mark that goes back; a mark and its event of which one stands without the other; an event twice under one key; numbers
// with holes, or doubled by writers at once; an activation that was taken over and still tells something (P2); an asset that is still there
// under its URI when nothing declares it, or two with one URI.

const stale = { outcome: "stale_epoch" };
const marks = { kind: "watermark", id: "orders" } as const;

async function withOrders(world: World): Promise<void> {
  await applyTo(
    world.store,
    declaring("load", { writes: ["orders"], assets: [{ id: "orders", uri: "s3://shop/orders" }] }),
  );
}

/** What stores promise about assets: what declares them, their marks and their events. */
export function assetsContract(contract: Contract): void {
  contract("a mark only goes on: numbers, texts by code points, lists element by element", async (world) => {
    await withOrders(world);
    const steps = [
      { to: 5, less: 4, more: 6 },
      { to: "2026-11-30", less: "2026-11-29", more: "2026-12-01" },
      { to: "\uffff", less: "z", more: "\u{10000}" },
      { to: ["eu", 7], less: ["eu", 6], more: ["fr", 1] },
    ];
    for (const [index, { to, less, more }] of steps.entries()) {
      const mark = `m${index}`;
      assert.deepEqual(await change(world, advance(mark, to)), applied({ version: 1, value: to, changed: true }));
      for (const lower of [to, less])
        assert.deepEqual(await change(world, advance(mark, lower)), applied({ version: 1, value: to, changed: false }));
      assert.deepEqual(await change(world, advance(mark, more)), applied({ version: 2, value: more, changed: true }));
    }
    assert.deepEqual((await contentOf(world, marks)).length, steps.length);
  });

  contract("a mark goes back, or becomes another kind, only when it is told to", async (world) => {
    await withOrders(world);
    await change(world, advance("m", 5));
    for (const to of ["5", [5]])
      assert.deepEqual(await change(world, advance("m", to)), { outcome: "mismatch", index: 0, was: "number" });
    const back = { backwards: true };
    assert.deepEqual(await change(world, advance("m", 3, back)), applied({ version: 2, value: 3, changed: true }));
    assert.deepEqual(
      await change(world, advance("m", ["eu"], back)),
      applied({ version: 3, value: ["eu"], changed: true }),
    );
    assert.deepEqual(await change(world, advance("m", ["eu", 1])), { outcome: "mismatch", index: 0, was: "list" });
  });

  contract(
    "a mark and its event are one: neither stands when the transaction is refused, both when it is not",
    async (world) => {
      await withOrders(world);
      const event = { event: { payload: { files: ["a"] }, key: "k" } };
      const refusal = await change(world, advance("m", 1, event), inTask.set("a", 1, { ifVersion: 9 }));
      assert.equal(refusal.outcome, "conflict");
      assert.deepEqual([await contentOf(world, marks), await eventsOf(world.store)], [[], []]);
      assert.deepEqual(
        await change(world, advance("m", 1, event)),
        applied({ version: 1, value: 1, changed: true, number: 1, emitted: true }),
      );
      // What does not go on tells nothing.
      assert.deepEqual(
        await change(world, advance("m", 1, { event: { payload: 2 } })),
        applied({ version: 1, value: 1, changed: false }),
      );
      assert.deepEqual(
        (await eventsOf(world.store)).map(({ number, payload }) => [number, payload]),
        [[1, { files: ["a"] }]],
      );
    },
  );

  contract("an event has its number, key and writer, and under a key there is one, the first", async (world) => {
    await withOrders(world);
    const run = await world.running();
    assert.deepEqual(await change(world, emit(null)), toldOnce(1));
    assert.deepEqual(
      await changeAs(world, run, "s", emit({ a: 1 }, "k"), emit("again", "k"), emit(3)),
      applied(told(2), told(2, false), told(3)),
    );
    assert.deepEqual(await change(world, emit("later", "k")), applied(told(2, false)));
    const marked = { version: 1, value: 1, changed: true, number: 2, emitted: false };
    assert.deepEqual(await change(world, advance("m", 1, { event: { payload: 4, key: "k" } })), applied(marked));
    const by = { runId: run.id, epoch: run.epoch, generation: 1 };
    const events = await eventsOf(world.store);
    assert.deepEqual(
      plain(events).map(({ at, ...event }) => [typeof at, event]),
      [
        ["number", { namespace, asset: "orders", number: 1, key: null, payload: null, writer: null }],
        ["number", { namespace, asset: "orders", number: 2, key: "k", payload: { a: 1 }, writer: by }],
        ["number", { namespace, asset: "orders", number: 3, key: null, payload: 3, writer: by }],
      ],
    );
    assert.deepEqual(
      (await eventsOf(world.store, "orders", 2)).map(({ number }) => number),
      [3],
    );
    assert.equal((await world.store.listAssetEvents({ namespace, id: "orders", after: 0, limitRows: 2 })).length, 2);
    assert.deepEqual(
      await world.store.listAssetEvents({ namespace: "other", id: "orders", after: 0, limitRows: 2 }),
      [],
    );
  });

  contract(
    "numbers have no holes, whatever was refused, and each asset and namespace counts its own",
    async (world) => {
      await applyTo(world.store, declaring("load", { writes: ["orders", "customers"] }));
      await world.store.applyManifests({
        namespace: "other",
        manifests: [{ id: "load", kind: "task", hash: "h", manifest: declaring("load", { writes: ["orders"] }) }],
      });
      const rows = [
        transaction([emit(1), emit(2, undefined, "customers")]),
        transaction([emit(3), inTask.set("a", 1, { ifVersion: 9 })]),
        transaction([emit(4)]),
        { ...transaction([emit(5)]), namespace: "other" },
        transaction([emit(6, undefined, "nothing")]),
      ];
      assert.deepEqual(plain(await world.store.transactState({ rows })), [
        applied(told(1), told(1)),
        { outcome: "conflict", index: 1, version: 0 },
        applied(told(2)),
        applied(told(1)),
        { outcome: "not_found", index: 0 },
      ]);
      assert.deepEqual(
        (await eventsOf(world.store)).map(({ payload }) => payload),
        [1, 4],
      );
    },
  );

  contract("many tell events at once through every door: no number is missing and none is doubled", async (world) => {
    await withOrders(world);
    const doors = await world.doors();
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, n) => {
        const door = doors[n % doors.length] ?? world.store;
        const ops = n % 3 === 0 ? [emit(n), advance("m", n, { event: { payload: { n } } })] : [emit(n, `k${n % 20}`)];
        return door.transactState({ rows: [transaction(ops)] });
      }),
    );
    assert.ok(answers.flat().every(({ outcome }) => outcome === "applied"));
    const events = await eventsOf(world.store);
    assert.deepEqual(
      events.map(({ number }) => number),
      events.map((_, index) => index + 1),
    );
    const keys = events.flatMap(({ key }) => key ?? []);
    assert.equal(new Set(keys).size, keys.length);
    assert.equal((await world.store.findAsset({ namespace, id: "orders" }))?.asset.lastEvent, events.length);
    assert.deepEqual(
      (await contentOf(world, marks)).map(([, value]) => value),
      [57],
    );
  });

  contract("only a live activation tells and advances; told again under its step, nothing is told", async (world) => {
    await withOrders(world);
    const memberId = await world.member();
    const first = await world.running({}, memberId);
    const ops = [advance("m", 1, { event: { payload: 1 } }), emit(2)];
    const result = await changeAs(world, first, "s", ...ops);
    assert.equal(result.outcome, "applied");
    assert.equal((await changeAs(world, first, "s", ...ops)).outcome, "existing");
    await world.store.leaveMember({ id: memberId });
    const second = await world.activate(first.id);
    assert.deepEqual(await changeAs(world, first, "late", emit("late"), advance("m", 9)), stale);
    assert.deepEqual(await changeAs(world, second, "t", emit(3)), toldOnce(3));
    await world.finish(second, next.success());
    assert.deepEqual(await changeAs(world, second, "u", emit(4)), stale);
    assert.deepEqual(
      (await eventsOf(world.store)).map(({ payload }) => payload),
      [1, 2, 3],
    );
    assert.deepEqual(
      (await contentOf(world, marks)).map(([, value]) => value),
      [1],
    );
  });

  contract(
    "an asset is found by its id and its URI, with who declares and uses it, and who wrote it last",
    async (world) => {
      await withOrders(world);
      const reader = declaring("report", { reads: ["orders"], startOn: { mode: "any", assets: ["orders"] } });
      await applyTo(world.store, reader);
      const [one, two] = [await world.running(), await world.running()];
      await changeAs(world, one, "s", opsIn(orders).set("a", 1));
      await world.pass(5);
      await changeAs(world, two, "s", emit(1));
      const byId = await world.store.findAsset({ namespace, id: "orders" });
      assert.deepEqual(plain(await world.store.findAsset({ namespace, uri: "s3://shop/orders" })), plain(byId));
      const { createdAt: _, declaredAt: __, ...asset } = byId?.asset ?? { createdAt: 0, declaredAt: 0 };
      const spec = { id: "orders", uri: "s3://shop/orders" };
      assert.deepEqual(asset, { namespace, id: "orders", uri: spec.uri, spec, active: true, lastEvent: 1 });
      assert.deepEqual(
        byId?.declarations.map(({ root, uses, spec: said }) => [root, plain(uses), said]),
        [
          ["load", { writes: ["load"] }, spec],
          ["report", { reads: ["report"], starts: ["report"] }, { id: "orders" }],
        ],
      );
      assert.deepEqual(
        byId?.writers.map(({ runId }) => runId),
        [two.id, one.id],
      );
      assert.equal(byId?.firstEvent, 1);
      assert.equal(await world.store.findAsset({ namespace: "other", id: "orders" }), undefined);
      assert.equal(await world.store.findAsset({ namespace, uri: "s3://shop/none" }), undefined);
      assert.deepEqual(
        (await world.store.listAssets({ namespace, limitRows: 10 })).map(({ id }) => id),
        ["orders"],
      );
    },
  );

  contract(
    "what no current manifest declares is inactive: its state stays, and nothing is told of it",
    async (world) => {
      await withOrders(world);
      await change(world, advance("m", 1), opsIn(orders).set("a", 1), emit(1));
      await applyTo(world.store, declaring("load", {}));
      const gone = await world.store.findAsset({ namespace, id: "orders" });
      assert.deepEqual([gone?.asset.active, gone?.asset.uri, gone?.declarations], [false, null, []]);
      assert.deepEqual(await world.store.listAssets({ namespace, limitRows: 10 }), []);
      assert.equal((await world.store.listAssets({ namespace, inactive: true, limitRows: 10 })).length, 1);
      assert.equal(await world.store.findAsset({ namespace, uri: "s3://shop/orders" }), undefined);
      for (const op of [emit(2), advance("m", 2)])
        assert.deepEqual(await change(world, inTask.set("x", 1), op), { outcome: "not_found", index: 1 });
      await withOrders(world);
      assert.deepEqual(await contentOf(world, orders), [["a", 1, 1]]);
      assert.deepEqual(await change(world, emit(2)), toldOnce(2));
      assert.deepEqual(await change(world, advance("m", 1)), applied({ version: 1, value: 1, changed: false }));
    },
  );

  contract("two assets never have one URI: such manifests change nothing at all, until it is free", async (world) => {
    await withOrders(world);
    const other = (id: string) => declaring("copy", { reads: [id], assets: [{ id, uri: "s3://shop/orders" }] });
    const both = [declaring("more", { reads: ["x"] }), other("copies")];
    const conflict = { asset: "copies", uri: "s3://shop/orders", holder: "orders" };
    assert.deepEqual(plain(await applyTo(world.store, ...both)), { changed: [], conflict });
    assert.equal(await world.store.findDefinition({ namespace, id: "more" }), undefined);
    assert.deepEqual(
      (await world.store.listAssets({ namespace, inactive: true, limitRows: 10 })).map(({ id }) => id),
      ["orders"],
    );
    // One manifest that swaps two URIs is no conflict.
    const pair = (a: string, b: string) =>
      declaring("pair", {
        assets: [
          { id: "a", uri: a },
          { id: "b", uri: b },
        ],
      });
    await applyTo(world.store, pair("u:1", "u:2"));
    assert.deepEqual(plain(await applyTo(world.store, pair("u:2", "u:1"))), { changed: ["pair"] });
    assert.equal((await world.store.findAsset({ namespace, uri: "u:1" }))?.asset.id, "b");
    await applyTo(world.store, declaring("load", {}));
    assert.deepEqual(plain(await applyTo(world.store, ...both)), { changed: ["more", "copy"] });
    assert.equal((await world.store.findAsset({ namespace, uri: "s3://shop/orders" }))?.asset.id, "copies");
  });

  contract("what says nothing but an asset's id takes nothing from what another manifest says of it", async (world) => {
    await withOrders(world);
    const bare = declaring("report", { reads: ["orders"] });
    await applyTo(world.store, bare);
    const uriOf = async () => (await world.store.findAsset({ namespace, id: "orders" }))?.asset.uri;
    assert.equal(await uriOf(), "s3://shop/orders");
    await applyTo(world.store, declaring("load", {}));
    assert.equal(await uriOf(), null);
    assert.equal((await world.store.findAsset({ namespace, id: "orders" }))?.asset.active, true);
  });

  contract("what contradicts itself or is too large is refused, and its call changes nothing", async (world) => {
    await withOrders(world);
    const deep = Array.from({ length: limits.assetEventNestingLevels + 1 }).reduce<unknown>((inner) => [inner], 1);
    const unfit = [
      { op: "set", scope: marks, key: "m", value: 1 } as const,
      { op: "increment", scope: marks, key: "m", by: 1 } as const,
      { op: "advance", scope: orders, key: "m", to: 1 } as const,
      { op: "emit", scope: marks, payload: 1 } as const,
      emit("x".repeat(limits.assetEventBytes)),
      emit(deep as never),
      emit(1, "k".repeat(limits.keyCharacters + 1)),
      emit(1, ""),
      emit("a\u0000b"),
      advance("m", []),
      advance("m", 1, { event: { payload: "x".repeat(limits.assetEventBytes) } }),
    ];
    for (const op of unfit) {
      const rows = [transaction([inTask.set("a", 1)]), transaction([op])];
      await refused(world.store.transactState({ rows }), "invalid_request", "too_large");
    }
    assert.deepEqual([await contentOf(world, { kind: "task", id: "load" }), await eventsOf(world.store)], [[], []]);
    assert.deepEqual(
      await change(world, emit("x".repeat(limits.assetEventBytes - 2), "k".repeat(limits.keyCharacters))),
      toldOnce(1),
    );
    assert.deepEqual(await change(world, { op: "clear", scope: marks }), applied({ version: 0, cleared: 0 }));
  });

  contract("a page of events ends where they are large, and never before the first", async (world) => {
    await withOrders(world);
    const large = "x".repeat(limits.assetEventBytes - 2);
    const fit = Math.ceil(limits.pageBytes / limits.assetEventBytes);
    for (let n = 0; n < 3; n++) await transact(world, transaction(Array.from({ length: 90 }, () => emit(large))));
    const page = await eventsOf(world.store);
    assert.equal(page.length, fit);
    assert.equal((await eventsOf(world.store, "orders", fit)).length, 270 - fit);
  });

  contract("an asset's events ring, and said again under a request they are told once", async (world) => {
    await withOrders(world);
    const heard = new Set<string>();
    const stop = world.store.onRing((topics) => {
      for (const topic of topics) heard.add(topic);
    });
    const request = { namespace, key: "r", part: "", hash: "h", retentionMs: 60_000 };
    const call = { verb: "transactState", args: { rows: [transaction([emit(1)])] } } as const;
    assert.equal((await world.store.carryOutOnce({ request, call })).outcome, "done");
    assert.equal((await world.store.carryOutOnce({ request, call })).outcome, "repeated");
    assert.ok(heard.has("assets"));
    heard.clear();
    const run = await world.running();
    await world.store.transactState({ rows: [transaction([emit(2)], { writer: writerOf(run, "s") })] });
    assert.ok(heard.has("assets"));
    stop();
    assert.equal((await eventsOf(world.store)).length, 2);
  });

  contract("an asset that nothing declares is forgotten in pieces, with all that belongs to it", async (world) => {
    await withOrders(world);
    const run = await world.running();
    await changeAs(world, run, "s", advance("m", 1), opsIn(orders).set("a", 1), opsIn(orders).set("b", 1));
    await tell(world, "orders", 3);
    const forget = (limitRows: number) => world.store.forgetAsset({ namespace, id: "orders", limitRows });
    assert.deepEqual(await forget(4), { outcome: "active" });
    await applyTo(world.store, declaring("load", {}));
    assert.deepEqual(
      [await forget(4), await forget(4), await forget(4)].map(({ outcome }) => outcome),
      ["more", "forgotten", "not_found"],
    );
    assert.deepEqual(
      [await contentOf(world, orders), await contentOf(world, marks), await eventsOf(world.store)],
      [[], [], []],
    );
    await withOrders(world);
    assert.deepEqual(await change(world, emit(1)), toldOnce(1));
    // Versions go on: nobody's ifVersion holds by accident.
    assert.deepEqual(await change(world, advance("m", 1)), applied({ version: 2, value: 1, changed: true }));
  });
}
