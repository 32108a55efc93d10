import assert from "node:assert/strict";
import type { TriggerRule } from "@holdfast/protocol";
import { type Contract, next, plain, type World } from "./world.contract.ts";

/** What stores promise about dependents: what an end releases or skips, in the commit that ends it (P3). */
export function graphContract(contract: Contract): void {
  contract("the end of an upstream makes its dependent ready in the same step", async (world) => {
    const { ids } = await world.workflow([{ name: "a" }, { name: "b", after: ["a"] }]);
    const a = await world.activate(ids.a ?? "");
    assert.equal((await world.finish(a, next.success())).outcome, "finished");
    const b = await world.get(ids.b);
    assert.deepEqual(
      { status: b.status, blockedBy: b.blockedBy, upstream: plain(b.upstream) },
      { status: "ready", blockedBy: 0, upstream: { succeeded: 1, failed: 0, skipped: 0 } },
    );
    assert.deepEqual(await world.events(ids.b), ["run.enqueued", "run.ready"]);
    assert.equal((await world.activate(ids.b ?? "")).epoch, 1);
  });

  contract("a dependent waits for all of its upstreams and starts once", async (world) => {
    const { ids } = await world.workflow([{ name: "a" }, { name: "b" }, { name: "c", after: ["a", "b"] }]);
    assert.equal((await world.get(ids.c)).blockedBy, 2);
    await end(world, ids.a, "succeed");
    const half = await world.get(ids.c);
    assert.deepEqual({ status: half.status, blockedBy: half.blockedBy }, { status: "pending", blockedBy: 1 });
    await end(world, ids.b, "succeed");
    assert.deepEqual(await world.events(ids.c), ["run.enqueued", "run.ready"]);
  });

  contract("what a run waits for are its upstreams that have not ended, in the order of insertion", async (world) => {
    const upstreams = async (id: string | undefined, limitRows = 10) =>
      (await world.store.listUpstreams({ runId: id ?? "", limitRows })).map(({ name }) => name);
    const { parent, ids } = await world.workflow([
      { name: "a" },
      { name: "b" },
      { name: "c", after: ["b", "a"] },
      { name: "d", after: ["c"] },
    ]);
    assert.deepEqual(await upstreams(ids.c), ["a", "b"]);
    assert.deepEqual(await upstreams(ids.c, 1), ["a"]);
    assert.deepEqual(await upstreams(ids.d), ["c"]);
    for (const id of [ids.a, parent.id, "nobody"]) assert.deepEqual(await upstreams(id), []);
    await end(world, ids.a, "succeed");
    assert.deepEqual(await upstreams(ids.c), ["b"]);
  });

  contract("a retry and a loss of the upstream release nothing", async (world) => {
    const { ids } = await world.workflow([{ name: "a" }, { name: "b", after: ["a"] }]);
    for (const what of [next.retry(), next.lost(), next.release()]) {
      await world.finish(await world.activate(ids.a ?? ""), what);
      assert.equal(await world.status(ids.b), "pending");
    }
  });

  for (const [rule, verdicts] of Object.entries(matrix)) {
    contract(`rule ${rule} starts or skips as its table says, whatever order the upstreams end in`, async (world) => {
      for (const [pair, verdict] of Object.entries(verdicts)) {
        for (const order of [pair, [...pair].reverse().join("")]) {
          const { parent, ids } = await world.workflow([
            { name: "a" },
            { name: "b" },
            { name: "c", after: ["a", "b"], rule: rule as TriggerRule },
          ]);
          await end(world, ids.a, ends[order[0] ?? ""] ?? "succeed");
          await end(world, ids.b, ends[order[1] ?? ""] ?? "succeed");
          const { status, error } = await world.get(ids.c);
          assert.equal(status === "skipped" ? error?.code : status, verdict, `${rule} after ${order}`);
          await world.cancel(parent.id);
        }
      }
    });
  }

  contract("a cancelled upstream counts as failed", async (world) => {
    const { ids } = await world.workflow([
      { name: "a" },
      { name: "b", after: ["a"] },
      { name: "c", after: ["a"], rule: "all_done" },
    ]);
    await world.cancel(ids.a);
    const b = await world.get(ids.b);
    assert.deepEqual({ status: b.status, code: b.error?.code }, { status: "skipped", code: "upstream_failed" });
    assert.deepEqual(plain((await world.get(ids.c)).upstream), { succeeded: 0, failed: 1, skipped: 0 });
    assert.equal(await world.status(ids.c), "ready");
  });

  contract("a failure is handed on through what it skips", async (world) => {
    const { ids } = await world.workflow([
      { name: "a" },
      { name: "b", after: ["a"] },
      { name: "c", after: ["b"], rule: "none_failed" },
      { name: "d", after: ["c"], rule: "all_done" },
    ]);
    await end(world, ids.a, "fail");
    for (const name of ["b", "c"]) {
      const run = await world.get(ids[name]);
      assert.deepEqual({ status: run.status, code: run.error?.code }, { status: "skipped", code: "upstream_failed" });
      assert.deepEqual(await world.events(ids[name]), ["run.enqueued", "run.skipped"]);
    }
    assert.equal(await world.status(ids.d), "ready");
  });

  contract("a skip without a failure is no failure to those behind it", async (world) => {
    const { ids } = await world.workflow([
      { name: "a" },
      { name: "b", after: ["a"] },
      { name: "c", after: ["b"], rule: "none_failed" },
    ]);
    await end(world, ids.a, "skip");
    assert.equal((await world.get(ids.b)).error?.code, "upstream_skipped");
    assert.equal(await world.status(ids.c), "ready");
  });

  contract("a long chain of skips ends in one step and wakes the parent", async (world) => {
    const names = Array.from({ length: 60 }, (_, index) => `n${index}`);
    const { parent, ids } = await world.workflow(
      names.map((name, index) => ({ name, after: index === 0 ? [] : [`n${index - 1}`] })),
    );
    await end(world, ids.n0, "fail");
    assert.equal(await world.status(ids.n59), "skipped");
    const woken = await world.get(parent.id);
    assert.deepEqual(
      { status: woken.status, openChildren: woken.openChildren, children: plain(woken.children) },
      { status: "ready", openChildren: 0, children: { succeeded: 0, failed: 60, skipped: 0 } },
    );
  });

  contract("the last child to end wakes its parent, which then has a second activation", async (world) => {
    const { parent, ids } = await world.workflow([{ name: "a" }, { name: "b" }, { name: "c" }]);
    await end(world, ids.a, "succeed");
    await end(world, ids.b, "skip");
    assert.deepEqual(
      { status: await world.status(parent.id), open: (await world.get(parent.id)).openChildren },
      { status: "waiting", open: 1 },
    );
    const last = await world.activate(ids.c ?? "");
    assert.equal((await world.finish(last, next.failure())).outcome, "finished");
    const woken = await world.get(parent.id);
    assert.deepEqual(plain(woken.children), { succeeded: 1, failed: 1, skipped: 1 });
    assert.deepEqual(await world.events(parent.id), ["run.enqueued", "run.started", "run.waiting", "run.woken"]);
    const second = await world.activate(parent.id);
    assert.equal(second.epoch, 2);
    await world.finish(second, next.success("report"));
    assert.equal(await world.status(parent.id), "succeeded");
  });

  contract("ends go up through nested workflows level by level", async (world) => {
    const { parent, ids } = await world.workflow([
      { name: "inner", kind: "workflow" },
      { name: "after", after: ["inner"] },
    ]);
    const inner = await world.activate(ids.inner ?? "");
    const below = await world.expand(inner, [{ name: "leaf" }]);
    await end(world, below.leaf, "succeed");
    assert.equal(await world.status(ids.after), "pending");
    await world.finish(await world.activate(inner.id), next.success());
    assert.equal(await world.status(ids.after), "ready");
    assert.equal(await world.status(parent.id), "waiting");
    await end(world, ids.after, "succeed");
    assert.equal(await world.status(parent.id), "ready");
  });

  contract("one call can end the upstreams, their dependents' last, and the parent's last child", async (world) => {
    const nodes = Array.from({ length: 30 }, (_, index) => ({ name: `n${index}` }));
    const { parent, ids } = await world.workflow([...nodes, { name: "join", after: nodes.map(({ name }) => name) }]);
    const runs = await world.claim(await world.member(), 100);
    const rows = runs.map((run) => ({ runId: run.id, epoch: run.epoch, ranMs: 1, next: next.success() }));
    await world.store.finishActivations({ rows });
    assert.equal(await world.status(ids.join), "ready");
    assert.deepEqual(plain((await world.get(ids.join)).upstream), { succeeded: 30, failed: 0, skipped: 0 });
    assert.deepEqual(await world.events(ids.join), ["run.enqueued", "run.ready"]);
    await end(world, ids.join, "succeed");
    assert.equal(await world.status(parent.id), "ready");
  });

  contract("siblings that end at once are all counted and wake the parent once", async (world) => {
    const nodes = Array.from({ length: 24 }, (_, index) => ({ name: `n${index}` }));
    const { parent } = await world.workflow(nodes);
    await endAtOnce(world);
    const woken = await world.get(parent.id);
    assert.deepEqual(
      { status: woken.status, openChildren: woken.openChildren, children: plain(woken.children) },
      { status: "ready", openChildren: 0, children: { succeeded: 24, failed: 0, skipped: 0 } },
    );
    assert.equal((await world.events(parent.id)).filter((type) => type === "run.woken").length, 1);
  });

  contract("upstreams that end at once release each dependent once", async (world) => {
    const sources = ["a", "b", "c", "d", "e", "f"];
    const joins = Array.from({ length: 8 }, (_, index) => ({ name: `join${index}`, after: sources }));
    const { ids } = await world.workflow([...sources.map((name) => ({ name })), ...joins]);
    await endAtOnce(world);
    for (const { name } of joins) {
      assert.deepEqual(await world.events(ids[name]), ["run.enqueued", "run.ready"]);
      assert.equal((await world.get(ids[name])).blockedBy, 0);
    }
  });

  contract("crossing graphs that end at once neither lock each other out nor lose a count", async (world) => {
    const names = ["a", "b", "c", "d"];
    const graphs = await Promise.all(
      Array.from({ length: 4 }, () =>
        world.workflow([
          ...names.map((name) => ({ name })),
          ...names.map((name) => ({ name: `${name}2`, after: names })),
        ]),
      ),
    );
    await endAtOnce(world);
    await endAtOnce(world);
    for (const { parent } of graphs) assert.deepEqual((await world.get(parent.id)).openChildren, 0);
  });
}

