import assert from "node:assert/strict";
import type { Limit, NewRun, RunRow } from "../../core/index.ts";
import { type Contract, type ContractSubject, next, plain, refused, until, type World } from "./world.contract.ts";

const one: Limit = { id: "shop/definition/ship", slots: 1, hold: "run" };
const queue: Limit = { id: "shop/queue/etl", slots: 2, hold: "activation" };

/** What stores promise about limits: never more holders than slots, nobody left standing at a gate that is open (core's L1–L3). */
export function limitsContract(contract: Contract, subject: ContractSubject): void {
  contract("as many runs are claimable as a limit has slots; the others stand at its gate, ready", async (world) => {
    const runs = await enqueue(world, 5, { limits: [queue] });
    const member = await world.member();
    assert.deepEqual(ids(await world.claim(member)), ids(runs.slice(0, 2)));
    assert.deepEqual(await world.claim(member), []);
    const third = await world.get(at(runs, 2).id);
    assert.deepEqual([third.status, third.gate, third.wakeAt], ["ready", queue.id, null]);
    assert.deepEqual(plain(await world.store.findLimit({ id: queue.id, limitRows: 2 })), {
      id: queue.id,
      slots: 2,
      holders: ids(runs.slice(0, 2)).sort(),
      standing: ids(runs.slice(2, 4)),
    });
    assert.equal(await world.store.findLimit({ id: "shop/queue/other", limitRows: 2 }), undefined);
  });

  contract("a run without limits passes those that stand at gates", async (world) => {
    await enqueue(world, 20, { limits: [one], priority: 100 });
    const free = await world.enqueue();
    const claimed = await world.claim(await world.member());
    assert.equal(claimed.length, 2);
    assert.equal(claimed[1]?.id, free.id);
  });

  contract("the end of an activation hands its slot on in the same step", async (world) => {
    const runs = await enqueue(world, 3, { limits: [{ ...queue, slots: 1 }] });
    for (const run of runs) {
      const [claimed, ...more] = await world.claim(await world.member());
      assert.deepEqual([claimed?.id, more.length], [run.id, 0]);
      assert.equal((await world.finish(claimed as RunRow, next.success())).outcome, "finished");
    }
    const limit = await world.store.findLimit({ id: queue.id, limitRows: 10 });
    assert.deepEqual([limit?.holders, limit?.standing], [[], []]);
  });

  contract("the highest priority stands first at a gate, then who came first", async (world) => {
    const [holder] = await enqueue(world, 1, { limits: [one] });
    const [low, high] = [
      await enqueue(world, 2, { limits: [one] }),
      await enqueue(world, 2, { limits: [one], priority: 5 }),
    ];
    const order = [at([holder], 0), ...high, ...low];
    for (const run of order) await claimAndFinish(world, run.id);
  });

  contract(
    "a slot of an activation is free while the run waits to be retried; a slot of a run is not",
    async (world) => {
      for (const [hold, passes] of [
        ["activation", true],
        ["run", false],
      ] as const) {
        const limits = [{ id: `shop/${hold}`, slots: 1, hold }];
        const [first, second] = await enqueue(world, 2, { limits });
        const member = await world.member();
        const [claimed] = await world.claim(member);
        assert.equal(claimed?.id, first?.id);
        await world.finish(claimed as RunRow, next.retry(60_000));
        assert.deepEqual(ids(await world.claim(member)), passes ? [second?.id] : [], hold);
        if (!passes) {
          await world.pass(60_001);
          await world.store.wakeRuns({ limitRows: 10 });
          assert.deepEqual(ids(await world.claim(member)), [first?.id], "who holds a slot stands in no line for it");
        }
        for (const run of [first, second]) await world.cancel(run?.id ?? "");
      }
    },
  );

  contract(
    "a run that is tried again at once holds what it held as a run, and stands in line for the rest",
    async (world) => {
      const limits = [one, { ...queue, slots: 1 }];
      const [first] = await enqueue(world, 1, { limits });
      const [claimed] = await world.claim(await world.member());
      await world.finish(claimed as RunRow, next.retry(0));
      const again = await world.get(first?.id ?? "");
      assert.deepEqual([again.status, again.gate], ["ready", null]);
      await claimAndFinish(world, again.id);
      assert.deepEqual((await world.store.findLimit({ id: one.id, limitRows: 9 }))?.holders, []);
    },
  );

  contract("a run needs all of its slots and keeps none while it stands in line for another", async (world) => {
    const wide: Limit = { id: "shop/wide", slots: 2, hold: "run" };
    const [a] = await enqueue(world, 1, { limits: [one] });
    const [b] = await enqueue(world, 1, { limits: [one, wide] });
    const [c, d] = await enqueue(world, 2, { limits: [wide] });
    assert.deepEqual((await world.store.findLimit({ id: wide.id, limitRows: 9 }))?.holders, ids([c, d]).sort());
    await world.cancel(a?.id ?? "");
    const moved = await world.get(b?.id ?? "");
    assert.equal(moved.gate, wide.id, "its first slot is free, its second is not");
    assert.deepEqual((await world.store.findLimit({ id: one.id, limitRows: 9 }))?.holders, []);
    await world.cancel(c?.id ?? "");
    assert.equal((await world.get(b?.id ?? "")).gate, null);
    for (const run of [b, d]) await world.cancel(run?.id ?? "");
  });

  contract("who is cancelled at a gate leaves the line, and who is cancelled with a slot frees it", async (world) => {
    const [first, second, third] = await enqueue(world, 3, { limits: [one] });
    await world.cancel(second?.id ?? "");
    assert.equal((await world.get(second?.id ?? "")).gate, null);
    await world.cancel(first?.id ?? "");
    assert.equal((await world.get(third?.id ?? "")).gate, null);
  });

  contract(
    "a takeover frees the slots of the activation, and a late word of the old epoch frees nothing",
    async (world) => {
      const [first, second] = await enqueue(world, 2, { limits: [{ ...queue, slots: 1 }] });
      const gone = await world.member();
      const [old] = await world.claim(gone);
      await world.store.leaveMember({ id: gone });
      const limit = await world.store.findLimit({ id: queue.id, limitRows: 9 });
      assert.deepEqual(limit?.holders, [first?.id], "it is first in line again");
      assert.deepEqual(await world.finish(old as RunRow, next.success()), { outcome: "stale_epoch" });
      assert.equal((await world.get(second?.id ?? "")).gate, queue.id);
      const [again, ...more] = await world.claim(await world.member());
      assert.deepEqual([again?.id, again?.epoch, more.length], [first?.id, 3, 0]);
    },
  );

  contract("a workflow that waits keeps the slots of its run; children have their own", async (world) => {
    const limits = [one, { ...queue, slots: 1 }];
    const parent = await world.enqueue({ limits, kind: "workflow" });
    const other = await world.enqueue({ limits: [one] });
    const [claimed] = await world.claim(await world.member());
    assert.equal(claimed?.id, parent.id);
    const expansion = world.expansion(claimed as RunRow, [
      { name: "a", limits: [{ ...queue, slots: 1 }] },
      { name: "b", limits: [{ ...queue, slots: 1 }] },
    ]);
    await world.store.expandRuns({ rows: [expansion] });
    const children = expansion.children.map(({ id }) => id);
    const gates = async () => Promise.all(children.map(async (id) => (await world.get(id)).gate));
    assert.deepEqual(await gates(), [null, queue.id]);
    assert.equal((await world.get(other.id)).gate, one.id);
    await claimAndFinish(world, children[0] ?? "");
    await claimAndFinish(world, children[1] ?? "");
    await claimAndFinish(world, parent.id);
    assert.equal((await world.get(other.id)).gate, null);
  });

  contract("a run that is released by its upstreams stands in line then, not before", async (world) => {
    const { ids: children } = await world.workflow([
      { name: "a" },
      { name: "b", after: ["a"], limits: [one] },
      { name: "c", after: ["a"], limits: [one] },
    ]);
    assert.equal(await world.store.findLimit({ id: one.id, limitRows: 9 }), undefined);
    await world.activate(children.a ?? "").then((run) => world.finish(run, next.success()));
    const limit = await world.store.findLimit({ id: one.id, limitRows: 9 });
    assert.deepEqual([limit?.holders, limit?.standing], [[children.b], [children.c]]);
  });

  contract("a run that starts later stands in line when its time has come", async (world) => {
    const [holder] = await enqueue(world, 1, { limits: [one] });
    const { now } = await world.store.describe();
    const later = await world.enqueue({ limits: [one], startAfter: now + 60_000 });
    assert.equal((await world.get(later.id)).gate, null);
    await world.pass(60_001);
    await world.store.wakeRuns({ limitRows: 10 });
    const woken = await world.get(later.id);
    assert.deepEqual([woken.wakeAt, woken.gate], [null, one.id]);
    await claimAndFinish(world, holder?.id ?? "");
    await claimAndFinish(world, later.id);
  });

  contract("who is to be claimed at once is not, where it is subject to limits", async (world) => {
    const member = await world.member();
    const run = await world.enqueue({ limits: [one] }, { claimFor: member });
    assert.equal(run.claimedBy, null);
    assert.deepEqual(ids(await world.claim(member)), [run.id]);
  });

  contract("more slots let in who stands in line at once; fewer take none away from a holder", async (world) => {
    const runs = await enqueue(world, 6, { limits: [one] });
    await world.store.declareLimits({ withdrawn: [], limits: [{ id: one.id, slots: 3 }] });
    assert.deepEqual(ids(await world.claim(await world.member())), ids(runs.slice(0, 3)));
    await world.store.declareLimits({ withdrawn: [], limits: [{ id: one.id, slots: 1 }] });
    const held = async () => (await world.store.findLimit({ id: one.id, limitRows: 9 }))?.holders.length;
    assert.equal(await held(), 3);
    await world.finish(await world.get(at(runs, 0).id), next.success());
    await world.finish(await world.get(at(runs, 1).id), next.success());
    assert.equal(await held(), 1);
    assert.equal((await world.get(at(runs, 3).id)).gate, one.id);
    await world.finish(await world.get(at(runs, 2).id), next.success());
    assert.deepEqual(ids(await world.claim(await world.member())), ids(runs.slice(3, 4)));
  });

  contract("with fewer slots, who holds one beyond them counts for one of those that are left", async (world) => {
    const wide = { id: one.id, slots: 3, hold: "run" } as const;
    await world.store.declareLimits({ withdrawn: [], limits: [{ id: one.id, slots: 3 }] });
    const [first, second, third] = await enqueue(world, 3, { limits: [wide] });
    for (const run of [first, second]) await world.cancel(run?.id);
    await world.store.declareLimits({ withdrawn: [], limits: [{ id: one.id, slots: 1 }] });
    const [late] = await enqueue(world, 1, { limits: [wide] });
    assert.equal((await world.get(late?.id)).gate, one.id);
    await world.cancel(third?.id);
    assert.equal((await world.get(late?.id)).gate, null);
  });

  contract("a limit that was closed lets nobody in until it has slots", async (world) => {
    await world.store.declareLimits({ withdrawn: [], limits: [{ id: one.id, slots: 0 }] });
    const [run] = await enqueue(world, 1, { limits: [one] });
    assert.deepEqual(await world.claim(await world.member()), []);
    await world.store.declareLimits({ withdrawn: [], limits: [{ id: one.id, slots: 1 }] });
    await claimAndFinish(world, run?.id ?? "");
  });

  contract("who stands at a limit that is withdrawn is let in, and so is who comes to it later", async (world) => {
    const [a, b] = ["shop/queue/a", "shop/queue/b"];
    const limits = [
      { id: b, slots: 2 },
      { id: a, slots: 1 },
    ];
    await world.store.declareLimits({ limits, withdrawn: [] });
    assert.deepEqual(plain(await world.store.listLimits({ prefix: "shop/queue/" })), limits.toReversed());
    const runs = await enqueue(world, 3, { limits: [{ id: a, slots: 1, hold: "activation" }] });
    await world.store.declareLimits({ limits: [{ id: b, slots: 3 }], withdrawn: [a, "shop/queue/unknown"] });
    assert.deepEqual(plain(await world.store.listLimits({ prefix: "shop/queue/" })), [{ id: b, slots: 3 }]);
    assert.deepEqual(await world.store.listLimits({ prefix: "shop/queue/c" }).then(plain), []);
    const claimed = await world.claim(await world.member());
    assert.deepEqual(ids(claimed), ids(runs));
    for (const run of claimed) await world.finish(run, next.retry(1));
    await world.store.prune({ runsMs: 60_000, logsMs: 60_000, limitRows: 100 });
    await world.pass(10);
    await world.store.wakeRuns({ limitRows: 10 });
    assert.equal((await world.claim(await world.member())).length, 3, "no run brings its old limit back");
  });

  contract(
    "a slot goes to the highest priority, then to who came first, at whichever of the freed gates they stand",
    async (world) => {
      const shared: Limit = { id: "shop/queue/etl", slots: 1, hold: "activation" };
      const own: Limit = { id: "shop/definition/bulk", slots: 1, hold: "run" };
      const [holder] = await enqueue(world, 1, { limits: [own, shared] });
      const [older] = await enqueue(world, 1, { limits: [shared] });
      const bulk = await enqueue(world, 3, { limits: [own, shared] });
      const [urgent] = await enqueue(world, 1, { limits: [shared], priority: 100 });
      for (const run of [holder, urgent, older, ...bulk]) await claimAndFinish(world, run?.id ?? "");
    },
  );

  contract("a long line is moved a part at a time, and comes to its end", async (world) => {
    const own: Limit = { id: "shop/definition/bulk", slots: 1, hold: "run" };
    const shared: Limit = { id: "shop/queue/etl", slots: 1, hold: "activation" };
    const [holder, other] = [
      await world.enqueue({ limits: [own] }),
      await world.enqueue({ limits: [shared], priority: 1 }),
    ];
    const rows = Array.from({ length: 350 }, () => world.row({ limits: [own, shared] }));
    await world.store.enqueueRuns({ rows });
    await world.cancel(holder.id);
    // As long as nobody holds the first gate's slot, all pass it, to stand at the second.
    await until(async () => {
      await world.store.wakeRuns({ limitRows: 10 });
      const first = await world.store.findLimit({ id: own.id, limitRows: 9 });
      return first?.standing.length === 0 && first.holders.length === 0;
    });
    await world.cancel(other.id);
    const held = async () => (await world.store.findLimit({ id: own.id, limitRows: 9 }))?.holders.length;
    await until(async () => {
      await world.store.wakeRuns({ limitRows: 10 });
      return (await held()) === 1;
    });
    assert.equal((await world.claim(await world.member())).length, 1);
  });

  contract("a limit that came with runs goes when nobody needs it, a declared one stays", async (world) => {
    const prune = () => world.store.prune({ runsMs: 60_000, logsMs: 60_000, limitRows: 100 });
    await world.store.declareLimits({ withdrawn: [], limits: [{ id: queue.id, slots: 2 }] });
    const [first, second] = await enqueue(world, 2, { limits: [one, queue] });
    await prune();
    assert.deepEqual((await world.store.findLimit({ id: one.id, limitRows: 9 }))?.standing, [second?.id]);
    for (const run of [first, second]) await claimAndFinish(world, run?.id ?? "");
    // Somebody may be looking at its gate at this moment, and it is passed over: then it goes the next time.
    for (let times = 0; times < 100 && (await world.store.findLimit({ id: one.id, limitRows: 9 })); times++)
      await prune();
    assert.equal(await world.store.findLimit({ id: one.id, limitRows: 9 }), undefined);
    assert.equal((await world.store.findLimit({ id: queue.id, limitRows: 9 }))?.slots, 2);
    const [again] = await enqueue(world, 1, { limits: [one, queue] });
    await claimAndFinish(world, again?.id ?? "");
  });

  contract(
    "a limit that was forgotten while its run stood elsewhere is there again when the run gets to it",
    async (world) => {
      const [holder] = await enqueue(world, 1, { limits: [{ ...queue, slots: 1 }] });
      const [run] = await enqueue(world, 1, { limits: [one, { ...queue, slots: 1 }] });
      assert.equal((await world.get(run?.id ?? "")).gate, queue.id);
      await world.store.prune({ runsMs: 60_000, logsMs: 60_000, limitRows: 100 });
      await claimAndFinish(world, holder?.id ?? "");
      await claimAndFinish(world, run?.id ?? "");
    },
  );

  contract("a limit that is refused names its row, and nothing is declared", async ({ store }) => {
    const limits = [
      { id: "shop/a", slots: 1 },
      { id: "shop/b", slots: 1_001 },
    ];
    await refused(store.declareLimits({ withdrawn: [], limits }), "too_large");
    assert.deepEqual(plain(await store.listLimits({ prefix: "shop/" })), []);
  });

  contract(
    "of many who claim and end at once never more hold a limit than it has slots, and all have their turn",
    async (world) => {
      const doors = await world.doors();
      const limits = [{ ...queue, slots: 3 }];
      const runs = await enqueue(world, 40, { limits });
      const members: string[] = [];
      for (let i = 0; i < 4; i++) members.push(await world.member());
      let [active, ended] = [0, 0];
      const work = async (memberId: string, index: number) => {
        const store = doors[index % doors.length] ?? world.store;
        while (ended < runs.length) {
          const claimed = await store.claimRuns({ memberId, namespace: "shop", queues: null, limitRows: 2 });
          active += claimed.length;
          assert.ok(active <= 3, `${active} activations hold three slots`);
          // Lost wake-ups between transactions are made good by the timer.
          if (claimed.length === 0) await store.wakeRuns({ limitRows: 10 });
          for (const { id, epoch } of claimed) {
            active -= 1;
            const [result] = await store.finishActivations({
              rows: [{ runId: id, epoch, ranMs: 1, next: next.success() }],
            });
            assert.equal(result?.outcome, "finished");
            ended += 1;
          }
        }
      };
      await Promise.all(members.map(work));
      const limit = await world.store.findLimit({ id: queue.id, limitRows: 9 });
      assert.deepEqual([limit?.holders, limit?.standing, ended], [[], [], 40]);
    },
  );

  if (subject.second) {
    contract("enqueueing at once from several sides opens a limit once", async (world) => {
      const doors = await world.doors();
      await Promise.all(
        Array.from({ length: 12 }, (_, index) =>
          (doors[index % doors.length] ?? world.store).enqueueRuns({ rows: [world.row({ limits: [one] })] }),
        ),
      );
      await world.store.wakeRuns({ limitRows: 10 });
      const limit = await world.store.findLimit({ id: one.id, limitRows: 20 });
      assert.deepEqual([limit?.holders.length, limit?.standing.length], [1, 11]);
    });
  }
}

async function enqueue(world: World, count: number, fields: Partial<NewRun>): Promise<RunRow[]> {
  const runs: RunRow[] = [];
  for (let i = 0; i < count; i++) runs.push(await world.enqueue(fields));
  return runs;
}

async function claimAndFinish(world: World, id: string): Promise<void> {
  const claimed = await world.claim(await world.member());
  assert.deepEqual(ids(claimed), [id]);
  assert.equal((await world.finish(claimed[0] as RunRow, next.success())).outcome, "finished");
}

function ids(runs: readonly ({ readonly id: string } | undefined)[]): string[] {
  return runs.map((run) => run?.id ?? "");
}

function at(runs: readonly (RunRow | undefined)[], index: number): RunRow {
  const run = runs[index];
  assert.ok(run);
  return run;
}
