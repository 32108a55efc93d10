import assert from "node:assert/strict";
import type { Json } from "@holdfast/protocol";
import {
  applied,
  change,
  contentOf,
  inTask,
  ofRun,
  opsIn,
  orders,
  readValue,
  task,
  transact,
  transaction,
  useOf,
} from "./state.fixture.ts";
import { type Contract, namespace, plain, refused } from "./world.contract.ts";

// Faults to catch: half of a transaction that stands after a refusal; an op that does not see the one before it; a version that is given
// twice under one key; `ifVersion` that is not asked, or asked of what has been deleted; a sum that lost what was added; texts in the order
// of code units; a scope that is another's; counts that drift from what is there.

/** What stores promise about transactions of state, whoever makes them. */
export function stateContract(contract: Contract): void {
  contract("values of every shape come back as they were, with version, writer and times", async (world) => {
    const values: Json[] = [
      null,
      false,
      0,
      -1e-7,
      3,
      "3",
      "",
      "\u2028 \u{1F6A2} \\u0000",
      "NOT_FOUND",
      [],
      {},
      { "": [[{}]] },
    ];
    const before = (await world.store.describe()).now;
    assert.deepEqual(
      await change(world, ...values.map((value, index) => inTask.set(`k${index}`, value))),
      applied(...values.map(() => ({ version: 1 }))),
    );
    for (const [index, value] of values.entries()) {
      const found = await readValue(world, task, `k${index}`);
      assert.ok(found);
      const { createdAt, updatedAt, ...rest } = found;
      assert.deepEqual(plain(rest), { key: `k${index}`, value, version: 1, writer: null, expiresAt: null });
      assert.ok(createdAt >= before && createdAt === updatedAt);
    }
    assert.equal(await readValue(world, task, "never"), undefined);
  });

  contract("a value that is written again keeps its beginning, and its version rises by one", async (world) => {
    await change(world, inTask.set("a", 1));
    const first = await readValue(world, task, "a");
    await world.pass(2);
    assert.deepEqual(await change(world, inTask.set("a", null)), applied({ version: 2 }));
    const second = await readValue(world, task, "a");
    assert.ok(first && second && second.updatedAt > first.updatedAt);
    assert.deepEqual([second.value, second.version, second.createdAt], [null, 2, first.createdAt]);
    assert.deepEqual(await useOf(world, task), { keys: 1, bytes: 4 });
  });

  contract("each op answers what it did, and the next one goes on from there", async (world) => {
    const result = await change(
      world,
      inTask.increment("n", 2),
      inTask.increment("n", -0.5),
      inTask.append("list", "a"),
      inTask.append("list", [1]),
      inTask.setIfMax("n", 1),
      inTask.setIfMax("n", 1.5),
      inTask.setIfMax("n", 7),
      inTask.setIfMax("fresh", "2026-01-01"),
      inTask.delete("n"),
      inTask.delete("n"),
      inTask.set("n", 1),
    );
    assert.deepEqual(
      result,
      applied(
        { version: 1, value: 2 },
        { version: 2, value: 1.5 },
        { version: 1, length: 1 },
        { version: 2, length: 2 },
        { version: 2, value: 1.5, changed: false },
        { version: 2, value: 1.5, changed: false },
        { version: 3, value: 7, changed: true },
        { version: 1, value: "2026-01-01", changed: true },
        { version: 0, changed: true },
        { version: 0, changed: false },
        { version: 4 },
      ),
    );
    assert.deepEqual(await contentOf(world, task), [
      ["fresh", "2026-01-01", 1],
      ["list", ["a", [1]], 2],
      ["n", 1, 4],
    ]);
    assert.deepEqual(await useOf(world, task), { keys: 3, bytes: 12 + 9 + 1 });
  });

  contract("a transaction that is refused has done nothing, and those beside it are none the worse", async (world) => {
    await change(world, inTask.set("text", "x"), inTask.set("a", 1));
    const results = await world.store.transactState({
      rows: [
        transaction([inTask.increment("a"), opsIn(orders).set("b", 1), inTask.append("text", 1)]),
        transaction([
          ...[inTask.increment("a"), inTask.clear("te"), inTask.set("new", 1)],
          inTask.set("a", 0, { ifVersion: 1 }),
        ]),
        transaction([inTask.increment("a"), opsIn(orders).set("c", true)]),
        transaction([inTask.increment("a"), inTask.set("a", 9, { ifVersion: 3 })]),
      ],
    });
    assert.deepEqual(plain(results), [
      { outcome: "mismatch", index: 2, was: "text" },
      { outcome: "conflict", index: 3, version: 2 },
      applied({ version: 2, value: 2 }, { version: 1 }),
      applied({ version: 3, value: 3 }, { version: 4 }),
    ]);
    assert.deepEqual(await contentOf(world, task), [
      ["a", 9, 4],
      ["text", "x", 1],
    ]);
    assert.deepEqual(await contentOf(world, orders), [["c", true, 1]]);
    assert.deepEqual(
      [await useOf(world, task), await useOf(world, orders)],
      [
        { keys: 2, bytes: 4 },
        { keys: 1, bytes: 4 },
      ],
    );
    assert.deepEqual(await world.store.transactState({ rows: [] }), []);
  });

  contract("a version that is asked for decides; 0 asks that nothing is there", async (world) => {
    assert.deepEqual(await change(world, inTask.set("a", 1, { ifVersion: 1 })), {
      outcome: "conflict",
      index: 0,
      version: 0,
    });
    assert.deepEqual(await change(world, inTask.set("a", 1, { ifVersion: 0 })), applied({ version: 1 }));
    assert.deepEqual(await change(world, inTask.set("a", 2, { ifVersion: 0 })), {
      outcome: "conflict",
      index: 0,
      version: 1,
    });
    assert.deepEqual(await change(world, inTask.set("a", 2, { ifVersion: 1 })), applied({ version: 2 }));
    assert.deepEqual(await change(world, inTask.delete("a", { ifVersion: 1 })), {
      outcome: "conflict",
      index: 0,
      version: 2,
    });
    assert.deepEqual(await change(world, inTask.delete("a", { ifVersion: 2 })), applied({ version: 0, changed: true }));
    assert.deepEqual(
      await change(world, inTask.delete("a", { ifVersion: 0 })),
      applied({ version: 0, changed: false }),
    );
    assert.deepEqual(await contentOf(world, task), []);
  });

  contract("no version is given again under a key, however its value went", async (world) => {
    const given = new Set<number>();
    const take = async () => {
      const result = await change(world, inTask.set("a", 1));
      assert.equal(result.outcome, "applied");
      const version = result.results[0]?.version ?? 0;
      assert.ok(!given.has(version), `version ${version} was given before`);
      given.add(version);
    };
    for (const op of [inTask.delete("a"), inTask.clear(), inTask.clear("a"), inTask.delete("other")]) {
      await take();
      await take();
      await change(world, op);
    }
    await change(world, inTask.set("other", 1), inTask.set("other", 2));
    await take();
    await change(world, inTask.set("b", 1), inTask.delete("a"), inTask.set("a", 2), inTask.delete("a"));
    await take();
    assert.equal(Math.max(...given), [...given].at(-1));
  });

  contract("an op that does not fit what is there is told what is, and changes nothing", async (world) => {
    const whole = Number.MAX_SAFE_INTEGER;
    await change(
      world,
      ...[null, true, "x", [], {}].map((value, index) => inTask.set(`v${index}`, value)),
      ...[inTask.set("n", 1), inTask.set("whole", whole), inTask.set("huge", 1.7e308)],
    );
    const before = await contentOf(world, task);
    const was = async (op: Parameters<typeof change>[1]) => {
      const result = await change(world, op);
      return result.outcome === "mismatch" ? result.was : result.outcome;
    };
    const kinds = ["null", "boolean", "text", "list", "object"];
    for (const [index, kind] of kinds.entries()) {
      assert.equal(await was(inTask.increment(`v${index}`)), kind);
      if (kind !== "list") assert.equal(await was(inTask.append(`v${index}`, 1)), kind);
      assert.equal(await was(inTask.setIfMax(`v${index}`, 1)), kind);
      if (kind !== "text") assert.equal(await was(inTask.setIfMax(`v${index}`, "x")), kind);
    }
    assert.equal(await was(inTask.setIfMax("n", "x")), "number");
    assert.equal(await was(inTask.append("n", 1)), "number");
    // Whole numbers beyond these are not exact: what was added would be lost.
    assert.equal(await was(inTask.increment("whole", 1)), "overflow");
    assert.equal(await was(inTask.increment("huge", 1.7e308)), "overflow");
    assert.deepEqual(await contentOf(world, task), before);
    assert.deepEqual(await change(world, inTask.increment("whole", -1)), applied({ version: 2, value: whole - 1 }));
  });

  contract("the greater text is the one whose first other code point is greater", async (world) => {
    const texts = ["", "a", "ab", "b", "\ud7ff", "\uffff", "\u{10000}", "\u{10ffff}"];
    for (const [index, text] of texts.entries()) {
      const [version, changed] = [index + 1, true];
      assert.deepEqual(await change(world, inTask.setIfMax("t", text)), applied({ version, value: text, changed }));
    }
    for (const text of texts) {
      const [result] = [await change(world, inTask.setIfMax("t", text))];
      assert.deepEqual(result, applied({ version: texts.length, value: "\u{10ffff}", changed: false }));
    }
  });

  contract("clear deletes what begins so and nothing else", async (world) => {
    const keys = ["a", "a%", "a/", "a/b", "a/\u{10ffff}z", "a0", "aa", "b"];
    await change(world, ...keys.map((key) => inTask.set(key, 1)), opsIn(orders).set("a/b", 1));
    assert.deepEqual(await change(world, inTask.clear("a/")), applied({ version: 0, cleared: 3 }));
    const left = async () => (await contentOf(world, task)).map(([key]) => key);
    assert.deepEqual(await left(), ["a", "a%", "a0", "aa", "b"]);
    assert.deepEqual(await change(world, inTask.clear("%")), applied({ version: 0, cleared: 0 }));
    assert.deepEqual(await useOf(world, task), { keys: 5, bytes: 5 });
    assert.deepEqual(await change(world, inTask.clear(), inTask.set("c", 1), inTask.clear()), {
      outcome: "applied",
      results: [{ version: 0, cleared: 5 }, { version: 2 }, { version: 0, cleared: 1 }],
    });
    assert.deepEqual([await left(), await useOf(world, task)], [[], { keys: 0, bytes: 0 }]);
    assert.deepEqual(await contentOf(world, orders), [["a/b", 1, 1]]);
  });

  contract("scopes are for themselves: kinds, ids, namespaces and runs", async (world) => {
    const [one, two] = [await world.enqueue(), await world.enqueue()];
    const scopes = [
      task,
      { kind: "asset", id: "load" },
      { kind: "task", id: "load/x" },
      ofRun(one),
      ofRun(two),
    ] as const;
    await change(world, ...scopes.map((scope, index) => opsIn(scope).set("k", index)));
    const elsewhere = transaction([inTask.set("k", "elsewhere")], { namespace: "other" });
    assert.deepEqual(await transact(world, elsewhere), applied({ version: 1 }));
    await change(world, opsIn(scopes[1]).clear(), opsIn(ofRun(two)).delete("k"));
    const contents = await Promise.all(scopes.map((scope) => contentOf(world, scope)));
    assert.deepEqual(contents, [[["k", 0, 1]], [], [["k", 2, 1]], [["k", 3, 1]], []]);
    const [reading] = await world.store.readState({ rows: [{ namespace: "other", scope: task, keys: ["k"] }] });
    assert.equal(reading?.outcome === "read" && reading.values[0]?.value, "elsewhere");
  });

  contract(
    "who asks for the state of a run that is not there, or is another namespace's, is told so",
    async (world) => {
      const run = await world.enqueue();
      const absent = ofRun({ id: "0000000000000000000z" });
      const missing = { outcome: "not_found" };
      assert.deepEqual(await change(world, inTask.set("a", 1), opsIn(absent).set("a", 1)), { ...missing, index: 1 });
      const stranger = transaction([opsIn(ofRun(run)).set("a", 1)], { namespace: "other" });
      assert.deepEqual(await transact(world, stranger), { ...missing, index: 0 });
      assert.deepEqual([await contentOf(world, task), await contentOf(world, ofRun(run))], [[], []]);
      const rows = [absent, ofRun(run)].map((scope) => ({ namespace, scope, keys: [] }));
      const others = [{ namespace: "other", scope: ofRun(run), keys: ["a"] }];
      assert.deepEqual(await world.store.readState({ rows: [...rows, ...others] }), [
        missing,
        { outcome: "read", values: [] },
        missing,
      ]);
      assert.deepEqual(await world.store.listState({ namespace, scope: absent, limitRows: 5 }), missing);
      assert.deepEqual(await world.store.listState({ namespace: "other", scope: ofRun(run), limitRows: 5 }), missing);
    },
  );

  contract("of all who add to one number at once nothing is lost", async (world) => {
    const doors = await world.doors();
    await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        (doors[index % doors.length] ?? world.store).transactState({
          rows: [transaction([inTask.increment("n"), inTask.append("list", index), opsIn(orders).increment("n", 2)])],
        }),
      ),
    );
    const [number, list] = [await readValue(world, task, "n"), await readValue(world, task, "list")];
    assert.deepEqual([number?.value, number?.version, list?.version], [100, 100, 100]);
    const items = Array.isArray(list?.value) ? list.value.map(Number) : [];
    assert.deepEqual(
      items.sort((a, b) => a - b),
      Array.from({ length: 100 }, (_, index) => index),
    );
    assert.equal((await readValue(world, orders, "n"))?.value, 200);
  });

  contract("of all who ask for one version at once one is told that it was there", async (world) => {
    const doors = await world.doors();
    for (const version of [0, 1, 2]) {
      const results = await Promise.all(
        Array.from({ length: 12 }, async (_, index) => {
          const rows = [transaction([inTask.set("a", index, { ifVersion: version })])];
          const [result] = await (doors[index % doors.length] ?? world.store).transactState({ rows });
          return { index, result };
        }),
      );
      const winners = results.filter(({ result }) => result?.outcome === "applied");
      assert.equal(winners.length, 1);
      const found = await readValue(world, task, "a");
      assert.deepEqual([found?.value, found?.version], [winners[0]?.index, version + 1]);
      for (const { result } of results) {
        if (result?.outcome !== "applied")
          assert.deepEqual(plain(result), { outcome: "conflict", index: 0, version: version + 1 });
      }
    }
  });

  contract("transactions that take scopes in contrary orders all go through", async (world) => {
    const doors = await world.doors();
    const [there, back] = [
      [inTask.increment("n"), opsIn(orders).increment("n")],
      [opsIn(orders).increment("n"), inTask.increment("n")],
    ];
    const results = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        (doors[index % doors.length] ?? world.store).transactState({
          rows: [transaction(index % 3 === 0 ? (back ?? []) : (there ?? []))],
        }),
      ),
    );
    assert.ok(results.every(([result]) => result?.outcome === "applied"));
    assert.deepEqual(await contentOf(world, task), [["n", 40, 40]]);
  });

  contract("what people ask for under a key is done once, and answered alike", async (world) => {
    const request = { namespace, key: "k", part: "", hash: "h", retentionMs: 60_000 };
    const call = { verb: "transactState", args: { rows: [transaction([inTask.increment("n")])] } } as const;
    const answer = [applied({ version: 1, value: 1 })];
    assert.deepEqual(plain(await world.store.carryOutOnce({ request, call })), { outcome: "done", answer });
    assert.deepEqual(plain(await world.store.carryOutOnce({ request, call })), { outcome: "repeated", answer });
    assert.deepEqual(await contentOf(world, task), [["n", 1, 1]]);
    const unfit = { ...call, args: { rows: [transaction([inTask.set("", 1)])] } };
    await refused(world.store.carryOutOnce({ request: { ...request, key: "other" }, call: unfit }), "invalid_request");
  });
}
