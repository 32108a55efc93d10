import assert from "node:assert/strict";
import { limits } from "@holdfast/protocol";
import { enqueuedData, startingRun } from "../../core/index.ts";
import { type Contract, hourMs, next, plain, refused, type World } from "./world.contract.ts";

/** What stores promise about expansions. */
export function expandContract(contract: Contract): void {
  contract("an expansion puts its children in place and lets the parent wait", async (world) => {
    const parent = await world.running({ kind: "workflow" });
    const expansion = world.expansion(parent, [{ name: "a" }, { name: "b" }, { name: "c", after: ["a", "b"] }], 40);
    const results = await world.store.expandRuns({ rows: [{ ...expansion, input: { bound: true } }] });
    assert.deepEqual(results, [{ outcome: "finished", status: "waiting", readied: 2 }]);
    const waiting = await world.get(parent.id);
    const changed = { status: "waiting", input: { bound: true }, openChildren: 3, claimedBy: null, claimedAt: null };
    assert.deepEqual(plain(waiting), { ...plain(parent), ...changed, ranMs: 40, lastEvent: 3 });
    for (const child of expansion.children) {
      const row = await world.get(child.id);
      assert.deepEqual(plain(row), plain(startingRun(child, row.createdAt)));
    }
  });

  contract("the events of an expansion are the parent's wait and each child's beginning", async (world) => {
    const { parent, ids } = await world.workflow([{ name: "a" }, { name: "b", after: ["a"] }]);
    assert.deepEqual(await world.events(parent.id), ["run.enqueued", "run.started", "run.waiting"]);
    assert.deepEqual(await world.lastData(parent.id), { children: 2 });
    for (const id of Object.values(ids)) {
      assert.deepEqual(await world.events(id), ["run.enqueued"]);
      assert.deepEqual(await world.lastData(id), enqueuedData(await world.get(id)));
    }
  });

  contract("children are claimed in the order of their rows", async (world) => {
    const { ids } = await world.workflow(["z", "m", "a", "q"].map((name) => ({ name })));
    const claimed = await world.claim(await world.member());
    assert.deepEqual(
      claimed.map(({ id }) => id),
      ["z", "m", "a", "q"].map((name) => ids[name]),
    );
  });

  contract("items keep their identity and their place in the list", async (world) => {
    const { ids } = await world.workflow([
      { name: "part[eu]", item: "eu", itemIndex: 0, input: { region: "eu" } },
      { name: "part[us]", item: "us", itemIndex: 1 },
    ]);
    const { item, itemIndex, input, workflow, depth } = await world.get(ids["part[eu]"]);
    assert.deepEqual(
      { item, itemIndex, input, workflow, depth },
      { item: "eu", itemIndex: 0, input: { region: "eu" }, workflow: "nightly", depth: 1 },
    );
  });

  contract("a child can begin later and expire", async (world) => {
    const { now } = await world.store.describe();
    const { ids } = await world.workflow([{ name: "a", startAfter: now + hourMs, expiresAfterMs: 2 * hourMs }]);
    const child = await world.get(ids.a);
    assert.equal(child.wakeAt, now + hourMs);
    assert.equal(child.expiresAt, child.createdAt + 2 * hourMs);
    assert.deepEqual(await world.claim(await world.member()), []);
  });

  contract("an expansion is progress: losses and takeovers before it are forgotten", async (world) => {
    const { id } = await world.enqueue({ kind: "workflow" });
    await world.finish(await world.activate(id), next.lost());
    const memberId = await world.member();
    await world.activate(id, memberId);
    await world.store.leaveMember({ id: memberId });
    const parent = await world.activate(id);
    assert.deepEqual([parent.losses, parent.takeovers], [1, 1]);
    await world.expand(parent, [{ name: "a" }]);
    const waiting = await world.get(id);
    assert.deepEqual([waiting.losses, waiting.takeovers], [0, 0]);
  });

  contract("an expansion that is said again is answered as repeated and changes nothing", async (world) => {
    const parent = await world.running({ kind: "workflow" });
    const expansion = world.expansion(parent, [{ name: "a" }]);
    await world.store.expandRuns({ rows: [expansion] });
    assert.deepEqual(await world.store.expandRuns({ rows: [expansion] }), [{ outcome: "repeated", status: "waiting" }]);
    assert.equal((await world.get(parent.id)).openChildren, 1);
    assert.equal((await world.store.listTree({ rootId: parent.id, limitRows: 10 })).length, 2);
    assert.deepEqual(await world.events(expansion.children[0]?.id), ["run.enqueued"]);
  });

  contract("an expansion under an old epoch leaves nothing behind", async (world) => {
    const first = await world.running({ kind: "workflow" });
    await world.finish(first, next.retry());
    await world.activate(first.id);
    const expansion = world.expansion(first, [{ name: "a" }]);
    assert.deepEqual(await world.store.expandRuns({ rows: [expansion] }), [{ outcome: "stale_epoch" }]);
    assert.equal(await world.store.findRun({ id: expansion.children[0]?.id ?? "" }), undefined);
  });

  contract("an expansion of an unknown run is not found", async (world) => {
    const expansion = { ...world.expansion(await world.running(), [{ name: "a" }]), runId: world.root().id };
    const children = expansion.children.map((child) => ({ ...child, parentId: expansion.runId }));
    assert.deepEqual(await world.store.expandRuns({ rows: [{ ...expansion, children }] }), [{ outcome: "not_found" }]);
  });

  contract("an expansion of a run that is being cancelled ends it instead", async (world) => {
    const parent = await world.running({ kind: "workflow" });
    await world.cancel(parent.id);
    const expansion = world.expansion(parent, [{ name: "a" }]);
    const results = await world.store.expandRuns({ rows: [expansion] });
    assert.deepEqual(results, [{ outcome: "finished", status: "cancelled", readied: 0 }]);
    assert.equal((await world.get(parent.id)).ranMs, expansion.ranMs);
    assert.equal(await world.store.findRun({ id: expansion.children[0]?.id ?? "" }), undefined);
    assert.deepEqual(await world.events(parent.id), [
      "run.enqueued",
      "run.started",
      "run.cancel_requested",
      "run.cancelled",
    ]);
  });

  contract("an expansion that ends its run tells what else ended with it", async (world) => {
    const { parent } = await world.workflow([{ name: "inner", kind: "workflow" }]);
    const [inner] = await world.claim(await world.member());
    assert.ok(inner);
    await world.cancel(parent.id);
    const [result] = await world.store.expandRuns({ rows: [world.expansion(inner, [{ name: "a" }])] });
    assert.ok(result?.outcome === "finished");
    assert.deepEqual(
      result.ended?.map(({ id, status }) => [id, status]),
      [[parent.id, "cancelled"]],
    );
  });

  contract("several expansions in one call each have their result", async (world) => {
    const [one, two] = [await world.running({ kind: "map" }), await world.running({ kind: "map" })];
    const rows = [
      world.expansion({ ...one, epoch: 4 }, [{ name: "a" }]),
      world.expansion(two, [{ name: "a" }, { name: "b" }]),
      world.expansion(one, [{ name: "a" }]),
    ];
    assert.deepEqual(await world.store.expandRuns({ rows }), [
      { outcome: "stale_epoch" },
      { outcome: "finished", status: "waiting", readied: 2 },
      { outcome: "finished", status: "waiting", readied: 1 },
    ]);
    assert.deepEqual(await world.store.expandRuns({ rows: [] }), []);
  });

  contract("of several who expand one run at once, one does", async (world) => {
    const doors = await world.doors();
    const parent = await world.running({ kind: "workflow" });
    const rows = [world.expansion(parent, [{ name: "a" }, { name: "b" }])];
    const results = await Promise.all(
      Array.from({ length: 6 }, (_, index) => (doors[index % doors.length] ?? world.store).expandRuns({ rows })),
    );
    assert.equal(results.flat().filter(({ outcome }) => outcome === "finished").length, 1);
    assert.equal((await world.get(parent.id)).openChildren, 2);
  });

  contract("a thousand children are put in place, ended and counted", async (world) => {
    const parent = await world.running({ kind: "map" });
    const nodes = Array.from({ length: 1_000 }, (_, index) => ({
      name: `m[${index}]`,
      item: `${index}`,
      itemIndex: index,
    }));
    await world.expand(parent, nodes);
    const runs = await world.claim(await world.member(), 2_000);
    assert.equal(runs.length, 1_000);
    const rows = runs.map((run, index) => ({ runId: run.id, epoch: 1, ranMs: 1, next: next.success(index) }));
    await world.store.finishActivations({ rows });
    const woken = await world.get(parent.id);
    assert.deepEqual(
      { status: woken.status, open: woken.openChildren, succeeded: woken.children.succeeded },
      { status: "ready", open: 0, succeeded: 1_000 },
    );
  });

  for (const [what, spoil] of unfit) {
    contract(`an expansion with ${what} is refused, and its parent is still live`, async (world) => {
      const parent = await world.running({ kind: "workflow" });
      const good = world.expansion(await world.running({ kind: "workflow" }), [{ name: "a" }]);
      const bad = spoil(world.expansion(parent, [{ name: "a" }, { name: "b", after: ["a"] }]), world);
      await refused(world.store.expandRuns({ rows: [good, bad] }), "invalid_request", "too_large");
      assert.equal(await world.status(parent.id), "running");
      assert.equal(await world.status(good.runId), "running");
      assert.equal(await world.store.findRun({ id: good.children[0]?.id ?? "" }), undefined);
    });
  }
}

