import assert from "node:assert/strict";
import type { RunRow } from "../../core/index.ts";
import type { RunFilter } from "../store.ts";
import { type Contract, namespace, next, plain, refused } from "./world.contract.ts";

/** What stores promise about finding and listing runs. */
export function listsContract(contract: Contract): void {
  contract("an unknown run is not found", async (world) => {
    assert.equal(await world.store.findRun({ id: world.root().id }), undefined);
    assert.equal(await world.store.findRun({ id: "" }), undefined);
  });

  contract("of the runs that are asked for, those are told that have ended or are not there", async (world) => {
    const unknown = world.root().id;
    const [ready, cancelled] = [await world.enqueue(), await world.enqueue()];
    await world.cancel(cancelled.id);
    const [first, second] = [await world.running(), await world.running()];
    await world.finish(second, next.success(1));
    const ids = [first.id, second.id, unknown, ready.id, cancelled.id];
    const ended = await world.store.listEnded({ ids });
    assert.deepEqual(ended.sort(), [second.id, unknown, cancelled.id].sort());
    assert.deepEqual(await world.store.listEnded({ ids: [] }), []);
    assert.deepEqual((await world.store.listEnded({ ids, namespace })).sort(), ended);
    const elsewhere = await world.store.listEnded({ ids, namespace: `${namespace}-two` });
    assert.deepEqual(elsewhere.sort(), [...ids].sort());
  });

  contract(
    "the backlog counts by queue what is ready and stands at no gate, up to a number, and names who is next",
    async (world) => {
      const measure = (limitRows: number) => world.store.measureBacklog({ namespace, limitRows });
      const nothing = await measure(10);
      assert.deepEqual(nothing.queues, []);
      const [first] = [await world.enqueue({ queue: "b" }), await world.enqueue({ queue: "b" })];
      const urgent = await world.enqueue({ queue: "b", priority: 5 });
      const { now } = await world.store.describe();
      await world.enqueue({ queue: "later", startAfter: now + 3_600_000 });
      await world.enqueue({ queue: "gated", limits: [{ id: "none", slots: 0, hold: "activation" }] });
      const other = await world.enqueue({ queue: "a" });
      const head = ({ id }: RunRow) => ({ runId: id, lastEvent: 1 });
      assert.deepEqual(plain((await measure(10)).queues), [
        { queue: "a", ready: 1, head: head(other) },
        { queue: "b", ready: 3, head: head(urgent) },
      ]);
      assert.deepEqual(plain((await measure(2)).queues[1]), { queue: "b", ready: 2, head: head(urgent) });
      await world.activate(urgent.id);
      assert.deepEqual(plain((await measure(10)).queues[1]), { queue: "b", ready: 2, head: head(first) });
      assert.ok((await measure(1)).unsequenced <= 1);
      while ((await world.store.sequenceEvents({ limitRows: 1_000 })).more);
      assert.equal((await measure(10)).unsequenced, 0);
    },
  );

  contract("runs are listed whole, the newest first", async (world) => {
    const ids: string[] = [];
    for (let i = 0; i < 3; i++) ids.push((await world.enqueue({ input: { i } })).id);
    const { runs, cursor } = await world.store.listRuns(filter({}));
    assert.deepEqual(idsOf(runs), [...ids].reverse());
    assert.equal(cursor, null);
    assert.deepEqual(plain(runs[0]), plain(await world.get(ids[2])));
  });

  contract("runs of one call are listed in the reverse order of its rows", async (world) => {
    const rows = Array.from({ length: 6 }, () => world.row());
    await world.store.enqueueRuns({ rows });
    const { runs } = await world.store.listRuns(filter({}));
    assert.deepEqual(idsOf(runs), rows.map(({ run }) => run.id).reverse());
  });

  contract("pages miss and double nothing, also while new runs arrive", async (world) => {
    const ids: string[] = [];
    for (let i = 0; i < 7; i++) ids.push((await world.enqueue()).id);
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page = await world.store.listRuns(filter({ limitRows: 3, ...(cursor === null ? {} : { cursor }) }));
      assert.ok(page.runs.length <= 3);
      seen.push(...idsOf(page.runs));
      cursor = page.cursor;
      await world.enqueue();
    } while (cursor !== null);
    assert.deepEqual(seen, [...ids].reverse());
  });

  contract("a page of large rows is shorter, and nothing is missed", async (world) => {
    const mega = "x".repeat(1_000_000);
    const ids: string[] = [];
    for (let i = 0; i < 20; i++) ids.push((await world.enqueue({ input: { mega, i } })).id);
    const pages: string[][] = [];
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const page = await world.store.listRuns(filter({ ...(cursor === undefined ? {} : { cursor }) }));
      pages.push(idsOf(page.runs));
      cursor = page.cursor;
    }
    assert.deepEqual(pages.flat(), [...ids].reverse());
    assert.deepEqual(
      pages.map(({ length }) => length),
      [17, 3],
    );
  });

  contract("the last page has no cursor when nothing lies behind it", async (world) => {
    await world.store.enqueueRuns({ rows: Array.from({ length: 4 }, () => world.row()) });
    const first = await world.store.listRuns(filter({ limitRows: 2 }));
    assert.notEqual(first.cursor, null);
    const second = await world.store.listRuns(filter({ limitRows: 2, cursor: first.cursor ?? "" }));
    assert.deepEqual([second.runs.length, second.cursor], [2, null]);
  });

  contract("a cursor that no store gave out is refused", async (world) => {
    await refused(world.store.listRuns(filter({ cursor: "'; x" })), "invalid_request");
  });

  contract("a list can be narrowed by status, also by several", async (world) => {
    const ready = await world.enqueue();
    const running = await world.running();
    const failed = await world.running();
    await world.finish(failed, next.failure());
    const done = await world.running();
    await world.finish(done, next.success());
    const list = async (...statuses: RunRow["status"][]) =>
      idsOf((await world.store.listRuns(filter({ statuses }))).runs);
    assert.deepEqual(await list("ready"), [ready.id]);
    assert.deepEqual(await list("ready", "running"), [running.id, ready.id]);
    assert.deepEqual(await list("failed", "ready", "succeeded"), [done.id, failed.id, ready.id]);
    assert.deepEqual(await list("skipped"), []);
    assert.deepEqual(await list("pending", "waiting", "cancelling"), []);
  });

  contract("a list can be narrowed by definition, parent and namespace, and all of them together", async (world) => {
    const { parent, ids } = await world.workflow([
      { name: "a", definition: "extract" },
      { name: "b", definition: "load" },
    ]);
    const lone = await world.enqueue({ definition: "extract" });
    await world.enqueue({ definition: "extract", namespace: "other" });
    const list = async (fields: Partial<RunFilter>) =>
      idsOf((await world.store.listRuns(filter({ rootsOnly: false, ...fields }))).runs);
    assert.deepEqual(await list({}), [lone.id, ids.b, ids.a, parent.id]);
    assert.deepEqual(await list({ definition: "extract" }), [lone.id, ids.a]);
    assert.deepEqual(await list({ parentId: parent.id }), [ids.b, ids.a]);
    assert.deepEqual(await list({ parentId: parent.id, definition: "extract", statuses: ["ready"] }), [ids.a]);
    assert.deepEqual(await list({ parentId: parent.id, statuses: ["failed"] }), []);
    assert.deepEqual(await list({ definition: "extract", rootsOnly: true }), [lone.id]);
    assert.deepEqual(await list({ namespace: "third" }), []);
  });

  contract("pages hold under a filter too", async (world) => {
    const wanted: string[] = [];
    for (let i = 0; i < 9; i++) {
      const { id } = await world.enqueue({ definition: i % 2 === 0 ? "extract" : "load" });
      if (i % 2 === 0) wanted.push(id);
    }
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const only = { definition: "extract", statuses: ["ready"] as const, limitRows: 2 };
      const page = await world.store.listRuns(filter({ ...only, ...(cursor === null ? {} : { cursor }) }));
      seen.push(...idsOf(page.runs));
      cursor = page.cursor;
    } while (cursor !== null);
    assert.deepEqual(seen, wanted.reverse());
  });

  contract("ids are found by how they begin, in their namespace, and a prefix means itself", async (world) => {
    const ids = ["0000000000000000000a", "0000000000000000000b", "0000000zzzzzzzzzzzzz"];
    for (const id of ids) await world.enqueue({ id });
    await world.enqueue({ id: "0000000000000000000c", namespace: "other" });
    const find = async (prefix: string, limitRows = 10) =>
      [...(await world.store.findRunIds({ namespace, prefix, limitRows }))].sort();
    assert.deepEqual(await find("0000000"), ids);
    assert.deepEqual(await find("00000000"), ids.slice(0, 2));
    assert.deepEqual(await find("0000000000000000000b"), [ids[1]]);
    assert.equal((await find("0", 2)).length, 2);
    for (const none of ["1", "%", "_", "000000_", "0000000000000000000c", "\\"]) assert.deepEqual(await find(none), []);
  });

  contract("the runs of a key are found, of the definitions that are asked for, in their namespace", async (world) => {
    const key = { key: "order-17", hash: "h", retentionMs: 1_000 };
    const [load, send] = [await world.enqueue({ definition: "load" }, { key }), await world.enqueue({}, { key })];
    await world.enqueue({ definition: "load" }, { key: { ...key, key: "order-18" } });
    await world.enqueue({ definition: "load" }, { request: { ...key, key: "order-19" } });
    await world.enqueue({ definition: "load", namespace: "other" }, { key });
    const find = (definitions: readonly string[], named = "order-17") =>
      world.store.findKeyedRuns({ namespace, key: named, definitions });
    assert.deepEqual(await find(["load"]), [load.id]);
    assert.deepEqual((await find(["load", send.definition, "none"])).sort(), [load.id, send.id].sort());
    for (const none of ["order", "order-19", "%", ""]) assert.deepEqual(await find(["load"], none), []);
    assert.deepEqual(await find([]), []);
  });

  contract("a tree is listed in the order of creation, without inputs and outputs", async (world) => {
    const { parent, ids } = await world.workflow([{ name: "z" }, { name: "a", after: ["z"] }, { name: "inner" }]);
    const z = await world.activate(ids.z ?? "");
    const inner = await world.activate(ids.inner ?? "");
    await world.finish(z, next.success("large"));
    const below = await world.expand(inner, [{ name: "leaf" }]);
    await world.enqueue();
    const rows = await world.store.listTree({ rootId: parent.id, limitRows: 100 });
    assert.deepEqual(idsOf(rows), [parent.id, ids.z, ids.a, ids.inner, below.leaf]);
    for (const row of rows) {
      const { input: _, output: __, ...rest } = await world.get(row.id);
      assert.deepEqual(plain(row), plain(rest));
    }
    assert.deepEqual(await world.store.listTree({ rootId: world.root().id, limitRows: 10 }), []);
  });

  contract("a tree is read in pages", async (world) => {
    const { parent, ids } = await world.workflow(Array.from({ length: 6 }, (_, index) => ({ name: `n${index}` })));
    const seen: string[] = [];
    for (let after: string | undefined; ; after = seen.at(-1)) {
      const args = { rootId: parent.id, ...(after === undefined ? {} : { after }), limitRows: 3 };
      const rows = await world.store.listTree(args);
      if (rows.length === 0) break;
      seen.push(...idsOf(rows));
    }
    assert.deepEqual(seen, [parent.id, ...Object.values(ids)]);
  });

  contract("a scope has the parent's input and the named children's outputs", async (world) => {
    const parent = await world.running({ kind: "workflow" });
    const nodes = ["a", "b", "c", "d"].map((name) => ({ name }));
    await world.store.expandRuns({ rows: [{ ...world.expansion(parent, nodes), input: { day: 1 } }] });
    const runs = await world.claim(await world.member());
    const says = [next.success([1]), next.failure(), next.skip(), next.success(null)];
    for (const [index, run] of runs.entries()) await world.finish(run, says[index] ?? next.release());
    const query = (...names: string[]) => ({ parentId: parent.id, names });
    const results = await world.scopes(query("d", "a", "b", "c", "none"), query());
    assert.deepEqual(
      results.map(({ input }) => input),
      [{ day: 1 }, { day: 1 }],
    );
    assert.deepEqual(plain([...(results[0]?.outputs ?? [])].sort((x, y) => (x.name < y.name ? -1 : 1))), [
      { name: "a", status: "succeeded", output: [1] },
      { name: "b", status: "failed" },
      { name: "c", status: "skipped" },
      { name: "d", status: "succeeded", output: null },
    ]);
    assert.deepEqual(results[1]?.outputs, []);
  });

  contract("each scope is its own parent's, and an unknown parent has an empty one", async (world) => {
    const [one, two] = [await world.workflow([{ name: "a" }]), await world.workflow([{ name: "a" }])];
    await world.cancel(one.ids.a);
    const rows = [two.parent.id, world.root().id, one.parent.id].map((parentId) => ({ parentId, names: ["a"] }));
    const results = await world.scopes(...rows);
    assert.deepEqual(
      results.map(({ outputs }) => outputs.map(({ status }) => status)),
      [["ready"], [], ["cancelled"]],
    );
    assert.equal("input" in (results[1] ?? {}) ? results[1]?.input : undefined, undefined);
    assert.deepEqual(await world.store.findScopes({ rows: [] }), []);
  });

  contract("a map's outputs are listed in the order of its list, in pages", async (world) => {
    const parent = await world.running({ kind: "map" });
    const order = [3, 0, 4, 1, 2];
    await world.expand(
      parent,
      order.map((itemIndex) => ({ name: `m[${itemIndex}]`, item: `${itemIndex}`, itemIndex })),
    );
    for (const run of await world.claim(await world.member())) {
      await world.finish(run, run.itemIndex === 2 ? next.failure() : next.success(run.itemIndex));
    }
    const page = (afterIndex: number, limitRows: number) =>
      world.store.listChildOutputs({ parentId: parent.id, afterIndex, limitRows });
    const outputs = [...(await page(-1, 3)), ...(await page(2, 3))];
    assert.deepEqual(
      plain(outputs),
      [0, 1, 2, 3, 4].map((index) =>
        index === 2 ? { name: "m[2]", status: "failed" } : { name: `m[${index}]`, status: "succeeded", output: index },
      ),
    );
    assert.deepEqual(await page(4, 3), []);
  });

  contract("a map's outputs are listed in shorter pages where they are large", async (world) => {
    const parent = await world.running({ kind: "map" });
    await world.expand(
      parent,
      Array.from({ length: 20 }, (_, itemIndex) => ({ name: `m[${itemIndex}]`, item: `${itemIndex}`, itemIndex })),
    );
    const mega = "x".repeat(1_000_000);
    for (const run of await world.claim(await world.member())) await world.finish(run, next.success([mega, run.item]));
    const page = (afterIndex: number) =>
      world.store.listChildOutputs({ parentId: parent.id, afterIndex, limitRows: 100 });
    assert.deepEqual([(await page(-1)).length, (await page(16)).length, (await page(19)).length], [17, 3, 0]);
    assert.equal((await page(16))[0]?.name, "m[17]");
  });
}

function filter(fields: Partial<RunFilter>): RunFilter {
  return { namespace, rootsOnly: true, limitRows: 100, ...fields };
}

function idsOf(runs: readonly RunRow[]): string[] {
  return runs.map(({ id }) => id);
}
