import assert from "node:assert/strict";
import { test } from "node:test";
import { isAppError } from "@holdfast/protocol";
import { replaced } from "../engine/endless.fixture.ts";
import { serve } from "../main.ts";
import { namespace, World } from "../store/contract/world.contract.ts";
import { openMemoryStore } from "../store/memory/memory-store.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";

const hourMs = 3_600_000;
const manifest = {
  format: 1,
  root: "load",
  definitions: {
    load: {
      kind: "task",
      id: "load",
      executor: "typescript",
      source: { module: "load.ts", export: "load" },
      queue: "default",
      priority: 0,
      retry: { attempts: 1, delayMs: 0, factor: 1, maxDelayMs: 0, jitter: 0 },
      placement: "process",
      isolation: "pool",
      reads: [],
      writes: [],
    },
  },
  assets: {},
} as const;

async function open(keysMs: number) {
  const clock = new VirtualClock();
  const services = serve(openMemoryStore({ clock }), { clock, keysMs });
  await services.definitions.apply([manifest as never]);
  return { ...services, clock };
}

test("a key answers the run that it began, also with the input's fields in another order", async () => {
  const { runs } = await open(hourMs);
  const first = await runs.start({ definition: "load", key: "order-17", input: { a: 1, b: [2] } });
  const again = await runs.start({ definition: "load", key: "order-17", input: { b: [2], a: 1 } });
  assert.deepEqual([again.existing, again.run.id], [true, first.run.id]);
});

test("a key with another input is a conflict that names the run", async () => {
  const { runs } = await open(hourMs);
  const { run } = await runs.start({ definition: "load", key: "order-17", input: { a: 1 } });
  await assert.rejects(runs.start({ definition: "load", key: "order-17", input: { a: 2 } }), (error) => {
    return isAppError(error, "key_conflict") && JSON.stringify(error.details) === JSON.stringify({ runId: run.id });
  });
});

test("a key whose run is past its retention says so, and begins nothing", async () => {
  const { runs, clock, store } = await open(10 * hourMs);
  const { run } = await runs.start({ definition: "load", key: "order-17" });
  await runs.cancel(run.id);
  await clock.advanceMs(2 * hourMs);
  await store.prune({ runsMs: hourMs, logsMs: hourMs, limitRows: 10 });
  await assert.rejects(runs.start({ definition: "load", key: "order-17" }), (error) => {
    return isAppError(error, "run_ended") && /past its retention/.test(error.message);
  });
});

test("a key is remembered as long as the configuration says, and longer while its run is kept", async () => {
  const { runs, clock, store } = await open(hourMs);
  const { run } = await runs.start({ definition: "load", key: "order-17" });
  await clock.advanceMs(2 * hourMs);
  await store.prune({ runsMs: hourMs, logsMs: hourMs, limitRows: 10 });
  assert.equal((await runs.start({ definition: "load", key: "order-17" })).run.id, run.id);
  await runs.cancel(run.id);
  await clock.advanceMs(2 * hourMs);
  await store.prune({ runsMs: hourMs, logsMs: hourMs, limitRows: 10 });
  await store.prune({ runsMs: hourMs, logsMs: hourMs, limitRows: 10 });
  assert.equal((await runs.start({ definition: "load", key: "order-17" })).existing, false);
});

test("an Idempotency-Key answers what it answered first and refuses another request", async () => {
  const { runs } = await open(hourMs);
  const { run } = await runs.start({ definition: "load", input: { a: 1 } }, "request-1");
  assert.equal((await runs.start({ definition: "load", input: { a: 1 } }, "request-1")).run.id, run.id);
  await assert.rejects(runs.start({ definition: "load", input: { a: 2 } }, "request-1"), (error) =>
    isAppError(error, "request_conflict"),
  );
});

test("an Idempotency-Key that comes back under another span is the same request", async () => {
  const { runs } = await open(hourMs);
  const under = (span: string) => {
    const traceparent = `00-${"a".repeat(32)}-${span.repeat(16)}-01`;
    return runs.start({ definition: "load", traceparent }, "request-1");
  };
  const { run } = await under("1");
  assert.equal((await under("2")).run.id, run.id);
});

test("a definition that is replaced again and again while its run is to start is said to be, and the run is not waited for", async () => {
  const clock = new VirtualClock();
  const memory = openMemoryStore({ clock });
  const there = serve(memory, { clock });
  const apply = (priority: number) => {
    const load = { ...manifest.definitions.load, priority };
    return there.definitions.apply([{ ...manifest, definitions: { load } } as never]);
  };
  let rounds = 0;
  const store = replaced(memory, {
    enqueueRuns: async (args) => {
      rounds += 1;
      if (rounds <= 30) await apply(rounds);
      return memory.enqueueRuns(args);
    },
  });
  await apply(0);
  const { runs } = serve(store, { clock });
  await assert.rejects(runs.start({ definition: "load" }), { code: "invalid_definition" });
  assert.deepEqual([rounds, (await runs.list({ rootsOnly: true, limit: 10 })).runs.length], [10, 0]);
});

