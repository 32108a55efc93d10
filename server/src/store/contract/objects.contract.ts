import assert from "node:assert/strict";
import { type Json, limits, type StateOp } from "@holdfast/protocol";
import type { OffloadedValue, StateResult } from "../../core/index.ts";
import { applied, change, inTask, ofRun, opsIn, readValue, task, transact, transaction } from "./state.fixture.ts";
import { type Contract, hourMs, namespace, next, type World } from "./world.contract.ts";

// Faults to catch: a value that names what was never announced, or is condemned; an object that is condemned while a value names it, however
// that value came and whoever holds it at this moment; one that nothing names any more and that stays; a name that comes again; an
// announcement that is condemned before its time of grace; a value made on another than the one that is there; a scope whose bytes are
// counted wrongly.

/** What stores promise about objects of state backends (store/object-verbs.ts). */
export function objectsContract(contract: Contract): void {
  contract("a value has one name while it stands, or may come to; once condemned, it gets another", async (world) => {
    assert.deepEqual(await announce(world, "a", "1"), { ref: "a", name: "f/a.1", stands: false });
    assert.deepEqual(await announce(world, "a", "2"), { ref: "a", name: "f/a.1", stands: false });
    await setObject(world, "k", "f/a.1");
    assert.deepEqual(await announce(world, "a", "3"), { ref: "a", name: "f/a.1", stands: true });
    await change(world, inTask.delete("k"));
    assert.deepEqual(await announce(world, "a", "4"), { ref: "a", name: "f/a.1", stands: false });
    assert.deepEqual(await sweep(world), ["f/a.1"]);
    assert.deepEqual(await announce(world, "a", "5"), { ref: "a", name: "f/a.5", stands: false });
    assert.deepEqual(
      await world.store.announceObjects({
        rows: ["c", "a", "b"].map((ref) => ({ ref, name: `f/${ref}.6`, bytes: 1 })),
      }),
      [
        { ref: "c", name: "f/c.6", stands: false },
        { ref: "a", name: "f/a.5", stands: false },
        { ref: "b", name: "f/b.6", stands: false },
      ],
    );
  });

  contract("a transaction names what is announced and nothing else, all of it or nothing", async (world) => {
    const unknown = await setObject(world, "k", "f/a.1");
    assert.deepEqual(unknown, { outcome: "object_gone", index: 0 });
    await announce(world, "a", "1");
    const ops = [inTask.set("x", 1), inTask.set("k", null), inTask.set("l", null)];
    const both = [objectAt(1, "f/a.1"), objectAt(2, "f/b.1")];
    assert.deepEqual(await transact(world, withObjects(ops, both)), { outcome: "object_gone", index: 2 });
    assert.equal(await readValue(world, task, "x"), undefined);
    assert.deepEqual(await setObject(world, "k", "f/a.1", 5_000), applied({ version: 1 }));
    const { key, value, version, object } = (await readValue(world, task, "k")) ?? {};
    assert.deepEqual([key, value ?? null, version, { ...object }], ["k", null, 1, { name: "f/a.1", bytes: 5_000 }]);
    const page = await world.store.listState({ namespace, scope: task, limitRows: 5 });
    assert.ok(page.outcome === "read");
    assert.deepEqual({ ...page.use }, { keys: 1, bytes: 4, objectBytes: 5_000 });
    assert.equal(page.values[0]?.object?.name, "f/a.1");
    await change(world, inTask.set("k", "small"));
    assert.equal((await readValue(world, task, "k"))?.object, undefined);
    assert.deepEqual(await useOfObjects(world), 0);
    await sweep(world);
    assert.deepEqual(await setObject(world, "k", "f/a.1"), { outcome: "object_gone", index: 0 });
    assert.deepEqual((await readValue(world, task, "k"))?.value, "small");
  });

  contract("what is named is not condemned, and what ended in any way is", async (world) => {
    const names = ["replaced", "deleted", "cleared", "swept", "kept"].map((ref) => `f/${ref}.1`);
    for (const ref of ["replaced", "deleted", "cleared", "swept", "kept"]) {
      await announce(world, ref, "1");
      await setObject(world, ref, `f/${ref}.1`, 10, ref === "swept" ? { retentionMs: 1 } : {});
    }
    assert.deepEqual(await sweep(world), []);
    await change(world, inTask.set("replaced", 1));
    assert.deepEqual(await sweep(world), ["f/replaced.1"]);
    await change(world, inTask.delete("deleted"));
    assert.deepEqual(await sweep(world), ["f/deleted.1"]);
    await change(world, inTask.clear("cl"));
    assert.deepEqual(await sweep(world), ["f/cleared.1"]);
    await world.pass(2);
    assert.deepEqual(await sweep(world), []);
    await world.store.sweepState({ limitRows: 10 });
    assert.deepEqual(await sweep(world), ["f/swept.1"]);
    assert.deepEqual(await useOfObjects(world), 10);
    assert.deepEqual((await readValue(world, task, "kept"))?.object?.name, "f/kept.1");
    assert.deepEqual(await world.store.knownObjects({ names }), ["f/kept.1"]);
  });

  contract("what a run names stays until the run is pruned, its earlier generations too", async (world) => {
    const run = await world.running();
    const ops = opsIn(ofRun(run));
    await announce(world, "first", "1");
    await announce(world, "both", "1");
    const set = [ops.set("a", null), ops.set("b", null)];
    await transact(world, withObjects(set, [objectAt(0, "f/first.1"), objectAt(1, "f/both.1")]));
    await world.finish(run, next.failure());
    await world.store.restartRuns({ rows: [{ runId: run.id, fresh: true, ifAttempt: null, data: {} }] });
    assert.equal(await readValue(world, ofRun(run), "a"), undefined);
    // The same value in the next generation is the same object.
    await transact(world, withObjects([ops.set("b", null)], [objectAt(0, "f/both.1")]));
    await change(world, ops.delete("b"));
    assert.deepEqual(await sweep(world), []);
    const again = await world.activate(run.id);
    await world.finish(again, next.success());
    await world.pass(2);
    await world.store.sequenceEvents({ limitRows: 1_000 });
    assert.deepEqual(await sweep(world), []);
    assert.equal((await world.store.prune({ runsMs: 0, logsMs: 0, limitRows: 100 })).runs, 1);
    assert.deepEqual(await sweep(world), ["f/both.1", "f/first.1"]);
  });

  contract("what is announced has its time of grace, which begins anew when it is announced again", async (world) => {
    await announce(world, "a", "1");
    const late = { graceMs: hourMs, limitRows: 10 };
    assert.deepEqual(await condemned(world, late), []);
    assert.deepEqual(await condemned(world, { graceMs: 0, limitRows: 10, dryRun: true }), ["f/a.1"]);
    assert.deepEqual(await setObject(world, "k", "f/a.1"), applied({ version: 1 }));
    assert.deepEqual(await condemned(world, { ...late, graceMs: 0 }), []);
  });

  contract("what is condemned is answered until it is forgotten; nothing else is forgotten", async (world) => {
    for (const ref of ["a", "b", "c"]) await announce(world, ref, "1");
    const all = ["f/a.1", "f/b.1", "f/c.1"];
    const first = await world.store.condemnObjects({ graceMs: 0, limitRows: 2 });
    assert.deepEqual([first.objects.length, first.more], [2, true]);
    const rest = all.filter((name) => !first.objects.some((one) => one.name === name));
    await world.store.forgetObjects({ names: all });
    assert.deepEqual(await world.store.knownObjects({ names: [...all, "f/x.1"] }), rest);
    assert.deepEqual(await condemned(world, { graceMs: 0, limitRows: 10 }), rest);
    assert.deepEqual(await condemned(world, { graceMs: hourMs, limitRows: 10 }), rest);
    await world.store.forgetObjects({ names: rest });
    assert.deepEqual(await world.store.knownObjects({ names: all }), []);
    assert.deepEqual(await condemned(world, { graceMs: 0, limitRows: 10 }), []);
  });

  contract("an op that looks at a value gets it from who carries it out, or says which it needs", async (world) => {
    await announce(world, "list", "1");
    await announce(world, "longer", "1");
    await setObject(world, "l", "f/list.1");
    const needed = { outcome: "object_needed", index: 0, name: "f/list.1" };
    for (const op of [inTask.append("l", 3), inTask.increment("l"), inTask.setIfMax("l", 3)]) {
      assert.deepEqual(await transact(world, withObjects([op], [])), needed);
      assert.deepEqual(await change(world, op), needed);
    }
    const contents = [{ name: "f/list.1", value: ["a".repeat(2_000)] }];
    assert.deepEqual(await transact(world, withObjects([inTask.increment("l")], [], contents)), {
      ...{ outcome: "mismatch", index: 0, was: "list" },
    });
    const append = inTask.append("l", "b");
    const grown = { outcome: "outgrown", index: 0, on: 1, value: ["a".repeat(2_000), "b"] };
    assert.deepEqual(await transact(world, withObjects([append], [], contents)), grown);
    const made = objectAt(0, "f/longer.1", 2_010);
    assert.deepEqual(await transact(world, withObjects([append], [{ ...made, on: 9 }], contents)), grown);
    const done = await transact(world, withObjects([append], [{ ...made, on: 1 }], contents));
    assert.deepEqual(done, applied({ version: 2, length: 2 }));
    assert.equal((await readValue(world, task, "l"))?.object?.name, "f/longer.1");
    assert.deepEqual(await sweep(world), ["f/list.1"]);
    const shorter = [{ name: "f/longer.1", value: ["a"] }];
    assert.deepEqual(await transact(world, withObjects([append], [], shorter)), applied({ version: 3, length: 2 }));
    assert.deepEqual((await readValue(world, task, "l"))?.value, ["a", "b"]);
    assert.deepEqual(await useOfObjects(world), 0);
  });

  contract(
    "objects have a limit each, and together in their scope; one that is too large changes nothing",
    async (world) => {
      const { stateObjectBytes: largest, stateObjectBytesPerScope: all } = limits;
      for (let at = 0; at < all / largest; at += 64) {
        const refs = Array.from({ length: 64 }, (_, n) => `r${at + n}`);
        await world.store.announceObjects({ rows: refs.map((ref) => ({ ref, name: `f/${ref}.1`, bytes: largest })) });
        const objects = refs.map((ref, index) => objectAt(index, `f/${ref}.1`, largest));
        const ops = refs.map((ref) => inTask.set(ref, null));
        assert.equal((await transact(world, withObjects(ops, objects))).outcome, "applied");
      }
      assert.equal(await useOfObjects(world), all);
      for (const ref of ["more", "large", "less"]) await announce(world, ref, "1");
      const full = { outcome: "limit_exceeded", index: 0 };
      assert.deepEqual(await setObject(world, "more", "f/more.1", 1), { ...full, limit: "stateObjectBytesPerScope" });
      assert.deepEqual(await setObject(world, "r0", "f/large.1", largest + 1), { ...full, limit: "stateObjectBytes" });
      assert.deepEqual(await setObject(world, "r0", "f/less.1", largest - 1), applied({ version: 2 }));
      assert.equal(await useOfObjects(world), all - 1);
    },
  );

  contract("of transactions that name and sweeps that condemn at once, each object has one end", async (world) => {
    const doors = await world.doors();
    const door = (n: number) => doors[n % doors.length] ?? world.store;
    for (let round = 0; round < 15; round++) {
      const ref = `race${round}`;
      await announce(world, ref, "1");
      const row = withObjects([inTask.set(ref, null)], [objectAt(0, `f/${ref}.1`)]);
      const [[set], { objects }] = await Promise.all([
        door(0).transactState({ rows: [row] }),
        door(1).condemnObjects({ graceMs: 0, limitRows: 100 }),
      ]);
      const isNamed = (await readValue(world, task, ref))?.object?.name === `f/${ref}.1`;
      const isCondemned = objects.some(({ name }) => name === `f/${ref}.1`);
      assert.equal(isNamed, set?.outcome === "applied");
      assert.ok(!(isNamed && isCondemned), "a condemned object is named");
    }
  });
}

