import assert from "node:assert/strict";
import { type StateOp, stateRecord } from "@holdfast/protocol";
import type { RunRow } from "../../core/index.ts";
import {
  applied,
  change,
  changeAs,
  contentOf,
  inTask,
  ofRun,
  opsIn,
  orders,
  readValue,
  task,
  transact,
  transaction,
  useOf,
  writerOf,
} from "./state.fixture.ts";
import { type Contract, namespace, next, plain, refused, type World } from "./world.contract.ts";

// Faults to catch: an activation that has been taken over and still changes a value of whatever scope (P2); a step that is done again, or whose
// record and effect do not stand together (P12); values of an earlier generation that are seen in the next; versions that begin anew there.

const stale = { outcome: "stale_epoch" };

/** What stores promise about state that bodies write: each transaction is a step. */
export function stateStepsContract(contract: Contract): void {
  contract(
    "a body's transaction is a step of its run: asked for again, its record answers and nothing changes",
    async (world) => {
      const run = await world.running();
      const ops = [opsIn(ofRun(run)).set("cursor", "a"), inTask.increment("n"), opsIn(orders).append("list", 1)];
      const results = [{ version: 1 }, { version: 1, value: 1 }, { version: 1, length: 1 }];
      const value = stateRecord({ results });
      assert.deepEqual(await changeAs(world, run, "s", ...ops), applied(...results));
      const found = await readValue(world, task, "n");
      assert.deepEqual(plain(found?.writer), { runId: run.id, epoch: run.epoch });
      assert.deepEqual(await changeAs(world, run, "s", ...ops), { outcome: "existing", value });
      assert.deepEqual(await changeAs(world, run, "s", inTask.clear()), { outcome: "existing", value });
      const hashed = transaction([inTask.increment("n")], {
        writer: { ...writerOf(run, "h"), hash: "4f", value: ["own"] },
      });
      assert.deepEqual(await transact(world, hashed), applied({ version: 2, value: 2 }));
      const record = stateRecord({ results: [{ version: 2, value: 2 }], hash: "4f", value: ["own"] });
      assert.deepEqual(await transact(world, hashed), { outcome: "existing", value: record });
      assert.deepEqual(plain(await world.store.listSteps({ runId: run.id, generation: 1 })), [
        { key: "s", value },
        { key: "h", value: record },
      ]);
      assert.deepEqual(await contentOf(world, task), [["n", 2, 2]]);
    },
  );

  contract(
    "of two rows under one key the first is done, and a step that was recorded otherwise answers",
    async (world) => {
      const run = await world.running();
      await world.store.commitSteps({
        rows: [{ runId: run.id, epoch: run.epoch, generation: 1, key: "other", value: 7 }],
      });
      const row = (key: string) => transaction([inTask.increment("n")], { writer: writerOf(run, key) });
      assert.deepEqual(plain(await world.store.transactState({ rows: [row("s"), row("s"), row("other"), row("t")] })), [
        applied({ version: 1, value: 1 }),
        { outcome: "existing", value: stateRecord({ results: [{ version: 1, value: 1 }] }) },
        { outcome: "existing", value: 7 },
        applied({ version: 2, value: 2 }),
      ]);
      const step = { runId: run.id, epoch: run.epoch, generation: 1, key: "s", value: 9 };
      assert.equal((await world.store.commitSteps({ rows: [step] }))[0]?.outcome, "existing");
    },
  );

  contract("what is refused is no step, so that it can be asked for otherwise under its key", async (world) => {
    const run = await world.running();
    await change(world, inTask.set("text", "x"));
    const refusals = [inTask.increment("text"), inTask.set("text", 1, { ifVersion: 7 })];
    for (const op of refusals) {
      const result = await changeAs(world, run, "s", opsIn(ofRun(run)).set("a", 1), op);
      assert.ok(result.outcome === "mismatch" || result.outcome === "conflict");
    }
    assert.deepEqual(await world.store.listSteps({ runId: run.id, generation: 1 }), []);
    assert.deepEqual(await contentOf(world, ofRun(run)), []);
    assert.deepEqual(await changeAs(world, run, "s", inTask.increment("n")), applied({ version: 1, value: 1 }));
  });

  contract("only a live activation writes, whatever the scope", async (world) => {
    const taken = await world.running();
    await world.finish(taken, next.retry());
    await world.activate(taken.id);
    const { parent, ids } = await world.workflow([{ name: "a" }]);
    await world.activate(ids.a ?? "");
    await world.cancel(parent.id);
    assert.equal(await world.status(parent.id), "cancelling");
    const waiting = await world.enqueue();
    const ended = await world.running();
    await world.finish(ended, next.success());
    const retried = await world.running();
    await world.finish(retried, next.retry());
    const other = await world.running();
    const runs = [
      parent,
      waiting,
      { ...waiting, epoch: 1 },
      ended,
      retried,
      taken,
      { ...other, epoch: other.epoch + 1 },
      { ...other, generation: 2 },
      { ...other, id: "0000000000000000000z" },
    ];
    await expectStale(world, runs);
    assert.deepEqual(await changeAs(world, other, "s", inTask.set("a", 1)), applied({ version: 1 }));
  });

  contract("who has been taken over writes nothing, and its successor's values stand", async (world) => {
    const memberId = await world.member();
    const first = await world.running({}, memberId);
    const scope = ofRun(first);
    await changeAs(world, first, "s", opsIn(scope).set("a", "first"), inTask.set("a", "first"));
    await world.store.leaveMember({ id: memberId });
    const second = await world.activate(first.id);
    assert.deepEqual(
      await changeAs(world, second, "t", opsIn(scope).set("a", "second"), inTask.set("a", "second")),
      applied({ version: 2 }, { version: 2 }),
    );
    await expectStale(world, [first]);
    assert.deepEqual(
      [await contentOf(world, scope), await contentOf(world, task)],
      [[["a", "second", 2]], [["a", "second", 2]]],
    );
  });

  contract("a run that is being cancelled can still write", async (world) => {
    const run = await world.running();
    await world.cancel(run.id);
    assert.deepEqual(await changeAs(world, run, "s", opsIn(ofRun(run)).set("a", 1)), applied({ version: 1 }));
  });

  contract(
    "a transaction is progress: losses and takeovers begin anew; one that stood or was refused is none",
    async (world) => {
      const { id } = await world.enqueue();
      const lose = async () => {
        await world.finish(await world.activate(id), next.lost());
        const memberId = await world.member();
        await world.activate(id, memberId);
        await world.store.leaveMember({ id: memberId });
        return world.activate(id);
      };
      const counts = async () => {
        const { losses, takeovers } = await world.get(id);
        return [losses, takeovers];
      };
      const run = await lose();
      await changeAs(world, run, "s", inTask.set("a", 1, { ifVersion: 9 }));
      assert.deepEqual(await counts(), [1, 1]);
      await changeAs(world, run, "s", inTask.set("a", 1));
      assert.deepEqual(await counts(), [0, 0]);
      await world.finish(run, next.release());
      await changeAs(world, await lose(), "s", inTask.set("a", 1));
      assert.deepEqual(await counts(), [1, 1]);
    },
  );

  contract(
    "a retry goes on with the state of its run; a fresh start begins anew, with versions of its own",
    async (world) => {
      const first = await world.running();
      const scope = ofRun(first);
      await changeAs(world, first, "s", opsIn(scope).set("a", 1), opsIn(scope).set("a", 2), opsIn(scope).set("b", 1));
      await world.finish(first, next.retry());
      const second = await world.activate(first.id);
      assert.deepEqual(
        await changeAs(world, second, "t", opsIn(scope).increment("a")),
        applied({ version: 3, value: 3 }),
      );
      await world.finish(second, next.failure());
      await restart(world, first.id, false);
      const third = await world.activate(first.id);
      assert.deepEqual(await contentOf(world, scope), [
        ["a", 3, 3],
        ["b", 1, 1],
      ]);
      await world.finish(third, next.failure());
      await restart(world, first.id, true);
      assert.deepEqual([await contentOf(world, scope), await useOf(world, scope)], [[], { keys: 0, bytes: 0 }]);
      const fourth = await world.activate(first.id);
      await expectStale(world, [third]);
      assert.deepEqual(
        await changeAs(world, fourth, "s", opsIn(scope).set("a", 1, { ifVersion: 0 }), opsIn(scope).set("b", 1)),
        applied({ version: 4 }, { version: 4 }),
      );
      // A person works on what the run has now.
      assert.deepEqual(await change(world, opsIn(scope).set("a", 2, { ifVersion: 3 })), {
        outcome: "conflict",
        index: 0,
        version: 4,
      });
      assert.deepEqual(await change(world, opsIn(scope).clear()), applied({ version: 0, cleared: 2 }));
    },
  );

  contract("people can write to the state of a run that has ended", async (world) => {
    const run = await world.running();
    await world.finish(run, next.success());
    assert.deepEqual(await change(world, opsIn(ofRun(run)).set("a", 1)), applied({ version: 1 }));
    assert.equal((await readValue(world, ofRun(run), "a"))?.writer, null);
  });

  contract("several activations write in one call, each fenced and recorded for itself", async (world) => {
    const [one, two] = [await world.running(), await world.running()];
    const row = (run: RunRow, key: string) =>
      transaction([opsIn(ofRun(run)).increment("n"), inTask.increment("n")], { writer: writerOf(run, key) });
    const rows = [
      row(one, "s"),
      row({ ...two, epoch: 9 }, "s"),
      row(two, "s"),
      row(one, "t"),
      transaction([inTask.increment("n")]),
    ];
    assert.deepEqual(plain(await world.store.transactState({ rows })), [
      applied({ version: 1, value: 1 }, { version: 1, value: 1 }),
      stale,
      applied({ version: 1, value: 1 }, { version: 2, value: 2 }),
      applied({ version: 2, value: 2 }, { version: 3, value: 3 }),
      applied({ version: 4, value: 4 }),
    ]);
    assert.equal((await world.store.listSteps({ runId: one.id, generation: 1 })).length, 2);
    assert.equal((await world.store.listSteps({ runId: two.id, generation: 1 })).length, 1);
  });

  contract("a body's transaction on the state of another run is refused", async (world) => {
    const [one, two] = [await world.running(), await world.running()];
    await refused(changeAs(world, one, "s", opsIn(ofRun(two)).set("a", 1)), "invalid_request");
    assert.deepEqual(await contentOf(world, ofRun(two)), []);
  });

  contract("state goes with its run, and another run's and what is no run's stays", async (world) => {
    const [gone, kept] = [await world.running(), await world.running()];
    for (const run of [gone, kept])
      await changeAs(world, run, "s", opsIn(ofRun(run)).set("a", 1), inTask.increment("n"));
    await world.finish(gone, next.failure());
    await restart(world, gone.id, true);
    const again = await world.activate(gone.id);
    await changeAs(world, again, "s", opsIn(ofRun(gone)).set("a", 1, { retentionMs: 1 }));
    await world.finish(again, next.success());
    await world.pass(2);
    await world.store.sequenceEvents({ limitRows: 1_000 });
    assert.equal((await world.store.prune({ runsMs: 0, logsMs: 0, limitRows: 100 })).runs, 1);
    assert.deepEqual(await world.store.listState({ namespace, scope: ofRun(gone), limitRows: 5 }), {
      outcome: "not_found",
    });
    assert.deepEqual(await world.store.sweepState({ limitRows: 5, dryRun: true }), {
      swept: 0,
      more: false,
      expired: [],
    });
    assert.deepEqual(
      [await contentOf(world, ofRun(kept)), await contentOf(world, task)],
      [[["a", 1, 1]], [["n", 2, 2]]],
    );
    // One of the same id, as only a test can have it: nothing of the first is left.
    await world.enqueue({ id: gone.id });
    assert.deepEqual(await change(world, opsIn(ofRun(gone)).set("a", 1)), applied({ version: 1 }));
    assert.deepEqual(await useOf(world, ofRun(gone)), { keys: 1, bytes: 1 });
  });

  contract("an end that comes beside a transaction stands before or after it", async (world) => {
    const doors = await world.doors();
    for (let round = 0; round < 10; round++) {
      const run = await world.running();
      const scope = ofRun(run);
      const order = () =>
        (doors[1] ?? world.store).finishActivations({
          rows: [{ runId: run.id, epoch: run.epoch, ranMs: 1, next: next.success() }],
        });
      const [, result] = await Promise.all([order(), changeAs(world, run, "s", opsIn(scope).set("a", 1))]);
      const steps = await world.store.listSteps({ runId: run.id, generation: 1 });
      const there = (await contentOf(world, scope)).length;
      assert.deepEqual([there, steps.length], result.outcome === "applied" ? [1, 1] : [0, 0]);
    }
  });
}

/** Asserts that each of these activations is refused in every scope, and has left nothing there. */
async function expectStale(world: World, runs: readonly Pick<RunRow, "id" | "epoch" | "generation">[]): Promise<void> {
  const before = [await contentOf(world, task), await contentOf(world, orders)];
  for (const run of runs) {
    const ops: StateOp[] = [opsIn(ofRun(run)).set("stale", 1), inTask.set("stale", 1), opsIn(orders).clear()];
    for (const op of ops)
      assert.deepEqual(await changeAs(world, run, "stale", op), stale, JSON.stringify([run.epoch, op]));
    assert.ok(
      !(await world.store.listSteps({ runId: run.id, generation: run.generation })).some(({ key }) => key === "stale"),
    );
  }
  assert.deepEqual([await contentOf(world, task), await contentOf(world, orders)], before);
}

async function restart(world: World, runId: string, fresh: boolean): Promise<void> {
  const [result] = await world.store.restartRuns({ rows: [{ runId, fresh, ifAttempt: null, data: {} }] });
  assert.equal(result?.outcome, "restarted");
}