// The fault: a node that starts runs of what was current when it last looked, or refuses what no longer is wrong.
test("a run is of what is current at its start, also where another node has applied it", async () => {
  const clock = new VirtualClock();
  const store = openMemoryStore({ clock });
  const [here, there] = [serve(store, { clock }), serve(store, { clock })];
  const taking = (input: object) => {
    return { ...manifest, definitions: { load: { ...manifest.definitions.load, input } } } as never;
  };
  const apply = async (input: object) => (await there.definitions.apply([taking(input)])).definitions[0]?.manifestHash;
  const first = await apply({ type: "object", required: ["day"] });
  const { run } = await here.runs.start({ definition: "load", input: { day: "Monday" } });
  assert.equal((await store.findRun({ id: run.id }))?.manifestHash, first);
  const second = await apply({ type: "object", required: ["week"] });
  const { run: later } = await here.runs.start({ definition: "load", input: { week: 7 } });
  assert.equal((await store.findRun({ id: later.id }))?.manifestHash, second);
  const third = await apply({ type: "object" });
  const { run: last } = await here.runs.start({ definition: "load", input: { week: 8 } });
  assert.equal((await store.findRun({ id: last.id }))?.manifestHash, third);
  await assert.rejects(here.runs.start({ definition: "load", input: 1 }), { code: "invalid_input" });
});

test("an id may be shortened as long as it names one run", async () => {
  const { runs } = await open(hourMs);
  const { run } = await runs.start({ definition: "load" });
  assert.equal((await runs.get(run.id.slice(0, 12).toUpperCase())).id, run.id);
  const { run: other } = await runs.start({ definition: "load" });
  assert.equal(run.id.slice(0, 7), other.id.slice(0, 7), "runs of one second begin alike");
  await assert.rejects(runs.get(run.id.slice(0, 7)), (error) => {
    return isAppError(error, "ambiguous_id") && error.hint?.includes(`${other.id} (load)`) === true;
  });
  await assert.rejects(runs.get("abc"), { code: "ambiguous_id" });
  for (const unknown of ["", "zzzzzzzz", "%", "a'; drop table runs"]) {
    await assert.rejects(runs.get(unknown), (error) => isAppError(error, "not_found"), unknown);
  }
});

test("a definition that is not there, and a key that no store can keep, are refused", async () => {
  const { runs } = await open(hourMs);
  await assert.rejects(runs.start({ definition: "lod" }), (error) => isAppError(error, "not_found"));
  await assert.rejects(runs.start({ definition: "load", key: "a\u0000" }), (error) =>
    isAppError(error, "invalid_request"),
  );
});

test("a run of another namespace is not there, not even to be cancelled by its whole id", async () => {
  const clock = new VirtualClock();
  const store = openMemoryStore({ clock });
  const [ours, theirs] = ["ours", "theirs"].map((namespace) => serve(store, { clock, namespace }));
  await theirs?.definitions.apply([manifest as never]);
  const started = await theirs?.runs.start({ definition: "load" });
  const id = started?.run.id ?? "";
  await assert.rejects(async () => ours?.runs.cancel(id), { code: "not_found" });
  assert.equal((await theirs?.runs.get(id))?.status, "ready");
});

test("a shortened id that only runs of one tree begin with names the tree", async () => {
  const clock = new VirtualClock();
  const store = openMemoryStore({ clock });
  const world = new World({ store, close: async () => {} });
  const { runs } = serve(store, { clock, namespace });
  const nodes = Array.from({ length: 15 }, (_, place) => ({ name: `n${place}` }));
  const { parent } = await world.workflow(nodes);
  assert.equal((await runs.get(parent.id.slice(0, 7))).id, parent.id);
});

// The fault: what overflows the stack was no refusal of the manifest, and a node never looked for the one that had replaced it.
test("a schema that calls itself for ever refuses its inputs in words, and a better one takes its place", async () => {
  const { runs, definitions } = await open(hourMs);
  const taking = (input: object) => {
    return { ...manifest, definitions: { load: { ...manifest.definitions.load, input } } } as never;
  };
  await definitions.apply([taking({ $ref: "#" })]);
  await assert.rejects(runs.start({ definition: "load", input: {} }), (error) => {
    return isAppError(error, "invalid_input") && /too many levels/.test(error.message);
  });
  await definitions.apply([taking({ type: "object" })]);
  assert.equal((await runs.start({ definition: "load", input: {} })).existing, false);
});

test("runs are listed by their key, and from a moment on", async () => {
  const { runs, clock } = await open(hourMs);
  const old = (await runs.start({ definition: "load", key: "order-17" })).run;
  await clock.advanceMs(1_000);
  const since = new Date(clock.now()).toISOString();
  const young = (await runs.start({ definition: "load" })).run;
  const list = async (filter: Omit<Parameters<typeof runs.list>[0], "limit" | "rootsOnly">) => {
    const page = await runs.list({ rootsOnly: true, limit: 10, ...filter });
    return [page.runs.map(({ id }) => id), page.cursor];
  };
  const none: unknown = [[], null];
  assert.deepEqual(await list({ key: "order-17" }), [[old.id], null]);
  assert.deepEqual(await list({ key: "order-17", definition: "load", statuses: ["ready"] }), [[old.id], null]);
  for (const other of [{ definition: "send" }, { statuses: ["failed"] as const }, { since }, { parent: young.id }])
    assert.deepEqual(await list({ key: "order-17", ...other }), none);
  assert.deepEqual(await list({ key: "order-18" }), none);
  assert.deepEqual(await list({ since }), [[young.id], null]);
  assert.deepEqual(await list({}), [[young.id, old.id], null]);
  const first = await runs.list({ rootsOnly: true, limit: 1, since });
  assert.notEqual(first.cursor, null);
  assert.deepEqual(await list({ since, ...(first.cursor === null ? {} : { cursor: first.cursor }) }), none);
});