type Spoil = (expansion: ReturnType<World["expansion"]>, world: World) => ReturnType<World["expansion"]>;

const unfit: readonly (readonly [string, Spoil])[] = [
  ["no children", (expansion) => ({ ...expansion, children: [], edges: [] })],
  [
    "a child of another run",
    (e, world) => ({ ...e, children: [{ ...world.root(), parentId: world.root().id }], edges: [] }),
  ],
  ["a child twice", (e) => ({ ...e, children: [...e.children, ...e.children.slice(0, 1)] })],
  ["an edge that nobody counts", (e) => ({ ...e, edges: [...e.edges, ...e.edges] })],
  ["a child that waits for an edge that is not there", (e) => ({ ...e, edges: [] })],
  [
    "an edge from elsewhere",
    (e, world) => ({ ...e, edges: e.edges.map((edge) => ({ ...edge, upstream: world.root().id })) }),
  ],
  ["NUL in a child's input", (e) => ({ ...e, children: e.children.map((child) => ({ ...child, input: "\u0000" })) })],
  [
    "a lone surrogate in a child's name",
    (e) => ({ ...e, children: e.children.map((c) => ({ ...c, name: `${c.name}\udc00` })) }),
  ],
  [
    "a child over the depth of trees",
    (e) => ({ ...e, children: e.children.map((child) => ({ ...child, depth: limits.treeDepth + 1 })) }),
  ],
];
