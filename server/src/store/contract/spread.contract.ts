import assert from "node:assert/strict";
import type { RunRow } from "../../core/index.ts";
import { type Contract, cancelled, next, plain, until, type World } from "./world.contract.ts";

// Faults to catch: a child that starts between two pages of an order, a success between them that stands, a page that is
// forgotten or reaches what lies beside, a root that ends before all below it have, an order that only its caller carries on.

const names = (count: number) => Array.from({ length: count }, (_, index) => ({ name: `n${index}` }));

/** A workflow of five, of which `running` were claimed, and of which an order has reached `limitRows`. */
async function ordered(world: World, limitRows: number, running = 0) {
  const { parent, ids } = await world.workflow(names(5));
  const claims = running === 0 ? [] : await world.claim(await world.member(), running);
  const answer = await world.order(parent.id, limitRows);
  return { parent, ids: Object.values(ids), claims, answer };
}

/** Hands orders on until they have reached everything. Answers how many runs each page reached. */
async function spreadAll(world: World, limitRows: number): Promise<number[]> {
  const pages: number[] = [];
  await until(async () => {
    const { reached, more } = await world.store.spreadOrders({ limitRows });
    pages.push(reached);
    return !more;
  });
  return pages;
}

const statuses = (world: World, ids: readonly string[]) => Promise.all(ids.map((id) => world.status(id)));

