import assert from "node:assert/strict";
import { type LogLine, limits } from "@holdfast/protocol";
import { type Contract, next, plain, refused, type World } from "./world.contract.ts";

const kept = { outcome: "kept" };
const stale = { outcome: "stale_epoch" };

/** What stores promise about log lines. */
export function logsContract(contract: Contract): void {
  contract("lines are kept as they were, in the order of writing", async (world) => {
    const run = await world.running();
    const lines: LogLine[] = [
      { ...line(run, 2), stream: "stderr", level: "error", text: "Grüße \u{1F6A2}" },
      { ...line(run, 1), fields: { rows: [1, null] } },
      { ...line(run, 3), stream: "progress", text: "" },
    ];
    assert.deepEqual(await world.store.appendLogs({ rows: lines.slice(0, 2) }), [kept, kept]);
    assert.deepEqual(await world.store.appendLogs({ rows: lines.slice(2) }), [kept]);
    assert.deepEqual(await read(world, run.id), lines);
    assert.deepEqual(await world.store.appendLogs({ rows: [] }), []);
  });

  contract("a line that is said again is kept once", async (world) => {
    const run = await world.running();
    const rows = [line(run, 1), line(run, 2), { ...line(run, 1), text: "other" }];
    assert.deepEqual(await world.store.appendLogs({ rows }), [kept, kept, kept]);
    assert.deepEqual(await world.store.appendLogs({ rows }), [kept, kept, kept]);
    assert.deepEqual(await read(world, run.id), rows.slice(0, 2));
  });

  contract("lines of an activation that is not the last are dropped, and so are those of strangers", async (world) => {
    const first = await world.running();
    await world.finish(first, next.retry());
    const second = await world.activate(first.id);
    const rows = [line(first, 1), line(second, 1), { ...line(second, 2), runId: world.root().id }];
    assert.deepEqual(await world.store.appendLogs({ rows }), [stale, kept, stale]);
    assert.deepEqual(await read(world, first.id), [line(second, 1)]);
  });

  contract("the last lines of an activation are kept after its end", async (world) => {
    const run = await world.running();
    await world.finish(run, next.success());
    assert.deepEqual(await world.store.appendLogs({ rows: [line(run, 1)] }), [kept]);
    assert.equal((await read(world, run.id)).length, 1);
  });

  contract("a second activation writes behind the first, with numbers of its own", async (world) => {
    const first = await world.running();
    await world.store.appendLogs({ rows: [line(first, 1), line(first, 2)] });
    await world.finish(first, next.retry());
    const second = await world.activate(first.id);
    await world.store.appendLogs({ rows: [line(second, 1)] });
    assert.deepEqual(await read(world, first.id), [line(first, 1), line(first, 2), line(second, 1)]);
  });

  contract("each run has lines of its own, also when they were written in one call", async (world) => {
    const [one, two] = [await world.running(), await world.running()];
    await world.store.appendLogs({ rows: [line(one, 1), line(two, 1), line(one, 2)] });
    assert.deepEqual(await read(world, one.id), [line(one, 1), line(one, 2)]);
    assert.deepEqual(await read(world, two.id), [line(two, 1)]);
  });

  contract("a reader pages without missing or doubling, and goes on with lines that come later", async (world) => {
    const run = await world.running();
    const empty = await world.store.listLogs({ runId: run.id, limitRows: 10 });
    assert.deepEqual(empty, { lines: [], cursor: null });
    await world.store.appendLogs({ rows: [1, 2, 3, 4, 5].map((seq) => line(run, seq)) });
    const seen: number[] = [];
    let cursor: string | null = null;
    for (const expected of [2, 2, 1, 0]) {
      const at: string | null = cursor;
      const page = await world.store.listLogs({ runId: run.id, ...(at === null ? {} : { cursor: at }), limitRows: 2 });
      assert.equal(page.lines.length, expected);
      seen.push(...page.lines.map(({ seq }) => seq));
      cursor = page.cursor;
      assert.notEqual(cursor, null);
    }
    await world.store.appendLogs({ rows: [line(run, 6)] });
    const later = await world.store.listLogs({ runId: run.id, cursor: cursor ?? "", limitRows: 10 });
    seen.push(...later.lines.map(({ seq }) => seq));
    assert.deepEqual(seen, [1, 2, 3, 4, 5, 6]);
  });

  contract("a page of long lines ends before it is too large, and the next goes on behind it", async (world) => {
    const run = await world.running();
    const text = "x".repeat(limits.logLineBytes);
    const fitting = limits.logPageBytes / limits.logLineBytes;
    const lines = Array.from({ length: fitting + 5 }, (_, index) => ({ ...line(run, index + 1), text }));
    await world.store.appendLogs({ rows: lines });
    const first = await world.store.listLogs({ runId: run.id, limitRows: 1_000 });
    assert.equal(first.lines.length, fitting);
    const second = await world.store.listLogs({ runId: run.id, cursor: first.cursor ?? "", limitRows: 1_000 });
    assert.deepEqual(
      [...first.lines, ...second.lines].map(({ seq }) => seq),
      lines.map(({ seq }) => seq),
    );
  });

  contract("a cursor that no store gave out is refused", async (world) => {
    const run = await world.running();
    await refused(world.store.listLogs({ runId: run.id, cursor: "'; x", limitRows: 10 }), "invalid_request");
  });

  contract("a line that cannot be kept is refused, and its call keeps nothing", async (world) => {
    const run = await world.running();
    for (const bad of [{ text: "a\u0000b" }, { text: "\udead" }, { fields: { a: "\u0000" } }]) {
      const rows = [line(run, 1), { ...line(run, 2), ...bad }];
      await refused(world.store.appendLogs({ rows }), "invalid_request");
    }
    assert.deepEqual(await read(world, run.id), []);
  });
}

function line(run: { id: string; epoch: number }, seq: number): LogLine {
  const text = `line ${seq} of ${run.epoch}`;
  return { runId: run.id, epoch: run.epoch, seq, at: 1_800_000_000_000 + seq, stream: "stdout", level: "info", text };
}

async function read(world: World, runId: string): Promise<LogLine[]> {
  return plain((await world.store.listLogs({ runId, limitRows: 1_000 })).lines);
}
