import assert from "node:assert/strict";
import { type Json, limits, type StateOp, stateRecord } from "@holdfast/protocol";
import {
  applied,
  change,
  changeAs,
  contentOf,
  inTask,
  ofRun,
  opsIn,
  orders,
  task,
  transaction,
  useOf,
} from "./state.fixture.ts";
import { type Contract, refused } from "./world.contract.ts";

// Faults to catch: a limit that lets one more by, or one less; one that is asked of a part of a scope, or refuses what makes it smaller; a row
// that is unfit and takes others with it, or is kept.

/** What stores promise about how much state there may be (P11). */
export function stateLimitsContract(contract: Contract): void {
  contract(
    "a scope has so many keys and no more; what is there can be written, and one that goes makes room",
    async (world) => {
      const keys = Array.from({ length: limits.stateKeysPerScope }, (_, index) => `k${index}`);
      const rows = Array.from({ length: keys.length / 100 }, (_, at) =>
        transaction(keys.slice(at * 100, at * 100 + 100).map((key) => inTask.set(key, 1))),
      );
      const results = await world.store.transactState({ rows });
      assert.ok(results.every(({ outcome }) => outcome === "applied"));
      const full = { outcome: "limit_exceeded", limit: "stateKeysPerScope" };
      assert.deepEqual(await change(world, opsIn(orders).set("a", 1), inTask.set("more", 1)), { ...full, index: 1 });
      assert.deepEqual(
        await change(world, inTask.set("k7", 2), inTask.increment("k8")),
        applied({ version: 2 }, { version: 2, value: 2 }),
      );
      assert.deepEqual(await change(world, inTask.delete("k9"), inTask.set("more", 1), inTask.set("k9", 1)), {
        ...full,
        index: 2,
      });
      assert.deepEqual(
        await change(world, inTask.delete("k9"), inTask.set("more", 1)),
        applied({ version: 0, changed: true }, { version: 2 }),
      );
      assert.deepEqual(await useOf(world, task), { keys: keys.length, bytes: keys.length });
      assert.deepEqual(await contentOf(world, orders), []);
      assert.deepEqual(await change(world, inTask.clear()), applied({ version: 0, cleared: keys.length }));
      assert.deepEqual(await useOf(world, task), { keys: 0, bytes: 0 });
    },
  );

  contract("a scope has so many bytes and no more; a smaller value still fits in place of a larger", async (world) => {
    const largest = "x".repeat(limits.stateValueBytes - 2);
    const count = limits.stateBytesPerScope / limits.stateValueBytes;
    for (let at = 0; at < count; at += 32) {
      const ops = Array.from({ length: 32 }, (_, index) => inTask.set(`k${at + index}`, largest));
      assert.equal((await change(world, ...ops)).outcome, "applied");
    }
    assert.deepEqual(await useOf(world, task), { keys: count, bytes: limits.stateBytesPerScope });
    const full = { outcome: "limit_exceeded", limit: "stateBytesPerScope", index: 0 };
    assert.deepEqual(await change(world, inTask.set("more", 1)), full);
    assert.deepEqual(await change(world, inTask.set("k0", largest)), applied({ version: 2 }));
    assert.deepEqual(
      await change(world, inTask.set("k0", largest.slice(1)), inTask.set("more", 1)),
      applied({ version: 3 }, { version: 1 }),
    );
    assert.deepEqual(await change(world, inTask.increment("more", 9)), full);
  });

  contract("a value has so many bytes and no more, also one that grows", async (world) => {
    const fitting = "x".repeat(limits.stateValueBytes - 2);
    assert.deepEqual(await change(world, inTask.set("a", fitting)), applied({ version: 1 }));
    const tooLarge = { outcome: "limit_exceeded", limit: "stateValueBytes", index: 0 };
    assert.deepEqual(await change(world, inTask.set("a", `${fitting}x`)), tooLarge);
    assert.deepEqual(await change(world, inTask.setIfMax("a", `${fitting}y`)), tooLarge);
    // Bytes are counted, not characters.
    assert.deepEqual(await change(world, inTask.set("b", `${fitting.slice(1)}\u00e9`)), tooLarge);
    assert.deepEqual(await change(world, inTask.append("list", fitting.slice(2))), applied({ version: 1, length: 1 }));
    assert.deepEqual(await change(world, inTask.append("list", 1)), tooLarge);
    assert.deepEqual(await useOf(world, task), { keys: 2, bytes: 2 * limits.stateValueBytes });
  });

  contract("a transaction has so many ops and no more", async (world) => {
    const ops = Array.from({ length: limits.stateOpsPerTransaction }, () => inTask.increment("n"));
    assert.equal((await change(world, ...ops)).outcome, "applied");
    await refused(change(world, ...ops, inTask.increment("n")), "invalid_request");
    await refused(change(world), "invalid_request");
    assert.deepEqual(await contentOf(world, task), [["n", ops.length, ops.length]]);
  });

  contract("a key has so many characters and no more", async (world) => {
    const longest = "k".repeat(limits.stateKeyCharacters);
    assert.deepEqual(await change(world, inTask.set(longest, 1)), applied({ version: 1 }));
    assert.deepEqual(await contentOf(world, task), [[longest, 1, 1]]);
    const last = "\u{10ffff}".repeat(limits.stateKeyCharacters / 2);
    assert.deepEqual(await change(world, inTask.set(last, 1)), applied({ version: 1 }));
    assert.deepEqual((await contentOf(world, task)).at(-1), [last, 1, 1]);
    assert.deepEqual(await change(world, inTask.clear("\u{10ffff}")), applied({ version: 0, cleared: 1 }));
  });

  contract("what cannot be kept is refused, and its call changes nothing", async (world) => {
    const run = await world.running();
    const deep = (levels: number): Json => (levels === 0 ? 1 : [deep(levels - 1)]);
    const unfit: readonly StateOp[] = [
      inTask.set("", 1),
      inTask.set("k".repeat(limits.stateKeyCharacters + 1), 1),
      inTask.set("a\u0000", 1),
      inTask.set("a", "\ud800"),
      inTask.append("a", { "\u0000": 1 }),
      inTask.set("a", deep(limits.nestingLevels + 1)),
      inTask.clear("\udc00"),
      opsIn({ kind: "task", id: "a\u0000" }).set("a", 1),
      ...[0, -1, 1.5, limits.spanMs + 1].map((retentionMs) => inTask.set("a", 1, { retentionMs })),
    ];
    for (const op of unfit) {
      const rows = [transaction([inTask.set("good", 1)]), transaction([op])];
      await refused(world.store.transactState({ rows }), "invalid_request", "too_large");
    }
    await refused(changeAs(world, run, "", inTask.set("a", 1)), "invalid_request");
    await refused(changeAs(world, run, "k".repeat(limits.keyCharacters + 1), inTask.set("a", 1)), "too_large");
    assert.deepEqual(await contentOf(world, task), []);
  });

  contract("records of transactions count among the bytes of a run's steps", async (world) => {
    const run = await world.running();
    const large = "x".repeat(1_000_000);
    const steps = Array.from({ length: 16 }, (_, index) => ({
      ...{ runId: run.id, epoch: run.epoch, generation: 1 },
      ...{ key: `s${index}`, value: large },
    }));
    for (const step of steps) await world.store.commitSteps({ rows: [step] });
    const scope = ofRun(run);
    const left = limits.stepBytesPerRun - 16 * 1_000_002;
    const text = "y".repeat(limits.stateValueBytes - 2);
    // The record of setIfMax has the value in it.
    const recordBytes = JSON.stringify(stateRecord({ results: [{ version: 1, value: text, changed: true }] })).length;
    for (let index = 0; index < Math.floor(left / recordBytes); index++) {
      const result = await changeAs(world, run, `k${index}`, opsIn(scope).setIfMax(`t${10 + index}`, text));
      assert.equal(result.outcome, "applied");
    }
    const before = await useOf(world, scope);
    assert.deepEqual(await changeAs(world, run, "over", opsIn(scope).setIfMax("over", text)), {
      outcome: "limit_exceeded",
      limit: "stepBytesPerRun",
    });
    assert.deepEqual(await useOf(world, scope), before);
    assert.equal((await changeAs(world, run, "small", opsIn(scope).set("small", 1))).outcome, "applied");
  });
}
