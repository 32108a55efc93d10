import assert from "node:assert/strict";
import { limits } from "@holdfast/protocol";
import {
  applied,
  change,
  contentOf,
  inTask,
  opsIn,
  orders,
  readValue,
  task,
  transact,
  transaction,
  useOf,
} from "./state.fixture.ts";
import { type Contract, namespace, plain, refused, type World } from "./world.contract.ts";

// Faults to catch: a list in the order of code units or of a language; a prefix that is a pattern; a page that leaves one out or shows it
// twice; a value that is read, listed or worked on after its time; a sweep that takes what has been written anew, more than it may, or
// leaves the counts behind.

/** What stores promise about reading state, and about values whose time is over. */
export function stateListsContract(contract: Contract): void {
  contract(
    "values are read in the order of the keys that were asked for, those that are not there left out",
    async (world) => {
      await change(world, inTask.set("a", 1), inTask.set("b", 2), opsIn(orders).set("b", 3));
      const rows = [
        { namespace, scope: task, keys: ["b", "x", "a", ""] },
        { namespace, scope: orders, keys: ["a", "b"] },
        { namespace, scope: { kind: "task", id: "nobody" } as const, keys: ["a"] },
      ];
      const found = (await world.store.readState({ rows })).map((reading) =>
        reading.outcome === "read" ? reading.values.map(({ key, value }) => [key, value]) : reading.outcome,
      );
      assert.deepEqual(found, [
        [
          ["b", 2],
          ["a", 1],
        ],
        [["b", 3]],
        [],
      ]);
      assert.deepEqual(await world.store.readState({ rows: [] }), []);
    },
  );

  contract("so many keys are read by one call, and no more", async (world) => {
    const keys = Array.from({ length: limits.stateKeysPerRead }, (_, index) => `k${index}`);
    await change(world, inTask.set("k0", 1));
    const [half, rest] = [keys.slice(0, 100), keys.slice(100)];
    const rows = [half, rest].map((some) => ({ namespace, scope: task, keys: some }));
    assert.equal((await world.store.readState({ rows })).length, 2);
    await refused(
      world.store.readState({ rows: [...rows, { namespace, scope: task, keys: ["x"] }] }),
      "invalid_request",
    );
  });

  contract("lists are in the order of code points, and a prefix is a text", async (world) => {
    const keys = [
      "%",
      "A",
      "Z",
      "_",
      "a",
      "a%",
      "a/",
      "a/1",
      "a/2",
      "a_",
      "ab",
      "z",
      "\u00e9",
      "\ud7ff",
      "\ud7ff!",
      "\ue000",
      "\uffff",
      "\u{10000}",
      "\u{10ffff}",
      "\u{10ffff}\u{10ffff}",
    ];
    await change(world, ...keys.toReversed().map((key) => inTask.set(key, 1)));
    assert.deepEqual(
      (await contentOf(world, task)).map(([key]) => key),
      keys,
    );
    for (const prefix of ["", "a", "a/", "%", "_", "\ud7ff", "\uffff", "\u{10ffff}", "nothing"]) {
      const expected = keys.filter((key) => key.startsWith(prefix));
      assert.deepEqual(await listed(world, { prefix }), expected, JSON.stringify(prefix));
      for (const after of ["", "a", "a/1", "\ue000", "\u{10ffff}"]) {
        const later = expected.slice(expected.findIndex((key) => keys.indexOf(key) > placeAmong(keys, after)));
        const isAny = expected.some((key) => keys.indexOf(key) > placeAmong(keys, after));
        assert.deepEqual(await listed(world, { prefix, after }), isAny ? later : [], JSON.stringify([prefix, after]));
      }
    }
  });

  contract("pages follow each other without a hole, and the last one says so", async (world) => {
    const keys = Array.from({ length: 7 }, (_, index) => `k/${index}`);
    await change(world, ...keys.map((key) => inTask.set(key, 1)), inTask.set("other", 1));
    for (const limitRows of [1, 3, 7, 100]) {
      const seen: string[] = [];
      for (let after: string | undefined; ; after = seen.at(-1)) {
        const place = after === undefined ? {} : { after };
        const page = await world.store.listState({ namespace, scope: task, prefix: "k/", limitRows, ...place });
        assert.equal(page.outcome, "read");
        seen.push(...page.values.map(({ key }) => key));
        assert.deepEqual(plain(page.use), { keys: 8, bytes: 8, objectBytes: 0 });
        assert.equal(page.more, seen.length < keys.length);
        if (!page.more) break;
      }
      assert.deepEqual(seen, keys);
    }
    assert.deepEqual(plain(await world.store.listState({ namespace, scope: orders, limitRows: 5 })), {
      ...{ outcome: "read", values: [], more: false },
      use: { keys: 0, bytes: 0, objectBytes: 0 },
    });
  });

  contract("what has expired is not there for anybody, and its version goes on", async (world) => {
    await change(
      world,
      inTask.set("n", 5, { retentionMs: 60_000 }),
      inTask.set("list", [1], { retentionMs: 60_000 }),
      inTask.set("stays", 1),
    );
    const first = await readValue(world, task, "n");
    assert.equal(first?.expiresAt, first?.updatedAt === undefined ? undefined : first.updatedAt + 60_000);
    await world.pass(60_001);
    assert.equal(await readValue(world, task, "n"), undefined);
    assert.deepEqual(await contentOf(world, task), [["stays", 1, 1]]);
    const conflict = { outcome: "conflict", index: 0, version: 0 };
    assert.deepEqual(await change(world, inTask.set("n", 1, { ifVersion: 1 })), conflict);
    assert.deepEqual(
      await change(world, inTask.increment("n", 2), inTask.append("list", 2), inTask.set("n", 1, { ifVersion: 2 })),
      applied({ version: 2, value: 2 }, { version: 2, length: 1 }, { version: 3 }),
    );
    const second = await readValue(world, task, "n");
    assert.ok(first && second && second.createdAt > first.createdAt);
    assert.equal(second.expiresAt, null);
    assert.deepEqual(await useOf(world, task), { keys: 3, bytes: 1 + 1 + 3 });
  });

  contract("expired values are deleted like others, and count as none", async (world) => {
    await change(
      world,
      inTask.set("a", 1, { retentionMs: 1 }),
      inTask.set("b/1", 1, { retentionMs: 1 }),
      inTask.set("b/2", 1),
    );
    await world.pass(2);
    assert.deepEqual(await change(world, inTask.delete("a", { ifVersion: 0 }), inTask.clear("b/")), {
      outcome: "applied",
      results: [
        { version: 0, changed: false },
        { version: 0, cleared: 1 },
      ],
    });
    assert.deepEqual(await useOf(world, task), { keys: 0, bytes: 0 });
    assert.deepEqual(await change(world, inTask.set("a", 1)), applied({ version: 2 }));
  });

  contract(
    "a retention is what its writer says, else what its kind has; adding leaves the moment alone",
    async (world) => {
      const expiry = async (key: string) => {
        const found = await readValue(world, task, key);
        return found?.expiresAt == null ? found?.expiresAt : found.expiresAt - found.updatedAt;
      };
      const usual = { retentionMs: { task: 60_000, run: 1 } } as const;
      const write = (...ops: Parameters<typeof transaction>[0]) => transact(world, transaction(ops, usual));
      await write(
        inTask.set("a", 1),
        inTask.set("never", 1, { retentionMs: null }),
        inTask.set("own", 1, { retentionMs: 5_000 }),
        inTask.increment("n"),
        inTask.append("list", 1, { retentionMs: null }),
      );
      assert.deepEqual(await Promise.all(["a", "never", "own", "n", "list"].map(expiry)), [
        60_000,
        null,
        5_000,
        60_000,
        null,
      ]);
      const before = (await readValue(world, task, "n"))?.expiresAt;
      await world.pass(2);
      await change(world, inTask.increment("n"), inTask.setIfMax("own", 7));
      assert.equal((await readValue(world, task, "n"))?.expiresAt, before);
      await change(
        world,
        inTask.increment("n", 1, { retentionMs: 9_000 }),
        inTask.setIfMax("own", 1, { retentionMs: 1 }),
      );
      assert.deepEqual(await Promise.all(["n", "own"].map(expiry)), [9_000, await expiry("own")]);
      // Each setting says it anew, and what is usual later changes nothing of what is there.
      await change(world, inTask.set("own", 1), inTask.set("a", 2));
      assert.deepEqual(await Promise.all(["own", "a"].map(expiry)), [null, null]);
      assert.equal((await readValue(world, task, "never"))?.expiresAt, null);
    },
  );

  contract(
    "sweeping takes what has expired in bounded pieces, the longest expired first, and counts it out",
    async (world) => {
      await change(world, ...[1, 2, 3, 4, 5].map((ms) => inTask.set(`k${ms}`, "xxx", { retentionMs: ms * 10 })));
      await change(world, opsIn(orders).set("later", 1, { retentionMs: 3_600_000 }), inTask.set("stays", 1));
      await change(
        world,
        inTask.set("k1", "anew", { retentionMs: 3_600_000 }),
        inTask.increment("fresh", 1, { retentionMs: 55 }),
      );
      await world.pass(60);
      const dry = await world.store.sweepState({ limitRows: 2, dryRun: true });
      assert.deepEqual([dry.swept, dry.more], [0, true]);
      const name = (key: string) => ({ kind: "task", id: `${namespace}/load`, generation: 0, key });
      assert.deepEqual(
        dry.expired.map(({ expiresAt: _, ...rest }) => rest),
        [name("k2"), name("k3")],
      );
      assert.deepEqual(await useOf(world, task), { keys: 7, bytes: 4 * 5 + 6 + 1 + 1 });
      const counts: number[] = [];
      for (;;) {
        const { swept, more, expired } = await world.store.sweepState({ limitRows: 2 });
        assert.deepEqual(expired, []);
        counts.push(swept);
        if (!more) break;
      }
      assert.deepEqual(counts, [2, 2, 1]);
      assert.deepEqual(await world.store.sweepState({ limitRows: 2 }), { swept: 0, more: false, expired: [] });
      assert.deepEqual(await contentOf(world, task), [
        ["k1", "anew", 2],
        ["stays", 1, 1],
      ]);
      assert.deepEqual(await useOf(world, task), { keys: 2, bytes: 7 });
      assert.deepEqual(await contentOf(world, orders), [["later", 1, 1]]);
      // The versions that are gone are not given again.
      await change(world, inTask.set("k1", 1), inTask.set("k1", 2));
      assert.deepEqual(await change(world, inTask.set("k2", 1)), applied({ version: 2 }));
    },
  );

  contract("writers beside a sweep lose nothing, and the counts stay exact", async (world) => {
    const doors = await world.doors();
    const keys = Array.from({ length: 20 }, (_, index) => `k${index}`);
    for (let round = 0; round < 3; round++) {
      await change(world, ...keys.map((key) => inTask.set(key, 1, { retentionMs: 1 })));
      await world.pass(2);
      await Promise.all([
        ...keys.map((key, index) =>
          (doors[index % doors.length] ?? world.store).transactState({
            rows: [transaction([inTask.set(key, "anew")])],
          }),
        ),
        ...doors.map((door) => door.sweepState({ limitRows: 7 })),
      ]);
      assert.equal((await contentOf(world, task)).length, keys.length);
      assert.deepEqual(await useOf(world, task), { keys: 20, bytes: 20 * 6 });
    }
  });
}

/** The place of the last of the keys that come no later than this one. */
function placeAmong(keys: readonly string[], key: string): number {
  return key === "" ? -1 : keys.indexOf(key);
}

async function listed(world: World, filter: { prefix?: string; after?: string }): Promise<string[]> {
  const page = await world.store.listState({ namespace, scope: task, limitRows: 1_000, ...filter });
  assert.equal(page.outcome, "read");
  return page.values.map(({ key }) => key);
}
