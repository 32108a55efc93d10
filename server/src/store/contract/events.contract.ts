import assert from "node:assert/strict";
import type { TopicEvent } from "@holdfast/protocol";
import type { Store } from "../store.ts";
import { type Contract, namespace, next, until } from "./world.contract.ts";

/** What stores promise about history (P10). */
export function eventsContract(contract: Contract): void {
  contract("a run's events are numbered without holes in the order in which things happened", async (world) => {
    const { parent, ids } = await world.workflow([{ name: "a" }, { name: "b", after: ["a"] }]);
    await world.finish(await world.activate(ids.a ?? ""), next.retry());
    await world.finish(await world.activate(ids.a ?? ""), next.lost());
    await world.finish(await world.activate(ids.a ?? ""), next.success());
    await world.cancel(ids.b);
    await world.finish(await world.activate(parent.id), next.success());
    const started = "run.started";
    assert.deepEqual(await world.events(ids.a), [
      "run.enqueued",
      started,
      "run.retry_scheduled",
      started,
      "run.lost",
      started,
      "run.succeeded",
    ]);
    assert.deepEqual(await world.events(ids.b), ["run.enqueued", "run.ready", "run.cancelled"]);
    assert.deepEqual(await world.events(parent.id), [
      "run.enqueued",
      started,
      "run.waiting",
      "run.woken",
      started,
      "run.succeeded",
    ]);
  });

  contract("a run's events are read in pages from after a number", async (world) => {
    const run = await world.running();
    await world.finish(run, next.success());
    const numbers = async (after: number, limitRows: number) =>
      (await world.store.listEvents({ runId: run.id, after, limitRows })).map(({ number }) => number);
    assert.deepEqual(await numbers(0, 2), [1, 2]);
    assert.deepEqual(await numbers(2, 2), [3]);
    assert.deepEqual(await numbers(3, 2), []);
    assert.deepEqual(await numbers(9, 2), []);
    assert.deepEqual(await world.store.listEvents({ runId: world.root().id, after: 0, limitRows: 2 }), []);
  });

  contract("events carry the clock of the step that wrote them", async (world) => {
    const run = await world.running();
    await world.pass(20);
    await world.finish(run, next.success());
    const times = (await world.store.listEvents({ runId: run.id, after: 0, limitRows: 10 })).map(({ at }) => at);
    const { createdAt, endedAt } = await world.get(run.id);
    assert.deepEqual(times, [createdAt, createdAt, endedAt]);
    assert.ok((endedAt ?? 0) >= createdAt + 20);
  });

  contract("events reach the log of their namespace when they are sequenced, as they are", async (world) => {
    const run = await world.running();
    const page = { namespace, after: 0, limitRows: 10 };
    await sequenceAll(world.store);
    const { events, last } = await world.store.listTopic(page);
    const own = await world.store.listEvents({ runId: run.id, after: 0, limitRows: 10 });
    assert.deepEqual(
      events.map(({ position: _, ...event }) => event),
      own,
    );
    assert.equal(last, events.at(-1)?.position);
    assert.deepEqual(await world.store.sequenceEvents({ limitRows: 10 }), { moved: 0, more: false });
    assert.deepEqual(await world.store.listTopic(page), { events, last });
  });

  contract("positions rise from one, and what is sequenced later stands later", async (world) => {
    const first = await world.enqueue();
    await sequenceAll(world.store);
    const second = await world.enqueue();
    await sequenceAll(world.store);
    const { events } = await world.store.listTopic({ namespace, after: 0, limitRows: 10 });
    assert.deepEqual(
      events.map(({ runId }) => runId),
      [first.id, second.id],
    );
    assert.ok((events[0]?.position ?? 0) >= 1 && (events[1]?.position ?? 0) > (events[0]?.position ?? 0));
  });

  contract("sequencing works in pieces and says whether more is left", async (world) => {
    await world.store.enqueueRuns({ rows: Array.from({ length: 5 }, () => world.row()) });
    let moved = 0;
    await until(async () => {
      const piece = await world.store.sequenceEvents({ limitRows: 2 });
      assert.ok(piece.moved <= 2);
      moved += piece.moved;
      return !piece.more;
    });
    assert.ok(moved === 5 || moved === 0);
    assert.equal((await world.store.listTopic({ namespace, after: 0, limitRows: 10 })).events.length, 5);
  });

  contract("each namespace has a log of its own", async (world) => {
    const here = await world.enqueue();
    const there = await world.enqueue({ namespace: "other" });
    await sequenceAll(world.store);
    const topic = async (name: string) => {
      const { events } = await world.store.listTopic({ namespace: name, after: 0, limitRows: 10 });
      return events.map(({ runId }) => runId);
    };
    assert.deepEqual([await topic(namespace), await topic("other"), await topic("third")], [[here.id], [there.id], []]);
    assert.equal((await world.store.listTopic({ namespace: "third", after: 0, limitRows: 10 })).last, 0);
  });

  contract("a reader of a log stops and goes on anywhere", async (world) => {
    await world.store.enqueueRuns({ rows: Array.from({ length: 7 }, () => world.row()) });
    await sequenceAll(world.store);
    const whole = await world.store.listTopic({ namespace, after: 0, limitRows: 100 });
    const pages: TopicEvent[] = [];
    for (let after = 0; ; after = pages.at(-1)?.position ?? 0) {
      const { events, last } = await world.store.listTopic({ namespace, after, limitRows: 3 });
      assert.equal(last, whole.last);
      if (events.length === 0) break;
      pages.push(...events);
    }
    assert.deepEqual(pages, whole.events);
  });

  contract("what is repeated writes no event", async (world) => {
    const row = world.row({}, { claimFor: await world.member() });
    await world.store.enqueueRuns({ rows: [row] });
    await world.store.enqueueRuns({ rows: [row] });
    const run = await world.get(row.run.id);
    await world.finish(run, next.retry());
    await world.finish(run, next.retry());
    await world.cancel(run.id);
    await world.cancel(run.id);
    const types = ["run.enqueued", "run.started", "run.retry_scheduled", "run.cancelled"];
    assert.deepEqual(await world.events(run.id), types);
    await sequenceAll(world.store);
    const { events } = await world.store.listTopic({ namespace, after: 0, limitRows: 100 });
    assert.deepEqual(
      events.map(({ type }) => type),
      types,
    );
  });

  contract("sequencers at once move each event once and keep each run's order", async (world) => {
    const doors = await world.doors();
    const claimFor = await world.member();
    await world.store.enqueueRuns({ rows: Array.from({ length: 60 }, () => world.row({}, { claimFor })) });
    let moved = 0;
    await until(async () => {
      const pieces = await Promise.all(
        Array.from({ length: 4 }, (_, index) =>
          (doors[index % doors.length] ?? world.store).sequenceEvents({ limitRows: 11 }),
        ),
      );
      for (const piece of pieces) moved += piece.moved;
      return pieces.every((piece) => piece.moved === 0 && !piece.more);
    });
    assert.ok(moved === 120 || moved === 0);
    assertWhole(await readAll(world.store, 0), 120);
  });

  contract("a reader that follows while others write and sequence misses and doubles nothing", async (world) => {
    const doors = await world.doors();
    const seen: TopicEvent[] = [];
    let writing = true;
    const follow = async () => {
      while (writing) {
        await Promise.all(doors.map((store) => store.sequenceEvents({ limitRows: 13 })));
        const { events } = await world.store.listTopic({ namespace, after: seen.at(-1)?.position ?? 0, limitRows: 9 });
        seen.push(...events);
      }
    };
    const write = async (store: Store, memberId: string) => {
      for (let i = 0; i < 15; i++) {
        const run = await world.running({}, memberId);
        const rows = [{ runId: run.id, epoch: run.epoch, ranMs: 1, next: next.success() }];
        await store.finishActivations({ rows });
      }
    };
    const members = [await world.member(), await world.member(), await world.member()];
    const following = follow();
    await Promise.all(members.map((memberId, index) => write(doors[index % doors.length] ?? world.store, memberId)));
    writing = false;
    await following;
    await sequenceAll(world.store);
    seen.push(...(await readAll(world.store, seen.at(-1)?.position ?? 0)));
    assertWhole(seen, 3 * 15 * 3);
  });
}

async function sequenceAll(store: Store): Promise<void> {
  await until(async () => {
    const { moved, more } = await store.sequenceEvents({ limitRows: 1_000 });
    return moved === 0 && !more;
  });
}

async function readAll(store: Store, from: number): Promise<TopicEvent[]> {
  const all: TopicEvent[] = [];
  for (let after = from; ; after = all.at(-1)?.position ?? after) {
    const { events } = await store.listTopic({ namespace, after, limitRows: 100 });
    if (events.length === 0) return all;
    all.push(...events);
  }
}

/** Every event once, positions rising, each run's numbers 1, 2, 3… */
function assertWhole(events: readonly TopicEvent[], count: number): void {
  assert.equal(events.length, count);
  const numbers = new Map<string, number>();
  let before = 0;
  for (const { position, runId, number } of events) {
    assert.ok(position > before, "positions rise");
    before = position;
    assert.equal(number, (numbers.get(runId) ?? 0) + 1, `the next event of ${runId}`);
    numbers.set(runId, number);
  }
}
