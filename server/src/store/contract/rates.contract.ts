import assert from "node:assert/strict";
import type { Limit, RunRow } from "../../core/index.ts";
import { type Contract, next, plain, type World } from "./world.contract.ts";

const minuteMs = 60_000;
const rate: Limit = { id: "shop/rate/call", slots: 2, hold: "activation", perMs: minuteMs };
const own: Limit = { id: "shop/definition/call", slots: 1, hold: "run" };

/** What stores promise about rates: never more starts than slots within the time of one, and nobody in line when there is room (core's L2). */
export function ratesContract(contract: Contract): void {
  contract(
    "as many runs start within the time of a rate as it has slots, and the next ones so long after the first",
    async (world) => {
      const runs = await enqueue(world, 5, { limits: [rate] });
      const [first, second] = await claimed(world, runs.slice(0, 2));
      await end(world, first);
      await end(world, second);
      assert.deepEqual(await world.claim(await world.member()), [], "what has ended was a start all the same");
      const { now } = await world.store.describe();
      const { nextInMs } = await world.store.wakeRuns({ limitRows: 10 });
      const at = (first?.claimedAt ?? 0) + minuteMs;
      assert.ok(nextInMs !== null && nextInMs > 0 && nextInMs <= at - now, `${nextInMs} ms`);
      const view = plain(await world.store.findLimit({ id: rate.id, limitRows: 9 }));
      assert.deepEqual(
        view?.starts,
        [first, second].map((run) => (run?.claimedAt ?? 0) + minuteMs),
      );
      assert.deepEqual([view?.perMs, view?.holders, view?.standing], [minuteMs, [], ids(runs.slice(2))]);
      await world.pass(minuteMs - 1_000);
      await wake(world);
      assert.deepEqual(await world.claim(await world.member()), []);
      await world.pass(1_001);
      await wake(world);
      await claimed(world, runs.slice(2, 4));
      assert.deepEqual(await world.claim(await world.member()), []);
    },
  );

  contract(
    "the time of a start counts from its claim, not from the moment at which it might have started",
    async (world) => {
      const one = { ...rate, slots: 1 };
      const runs = await enqueue(world, 2, { limits: [one] });
      await world.pass(2 * minuteMs);
      await wake(world);
      await claimed(world, runs.slice(0, 1));
      await world.pass(minuteMs - 1_000);
      await wake(world);
      assert.deepEqual(await world.claim(await world.member()), []);
      await world.pass(1_001);
      await wake(world);
      await claimed(world, runs.slice(1));
    },
  );

  contract("a start that works longer than its time holds nobody up", async (world) => {
    const runs = await enqueue(world, 2, { limits: [{ ...rate, slots: 1 }] });
    const [long] = await claimed(world, runs.slice(0, 1));
    await world.pass(minuteMs + 1);
    await wake(world);
    await end(world, (await claimed(world, runs.slice(1)))[0]);
    await end(world, long);
  });

  contract("a retry is a start of its own; where the run's first is meant, it is none", async (world) => {
    for (const [hold, passes] of [
      ["activation", false],
      ["run", true],
    ] as const) {
      const limits = [{ ...rate, id: `shop/rate/${hold}`, slots: 1, hold }];
      const [run] = await enqueue(world, 1, { limits });
      await world.finish((await claimed(world, [run]))[0] as RunRow, next.retry(0));
      assert.equal((await world.get(run?.id ?? "")).gate === null, passes, hold);
      await world.pass(minuteMs + 1);
      await wake(world);
      await end(world, (await claimed(world, [run]))[0]);
    }
  });

  contract("who is cancelled or put aside before it started leaves its slot to the next at once", async (world) => {
    const one = { ...rate, slots: 1 };
    const [first, second, third] = await enqueue(world, 3, { limits: [one] });
    await world.cancel(first?.id ?? "");
    assert.equal((await world.get(second?.id ?? "")).gate, null);
    const target = { namespace: "shop", kind: "run", name: second?.id ?? "" } as const;
    await world.store.pauseRuns({ target, reason: null });
    // A store may hand it on in the claim that puts the paused one aside.
    const runs = [...(await world.claim(await world.member())), ...(await world.claim(await world.member()))];
    assert.deepEqual(ids(runs), [third?.id]);
  });

  contract("a run that is put in line by its input has not started, and its rates are as they were", async (world) => {
    const one = { ...rate, slots: 1 };
    const [run] = await enqueue(world, 1, { limits: [one] });
    await claimed(world, [run]);
    const key: Limit = { id: "shop/key/call:acme", slots: 1, hold: "run" };
    const holder = await world.enqueue({ limits: [key] });
    await world.finish(await world.get(run?.id ?? ""), next.line([key, one]));
    const [second] = await enqueue(world, 1, { limits: [one] });
    await claimed(world, [holder, second]);
  });

  contract(
    "a run needs a slot of its rate and of its other limits, and holds no rate while it waits for those",
    async (world) => {
      const [first, second] = await enqueue(world, 2, { limits: [own, rate] });
      const [other] = await enqueue(world, 1, { limits: [rate] });
      const [running] = await claimed(world, [first, other]);
      await end(world, running);
      assert.equal((await world.get(second?.id ?? "")).gate, rate.id);
      assert.deepEqual((await world.store.findLimit({ id: own.id, limitRows: 9 }))?.holders, []);
      await world.pass(minuteMs + 1);
      await wake(world);
      await claimed(world, [second]);
    },
  );

  contract("a takeover is a start of its own", async (world) => {
    const [run] = await enqueue(world, 1, { limits: [{ ...rate, slots: 1 }] });
    const gone = await world.member();
    assert.equal((await world.claim(gone)).length, 1);
    await world.store.leaveMember({ id: gone });
    assert.deepEqual(await world.claim(await world.member()), []);
    await world.pass(minuteMs + 1);
    await wake(world);
    await claimed(world, [run]);
  });

  contract("a rate that is declared anew holds for starts that were made before", async (world) => {
    const declare = (slots: number, perMs?: number) => {
      const limit = perMs === undefined ? { id: rate.id, slots } : { id: rate.id, slots, perMs };
      return world.store.declareLimits({ limits: [limit], withdrawn: [] });
    };
    await declare(2, minuteMs);
    assert.deepEqual(plain(await world.store.listLimits({ prefix: "shop/rate/" })), [
      { id: rate.id, slots: 2, perMs: minuteMs },
    ]);
    const runs = await enqueue(world, 6, { limits: [rate] });
    await claimed(world, runs.slice(0, 2));
    await world.pass(10_000);
    await declare(2, 10_000);
    await wake(world);
    await claimed(world, runs.slice(2, 4));
    await declare(1, minuteMs);
    await world.pass(minuteMs + 1);
    await wake(world);
    await claimed(world, runs.slice(4, 5));
    await world.store.declareLimits({ limits: [], withdrawn: [rate.id] });
    await claimed(world, runs.slice(5));
    const [late] = await enqueue(world, 1, { limits: [rate] });
    await claimed(world, [late]);
  });

  contract("a rate that came with runs is forgotten when its starts are over, not before", async (world) => {
    const prune = () => world.store.prune({ runsMs: 10 * minuteMs, logsMs: minuteMs, limitRows: 100 });
    const [run] = await enqueue(world, 1, { limits: [rate] });
    await end(world, (await claimed(world, [run]))[0]);
    await prune();
    assert.equal((await world.store.findLimit({ id: rate.id, limitRows: 9 }))?.starts?.length, 1);
    await world.pass(minuteMs + 1);
    await wake(world);
    for (let times = 0; times < 100 && (await world.store.findLimit({ id: rate.id, limitRows: 9 })); times++)
      await prune();
    assert.equal(await world.store.findLimit({ id: rate.id, limitRows: 9 }), undefined);
  });

  contract(
    "of many who claim at once at several doors never more start within the time than the rate says",
    async (world) => {
      const doors = await world.doors();
      const limits = [{ ...rate, slots: 3 }];
      await world.store.enqueueRuns({ rows: Array.from({ length: 20 }, () => world.row({ limits })) });
      const members: string[] = [];
      for (let i = 0; i < 4; i++) members.push(await world.member());
      let ended = 0;
      for (let rounds = 0; ended < 20; rounds++) {
        assert.ok(rounds < 100);
        const found = await Promise.all(
          members.map(async (memberId, index) => {
            const store = doors[index % doors.length] ?? world.store;
            await store.wakeRuns({ limitRows: 10 });
            const runs = await store.claimRuns({ memberId, namespace: "shop", queues: null, limitRows: 2 });
            const rows = runs.map(({ id, epoch }) => ({ runId: id, epoch, ranMs: 1, next: next.success() }));
            if (rows.length > 0) await store.finishActivations({ rows });
            return runs.length;
          }),
        );
        const started = found.reduce((sum, count) => sum + count, 0);
        assert.ok(started <= 3, `${started} started within the time of three`);
        ended += started;
        if (started === 0) await world.pass(minuteMs + 1);
        else if (started < 3) ended += await rest(world, 3 - started);
        else await world.pass(minuteMs + 1);
      }
    },
  );
}

