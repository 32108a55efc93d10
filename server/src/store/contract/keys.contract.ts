import assert from "node:assert/strict";
import type { Limit, RunRow } from "../../core/index.ts";
import { type Contract, next, refused, type World } from "./world.contract.ts";

const key: Limit = { id: "shop/key/ship:acme", slots: 1, hold: "run" };
const other: Limit = { id: "shop/key/ship:globex", slots: 1, hold: "run" };
const queue: Limit = { id: "shop/queue/etl", slots: 1, hold: "activation" };
const own: Limit = { id: "shop/definition/bulk", slots: 1, hold: "run" };

/** What stores promise about limits that come with a run's input, whenever that is known (core's L1–L3). */
export function keysContract(contract: Contract): void {
  contract(
    "a run that is put in line gives back every slot that it held, and takes them again with the new one",
    async (world) => {
      const holder = await world.enqueue({ limits: [key] });
      const first = await world.enqueue({ limits: [own, queue] });
      const second = await world.enqueue({ limits: [own, queue] });
      await claimed(world, holder.id, first.id);
      const { lastEvent } = await world.get(first.id);
      assert.deepEqual(await putInLine(world, first.id, [key, own, queue]), { outcome: "finished", status: "ready" });
      const waiting = await world.get(first.id);
      assert.deepEqual([waiting.gate, waiting.claimedBy, waiting.startedAt], [key.id, null, null]);
      assert.deepEqual([waiting.attempt, waiting.lastEvent], [1, lastEvent + 1]);
      assert.deepEqual(
        waiting.limits.map(({ id }) => id),
        [key.id, own.id, queue.id],
      );
      // What it gave back is the next one's.
      await end(world, (await claimed(world, second.id))[0]);
      await end(world, await world.get(holder.id));
      const [again] = await claimed(world, first.id);
      for (const { id } of [key, own, queue]) assert.deepEqual(await holders(world, id), [first.id], id);
      await end(world, again);
      for (const { id } of [key, own, queue]) assert.deepEqual(await holders(world, id), [], id);
    },
  );

  contract("a run that is put in line goes on at once where its slots are free", async (world) => {
    const run = await world.enqueue({ limits: [queue] });
    await claimed(world, run.id);
    await putInLine(world, run.id, [key, queue]);
    const [again] = await claimed(world, run.id);
    assert.equal(again?.epoch, 2);
    await end(world, again);
  });

  contract("a run that is put in line for nothing any more frees what it held", async (world) => {
    const [run, next] = [await world.enqueue({ limits: [key] }), await world.enqueue({ limits: [key] })];
    await claimed(world, run.id);
    await putInLine(world, run.id, []);
    const runs = await claimed(world, run.id, next.id);
    assert.deepEqual((await world.get(run.id)).limits, []);
    for (const one of runs) await end(world, one);
  });

  contract(
    "a run without limits that is put in line holds the slot until its end, its retries included",
    async (world) => {
      const run = await world.enqueue();
      await claimed(world, run.id);
      await putInLine(world, run.id, [key]);
      const late = await world.enqueue({ limits: [key] });
      const [again] = await claimed(world, run.id);
      await world.finish(again as RunRow, next.retry(0));
      assert.equal((await world.get(late.id)).gate, key.id);
      await end(world, (await claimed(world, run.id))[0]);
      await claimed(world, late.id);
    },
  );

  contract(
    "a cancel that came first beats the line, and a late word of an old epoch puts nobody into it",
    async (world) => {
      const run = await world.enqueue({ limits: [queue] });
      await claimed(world, run.id);
      await world.cancel(run.id);
      assert.deepEqual(await putInLine(world, run.id, [key]), { outcome: "finished", status: "cancelled" });
      assert.equal(await world.store.findLimit({ id: key.id, limitRows: 9 }), undefined);
      const gone = await world.member();
      const later = await world.enqueue({ limits: [queue] });
      const [old] = await world.claim(gone);
      assert.equal(old?.id, later.id);
      await world.store.leaveMember({ id: gone });
      assert.deepEqual(await world.finish(old as RunRow, next.line([key])), {
        outcome: "stale_epoch",
      });
      assert.deepEqual(
        (await world.get(later.id)).limits.map(({ id }) => id),
        [queue.id],
      );
    },
  );

  contract("many runs that stand at one key keep no run of another", async (world) => {
    const rows = Array.from({ length: 200 }, () => world.row({ limits: [key, queue], priority: 10 }));
    await world.store.enqueueRuns({ rows });
    const [first] = await world.claim(await world.member());
    await world.finish(first as RunRow, next.retry(60_000));
    const run = await world.enqueue({ limits: [other, queue] });
    await end(world, (await claimed(world, run.id))[0]);
  });

  contract(
    "a key has as many slots as the run says that came to it last; what is declared or withdrawn stays",
    async (world) => {
      const slots = async (id: string) => (await world.store.findLimit({ id, limitRows: 9 }))?.slots;
      await world.store.declareLimits({ limits: [{ id: own.id, slots: 1 }], withdrawn: [] });
      for (let i = 0; i < 4; i++) await world.enqueue({ limits: [key, own] });
      await world.enqueue({
        limits: [
          { ...key, slots: 3 },
          { ...own, slots: 3 },
        ],
      });
      assert.deepEqual([await slots(key.id), await slots(own.id)], [3, 1]);
      await world.enqueue({ limits: [{ ...key, slots: 2 }] });
      assert.equal(await slots(key.id), 2);
      await world.store.declareLimits({ limits: [], withdrawn: [key.id] });
      const wide = await slots(key.id);
      await world.enqueue({ limits: [key] });
      assert.equal(await slots(key.id), wide);
    },
  );

  contract("who stands at a key is let in when a run brings more slots", async (world) => {
    const runs = [];
    for (let i = 0; i < 3; i++) runs.push(await world.enqueue({ limits: [key] }));
    const last = await world.enqueue({ limits: [{ ...key, slots: 3 }] });
    await claimed(world, ...runs.map(({ id }) => id));
    assert.equal((await world.get(last.id)).gate, key.id);
  });

  contract("keys that nobody needs are forgotten, so many a call", async (world) => {
    const limits = Array.from({ length: 25 }, (_, place) => ({ ...key, id: `shop/key/ship:${place}` }));
    await world.store.enqueueRuns({ rows: limits.map((limit) => world.row({ limits: [limit] })) });
    for (const run of await world.claim(await world.member(), 100)) await end(world, run);
    const left = async () => {
      const found = await Promise.all(limits.map(({ id }) => world.store.findLimit({ id, limitRows: 1 })));
      return found.filter((limit) => limit !== undefined).length;
    };
    assert.equal(await left(), 25);
    // Somebody may be looking at a gate at this moment, and it is passed over: then it goes the next time.
    for (let calls = 0; (await left()) > 0; calls++) {
      assert.ok(calls < 100);
      await world.store.prune({ runsMs: 60_000, logsMs: 60_000, limitRows: 10 });
    }
  });

  contract("a run that is set back with what it depends on keeps no slot until it begins again", async (world) => {
    const { ids } = await world.workflow([{ name: "a" }, { name: "b", after: ["a"], limits: [key] }]);
    await world.finish(await world.activate(ids.a ?? ""), next.success());
    const b = await world.activate(ids.b ?? "");
    await world.finish(b, next.retry(60_000));
    assert.deepEqual(await holders(world, key.id), [ids.b]);
    const [restarted] = await world.store.restartRuns({
      rows: [{ runId: ids.a ?? "", fresh: true, ifAttempt: null, data: {} }],
    });
    assert.equal(restarted?.outcome, "restarted");
    assert.deepEqual(await holders(world, key.id), []);
    const other = await world.enqueue({ limits: [key] });
    await world.finish(await world.activate(ids.a ?? ""), next.success());
    assert.equal((await world.get(ids.b ?? "")).gate, key.id);
    await end(world, (await claimed(world, other.id))[0]);
    await end(world, (await claimed(world, ids.b ?? ""))[0]);
  });

  contract("a line of too many limits is refused", async (world) => {
    const run = await world.enqueue();
    await claimed(world, run.id);
    const limits = Array.from({ length: 11 }, (_, place) => ({ ...key, id: `shop/key/ship:${place}` }));
    await refused(putInLine(world, run.id, limits), "too_large");
    assert.equal((await world.get(run.id)).status, "running");
  });
}

async function putInLine(world: World, id: string, limits: readonly Limit[]) {
  const { outcome, ...rest } = await world.finish(await world.get(id), next.line(limits));
  return outcome === "finished" ? { outcome, status: "status" in rest ? rest.status : undefined } : { outcome };
}

/** Asserts that these and no others are claimable. */
async function claimed(world: World, ...ids: string[]): Promise<RunRow[]> {
  const runs = await world.claim(await world.member());
  assert.deepEqual(new Set(runs.map(({ id }) => id)), new Set(ids));
  return runs;
}

async function end(world: World, run: RunRow | undefined): Promise<void> {
  assert.equal((await world.finish(run as RunRow, next.success())).outcome, "finished");
}

async function holders(world: World, id: string): Promise<readonly string[] | undefined> {
  return (await world.store.findLimit({ id, limitRows: 9 }))?.holders;
}
