import assert from "node:assert/strict";
import type { RunRow } from "../../core/index.ts";
import type { Store } from "../store.ts";
import { type Contract, type ContractSubject, hourMs, namespace, next, plain, refused } from "./world.contract.ts";

/** What stores promise about claims. */
export function claimContract(contract: Contract, subject: ContractSubject): void {
  contract(
    "the highest priority is claimed first, then what was inserted first, answered in that order",
    async (world) => {
      const rows = [0, 5, -2, 5, 0, 1_000].map((priority) => world.row({ priority }));
      await world.store.enqueueRuns({ rows });
      const late = await world.enqueue({ priority: 5 });
      const expected = [5, 1, 3].map((index) => rows[index]?.run.id);
      const rest = [0, 4, 2].map((index) => rows[index]?.run.id);
      const claimed = await world.claim(await world.member());
      assert.deepEqual(
        claimed.map(({ id }) => id),
        [...expected, late.id, ...rest],
      );
    },
  );

  contract("a claim takes no more than it asks for", async (world) => {
    const ids: string[] = [];
    for (let i = 0; i < 5; i++) ids.push((await world.enqueue()).id);
    const memberId = await world.member();
    const pages: string[][] = [];
    for (const limitRows of [2, 1, 10, 10]) pages.push((await world.claim(memberId, limitRows)).map(({ id }) => id));
    assert.deepEqual(pages, [ids.slice(0, 2), ids.slice(2, 3), ids.slice(3), []]);
  });

  contract("a claim keeps to its queues; null is every queue", async (world) => {
    const memberId = await world.member();
    const claim = async (queues: string[] | null) => {
      const runs = await world.store.claimRuns({ memberId, namespace, queues, limitRows: 10 });
      return runs.map(({ queue }) => queue);
    };
    await world.store.enqueueRuns({ rows: ["a", "b", "c", "d"].map((queue) => world.row({ queue })) });
    assert.deepEqual(await claim([]), []);
    assert.deepEqual(await claim(["z"]), []);
    assert.deepEqual(await claim(["c", "a"]), ["a", "c"]);
    assert.deepEqual(await claim(null), ["b", "d"]);
  });

  contract(
    "a run that has waited longer than a higher priority is worth stands before it, and not before",
    async (world) => {
      const minuteMs = 60_000;
      const low = await world.enqueue({ priority: -3, ageingMs: minuteMs });
      const lowest = await world.enqueue({ priority: -4, ageingMs: minuteMs });
      await world.pass(3 * minuteMs + 1_000);
      const later = [
        await world.enqueue({ ageingMs: minuteMs }),
        await world.enqueue({ priority: 1, ageingMs: minuteMs, queue: "etl" }),
      ];
      const member = await world.member();
      const order = [later[1], low, later[0], lowest].map((run) => run?.id);
      const claimed = [];
      for (let i = 0; i < order.length; i++) claimed.push((await world.claim(member, 1))[0]?.id);
      assert.deepEqual(claimed, order);
    },
  );

  contract("a run in line at a gate ages like any other", async (world) => {
    const limits = [{ id: "shop/definition/ship", slots: 1, hold: "run" as const }];
    const holder = await world.enqueue({ limits });
    const low = await world.enqueue({ limits, priority: -1, ageingMs: 60_000 });
    await world.pass(61_000);
    const high = await world.enqueue({ limits, ageingMs: 60_000 });
    const higher = await world.enqueue({ limits, priority: 1, ageingMs: 60_000 });
    assert.deepEqual((await world.store.findLimit({ id: "shop/definition/ship", limitRows: 9 }))?.standing, [
      higher.id,
      low.id,
      high.id,
    ]);
    await world.cancel(holder.id);
    assert.equal((await world.get(higher.id)).gate, null);
  });

  contract("a child's rank is of the moment at which it was made", async (world) => {
    const parent = await world.running({ kind: "workflow", priority: 2 });
    await world.pass(5_000);
    const ids = await world.expand(parent, [{ name: "a", priority: 3 }]);
    const child = await world.get(ids.a ?? "");
    assert.deepEqual([parent.rank, child.rank], [parent.createdAt - 2 * 600_000, child.createdAt - 3 * 600_000]);
  });

  contract("over several queues the highest priority is still first", async (world) => {
    const rows = [
      world.row({ queue: "a" }),
      world.row({ queue: "b", priority: 1 }),
      world.row({ queue: "a", priority: 2 }),
    ];
    await world.store.enqueueRuns({ rows });
    const memberId = await world.member();
    const runs = await world.store.claimRuns({ memberId, namespace, queues: ["a", "b"], limitRows: 10 });
    assert.deepEqual(
      runs.map(({ id }) => id),
      [2, 1, 0].map((index) => rows[index]?.run.id),
    );
  });

  contract("a claim sees its own namespace only", async (world) => {
    const memberId = await world.member();
    const run = await world.enqueue({ namespace: "other" });
    assert.deepEqual(await world.claim(memberId), []);
    const there = await world.store.claimRuns({ memberId, namespace: "other", queues: null, limitRows: 10 });
    assert.deepEqual(
      there.map(({ id }) => id),
      [run.id],
    );
  });

  contract("a claimed run is running under a new epoch and belongs to the member", async (world) => {
    const before = await world.enqueue();
    const memberId = await world.member();
    const run = await world.activate(before.id, memberId);
    const { now } = await world.store.describe();
    assert.ok(run.claimedAt !== null && run.claimedAt >= before.createdAt && run.claimedAt <= now);
    const changed = {
      status: "running",
      epoch: 1,
      claimedBy: memberId,
      claimedAt: run.claimedAt,
      startedAt: run.claimedAt,
      lastEvent: 2,
    };
    assert.deepEqual(plain(run), { ...plain(before), ...changed });
    assert.deepEqual(plain(await world.get(run.id)), plain(run));
  });

  contract("each claim writes run.started with attempt, epoch and member", async (world) => {
    const { id } = await world.enqueue();
    const memberId = await world.member();
    const first = await world.activate(id, memberId);
    assert.deepEqual(await world.lastData(id), { attempt: 1, epoch: 1, member: memberId });
    await world.finish(first, next.retry());
    await world.activate(id, memberId);
    assert.deepEqual(await world.lastData(id), { attempt: 2, epoch: 2, member: memberId });
    assert.deepEqual(await world.events(id), ["run.enqueued", "run.started", "run.retry_scheduled", "run.started"]);
  });

  contract("a run keeps the moment of its first start", async (world) => {
    const { id } = await world.enqueue();
    const memberId = await world.member();
    const first = await world.activate(id, memberId);
    await world.finish(first, next.retry());
    await world.pass(20);
    const second = await world.activate(id, memberId);
    assert.equal(second.startedAt, first.startedAt);
    assert.ok((second.claimedAt ?? 0) > (first.claimedAt ?? 0));
  });

  contract("a run that comes back keeps its place in the line", async (world) => {
    const first = await world.running();
    const second = await world.enqueue();
    await world.finish(first, next.retry());
    const claimed = await world.claim(await world.member());
    assert.deepEqual(
      claimed.map(({ id }) => id),
      [first.id, second.id],
    );
  });

  contract("only ready runs whose moment has come are claimed", async (world) => {
    const { now } = await world.store.describe();
    await world.enqueue({ startAfter: now + hourMs });
    await world.finish(await world.running(), next.success());
    await world.finish(await world.running(), next.retry(hourMs));
    await world.cancel((await world.enqueue()).id);
    const { ids } = await world.workflow([{ name: "first" }, { name: "second", after: ["first"] }]);
    const claimed = await world.claim(await world.member());
    assert.deepEqual(
      claimed.map(({ id }) => id),
      [ids.first],
    );
  });

  contract("a member that left claims nothing, and neither does a stranger", async (world) => {
    const { id } = await world.enqueue();
    const memberId = await world.member();
    await world.store.leaveMember({ id: memberId });
    await refused(world.claim(memberId), "member_gone");
    await refused(world.claim("nobody"), "member_gone");
    assert.equal(await world.status(id), "ready");
  });

  if (subject.timedLeases) {
    contract("a lease that has run out stops no claim as long as nobody has judged the member", async (world) => {
      const memberId = await world.member();
      await world.outlive();
      const { id } = await world.enqueue();
      assert.deepEqual(
        (await world.claim(memberId)).map((run) => run.id),
        [id],
      );
    });
  }

  contract("claimers at once share the runs, each run once", async (world) => {
    const rows = Array.from({ length: 200 }, (_, index) => world.row({ queue: index % 2 === 0 ? "a" : "b" }));
    await world.store.enqueueRuns({ rows });
    const doors = await world.doors();
    const claimers = await Promise.all(Array.from({ length: 6 }, () => world.member()));
    const drained = await Promise.all(
      claimers.map((memberId, index) => drain(doors[index % doors.length] ?? world.store, memberId)),
    );
    const claimed = drained.flat();
    assert.equal(claimed.length, 200);
    assert.equal(new Set(claimed.map(({ id }) => id)).size, 200);
    for (const run of claimed) assert.equal(run.epoch, 1);
    for (const [index, memberId] of claimers.entries()) {
      const held = await world.store.listClaimed({ memberId, limitRows: 1_000 });
      assert.equal(held.length, drained[index]?.length);
    }
  });

  contract("a member sees every activation that it holds, the oldest claim first", async (world) => {
    const memberId = await world.member();
    const stranger = await world.member();
    const first = await world.running({}, memberId);
    await world.pass(5);
    const second = await world.running({ priority: 9 }, memberId);
    await world.pass(5);
    const third = await world.running({}, memberId);
    await world.running({}, stranger);
    await world.cancel(second.id);
    await world.finish(first, next.retry(hourMs));
    const held = [second, third].map(({ id, epoch }) => ({ runId: id, epoch }));
    assert.deepEqual(await world.store.listClaimed({ memberId, limitRows: 10 }), held);
    assert.deepEqual(await world.store.listClaimed({ memberId, limitRows: 1 }), held.slice(0, 1));
    assert.deepEqual(await world.store.listClaimed({ memberId: "nobody", limitRows: 10 }), []);
  });
}

async function drain(store: Store, memberId: string): Promise<RunRow[]> {
  const all: RunRow[] = [];
  let misses = 0;
  // An empty answer may mean that others hold the rows just now; three in a row do not.
  while (misses < 3) {
    const runs = await store.claimRuns({ memberId, namespace, queues: null, limitRows: 7 });
    misses = runs.length === 0 ? misses + 1 : 0;
    all.push(...runs);
  }
  return all;
}