type End = "succeed" | "fail" | "skip";

const ends: Readonly<Record<string, End>> = { S: "succeed", F: "fail", K: "skip" };

/** By rule and by how two upstreams ended (S succeeded, F failed, K skipped by itself). */
const matrix = {
  all_success: {
    SS: "ready",
    SF: "upstream_failed",
    SK: "upstream_skipped",
    FF: "upstream_failed",
    FK: "upstream_failed",
    KK: "upstream_skipped",
  },
  all_done: { SS: "ready", SF: "ready", SK: "ready", FF: "ready", FK: "ready", KK: "ready" },
  one_success: {
    SS: "ready",
    SF: "ready",
    SK: "ready",
    FF: "upstream_failed",
    FK: "upstream_failed",
    KK: "upstream_skipped",
  },
  none_failed: {
    SS: "ready",
    SF: "upstream_failed",
    SK: "ready",
    FF: "upstream_failed",
    FK: "upstream_failed",
    KK: "ready",
  },
} as const satisfies Record<TriggerRule, Readonly<Record<string, string>>>;

/** Claims everything, so that `id` is among it, and ends that one; the others are given back. */
async function end(world: World, id: string | undefined, how: End): Promise<void> {
  const memberId = await world.member();
  for (const run of await world.claim(memberId)) {
    const success = how === "succeed" ? next.success() : how === "fail" ? next.failure() : next.skip();
    await world.finish(run, run.id === id ? success : next.release());
  }
}

/** Ends everything that is ready, each run in a call of its own, all at once. */
async function endAtOnce(world: World): Promise<void> {
  const doors = await world.doors();
  const runs = await world.claim(await world.member(), 1_000);
  await Promise.all(
    runs.map((run, index) =>
      (doors[index % doors.length] ?? world.store).finishActivations({
        rows: [{ runId: run.id, epoch: run.epoch, ranMs: 1, next: next.success() }],
      }),
    ),
  );
}
