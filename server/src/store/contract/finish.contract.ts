import assert from "node:assert/strict";
import { limits } from "@holdfast/protocol";
import { broken, type Contract, hourMs, next, plain, refused } from "./world.contract.ts";

const brief = { code: broken.code, message: broken.message };

/** What stores promise about the end of activations. */
export function finishContract(contract: Contract): void {
  contract("success ends the run with its output", async (world) => {
    const before = await world.running();
    const result = await world.finish(before, next.success({ parts: [1, null] }), 12);
    assert.deepEqual(result, { outcome: "finished", status: "succeeded", readied: 0 });
    const run = await world.get(before.id);
    const changed = { status: "succeeded", output: { parts: [1, null] }, ranMs: 12, claimedBy: null, claimedAt: null };
    assert.deepEqual(plain(run), { ...plain(before), ...changed, endedAt: run.endedAt, lastEvent: 3 });
    assert.ok(run.endedAt !== null && run.endedAt >= before.createdAt);
    assert.deepEqual(await world.events(run.id), ["run.enqueued", "run.started", "run.succeeded"]);
    assert.deepEqual(await world.lastData(run.id), { attempt: 1 });
  });

  contract("failure ends the run with its error, whole in the row and brief in the event", async (world) => {
    const { id, epoch } = await world.running();
    const error = { ...broken, stack: "Error: The disk is full.\n    at ship", details: { disk: 1 } };
    await world.finish({ id, epoch }, { to: "ended", status: "failed", outcome: "failed", error });
    const run = await world.get(id);
    assert.deepEqual(
      { status: run.status, output: run.output, error: run.error },
      { status: "failed", output: undefined, error },
    );
    assert.deepEqual(await world.lastData(id), { attempt: 1, error: brief });
  });

  contract("a skip ends the run as skipped", async (world) => {
    const run = await world.running();
    assert.deepEqual(await world.finish(run, next.skip()), { outcome: "finished", status: "skipped", readied: 0 });
    assert.equal((await world.get(run.id)).error?.code, "skipped_by_task");
    assert.equal((await world.events(run.id)).at(-1), "run.skipped");
  });

  for (const outcome of ["failed", "timed_out"] as const) {
    contract(`an attempt that ${outcome} and is retried counts, and the next can be claimed`, async (world) => {
      const before = await world.running();
      const result = await world.finish(before, next.retry(0, outcome));
      assert.deepEqual(result, { outcome: "finished", status: "ready", readied: 1 });
      const run = await world.get(before.id);
      assert.deepEqual(
        { attempt: run.attempt, epoch: run.epoch, error: run.error, wakeAt: run.wakeAt, claimedBy: run.claimedBy },
        { attempt: 2, epoch: 1, error: broken, wakeAt: null, claimedBy: null },
      );
      assert.equal((await world.events(run.id)).at(-1), "run.retry_scheduled");
      assert.deepEqual(await world.lastData(run.id), { attempt: 2, delayMs: 0, error: brief });
      assert.equal((await world.activate(run.id)).epoch, 2);
    });
  }

  contract("a retry with a delay waits for its moment", async (world) => {
    const before = await world.running();
    const result = await world.finish(before, next.retry(hourMs));
    assert.deepEqual(result, { outcome: "finished", status: "ready", readied: 0 });
    const { now } = await world.store.describe();
    const { wakeAt } = await world.get(before.id);
    assert.ok(wakeAt !== null && wakeAt >= before.createdAt + hourMs && wakeAt <= now + hourMs);
    assert.deepEqual(await world.claim(await world.member()), []);
  });

  contract("a lost activation uses up no attempt", async (world) => {
    const { id, epoch } = await world.running();
    await world.finish({ id, epoch }, next.lost());
    const run = await world.get(id);
    assert.deepEqual(
      { status: run.status, attempt: run.attempt, losses: run.losses, takeovers: run.takeovers },
      { status: "ready", attempt: 1, losses: 1, takeovers: 0 },
    );
    assert.equal((await world.events(id)).at(-1), "run.lost");
    assert.deepEqual(await world.lastData(id), { epoch: 1, error: { code: "task_exited", message: "Killed." } });
  });

  contract("a run that is given back starts again as if nothing had been", async (world) => {
    const before = await world.running();
    assert.deepEqual(await world.finish(before, next.release()), { outcome: "finished", status: "ready", readied: 1 });
    const run = await world.get(before.id);
    assert.deepEqual(
      { attempt: run.attempt, losses: run.losses, takeovers: run.takeovers, error: run.error },
      { attempt: 1, losses: 0, takeovers: 0, error: null },
    );
    assert.equal((await world.events(run.id)).at(-1), "run.given_back");
    assert.equal((await world.activate(run.id)).epoch, 2);
  });

  contract("running time adds up over the activations of an attempt and begins anew with the next", async (world) => {
    const { id } = await world.enqueue();
    await world.finish(await world.activate(id), next.lost(), 10);
    await world.finish(await world.activate(id), next.release(), 7.5);
    assert.equal((await world.get(id)).ranMs, 17.5);
    await world.finish(await world.activate(id), next.retry(), 3);
    assert.equal((await world.get(id)).ranMs, 0);
    await world.finish(await world.activate(id), next.success(), 4);
    assert.equal((await world.get(id)).ranMs, 4);
  });

  contract("a retry forgets losses", async (world) => {
    const { id } = await world.enqueue();
    await world.finish(await world.activate(id), next.lost());
    await world.finish(await world.activate(id), next.lost());
    assert.equal((await world.get(id)).losses, 2);
    await world.finish(await world.activate(id), next.retry());
    assert.equal((await world.get(id)).losses, 0);
  });

  contract("success leaves no error of an earlier attempt", async (world) => {
    const { id } = await world.enqueue();
    await world.finish(await world.activate(id), next.retry());
    await world.finish(await world.activate(id), next.success());
    assert.equal((await world.get(id)).error, null);
    assert.deepEqual(await world.lastData(id), { attempt: 2 });
  });

  contract("an end that is said again is answered as repeated and changes nothing", async (world) => {
    const run = await world.running();
    await world.finish(run, next.success(1));
    const before = await world.get(run.id);
    assert.deepEqual(await world.finish(run, next.success(1)), { outcome: "repeated", status: "succeeded" });
    assert.deepEqual(await world.finish(run, next.failure()), { outcome: "repeated", status: "succeeded" });
    assert.deepEqual(plain(await world.get(run.id)), plain(before));
    assert.equal((await world.events(run.id)).length, 3);
  });

  contract("a retry that is said again is answered as repeated, also once the run is ready", async (world) => {
    const run = await world.running();
    await world.finish(run, next.retry());
    assert.deepEqual(await world.finish(run, next.retry()), { outcome: "repeated", status: "ready" });
    assert.equal((await world.get(run.id)).attempt, 2);
  });

  contract("an old epoch changes nothing, and neither does one that never was", async (world) => {
    const first = await world.running();
    await world.finish(first, next.retry());
    const second = await world.activate(first.id);
    assert.deepEqual(await world.finish(first, next.success()), { outcome: "stale_epoch" });
    assert.deepEqual(await world.finish({ id: first.id, epoch: 7 }, next.success()), { outcome: "stale_epoch" });
    assert.deepEqual(plain(await world.get(first.id)), plain(second));
  });

  contract("an unknown run is not found", async (world) => {
    assert.deepEqual(await world.finish({ id: world.root().id, epoch: 1 }, next.success()), { outcome: "not_found" });
  });

  contract("each row of a call has its own result in its place, the first of two for one run counts", async (world) => {
    const [one, two] = [await world.running(), await world.running()];
    const finish = (run: { id: string }, epoch: number, what = next.success()) => ({
      runId: run.id,
      epoch,
      ranMs: 1,
      next: what,
    });
    const results = await world.store.finishActivations({
      rows: [
        finish(two, 9),
        finish(one, 1),
        finish(world.root(), 1),
        finish(two, 1, next.failure()),
        finish(one, 1, next.failure()),
      ],
    });
    assert.deepEqual(results, [
      { outcome: "stale_epoch" },
      { outcome: "finished", status: "succeeded", readied: 0 },
      { outcome: "not_found" },
      { outcome: "finished", status: "failed", readied: 0 },
      { outcome: "repeated", status: "succeeded" },
    ]);
    assert.equal(await world.status(one.id), "succeeded");
    assert.equal(await world.status(two.id), "failed");
  });

  contract("no rows have no results", async ({ store }) => {
    assert.deepEqual(await store.finishActivations({ rows: [] }), []);
  });

  contract("of several who end one activation at once, one does", async (world) => {
    const doors = await world.doors();
    const run = await world.running();
    const rows = [{ runId: run.id, epoch: run.epoch, ranMs: 1, next: next.success() }];
    const results = await Promise.all(
      Array.from({ length: 8 }, (_, index) => (doors[index % doors.length] ?? world.store).finishActivations({ rows })),
    );
    const outcomes = results.flat().map(({ outcome }) => outcome);
    assert.deepEqual(outcomes.sort(), ["finished", ...Array.from({ length: 7 }, () => "repeated")]);
    assert.deepEqual(await world.events(run.id), ["run.enqueued", "run.started", "run.succeeded"]);
  });

  contract("outputs of every shape come back as they were", async (world) => {
    const outputs = [null, false, 0, 1e-7, "", "\u2028 \u{1F6A2} \\u0000", [], {}, { a: { "": [1, [2]] } }];
    for (const output of outputs) {
      const run = await world.running();
      await world.finish(run, next.success(output));
      assert.deepEqual((await world.get(run.id)).output, output);
    }
  });

  contract("an output that cannot be kept is refused, and the activation is still live", async (world) => {
    const [good, bad] = [await world.running(), await world.running()];
    const end = (id: string, output: string) => ({ runId: id, epoch: 1, ranMs: 1, next: next.success(output) });
    for (const output of ["a\u0000b", "\ud800"]) {
      const rows = [end(good.id, "fine"), end(bad.id, output)];
      await refused(world.store.finishActivations({ rows }), "invalid_request");
    }
    const rows = [end(bad.id, "x".repeat(limits.collectedOutputBytes))];
    await refused(world.store.finishActivations({ rows }), "too_large");
    assert.equal(await world.status(good.id), "running");
    assert.equal((await world.finish(bad, next.success())).outcome, "finished");
  });
}
