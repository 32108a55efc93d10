import assert from "node:assert/strict";
import type { Limit, NewRun, RunRow } from "../../core/index.ts";
import { restart } from "./restarts.contract.ts";
import { type Contract, next, type World } from "./world.contract.ts";

const minuteMs = 60_000;

/** The fair line of a key, of which two may start next. */
function line(key: string, hold: Limit["hold"] = "activation"): Limit {
  return { id: `shop/fair/ship:${key}`, slots: 2, hold, perMs: 0, ageingMs: minuteMs };
}

const queue: Limit = { id: "shop/queue/etl", slots: 1, hold: "activation" };
const definition: Limit = { id: "shop/definition/ship", slots: 1, hold: "run" };
const perMinute: Limit = { id: "shop/rate/ship", slots: 1, hold: "activation", perMs: 5 };

/** What stores promise about fair lines: a run waits for so many of each other key as a line lets out, however many stand in it. */
export function fairContract(contract: Contract): void {
  contract("a run of a key with few does not wait behind all of a key with many", async (world) => {
    const many = await enqueue(world, 40, { limits: [line("acme")] });
    const [few] = await enqueue(world, 1, { limits: [line("globex")] });
    const claimed = await claim(world, 4);
    assert.deepEqual(names(claimed), names([many[0], many[1], few, many[2]]));
  });

  contract("keys take turns, whenever their runs came, and all come to their end", async (world) => {
    const runs = [
      ...(await enqueue(world, 9, { limits: [line("a")] })),
      ...(await enqueue(world, 9, { limits: [line("b")] })),
      ...(await enqueue(world, 9, { limits: [line("c")] })),
    ];
    const claimed = await claim(world, runs.length);
    assert.equal(new Set(claimed.map(({ id }) => id)).size, runs.length);
    for (let count = 1; count <= claimed.length; count++) {
      const of = new Map(["a", "b", "c"].map((key) => [key, 0]));
      for (const { limits } of claimed.slice(0, count)) {
        const key = limits[0]?.id.at(-1) ?? "";
        of.set(key, (of.get(key) ?? 0) + 1);
      }
      const counts = [...of.values()];
      assert.ok(Math.max(...counts) - Math.min(...counts) <= 3, `after ${count}: ${counts.join(", ")}`);
    }
    for (const key of ["a", "b", "c"]) {
      const limit = await world.store.findLimit({ id: line(key).id, limitRows: 9 });
      assert.deepEqual([limit?.holders, limit?.standing], [[], []]);
    }
  });

  contract("among those that are let out the higher priority goes first, and so it does in a line", async (world) => {
    const low = await enqueue(world, 6, { limits: [line("a")] });
    const [high] = await enqueue(world, 1, { limits: [line("a")], priority: 5 });
    const [other] = await enqueue(world, 1, { limits: [line("b")], priority: 9 });
    const claimed = await claim(world, 8);
    assert.equal(claimed[0]?.id, other?.id);
    const place = claimed.findIndex(({ id }) => id === high?.id);
    assert.ok(place <= 3, `the urgent one of six was number ${place + 1}`);
    assert.equal(claimed.length, low.length + 2);
  });

  contract("who is let out and does not start leaves its place to the next of its key", async (world) => {
    const runs = await enqueue(world, 4, { limits: [line("a")] });
    await world.cancel(runs[0]?.id ?? "");
    await world.cancel(runs[1]?.id ?? "");
    assert.deepEqual(names(await claim(world, 2)), names(runs.slice(2)));
  });

  contract("a retry takes its turn like any other, in front of those that came after it", async (world) => {
    const runs = await enqueue(world, 5, { limits: [line("a")] });
    const [first] = await claim(world, 1);
    await world.finish(first as RunRow, next.retry(0));
    const order = names(await claim(world, 5));
    assert.ok(order.indexOf(runs[0]?.id) <= 2, "it waits for those that are out of the line, and no more");
  });

  contract("a run that is let out stands among the others as if it had come then, once", async (world) => {
    const runs = await enqueue(world, 3, { limits: [line("a")], priority: 1 });
    await world.pass(minuteMs);
    await claim(world, 1);
    await settled(world, async () => (await world.get(runs[2]?.id ?? "")).gate === null);
    const third = await world.get(runs[2]?.id ?? "");
    const { now } = await world.store.describe();
    assert.ok(third.rank >= third.createdAt && third.rank <= now - minuteMs, `${third.rank - third.createdAt}`);
    const target = { namespace: "shop", kind: "run", name: third.id } as const;
    await world.store.pauseRuns({ target, reason: null });
    await claim(world, 1);
    await world.claim(await world.member());
    await world.pass(minuteMs);
    await world.store.resumeRuns({ target, limitRows: 10 });
    const [again] = await claim(world, 1);
    assert.equal(again?.id, third.id);
    const later = (await world.store.describe()).now;
    assert.ok(again.rank <= later - minuteMs, "its priority is worth what it was");
  });

  contract(
    "a run that leaves what is ready and comes back to it stands where it came back, not where it was",
    async (world) => {
      const [first] = await enqueue(world, 1, { limits: [line("a")] });
      await world.cancel(first?.id);
      await world.pass(1_000);
      const [second] = await enqueue(world, 1, {});
      await world.pass(1_000);
      await restart(world, first?.id ?? "", { fresh: true });
      await settled(world, async () => (await world.get(first?.id ?? "")).gate === null);
      assert.deepEqual(names(await claim(world, 2)), names([second, first]));
    },
  );

  contract("keys take turns at a limit that all share: few of each stand there, whatever is full", async (world) => {
    for (const shared of [queue, definition, perMinute]) {
      const many = await enqueue(world, 12, { limits: [line("acme", shared.hold), shared] });
      const [few] = await enqueue(world, 1, { limits: [line("globex", shared.hold), shared] });
      const order = await goThrough(world, 13);
      assert.ok(order.indexOf(few?.id) <= 3, `${shared.id}: it was number ${order.indexOf(few?.id) + 1}`);
      // Two that hand on at the same time may let out two of a key in either order.
      const ofMany = order.filter((id) => id !== few?.id);
      const moved = names(many).map((id, place) => Math.abs(ofMany.indexOf(id) - place));
      assert.ok(Math.max(...moved) <= 2, `within a key the order is as ever: ${moved.join(" ")}`);
    }
  });

  contract("who comes out of its line goes past nobody who is out of another, though a slot is free", async (world) => {
    const runs = await enqueue(world, 5, { limits: [line("acme"), queue] });
    const [few] = await enqueue(world, 1, { limits: [line("globex"), queue] });
    await world.pass(2);
    await world.cancel(runs[1]?.id ?? "");
    await world.pass(2);
    // Its slot of the queue and its place in the line are free at once.
    await world.cancel(runs[0]?.id ?? "");
    assert.deepEqual(names(await claim(world, 1)), names([few]));
  });

  contract("keys take turns in a queue, whichever definitions their runs are of", async (world) => {
    const lineOf = (definition: string, key: string) => ({ ...line(key), id: `shop/fair/${definition}:${key}` });
    await enqueue(world, 9, { limits: [lineOf("load", "acme"), queue] });
    await enqueue(world, 9, { limits: [lineOf("ship", "acme"), queue] });
    const [few] = await enqueue(world, 1, { limits: [lineOf("ship", "globex"), queue] });
    const order = await goThrough(world, 19);
    assert.ok(order.indexOf(few?.id) <= 5, `it was number ${order.indexOf(few?.id) + 1}`);
  });

  contract(
    "who is out of its line and stands at the next limit is cancelled: its place is the next one's",
    async (world) => {
      const [holder] = await enqueue(world, 1, { limits: [queue] });
      const runs = await enqueue(world, 4, { limits: [line("a"), queue] });
      assert.deepEqual(await gates(world, runs), [queue.id, queue.id, line("a").id, line("a").id]);
      await world.cancel(runs[0]?.id ?? "");
      assert.deepEqual(await gates(world, runs.slice(1)), [queue.id, queue.id, line("a").id]);
      const held = await world.store.findLimit({ id: line("a").id, limitRows: 9 });
      assert.deepEqual(new Set(held?.holders), new Set(names(runs.slice(1, 3))));
      const claimed = await claim(world, 1);
      assert.deepEqual(names(claimed), names([holder]));
      await world.finish(claimed[0] as RunRow, next.success());
      assert.deepEqual(new Set(await goThrough(world, 3)), new Set(names(runs.slice(1))));
    },
  );

  contract("a retry that holds what others of its key wait for does not wait for them", async (world) => {
    const runs = await enqueue(world, 5, { limits: [line("a", "run"), definition] });
    const [first] = await claim(world, 1);
    await world.finish(first as RunRow, next.retry(0));
    assert.deepEqual(names(await claim(world, 1)), names([runs[0]]));
  });

  contract(
    "a run keeps what it asked for before its line once it is out of that, and nothing before",
    async (world) => {
      const map: Limit = { id: "shop/map/m", slots: 2, hold: "run" };
      const [holder] = await enqueue(world, 1, { limits: [queue] });
      const runs = await enqueue(world, 3, { limits: [map, { ...line("a", "run"), slots: 1 }, queue] });
      assert.deepEqual(await gates(world, runs), [queue.id, line("a").id, line("a").id]);
      const held = await world.store.findLimit({ id: map.id, limitRows: 9 });
      assert.deepEqual(held?.holders, names([runs[0]]));
      const [claimed] = await claim(world, 1);
      assert.equal(claimed?.id, holder?.id);
      await world.finish(claimed as RunRow, next.success());
      assert.deepEqual((await goThrough(world, 3))[0], runs[0]?.id);
    },
  );
}

