import assert from "node:assert/strict";
import { claimRounds, type Limit, type PauseKind, type PauseTarget, type RunRow } from "../../core/index.ts";
import type { PauseResult } from "../store.ts";
import { type Contract, type ContractSubject, namespace, next, type World } from "./world.contract.ts";

// Faults to catch: a paused run that is claimed, whichever way it became ready; one that stays at its gate after the last resume;
// a slot that a paused run keeps; a claim that a long line of paused runs hides the others from; a pause that the end of its run
// outlives; one that a claim beside it misses.

const slot: Limit = { id: "shop/queue/etl", slots: 1, hold: "activation" };
const queue = target("queue", "default");

/** What stores promise about pauses (core's U1–U3). */
export function pausesContract(contract: Contract, subject: ContractSubject): void {
  contract("nothing of a paused queue is claimed until it is resumed; other queues go on", async (world) => {
    const [paused, other] = [await world.enqueue(), await world.enqueue({ queue: "etl" })];
    assert.equal((await pause(world, queue)).outcome, "done");
    const later = await world.enqueue({}, { claimFor: await world.member() });
    assert.equal(later.status, "ready", "a run is not claimed as it is inserted");
    const member = await world.member();
    assert.deepEqual(ids(await world.claim(member)), [other.id]);
    assert.deepEqual(ids(await world.claim(member)), []);
    assert.deepEqual([await world.status(paused.id), await world.status(later.id)], ["ready", "ready"]);
    assert.equal((await resume(world, queue)).outcome, "done");
    assert.deepEqual(ids(await world.claim(member)), [paused.id, later.id]);
  });

  contract("a definition is paused before it has any run, in its namespace alone", async (world) => {
    await pause(world, target("definition", "ship"));
    const [run, other] = [await world.enqueue(), await world.enqueue({ definition: "load" })];
    assert.deepEqual(ids(await world.claim(await world.member())), [other.id]);
    const elsewhere = await world.enqueue({ namespace: "bakery" });
    const memberId = "baker";
    await world.store.joinMember({
      id: memberId,
      kind: "node",
      name: "",
      namespace: "bakery",
      serves: null,
      leaseMs: 60_000,
    });
    const claimed = await world.store.claimRuns({ memberId, namespace: "bakery", queues: null, limitRows: 5 });
    assert.deepEqual(ids(claimed), [elsewhere.id]);
    await resume(world, target("definition", "ship"));
    assert.deepEqual(ids(await world.claim(await world.member())), [run.id]);
  });

  contract("a paused run holds all that is below it, and what comes later", async (world) => {
    const { parent, ids: nodes } = await world.workflow([{ name: "a" }, { name: "b", after: ["a"] }, { name: "c" }]);
    const member = await world.member();
    const [a] = await world.claim(member, 1);
    await pause(world, target("run", parent.id));
    await world.finish(a as RunRow, next.success());
    assert.deepEqual(await world.claim(member), []);
    assert.deepEqual([await world.status(nodes.b), await world.status(nodes.c)], ["ready", "ready"]);
    await resume(world, target("run", parent.id));
    assert.deepEqual(ids(await world.claim(member)).sort(), [nodes.b, nodes.c].sort());
  });

  contract("a paused definition of a workflow holds what is below its runs", async (world) => {
    const { ids: nodes } = await world.workflow([{ name: "a" }]);
    await pause(world, target("definition", "nightly"));
    assert.deepEqual(await world.claim(await world.member()), []);
    await resume(world, target("definition", "nightly"));
    assert.deepEqual(ids(await world.claim(await world.member())), [nodes.a]);
  });

  contract("paused at several levels, a run starts when the last pause has ended", async (world) => {
    const run = await world.enqueue();
    const targets = [queue, target("definition", "ship"), target("run", run.id)];
    for (const each of targets) await pause(world, each);
    const member = await world.member();
    assert.deepEqual(await world.claim(member), []);
    assert.deepEqual(
      (await world.store.findPauses({ runId: run.id })).map(({ kind }) => kind),
      ["queue", "run", "definition"],
    );
    for (const each of targets) {
      assert.deepEqual(await world.claim(member), []);
      await resume(world, each);
    }
    assert.deepEqual(ids(await world.claim(member)), [run.id]);
    assert.deepEqual(await world.store.findPauses({ runId: run.id }), []);
  });

  contract("each pause and resume says what it did; ten times is once", async (world) => {
    const run = await world.enqueue();
    for (const each of [queue, target("definition", "ship"), target("run", run.id)]) {
      const first = await pause(world, each, "at work on it");
      assert.equal(first.outcome, "done");
      for (let again = 0; again < 9; again++) {
        assert.deepEqual(await pause(world, each), { ...first, outcome: "unchanged" });
      }
      const [stored] = (await world.store.listPauses({ namespace, limitRows: 10 })).filter(
        (row) => row.kind === each.kind,
      );
      assert.deepEqual({ ...stored }, { ...each, since: sinceOf(first), reason: "at work on it" });
      assert.deepEqual(await resume(world, each), first);
      for (let again = 0; again < 9; again++) {
        assert.deepEqual(await resume(world, each), { outcome: "unchanged", since: null });
      }
    }
    assert.deepEqual(await world.events(run.id), ["run.enqueued", "run.paused", "run.resumed"]);
    assert.deepEqual(await world.store.listPauses({ namespace, limitRows: 10 }), []);
    assert.deepEqual(await pause(world, target("run", "0000000000000000000z")), { outcome: "not_found" });
    assert.deepEqual(await pause(world, { ...target("run", run.id), namespace: "bakery" }), { outcome: "not_found" });
  });

  contract("pauses are listed in pages, of one kind or all", async (world) => {
    for (const name of ["a", "b", "c"]) await pause(world, target("queue", name));
    await pause(world, target("definition", "ship"));
    const list = async (rest: object) => {
      return (await world.store.listPauses({ namespace, limitRows: 2, ...rest })).map(({ name }) => name);
    };
    assert.deepEqual(await list({}), ["ship", "a"]);
    assert.deepEqual(await list({ after: "~shop/queue/a" }), ["b", "c"]);
    assert.deepEqual(await list({ kind: "queue" }), ["a", "b"]);
  });

  contract("what is under way goes on to its end; its retry stands at the gate", async (world) => {
    const run = await world.running();
    await pause(world, target("run", run.id));
    const [step] = await world.store.commitSteps({
      rows: [{ runId: run.id, epoch: run.epoch, generation: 1, key: "s", value: 1 }],
    });
    assert.equal(step?.outcome, "recorded");
    await world.finish(run, next.retry(0));
    const member = await world.member();
    assert.deepEqual(await world.claim(member), []);
    await resume(world, target("run", run.id));
    const again = await world.activate(run.id, member);
    await pause(world, target("run", run.id));
    await world.finish(again, next.success());
    assert.equal(await world.status(run.id), "succeeded");
  });

  contract("a start that was due while paused comes with the resume", async (world) => {
    const { now } = await world.store.describe();
    const run = await world.enqueue({ startAfter: now + 20 });
    await pause(world, queue);
    await world.pass(30);
    await world.store.wakeRuns({ limitRows: 10 });
    assert.deepEqual(await world.claim(await world.member()), []);
    await resume(world, queue);
    assert.deepEqual(ids(await world.claim(await world.member())), [run.id]);
  });

  contract("cancel and expiry reach paused runs, and their pause ends with them", async (world) => {
    const [cancelled, expiring] = [await world.enqueue(), await world.enqueue({ expiresAfterMs: 20 })];
    for (const { id } of [cancelled, expiring]) await pause(world, target("run", id));
    assert.deepEqual(await world.claim(await world.member()), []);
    assert.deepEqual(await world.cancel(cancelled.id), { requested: 1, status: "cancelled" });
    await world.pass(30);
    assert.equal((await world.store.expireRuns({ limitRows: 10 })).expired, 1);
    assert.equal(await world.status(expiring.id), "failed");
    assert.deepEqual(await world.store.listPauses({ namespace, limitRows: 10 }), []);
    assert.deepEqual(await world.store.findPauses({ runId: cancelled.id }), []);
    for (const { id } of [cancelled, expiring]) {
      assert.equal((await world.get(id)).gate, null);
      assert.deepEqual(await pause(world, target("run", id)), { outcome: "ended" });
      assert.deepEqual(await resume(world, target("run", id)), { outcome: "ended" });
    }
    await world.store.prune({ runsMs: 3_600_000, logsMs: 3_600_000, limitRows: 100 });
  });

  contract("a paused run keeps no slot that others wait for, and takes it again in its turn", async (world) => {
    const [paused, other] = [await world.enqueue({ limits: [slot] }), await world.enqueue({ limits: [slot] })];
    await pause(world, target("run", paused.id));
    const member = await world.member();
    let claimed: RunRow[] = [];
    for (let look = 0; look < 3 && claimed.length === 0; look++) claimed = await world.claim(member);
    assert.deepEqual(ids(claimed), [other.id]);
    await resume(world, target("run", paused.id));
    assert.deepEqual(await world.claim(member), []);
    assert.equal((await world.get(paused.id)).gate, slot.id);
    await world.finish(claimed[0] as RunRow, next.success());
    assert.deepEqual(ids(await world.claim(member)), [paused.id]);
  });

  contract("a long line of paused runs hides nobody: each is met once", async (world) => {
    const count = claimRounds.most * claimRounds.moreRows + 50;
    const rows = Array.from({ length: count }, () => world.row({ priority: 9 }));
    for (let at = 0; at < count; at += 500) await world.store.enqueueRuns({ rows: rows.slice(at, at + 500) });
    const other = await world.enqueue({ queue: "etl" });
    await pause(world, queue);
    const member = await world.member();
    const rings = new Promise<void>((resolve) => world.store.onRing((topics) => topics.includes("ready") && resolve()));
    const first = await world.claim(member, 1);
    if (first.length === 0) {
      await rings;
      assert.deepEqual(ids(await world.claim(member, 1)), [other.id]);
    } else assert.deepEqual(ids(first), [other.id]);
    assert.deepEqual(await world.claim(member, 10), []);
    assert.equal((await resume(world, queue, 100)).outcome, "done");
    for (let pages = 0; (await world.store.wakeRuns({ limitRows: 300 })).nextInMs === 0; pages++) {
      assert.ok(pages < 20, "a resume comes to its end");
    }
    const claimed = [];
    for (let more = await world.claim(member, 400); more.length > 0; more = await world.claim(member, 400)) {
      claimed.push(...more);
    }
    assert.deepEqual(
      ids(claimed),
      rows.map(({ run }) => run.id),
    );
  });

  contract("paused again while it is let go, a queue holds what is still there and what has gone", async (world) => {
    const runs = await Promise.all(Array.from({ length: 6 }, () => world.enqueue()));
    await pause(world, queue);
    const member = await world.member();
    assert.deepEqual(await world.claim(member), []);
    await resume(world, queue, 2);
    assert.equal((await pause(world, queue)).outcome, "done");
    await world.store.wakeRuns({ limitRows: 100 });
    assert.deepEqual(await world.claim(member), []);
    await resume(world, queue);
    assert.deepEqual(ids(await world.claim(member)).sort(), ids(runs).sort());
  });

  contract("a claim beside a pause starts nothing once the pause was acknowledged", async (world) => {
    const doors = await world.doors();
    const other = doors.at(-1) ?? world.store;
    const memberId = await world.member();
    for (let round = 0; round < 20; round++) {
      const runs = await Promise.all(Array.from({ length: 10 }, () => world.enqueue()));
      const claims = Array.from({ length: 5 }, () => {
        return other.claimRuns({ memberId, namespace, queues: round % 2 === 0 ? null : ["default"], limitRows: 1 });
      });
      await pause(world, queue);
      assert.deepEqual(await other.claimRuns({ memberId, namespace, queues: null, limitRows: 100 }), []);
      const started = (await Promise.all(claims)).flat();
      await resume(world, queue);
      const rest = await world.claim(memberId);
      assert.equal(started.length + rest.length, runs.length);
      for (const run of [...started, ...rest]) await world.finish(run, next.success());
    }
  });

  if (!subject.second) return;
  contract("what one process pauses, another finds paused", async (world) => {
    const [, other] = await world.doors();
    await pause(world, queue);
    await world.enqueue();
    const memberId = await world.member();
    assert.deepEqual(await other?.claimRuns({ memberId, namespace, queues: null, limitRows: 5 }), []);
    assert.equal((await other?.resumeRuns({ target: queue, limitRows: 5 }))?.outcome, "done");
    assert.equal((await world.claim(memberId)).length, 1);
  });
}

function target(kind: PauseKind, name: string): PauseTarget {
  return { namespace, kind, name };
}

function pause(world: World, each: PauseTarget, reason: string | null = null): Promise<PauseResult> {
  return world.store.pauseRuns({ target: each, reason });
}

function resume(world: World, each: PauseTarget, limitRows = 1_000): Promise<PauseResult> {
  return world.store.resumeRuns({ target: each, limitRows });
}

function sinceOf(result: PauseResult): number | null {
  return "since" in result ? result.since : null;
}

function ids(runs: readonly { readonly id: string }[]): string[] {
  return runs.map(({ id }) => id);
}