async function announce(world: World, ref: string, life: string) {
  const [announced] = await world.store.announceObjects({ rows: [{ ref, name: `f/${ref}.${life}`, bytes: 10 }] });
  assert.ok(announced);
  return { ...announced };
}

function objectAt(index: number, name: string, bytes = 10): OffloadedValue {
  return { index, name, bytes };
}

function withObjects(
  ops: readonly StateOp[],
  objects: readonly OffloadedValue[],
  contents: readonly { readonly name: string; readonly value: Json }[] = [],
) {
  return transaction(ops, { offloaded: { inlineBytes: 1_000, objects, contents } });
}

function setObject(
  world: World,
  key: string,
  name: string,
  bytes = 10,
  more: { retentionMs?: number } = {},
): Promise<StateResult> {
  return transact(world, withObjects([inTask.set(key, null, more)], [objectAt(0, name, bytes)]));
}

async function condemned(
  world: World,
  args: { graceMs: number; limitRows: number; dryRun?: boolean },
): Promise<string[]> {
  return (await world.store.condemnObjects(args)).objects.map(({ name }) => name).sort();
}

/** What a sweep without grace deletes. */
async function sweep(world: World): Promise<string[]> {
  const names = await condemned(world, { graceMs: 0, limitRows: 100 });
  await world.store.forgetObjects({ names });
  return names;
}

async function useOfObjects(world: World): Promise<number> {
  const page = await world.store.listState({ namespace, scope: task, limitRows: 1 });
  assert.ok(page.outcome === "read");
  return page.use.objectBytes;
}