/** What stores promise about orders for trees that are larger than a page (P6). */
export function spreadContract(contract: Contract): void {
  contract("an order holds at once for its run, and goes down in pages in the order of insertion", async (world) => {
    const { parent, ids, answer } = await ordered(world, 2);
    assert.deepEqual(answer, { requested: 3, status: "cancelling" });
    const { ending, spreading } = await world.get(parent.id);
    assert.deepEqual(plain({ ending, spreading }), plain({ ending: cancelled, spreading: true }));
    assert.deepEqual(await statuses(world, ids), ["cancelled", "cancelled", "ready", "ready", "ready"]);
    assert.deepEqual(await world.store.spreadOrders({ limitRows: 2 }), { reached: 2, more: true });
    assert.deepEqual(await statuses(world, ids.slice(2)), ["cancelled", "cancelled", "ready"]);
    assert.equal(await world.status(parent.id), "cancelling");
    assert.deepEqual(await world.store.spreadOrders({ limitRows: 2 }), { reached: 1, more: false });
    assert.deepEqual(await statuses(world, [...ids, parent.id]), Array(6).fill("cancelled"));
    assert.equal((await world.get(parent.id)).spreading, false);
    assert.deepEqual(await world.store.spreadOrders({ limitRows: 2 }), { reached: 0, more: false });
    for (const id of ids) assert.deepEqual(await world.events(id), ["run.enqueued", "run.cancelled"]);
  });

  contract("a tree of no more than a page is reached in one step, and nothing is left to hand on", async (world) => {
    const { parent, answer } = await ordered(world, 100);
    assert.deepEqual(answer, { requested: 6, status: "cancelled" });
    assert.deepEqual(await world.store.spreadOrders({ limitRows: 1 }), { reached: 0, more: false });
    assert.equal((await world.get(parent.id)).status, "cancelled");
  });

  contract("nothing of the tree is claimed between two pages, and everything else is", async (world) => {
    const { parent } = await ordered(world, 1);
    const { id } = await world.enqueue();
    const memberId = await world.member();
    assert.deepEqual(
      (await world.claim(memberId)).map((run) => run.id),
      [id],
    );
    const queues = ["default"];
    assert.deepEqual(await world.store.claimRuns({ memberId, namespace: parent.namespace, queues, limitRows: 9 }), []);
    await spreadAll(world, 2);
    assert.deepEqual(await world.claim(memberId), []);
  });

  contract("what lies beside a run that was ordered waits for the pages, and can then be claimed", async (world) => {
    const { ids } = await world.workflow([{ name: "inner", kind: "workflow" }, { name: "beside" }]);
    const inner = await world.activate(ids.inner ?? "");
    const below = Object.values(await world.expand(inner, names(3)));
    await world.order(inner.id, 1);
    const memberId = await world.member();
    assert.deepEqual(await world.claim(memberId), []);
    await spreadAll(world, 1);
    assert.deepEqual(await statuses(world, [...below, inner.id]), Array(4).fill("cancelled"));
    assert.deepEqual(
      (await world.claim(memberId)).map((run) => run.id),
      [ids.beside],
    );
  });

  for (const [what, said] of Object.entries(next)) {
    contract(`between two pages a child ends as its parent was ordered to: ${what}`, async (world) => {
      const { parent, ids, claims } = await ordered(world, 1, 3);
      const [, second, third] = claims;
      assert.ok(second && third);
      assert.equal(await world.status(second.id), "running");
      assert.deepEqual(await world.finish(second, said()), { outcome: "finished", status: "cancelled", readied: 0 });
      const { error, output } = await world.get(second.id);
      const message = "nightly, to which it belongs, was cancelled.";
      assert.deepEqual({ error, output }, { error: { code: "cancelled", message }, output: undefined });
      assert.deepEqual(await spreadAll(world, 2), [2, 1]);
      assert.equal(await world.status(parent.id), "cancelling");
      for (const run of [claims[0], third]) await world.finish(run as RunRow, said());
      assert.deepEqual(await statuses(world, [...ids, parent.id]), Array(6).fill("cancelled"));
    });
  }

  contract("between two pages a child puts no children in place", async (world) => {
    const { parent } = await world.workflow([{ name: "first" }, { name: "inner", kind: "workflow" }]);
    const [, inner] = await world.claim(await world.member());
    assert.ok(inner);
    await world.order(parent.id, 1);
    const expansion = world.expansion(inner, names(2));
    const [result] = await world.store.expandRuns({ rows: [expansion] });
    assert.deepEqual(result, { outcome: "finished", status: "cancelled", readied: 0 });
    for (const { id } of expansion.children) assert.equal(await world.store.findRun({ id }), undefined);
  });

  contract(
    "a dependent whose upstreams end between two pages ends with its parent, whatever its rule",
    async (world) => {
      const after = ["a", "b"];
      const { parent, ids } = await world.workflow([
        { name: "a" },
        { name: "b" },
        ...(["all_done", "all_success", "one_success", "none_failed"] as const).map((rule) => ({
          name: rule,
          after,
          rule,
        })),
      ]);
      await world.order(parent.id, 2);
      assert.deepEqual(await statuses(world, [...Object.values(ids), parent.id]), Array(7).fill("cancelled"));
      await spreadAll(world, 2);
    },
  );

  contract("a child that is taken over between two pages is cancelled, not started again", async (world) => {
    const { parent, ids } = await world.workflow(names(2));
    const [, memberId] = [await world.claim(await world.member(), 1), await world.member()];
    const [second] = await world.claim(memberId, 1);
    await world.order(parent.id, 1);
    assert.equal(await world.status(second?.id), "running");
    await world.store.leaveMember({ id: memberId });
    assert.equal(await world.status(ids.n1), "cancelled");
  });

  contract("an order goes down every level of a tree, level after level", async (world) => {
    const { parent, ids } = await world.workflow([
      { name: "x", kind: "workflow", priority: 2 },
      { name: "y", kind: "workflow", priority: 2 },
    ]);
    const below: string[] = [];
    for (const name of ["x", "y"]) {
      const inner = await world.activate(ids[name] ?? "");
      const map = (await world.expand(inner, [{ name: "map", kind: "map", priority: 3 }])).map ?? "";
      const items = await world.expand(await world.activate(map), names(3));
      below.push(map, ...Object.values(items));
    }
    await world.claim(await world.member(), 4);
    assert.deepEqual(await world.order(parent.id, 1), { requested: 2, status: "cancelling" });
    const pages = await spreadAll(world, 2);
    assert.equal(
      pages.reduce((sum, reached) => sum + reached, 0),
      9,
      "every other live run is reached once",
    );
    const all = await statuses(world, [...Object.values(ids), ...below]);
    assert.ok(all.every((status) => status === "cancelling" || status === "cancelled"));
    for (const memberId of (await world.store.listMembers({ namespace: parent.namespace })).map(({ id }) => id)) {
      for (const { runId, epoch } of await world.store.listClaimed({ memberId, limitRows: 10 })) {
        await world.finish({ id: runId, epoch }, next.success());
      }
    }
    assert.deepEqual(await statuses(world, [...Object.values(ids), ...below, parent.id]), Array(11).fill("cancelled"));
  });

  contract("a second order for a run whose order is on its way changes nothing", async (world) => {
    const { parent, ids } = await ordered(world, 1);
    assert.deepEqual(await world.order(parent.id, 10), { requested: 0, status: "cancelling" });
    assert.equal(await world.status(ids[1]), "ready");
    await spreadAll(world, 10);
  });

  contract("orders for children that stand already are not counted again", async (world) => {
    const { parent, ids } = await world.workflow(names(4));
    const claims = await world.claim(await world.member(), 2);
    await world.cancel(ids.n0);
    await world.cancel(ids.n3);
    assert.deepEqual(await world.order(parent.id, 1), { requested: 2, status: "cancelling" });
    assert.deepEqual(await spreadAll(world, 1), [1, 0]);
    for (const run of claims) await world.finish(run, next.success());
    assert.equal(await world.status(parent.id), "cancelled");
  });

  contract("an expiry goes down in pages too", async (world) => {
    const parent = await world.running({ kind: "workflow", expiresAfterMs: 20 });
    const ids = Object.values(await world.expand(parent, names(3)));
    await world.pass(40);
    assert.deepEqual(await world.store.expireRuns({ limitRows: 1 }), { expired: 1, nextInMs: null });
    assert.deepEqual(await statuses(world, [...ids, parent.id]), ["cancelled", "ready", "ready", "cancelling"]);
    assert.deepEqual(await world.claim(await world.member()), []);
    await spreadAll(world, 1);
    assert.deepEqual(await statuses(world, [...ids, parent.id]), ["cancelled", "cancelled", "cancelled", "failed"]);
    assert.equal((await world.get(parent.id)).error?.code, "expired");
  });

  contract("pages at once, with ends and claims between, leave nothing open and start nothing", async (world) => {
    const doors = await world.doors();
    const door = (index: number) => doors[index % doors.length] ?? world.store;
    for (let round = 0; round < 3; round++) {
      const { parent, ids } = await world.workflow(names(20));
      const memberId = await world.member();
      const claims = await world.claim(memberId, 8);
      await world.order(parent.id, 3);
      const finish = ({ id, epoch }: RunRow, at: number) =>
        door(at).finishActivations({ rows: [{ runId: id, epoch, ranMs: 1, next: next.success() }] });
      const claim = (at: number) =>
        door(at).claimRuns({ memberId, namespace: parent.namespace, queues: null, limitRows: 5 });
      const claimed = await Promise.all([
        ...Array.from({ length: 6 }, (_, at) =>
          door(at)
            .spreadOrders({ limitRows: 4 })
            .then(() => []),
        ),
        ...claims.map((run, at) => finish(run, at).then(() => [])),
        ...Array.from({ length: 4 }, (_, at) => claim(at)),
      ]);
      assert.deepEqual(claimed.flat(), []);
      await spreadAll(world, 4);
      assert.deepEqual(await statuses(world, [...Object.values(ids), parent.id]), Array(21).fill("cancelled"));
      await world.events(parent.id);
    }
  });
}
