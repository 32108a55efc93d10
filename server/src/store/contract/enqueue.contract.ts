import assert from "node:assert/strict";
import { limits } from "@holdfast/protocol";
import { enqueuedData, startingRun } from "../../core/index.ts";
import type { EnqueueRow, Uniqueness } from "../store.ts";
import { type Contract, created, hourMs, next, plain, refused } from "./world.contract.ts";

const name = (key: string, hash = "h1"): Uniqueness => ({ key, hash, retentionMs: hourMs });

/** What stores promise about the insertion of roots. */
export function enqueueContract(contract: Contract): void {
  contract("an enqueued run is ready and is found as it was answered", async (world) => {
    const given = world.root({ priority: 3, queue: "etl" });
    const [result] = await world.store.enqueueRuns({
      rows: [{ run: given, key: null, request: null, claimFor: null }],
    });
    const run = created(result);
    assert.deepEqual(plain(run), plain(startingRun(given, run.createdAt)));
    assert.deepEqual(plain(await world.get(given.id)), plain(run));
  });

  contract("a root keeps its caller's trace, and its children have it too", async (world) => {
    const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const { id } = await world.enqueue({ kind: "workflow", trace });
    const parent = await world.activate(id);
    assert.equal(parent.trace, trace);
    const expansion = world.expansion(parent, [{ name: "a", trace }, { name: "b" }]);
    await world.store.expandRuns({ rows: [expansion] });
    const rows = await world.store.listTree({ rootId: id, limitRows: 10 });
    assert.deepEqual(
      rows.map((row) => row.trace),
      [trace, trace, null],
    );
  });

  contract("event 1 says that the run was enqueued", async (world) => {
    const run = await world.enqueue();
    const [event] = await world.store.listEvents({ runId: run.id, after: 0, limitRows: 10 });
    const { id: runId, rootId, definition, name: runName, createdAt: at } = run;
    const data = enqueuedData(run);
    const expected = { runId, rootId, definition, name: runName, number: 1, type: "run.enqueued", at, data };
    assert.deepEqual(plain(event), plain(expected));
    assert.deepEqual(await world.events(run.id), ["run.enqueued"]);
  });

  contract("the same id again is the run that is there, and changes nothing", async (world) => {
    const row = world.row();
    await world.store.enqueueRuns({ rows: [row] });
    const before = await world.get(row.run.id);
    const again = await world.store.enqueueRuns({ rows: [{ ...row, run: { ...row.run, input: "other" } }] });
    assert.deepEqual(again, [{ outcome: "existing", runId: row.run.id }]);
    assert.deepEqual(plain(await world.get(row.run.id)), plain(before));
    assert.deepEqual(await world.events(row.run.id), ["run.enqueued"]);
  });

  contract("a key that is used again for the same thing names the first run", async (world) => {
    const first = await world.enqueue({}, { key: name("order-17") });
    const row = world.row({}, { key: name("order-17") });
    assert.deepEqual(await world.store.enqueueRuns({ rows: [row] }), [{ outcome: "existing", runId: first.id }]);
    assert.equal(await world.store.findRun({ id: row.run.id }), undefined);
  });

  contract("a key that is used for something else is a conflict", async (world) => {
    const first = await world.enqueue({}, { key: name("order-17", "h1") });
    const row = world.row({}, { key: name("order-17", "h2") });
    assert.deepEqual(await world.store.enqueueRuns({ rows: [row] }), [{ outcome: "key_conflict", runId: first.id }]);
    assert.equal(await world.store.findRun({ id: row.run.id }), undefined);
  });

  contract("a key conflicts also where both runs got the same id", async (world) => {
    const first = await world.enqueue({}, { key: name("order-17", "h1") });
    const row = world.row({ id: first.id }, { key: name("order-17", "h2") });
    assert.deepEqual(await world.store.enqueueRuns({ rows: [row] }), [{ outcome: "key_conflict", runId: first.id }]);
  });

  contract("keys of other definitions and other namespaces are other keys", async (world) => {
    const rows = [
      world.row({}, { key: name("k") }),
      world.row({ definition: "bill" }, { key: name("k", "h2") }),
      world.row({ namespace: "other" }, { key: name("k", "h3") }),
    ];
    const results = await world.store.enqueueRuns({ rows });
    assert.deepEqual(
      results.map(({ outcome }) => outcome),
      ["created", "created", "created"],
    );
  });

  contract("a request that is repeated answers the run that it made", async (world) => {
    const first = await world.enqueue({}, { request: name("req-1") });
    const row = world.row({ definition: "bill" }, { request: name("req-1") });
    assert.deepEqual(await world.store.enqueueRuns({ rows: [row] }), [{ outcome: "existing", runId: first.id }]);
  });

  contract("a request that comes back with another body is a conflict, in its namespace", async (world) => {
    const first = await world.enqueue({}, { request: name("req-1", "h1") });
    const other = world.row({}, { request: name("req-1", "h2") });
    const elsewhere = world.row({ namespace: "other" }, { request: name("req-1", "h2") });
    const results = await world.store.enqueueRuns({ rows: [other, elsewhere] });
    assert.deepEqual(results[0], { outcome: "request_conflict", runId: first.id });
    assert.equal(results[1]?.outcome, "created");
  });

  contract("the request is judged before the key", async (world) => {
    const byRequest = await world.enqueue({}, { request: name("req-1") });
    await world.enqueue({}, { key: name("k", "h1") });
    const row = world.row({}, { request: name("req-1"), key: name("k", "h2") });
    assert.deepEqual(await world.store.enqueueRuns({ rows: [row] }), [{ outcome: "existing", runId: byRequest.id }]);
  });

  contract("a request that found a run by its key answers that run from then on", async (world) => {
    const { id: runId } = await world.enqueue({}, { key: name("k") });
    const ask = async (...rows: Partial<EnqueueRow>[]) => {
      return world.store.enqueueRuns({ rows: rows.map((row) => world.row({}, row)) });
    };
    const existing = { outcome: "existing", runId };
    // Twice in one call, and once where another request has come between.
    const found = { key: name("k"), request: name("req-1") };
    assert.deepEqual(await ask(found, found, { request: name("req-1", "h9") }), [
      existing,
      existing,
      { outcome: "request_conflict", runId },
    ]);
    assert.deepEqual(await ask({ request: name("req-1") }), [existing]);
    assert.deepEqual(await ask({ request: name("req-1", "h9") }), [{ outcome: "request_conflict", runId }]);
    // A key that is in conflict has answered nothing.
    const refusal = { outcome: "key_conflict", runId };
    assert.deepEqual(await ask({ key: name("k", "h9"), request: name("req-2") }), [refusal]);
    created((await ask({ request: name("req-2", "h9") }))[0]);
  });

  contract(
    "a request that a key has answered whose run is gone stands as long as it is kept, and no longer",
    async (world) => {
      const { id } = await world.enqueue({}, { key: name("k") });
      const run = await world.activate(id);
      await world.finish(run, next.success());
      await world.pass(10);
      const prune = () => world.store.prune({ runsMs: 0, logsMs: 0, limitRows: 100 });
      assert.equal((await prune()).runs, 1);
      const request = { ...name("req-1"), retentionMs: 20 };
      const row = world.row({}, { key: name("k"), request });
      assert.deepEqual(await world.store.enqueueRuns({ rows: [row] }), [{ outcome: "existing", runId: run.id }]);
      await world.pass(30);
      await prune();
      created((await world.store.enqueueRuns({ rows: [world.row({}, { request: name("req-1", "h9") })] }))[0]);
    },
  );

  contract("rows of one call see each other, and each has its own result in its place", async (world) => {
    const first = world.row({}, { key: name("k", "h1") });
    const rows = [
      first,
      world.row({}, { key: name("k", "h1") }),
      world.row({}, { key: name("k", "h2") }),
      world.row(),
      { ...first, key: null },
    ];
    const results = await world.store.enqueueRuns({ rows });
    assert.deepEqual(
      results.map(({ outcome }) => outcome),
      ["created", "existing", "key_conflict", "created", "existing"],
    );
    assert.equal(created(results[3]).id, rows[3]?.run.id);
  });

  contract("no rows have no results", async ({ store }) => {
    assert.deepEqual(await store.enqueueRuns({ rows: [] }), []);
  });

  contract("a run can be inserted already claimed", async (world) => {
    const memberId = await world.member();
    const run = await world.enqueue({}, { claimFor: memberId });
    assert.deepEqual(
      { status: run.status, epoch: run.epoch, claimedBy: run.claimedBy, lastEvent: run.lastEvent },
      { status: "running", epoch: 1, claimedBy: memberId, lastEvent: 2 },
    );
    assert.equal(run.startedAt, run.createdAt);
    assert.equal(run.claimedAt, run.createdAt);
    assert.deepEqual(plain(await world.get(run.id)), plain(run));
    assert.deepEqual(await world.events(run.id), ["run.enqueued", "run.started"]);
    assert.deepEqual(await world.lastData(run.id), { attempt: 1, epoch: 1, member: memberId });
    assert.deepEqual(await world.claim(await world.member()), []);
  });

  contract("a run is not claimed for a member that is gone or never was", async (world) => {
    const memberId = await world.member();
    await world.store.leaveMember({ id: memberId });
    for (const claimFor of [memberId, "nobody"]) {
      const run = await world.enqueue({}, { claimFor });
      assert.deepEqual({ status: run.status, epoch: run.epoch }, { status: "ready", epoch: 0 });
      assert.deepEqual(await world.events(run.id), ["run.enqueued"]);
    }
  });

  contract("a run that starts later is not claimed at once", async (world) => {
    const memberId = await world.member();
    const { now } = await world.store.describe();
    const run = await world.enqueue({ startAfter: now + hourMs }, { claimFor: memberId });
    assert.deepEqual({ status: run.status, wakeAt: run.wakeAt }, { status: "ready", wakeAt: now + hourMs });
    assert.deepEqual(await world.claim(memberId), []);
  });

  contract("a start in the past is a start now", async (world) => {
    const { now } = await world.store.describe();
    const run = await world.enqueue({ startAfter: now - hourMs });
    assert.equal(run.wakeAt, null);
    assert.equal((await world.claim(await world.member()))[0]?.id, run.id);
  });

  contract("expiry counts from the insertion, on the store's clock", async (world) => {
    const run = await world.enqueue({ expiresAfterMs: hourMs });
    assert.equal(run.expiresAt, run.createdAt + hourMs);
    assert.equal((await world.get(run.id)).expiresAt, run.createdAt + hourMs);
  });

  contract("inputs of every shape come back as they were", async (world) => {
    const inputs = [
      null,
      true,
      0,
      -1.5,
      1e300,
      2 ** 53 - 1,
      "",
      "\\u0000 \u2028 \u{1F6A2}",
      [],
      {},
      [[null]],
      { "": { a: [1, "b"] } },
    ];
    const rows = inputs.map((input) => world.row({ input }));
    await world.store.enqueueRuns({ rows });
    for (const [index, { run }] of rows.entries()) assert.deepEqual((await world.get(run.id)).input, inputs[index]);
  });

  contract("no input is not the input null", async (world) => {
    const { input: _, ...without } = world.root();
    await world.store.enqueueRuns({ rows: [{ run: without, key: null, request: null, claimFor: null }] });
    assert.equal((await world.get(without.id)).input, undefined);
    assert.equal((await world.enqueue({ input: null })).input, null);
  });

  contract("what a caller does with its values afterwards changes nothing in the store", async (world) => {
    const input = { parts: ["bolt"] };
    const run = await world.enqueue({ input });
    input.parts.push("nut");
    assert.deepEqual((await world.get(run.id)).input, { parts: ["bolt"] });
  });

  contract("of many callers at once that use one key, one makes a run", async (world) => {
    const doors = await world.doors();
    const rows = Array.from({ length: 20 }, () => world.row({}, { key: name("k") }));
    const results = await Promise.all(
      rows.map((row, index) => (doors[index % doors.length] ?? world.store).enqueueRuns({ rows: [row] })),
    );
    const made = results.flat().filter(({ outcome }) => outcome === "created");
    assert.equal(made.length, 1);
    const id = created(made[0]).id;
    for (const result of results.flat()) {
      if (result.outcome !== "created") assert.deepEqual(result, { outcome: "existing", runId: id });
    }
    assert.equal((await world.claim(await world.member())).length, 1);
  });

  for (const [what, fields, row] of unfit) {
    contract(`a row with ${what} is refused, and its call leaves nothing behind`, async (world) => {
      const good = world.row();
      const bad = world.row(fields, row);
      await refused(world.store.enqueueRuns({ rows: [good, bad] }), "invalid_request", "too_large");
      assert.equal(await world.store.findRun({ id: good.run.id }), undefined);
      assert.equal(await world.store.findRun({ id: bad.run.id }), undefined);
    });
  }

  contract("an input at its limit is kept", async (world) => {
    const input = "x".repeat(limits.inputBytes - 2);
    assert.equal((await world.get((await world.enqueue({ input })).id)).input, input);
  });
}

const unfit = [
  ["NUL in its input", { input: { text: "a\u0000b" } }, {}],
  ["NUL in a name inside its input", { input: { "a\u0000b": 1 } }, {}],
  ["a lone surrogate in its input", { input: ["\ud83d"] }, {}],
  ["NUL in its key", {}, { key: name("a\u0000b") }],
  ["a key over its limit", {}, { key: name("k".repeat(limits.keyCharacters + 1)) }],
  ["an empty key", {}, { key: name("") }],
  ["a lone surrogate in its request", {}, { request: name("\udead") }],
  ["an input over its limit", { input: "x".repeat(limits.inputBytes) }, {}],
  ["an expiry at no moment that can be written", { expiresAfterMs: Number.MAX_SAFE_INTEGER }, {}],
  ["a key kept for ever", {}, { key: { ...name("k"), retentionMs: Number.MAX_SAFE_INTEGER } }],
  ["upstreams, though it is a root", { blockedBy: 1 }, {}],
  ["a parent, though it is a root", { parentId: "00000000000000000000" }, {}],
  ["a priority that is no whole number", { priority: 0.5 }, {}],
] as const;
