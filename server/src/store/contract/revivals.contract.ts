import assert from "node:assert/strict";
import type { Limit, NewWait } from "../../core/index.ts";
import { conclude, finishAll, restart } from "./restarts.contract.ts";
import { type Contract, namespace, next, type World } from "./world.contract.ts";

// Faults to catch: an input that was given and not bound, gone with the clear; a slot that is kept by who stands in line for it, so
// that nobody ever has it again; one that is not taken again, or given away by who keeps it; a delay, a loss or a running time of
// an earlier try that counts on; an order that stands over the next life; a wait of a generation that is over; a pause that ends though its run had not; an expiry that tells the time since the creation.

const own: Limit = { id: "shop/definition/nightly", slots: 1, hold: "run" };
const queue: Limit = { id: "shop/queue/etl", slots: 1, hold: "activation" };
const after = [{ name: "a" }, { name: "b", after: ["a"] }];

/** What stores promise about runs that start again: what they keep of their life before, and what they begin anew (core's R2 and R3). */
export function revivalsContract(contract: Contract): void {
  contract("afresh, an item of a map keeps its input, which was given to it", async (world) => {
    const { ids } = await world.workflow([{ name: "each", kind: "map" }]);
    const map = await world.activate(ids.each ?? "");
    const below = await world.expand(map, [{ name: "each[eu]", item: "eu", itemIndex: 0, input: { file: "eu" } }]);
    await world.finish(await world.activate(below["each[eu]"] ?? ""), next.failure());
    await restart(world, below["each[eu]"] ?? "", { fresh: true });
    const again = await world.activate(below["each[eu]"] ?? "");
    assert.deepEqual([again.generation, again.input], [2, { file: "eu" }]);
  });

  contract("afresh, a run that a body has called keeps its input", async (world) => {
    const run = await world.running();
    const child = world.child(run, { name: "load", workflow: null, input: { day: 1 } });
    const wait = { key: "load", kind: "call", hash: "h", delayMs: null, signal: null, child } as const;
    const { id: runId, epoch, generation } = run;
    const suspend = { groups: [["load"]], ranMs: 5 };
    await world.store.openWaits({ rows: [{ runId, epoch, generation, opens: [wait], settles: [], suspend }] });
    await world.finish(await world.activate(child.id), next.failure());
    await world.finish(await world.activate(run.id), next.failure());
    assert.equal((await restart(world, child.id, { fresh: true })).outcome, "restarted");
    const again = await world.activate(child.id);
    assert.deepEqual([again.generation, again.input], [2, { day: 1 }]);
  });

  contract("a workflow that is reopened stands in line again for the slot of its life", async (world) => {
    const parent = await world.enqueue({ kind: "workflow", limits: [own] });
    const ids = await world.expand(await world.activate(parent.id), [{ name: "a" }]);
    await finishAll(world, ids, ["a"]);
    await conclude(world, parent.id, next.success());
    await restart(world, ids.a ?? "", {});
    const other = await world.enqueue({ limits: [own] });
    await finishAll(world, ids, ["a"]);
    const woken = await world.get(parent.id);
    assert.deepEqual([woken.status, woken.gate, await holders(world, own)], ["ready", own.id, [other.id]]);
    await conclude(world, other.id, next.success());
    assert.deepEqual(await holders(world, own), [parent.id]);
    await conclude(world, parent.id, next.success());
    assert.deepEqual(await holders(world, own), []);
  });

  contract("a workflow that waits again before its own end keeps the slot of its life, and no other", async (world) => {
    const parent = await world.enqueue({ kind: "workflow", limits: [own, queue] });
    const ids = await world.expand(await world.activate(parent.id), [{ name: "a" }]);
    await finishAll(world, ids, ["a"]);
    assert.deepEqual([await holders(world, own), await holders(world, queue)], [[parent.id], [parent.id]]);
    await restart(world, ids.a ?? "", {});
    assert.deepEqual([await holders(world, own), await holders(world, queue)], [[parent.id], []]);
    const other = await world.enqueue({ limits: [own] });
    assert.equal(other.gate, own.id);
    await finishAll(world, ids, ["a"]);
    await conclude(world, parent.id, next.success());
    await conclude(world, other.id, next.success());
  });

  for (const [what, said] of Object.entries({ "to be tried again": next.retry(60_000), "after a loss": next.lost() })) {
    contract(`a dependent that waits ${what} and is set back gives up all it held, and begins anew`, async (world) => {
      const limits = [own, queue];
      const { parent, ids } = await world.workflow([{ name: "a" }, { name: "b", after: ["a"], limits }]);
      await finishAll(world, ids, ["a"]);
      await world.finish(await world.activate(ids.b ?? ""), said);
      const { attempt } = await world.get(ids.b);
      assert.equal((await restart(world, ids.a ?? "", {})).outcome, "restarted");
      const { status, wakeAt, ranMs, losses, takeovers, ...held } = await world.get(ids.b);
      assert.deepEqual([status, wakeAt, ranMs, losses, takeovers], ["pending", null, 0, 0, 0]);
      assert.deepEqual([held.generation, held.attempt], [2, attempt + 1]);
      assert.deepEqual([await holders(world, own), await holders(world, queue)], [[], []]);
      await finishAll(world, ids, ["a", "b"]);
      await conclude(world, parent.id, next.success());
    });
  }

  contract("a run that was cancelled and starts again owes nothing of its life before", async (world) => {
    const run = await world.running();
    await world.finish(run, next.lost());
    const second = await world.activate(run.id);
    await world.cancel(run.id);
    await world.finish(second, next.release());
    await restart(world, run.id, {});
    const { ending, error, wakeAt, ranMs, losses, takeovers } = await world.get(run.id);
    assert.deepEqual([ending, error, wakeAt, ranMs, losses, takeovers], [null, null, null, 0, 0, 0]);
  });

  contract(
    "a workflow whose end was put off, and that waits again, is woken by its children at once",
    async (world) => {
      const { parent, ids } = await world.workflow([{ name: "a" }]);
      await finishAll(world, ids, ["a"]);
      await conclude(world, parent.id, next.retry(60_000));
      await restart(world, ids.a ?? "", {});
      assert.equal((await world.get(parent.id)).wakeAt, null);
      await finishAll(world, ids, ["a"]);
      await conclude(world, parent.id, next.success());
    },
  );

  contract(
    "a dependent is set back with what it waits for, but not as long as a run that it called is live",
    async (world) => {
      for (const calls of [false, true]) {
        const { ids } = await world.workflow(after);
        await finishAll(world, ids, ["a"]);
        const b = await world.activate(ids.b ?? "");
        const wait = { key: "load", hash: "h", signal: null };
        const call: NewWait = {
          ...wait,
          kind: "call",
          delayMs: null,
          child: world.child(b, { name: "load", workflow: null }),
        };
        const opens = [calls ? call : ({ ...wait, kind: "sleep", delayMs: 60_000, child: null } as const)];
        const { id: runId, epoch, generation } = b;
        await world.store.openWaits({ rows: [{ runId, epoch, generation, opens, settles: [], suspend: null }] });
        await world.finish(b, next.retry(60_000));
        const result = await restart(world, ids.a ?? "", {});
        assert.equal(result.outcome === "refused" ? result.refusal.runId : result.outcome, calls ? b.id : "restarted");
        const { waiting, status } = await world.get(b.id);
        const open = await world.store.listWaits({ runId, limitRows: 10 });
        assert.deepEqual([status, waiting === null, open.length], calls ? ["ready", false, 1] : ["pending", true, 0]);
        await world.cancel(b.rootId);
      }
    },
  );

  contract("a dependent that is paused and set back stays paused", async (world) => {
    const { ids } = await world.workflow(after);
    await finishAll(world, ids, ["a"]);
    await world.finish(await world.activate(ids.b ?? ""), next.release());
    const target = { namespace, kind: "run", name: ids.b ?? "" } as const;
    await world.store.pauseRuns({ target, reason: null });
    await restart(world, ids.a ?? "", {});
    await finishAll(world, ids, ["a"]);
    assert.equal((await world.store.findPauses({ runId: target.name })).length, 1);
    assert.deepEqual(await world.claim(await world.member()), []);
    await world.store.resumeRuns({ target, limitRows: 10 });
    await world.activate(target.name);
  });

  contract("an expiry after a restart tells the time that the run had since then", async (world) => {
    const run = await world.enqueue({ expiresAfterMs: 20 });
    await world.finish(await world.activate(run.id), next.failure());
    await world.pass(30);
    await restart(world, run.id, {});
    await world.pass(30);
    assert.equal((await world.store.expireRuns({ limitRows: 10 })).expired, 1);
    assert.equal((await world.get(run.id)).error?.message, "It did not end within 20ms.");
  });
}

async function holders(world: World, { id }: Limit): Promise<readonly string[] | undefined> {
  return (await world.store.findLimit({ id, limitRows: 9 }))?.holders;
}