async function gates(world: World, runs: readonly RunRow[]): Promise<(string | null)[]> {
  return Promise.all(runs.map(async ({ id }) => (await world.get(id)).gate));
}

/** Claims and ends so many, one after the other; answers them in their order. */
async function goThrough(world: World, count: number): Promise<(string | undefined)[]> {
  const order: (string | undefined)[] = [];
  for (let ended = 0; ended < count; ended++) {
    const [run] = await claim(world, 1);
    order.push(run?.id);
    await world.finish(run as RunRow, next.success());
  }
  return order;
}

/** Claims so many, one each millisecond: what a claim leaves is handed on with it, or in a moment. */
async function claim(world: World, count: number): Promise<RunRow[]> {
  const member = await world.member();
  const claimed: RunRow[] = [];
  await settled(world, async () => {
    await world.pass(1);
    claimed.push(...(await world.claim(member, 1)));
    return claimed.length === count;
  });
  return claimed;
}

async function settled(world: World, isSo: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await isSo()); tries++) {
    assert.ok(tries < 1_000, "it never comes to that");
    await world.store.wakeRuns({ limitRows: 10 });
  }
}

async function enqueue(world: World, count: number, fields: Partial<NewRun>): Promise<RunRow[]> {
  const runs: RunRow[] = [];
  for (let i = 0; i < count; i++) runs.push(await world.enqueue({ ageingMs: minuteMs, ...fields }));
  return runs;
}

function names(runs: readonly (RunRow | undefined)[]): (string | undefined)[] {
  return runs.map((run) => run?.id);
}
