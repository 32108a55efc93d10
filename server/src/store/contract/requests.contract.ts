import assert from "node:assert/strict";
import type { OnceCall, RequestName } from "../store.ts";
import { waitingFor } from "./jobs.fixture.ts";
import { type Contract, cancelled, dayMs, namespace, plain, refused, type World } from "./world.contract.ts";

// Faults to catch: a repeat that does it again, or is answered otherwise; an answer that is kept without its effect, or the other way
// round; another request that is answered under a key that is taken; parts of a request that are taken for each other.

const request = (part = "", fields: Partial<RequestName> = {}): RequestName => {
  return { namespace, key: "k", part, hash: "h", retentionMs: dayMs, ...fields };
};

/** What stores promise about requests that control something. */
export function requestsContract(contract: Contract): void {
  contract(
    "each verb of control is carried out once for a request, and answers alike when it is repeated",
    async (world) => {
      const run = await world.running();
      const ended = await world.running();
      await world.finish(ended, { to: "ended", status: "failed", outcome: "failed", error: cancelled.error });
      const target = { namespace, kind: "queue", name: "etl" } as const;
      const verdict = { status: "succeeded", output: { by: "hand" } } as const;
      const idle = await world.enqueue({});
      const { run: waiting, jobs } = await waitingFor(world, ["job"]);
      const news = { is: "ended", status: "lost", error: null } as const;
      const note = jobs.map(({ id, epoch }) => ({ jobId: id, by: { epoch }, news }));
      const calls: readonly OnceCall[] = [
        { verb: "orderEnd", args: { runId: run.id, ending: cancelled, data: { by: "case" }, limitRows: 10 } },
        { verb: "forceEnds", args: { runId: run.id, limitRows: 10 } },
        { verb: "restartRuns", args: { rows: [{ runId: ended.id, fresh: true, ifAttempt: null, data: {} }] } },
        { verb: "markRuns", args: { rows: [{ runId: idle.id, verdict, data: {} }] } },
        { verb: "pauseRuns", args: { target, reason: "a repair" } },
        { verb: "resumeRuns", args: { target, limitRows: 10 } },
        { verb: "pauseSchedule", args: { namespace, id: "none", paused: true, reason: null } },
        { verb: "removeSchedule", args: { namespace, id: "none" } },
        { verb: "noteJobs", args: { rows: note } },
        { verb: "keep", args: { any: ["thing", null] } },
      ];
      const runs = [run.id, ended.id, idle.id, waiting.id];
      for (const [index, call] of calls.entries()) {
        const name = request(index === 0 ? "" : String(index));
        const first = await world.store.carryOutOnce({ request: name, call });
        assert.equal(first.outcome, "done", call.verb);
        const before = await told(world, runs);
        const again = await world.store.carryOutOnce({ request: name, call });
        assert.deepEqual(plain([again]), plain([{ ...first, outcome: "repeated" }]), call.verb);
        assert.deepEqual(await told(world, runs), before);
        const kept = await world.store.findAnswer(name);
        assert.deepEqual(plain([kept?.answer]), plain(first.outcome === "done" ? [first.answer] : []));
        assert.equal(kept?.hash, "h");
      }
      assert.deepEqual(await Promise.all(runs.map((id) => world.status(id))), [
        "cancelled",
        "ready",
        "succeeded",
        "ready",
      ]);
    },
  );

  contract("what is refused once is refused alike, whatever has become of it since", async (world) => {
    const run = await world.running();
    const call = {
      verb: "restartRuns",
      args: { rows: [{ runId: run.id, fresh: false, ifAttempt: null, data: {} }] },
    } as const;
    const first = await world.store.carryOutOnce({ request: request(), call });
    await world.finish(run, { to: "ended", status: "failed", outcome: "failed", error: cancelled.error });
    const again = await world.store.carryOutOnce({ request: request(), call });
    assert.deepEqual(plain([again]), plain([{ ...first, outcome: "repeated" }]));
    assert.equal(await world.status(run.id), "failed");
  });

  contract(
    "another request under the key is a conflict, also one that enqueues, and in another namespace it is none",
    async (world) => {
      const keep = (value: string) => ({ verb: "keep", args: value }) as const;
      await world.store.carryOutOnce({ request: request(), call: keep("first") });
      const other = await world.store.carryOutOnce({ request: request("", { hash: "other" }), call: keep("second") });
      assert.deepEqual(other, { outcome: "request_conflict" });
      const [started] = await world.store.enqueueRuns({
        rows: [world.row({}, { request: { key: "k", hash: "run", retentionMs: dayMs } })],
      });
      assert.equal(started?.outcome, "request_conflict");
      await world.enqueue({}, { request: { key: "r", hash: "run", retentionMs: dayMs } });
      const late = await world.store.carryOutOnce({ request: request("", { key: "r" }), call: keep("late") });
      assert.deepEqual(late, { outcome: "request_conflict" });
      assert.equal((await world.store.findAnswer(request("", { key: "r" })))?.answer, undefined);
      const elsewhere = request("", { namespace: "elsewhere", hash: "other" });
      assert.equal((await world.store.carryOutOnce({ request: elsewhere, call: keep("there") })).outcome, "done");
      assert.equal(await world.store.findAnswer(request("another part")), undefined);
    },
  );

  contract("a call that fails keeps nothing, and may be asked again", async (world) => {
    const bad = {
      verb: "pauseRuns",
      args: { target: { namespace, kind: "queue", name: "a\u0000b" }, reason: null },
    } as const;
    await refused(world.store.carryOutOnce({ request: request(), call: bad }), "invalid_request");
    assert.equal(await world.store.findAnswer(request()), undefined);
    const good = { verb: "keep", args: 1 } as const;
    assert.deepEqual(await world.store.carryOutOnce({ request: request(), call: good }), {
      outcome: "done",
      answer: 1,
    });
  });

  contract("of two at once one is done, and both are answered alike", async (world) => {
    const doors = await world.doors();
    for (let round = 0; round < 5; round++) {
      const run = await world.enqueue({});
      const target = { namespace, kind: "run", name: run.id } as const;
      const call = { verb: "pauseRuns", args: { target, reason: null } } as const;
      const name = request("", { key: `round ${round}` });
      const answers = await Promise.all(
        [0, 1, 2].map((at) => (doors[at % doors.length] ?? world.store).carryOutOnce({ request: name, call })),
      );
      assert.deepEqual(answers.map(({ outcome }) => outcome).sort(), ["done", "repeated", "repeated"]);
      assert.deepEqual(new Set(answers.map((answer) => JSON.stringify({ ...answer, outcome: "" }))).size, 1);
      assert.deepEqual(await world.events(run.id), ["run.enqueued", "run.paused"]);
    }
  });

  contract("an answer is forgotten once it is past its retention", async (world) => {
    const keep = { verb: "keep", args: "a" } as const;
    await world.store.carryOutOnce({ request: request("", { retentionMs: 1 }), call: keep });
    await world.store.carryOutOnce({ request: request("", { key: "long" }), call: keep });
    await world.pass(5);
    await world.store.prune({ runsMs: dayMs, logsMs: dayMs, limitRows: 10 });
    assert.equal(await world.store.findAnswer(request()), undefined);
    assert.equal((await world.store.findAnswer(request("", { key: "long" })))?.answer, "a");
  });
}

function told(world: World, ids: readonly string[]): Promise<string[][]> {
  return Promise.all(ids.map((id) => world.events(id)));
}