/** What one that passed over others' rows left of the time's starts. */
async function rest(world: World, most: number): Promise<number> {
  await wake(world);
  const runs = await world.claim(await world.member());
  assert.ok(runs.length <= most, `${runs.length} more started where ${most} were left`);
  for (const run of runs) await end(world, run);
  await world.pass(minuteMs + 1);
  return runs.length;
}

async function wake(world: World): Promise<void> {
  while ((await world.store.wakeRuns({ limitRows: 10 })).nextInMs === 0);
}

async function enqueue(world: World, count: number, fields: Parameters<World["enqueue"]>[0]): Promise<RunRow[]> {
  const runs: RunRow[] = [];
  for (let i = 0; i < count; i++) runs.push(await world.enqueue(fields));
  return runs;
}

/** Asserts that these and no others are claimable. */
async function claimed(world: World, expected: readonly (RunRow | undefined)[]): Promise<RunRow[]> {
  const runs = await world.claim(await world.member());
  assert.deepEqual(new Set(ids(runs)), new Set(ids(expected)));
  return runs;
}

async function end(world: World, run: RunRow | undefined): Promise<void> {
  assert.equal((await world.finish(run as RunRow, next.success())).outcome, "finished");
}

function ids(runs: readonly (RunRow | undefined)[]): string[] {
  return runs.map((run) => run?.id ?? "");
}
