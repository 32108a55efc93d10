import assert from "node:assert/strict";
import { type Json, limits } from "@holdfast/protocol";
import type { StepRow } from "../store.ts";
import { applied, contentOf, inTask, task, transaction, writerOf } from "./state.fixture.ts";
import { type Contract, next, plain, refused, type World } from "./world.contract.ts";

const recorded = { outcome: "recorded" };
const stale = { outcome: "stale_epoch" };

/** What stores promise about steps (P12). */
export function stepsContract(contract: Contract): void {
  contract("steps are recorded and listed in the order in which they were", async (world) => {
    const run = await world.running();
    const steps = [step(run, "z", 1), step(run, "a", { x: [1] }), step(run, "m", null)];
    assert.deepEqual(await world.store.commitSteps({ rows: steps.slice(0, 2) }), [recorded, recorded]);
    assert.deepEqual(await world.store.commitSteps({ rows: steps.slice(2) }), [recorded]);
    assert.deepEqual(
      plain(await world.store.listSteps({ runId: run.id, generation: 1 })),
      steps.map(({ key, value }) => ({ key, value })),
    );
    assert.deepEqual(await world.store.listSteps({ runId: run.id, generation: 2 }), []);
    assert.deepEqual(await world.store.listSteps({ runId: world.root().id, generation: 1 }), []);
  });

  contract("a record that stands answers, and nothing changes", async (world) => {
    const run = await world.running();
    await commit(world, step(run, "s", { first: true }));
    assert.deepEqual(await commit(world, step(run, "s", "second")), { outcome: "existing", value: { first: true } });
    await commit(world, step(run, "nothing", null));
    assert.deepEqual(await commit(world, step(run, "nothing", 1)), { outcome: "existing", value: null });
    assert.equal((await world.store.listSteps({ runId: run.id, generation: 1 })).length, 2);
  });

  contract("values of every shape come back as they were", async (world) => {
    const run = await world.running();
    const values = [null, false, 0, -1e-7, "", "\u2028 \u{1F6A2} \\u0000", [], {}, { "": [[{}]] }];
    await world.store.commitSteps({ rows: values.map((value, index) => step(run, `s${index}`, value)) });
    const listed = await world.store.listSteps({ runId: run.id, generation: 1 });
    assert.deepEqual(
      listed.map(({ value }) => value),
      values,
    );
  });

  contract("of two rows with one key the first is recorded, and each row has its result", async (world) => {
    const [one, two] = [await world.running(), await world.running()];
    const rows = [step(one, "s", 1), step({ ...two, epoch: 9 }, "s", 2), step(one, "s", 3), step(two, "s", 4)];
    assert.deepEqual(await world.store.commitSteps({ rows }), [
      recorded,
      stale,
      { outcome: "existing", value: 1 },
      recorded,
    ]);
    assert.deepEqual(await world.store.commitSteps({ rows: [] }), []);
  });

  contract("only a live activation records", async (world) => {
    const waiting = await world.enqueue();
    const ended = await world.running();
    await world.finish(ended, next.success());
    const retried = await world.running();
    await world.finish(retried, next.retry());
    const parent = await world.running({ kind: "workflow" });
    await world.expand(parent, [{ name: "a" }]);
    const runs = [waiting, { ...waiting, epoch: 1 }, ended, retried, parent, { ...world.root(), epoch: 1 }];
    const results = await world.store.commitSteps({ rows: runs.map((run) => step(run, "s", 1)) });
    assert.deepEqual(
      results,
      runs.map(() => stale),
    );
    for (const { id } of runs) assert.deepEqual(await world.store.listSteps({ runId: id, generation: 1 }), []);
  });

  contract("an old epoch and another generation record nothing", async (world) => {
    const first = await world.running();
    await world.finish(first, next.retry());
    const second = await world.activate(first.id);
    assert.deepEqual(await commit(world, step(first, "s", 1)), stale);
    assert.deepEqual(await commit(world, { ...step(second, "s", 1), generation: 2 }), stale);
    assert.deepEqual(await commit(world, step(second, "s", 1)), recorded);
  });

  contract("a run that is being cancelled can still record what it has done", async (world) => {
    const run = await world.running();
    await world.cancel(run.id);
    assert.deepEqual(await commit(world, step(run, "s", 1)), recorded);
  });

  contract("steps outlive their activation", async (world) => {
    const first = await world.running();
    await commit(world, step(first, "s", "kept"));
    await world.finish(first, next.retry());
    const second = await world.activate(first.id);
    assert.deepEqual(await commit(world, step(second, "s", "again")), { outcome: "existing", value: "kept" });
    await world.finish(second, next.success());
    assert.deepEqual(plain(await world.store.listSteps({ runId: first.id, generation: 1 })), [
      { key: "s", value: "kept" },
    ]);
  });

  contract("a recorded step is progress: losses and takeovers begin anew; a step that stood is none", async (world) => {
    const { id } = await world.enqueue();
    const lose = async () => {
      await world.finish(await world.activate(id), next.lost());
      const memberId = await world.member();
      await world.activate(id, memberId);
      await world.store.leaveMember({ id: memberId });
      return world.activate(id);
    };
    const run = await lose();
    assert.deepEqual([run.losses, run.takeovers], [1, 1]);
    await commit(world, step(run, "s", 1));
    const after = await world.get(id);
    assert.deepEqual(plain(after), { ...plain(run), losses: 0, takeovers: 0 });
    await world.finish(after, next.release());
    const again = await lose();
    await commit(world, step(again, "s", 1));
    const unmoved = await world.get(id);
    assert.deepEqual([unmoved.losses, unmoved.takeovers], [1, 1]);
  });

  contract("of several who record one key at once, one does, and all see its value", async (world) => {
    const doors = await world.doors();
    const run = await world.running();
    const results = await Promise.all(
      Array.from({ length: 8 }, async (_, index) => {
        const [result] = await (doors[index % doors.length] ?? world.store).commitSteps({
          rows: [step(run, "s", index)],
        });
        return { index, result };
      }),
    );
    const winners = results.filter(({ result }) => result?.outcome === "recorded");
    assert.equal(winners.length, 1);
    for (const { result } of results) {
      if (result?.outcome !== "recorded") assert.deepEqual(result, { outcome: "existing", value: winners[0]?.index });
    }
  });

  contract(
    "a run records so many steps and no more, transactions of state among them; what stands still answers",
    async (world) => {
      const run = await world.running();
      const rows = Array.from({ length: limits.stepsPerRun - 1 }, (_, index) => step(run, `s${index}`, index));
      for (let at = 0; at < rows.length; at += 2_500) {
        const results = await world.store.commitSteps({ rows: rows.slice(at, at + 2_500) });
        assert.ok(results.every(({ outcome }) => outcome === "recorded"));
      }
      const full = { outcome: "limit_exceeded", limit: "stepsPerRun" };
      const [last, over] = ["last", "over"].map((key) => ({
        ...transaction([inTask.increment("n")]),
        writer: writerOf(run, key),
      }));
      assert.ok(last && over);
      assert.deepEqual(plain(await world.store.transactState({ rows: [last, over] })), [
        applied({ version: 1, value: 1 }),
        full,
      ]);
      assert.deepEqual(await contentOf(world, task), [["n", 1, 1]]);
      assert.deepEqual(await commit(world, step(run, "more", 1)), full);
      assert.deepEqual(await commit(world, step(run, "s7", 1)), { outcome: "existing", value: 7 });
    },
  );

  contract("a run records so many bytes and no more; smaller steps still fit", async (world) => {
    const run = await world.running();
    const large = "x".repeat(1_000_000);
    for (let index = 0; index < 16; index++)
      assert.deepEqual(await commit(world, step(run, `s${index}`, large)), recorded);
    const results = await world.store.commitSteps({ rows: [step(run, "large", large), step(run, "small", 1)] });
    assert.deepEqual(results, [{ outcome: "limit_exceeded", limit: "stepBytesPerRun" }, recorded]);
  });

  contract("a step that cannot be kept is refused, and its call records nothing", async (world) => {
    const run = await world.running();
    const unfit: readonly (readonly [string, Json])[] = [
      ["s", "a\u0000b"],
      ["s\u0000", 1],
      ["s", { "\ud800": 1 }],
      ["", 1],
      ["k".repeat(limits.keyCharacters + 1), 1],
      ["s", "x".repeat(limits.stepValueBytes)],
    ];
    for (const [key, value] of unfit) {
      const rows = [step(run, "good", 1), step(run, key, value)];
      await refused(world.store.commitSteps({ rows }), "invalid_request", "too_large");
    }
    assert.deepEqual(await world.store.listSteps({ runId: run.id, generation: 1 }), []);
  });
}

function step(run: { id: string; epoch: number }, key: string, value: Json): StepRow {
  return { runId: run.id, epoch: run.epoch, generation: 1, key, value };
}

async function commit(world: World, row: StepRow) {
  return (await world.store.commitSteps({ rows: [row] }))[0];
}
