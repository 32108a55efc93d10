import assert from "node:assert/strict";
import { limits } from "@holdfast/protocol";
import { newScheduleState } from "../../core/index.ts";
import { jsonBytes } from "../admission.ts";
import { mayHaveMore } from "../page-bytes.ts";
import { type Contract, cancelled, namespace, next, plain } from "./world.contract.ts";

// Faults to catch: a page that counts rows alone, errors that count for nothing, a list that reads what it does not show, values
// of scopes that are read whatever they come to.

const half = "x".repeat(limits.pageBytes / 2);
const error = { code: "task_failed", message: half } as const;

/** What stores promise about answers whose rows are large: how much one of them may hold. */
export function pagesContract(contract: Contract): void {
  contract("errors count in pages of runs and of trees, and nothing is missed", async (world) => {
    const { parent, ids } = await world.workflow(["a", "b", "c"].map((name) => ({ name })));
    for (const id of Object.values(ids)) {
      await world.finish(await world.activate(id), { to: "ended", status: "failed", outcome: "failed", error });
    }
    const tree = async (after?: string) => {
      const args = { rootId: parent.id, limitRows: 100, ...(after === undefined ? {} : { after }) };
      const rows = await world.store.listTree(args);
      return [rows.map(({ name }) => name), mayHaveMore(rows, 100)];
    };
    assert.deepEqual(await tree(), [["nightly", "a", "b"], true]);
    assert.deepEqual(await tree(ids.b), [["c"], false]);
    const filter = { namespace, parentId: parent.id, rootsOnly: false, limitRows: 100 };
    const first = await world.store.listRuns(filter);
    assert.deepEqual(
      first.runs.map(({ name }) => name),
      ["c", "b"],
    );
    const second = await world.store.listRuns({ ...filter, cursor: first.cursor ?? "" });
    assert.deepEqual([second.runs.map(({ name }) => name), second.cursor], [["a"], null]);
  });

  contract("a page of events is shorter where they say much, and nothing is missed", async (world) => {
    const runs = [await world.running(), await world.running(), await world.running()];
    for (const { id: runId } of runs) {
      await world.store.orderEnd({ runId, ending: cancelled, data: { reason: half }, limitRows: 10 });
    }
    while ((await world.store.sequenceEvents({ limitRows: 1_000 })).more);
    const positions: number[] = [];
    let pages = 0;
    for (let after = 0; ; pages++) {
      const { events } = await world.store.listTopic({ namespace, after, limitRows: 1_000 });
      if (events.length === 0) break;
      assert.ok(events.filter(({ data }) => JSON.stringify(data).includes(half)).length <= 2);
      positions.push(...events.map(({ position }) => position));
      after = positions.at(-1) ?? 0;
    }
    assert.ok(pages > 1);
    assert.deepEqual(
      positions,
      positions.map((_, index) => index + 1),
    );
    const own = await world.store.listEvents({ runId: runs[0]?.id ?? "", after: 0, limitRows: 1_000 });
    assert.equal(own.at(-1)?.number, own.length);
  });

  contract("a scope whose values are too much is not read, and says so", async (world) => {
    const { parent, ids } = await world.workflow([{ name: "a" }, { name: "b" }]);
    await world.finish(await world.activate(ids.a ?? ""), next.success("x".repeat(limits.collectedOutputBytes - 2)));
    await world.finish(await world.activate(ids.b ?? ""), next.success("small"));
    const { input } = parent;
    const query = (...names: string[]) => ({ parentId: parent.id, names });
    const tooMuch = query("a", "a", "a", "a", "a");
    const results = await world.store.findScopes({ rows: [query("b"), tooMuch, query("b")] });
    assert.deepEqual(plain(results[0]), {
      outcome: "read",
      input,
      outputs: [{ name: "b", status: "succeeded", output: "small" }],
    });
    assert.deepEqual(results[1], { outcome: "too_large", bytes: 5 * limits.collectedOutputBytes + jsonBytes(input) });
    // Alone it fits.
    assert.deepEqual(results[2], { outcome: "later" });
  });

  contract(
    "lists of schedules do not have what these start their runs with; due ones come in shorter pages",
    async ({ store }) => {
      const { now } = await store.describe();
      const ids = Array.from({ length: 20 }, (_, at) => `ship:${String(at).padStart(2, "0")}`);
      const params = { const: "x".repeat(1_000_000) };
      const rest = {
        when: { cron: "* * * * *" },
        tz: "UTC",
        catchUp: "latest",
        overlap: "allow",
        jitterMs: 0,
      } as const;
      const state = newScheduleState(now);
      const row = (id: string) => ({ id, definition: "ship", dueAt: now, state, version: null });
      const rows = ids.map((id) => ({ ...row(id), spec: { id, definition: "ship", params, ...rest } }));
      await store.declareSchedules({ namespace, definitions: [], rows, kept: [] });
      for (const definition of [undefined, "ship"]) {
        const listed = await store.listSchedules({
          namespace,
          limitRows: 100,
          ...(definition === undefined ? {} : { definition }),
        });
        assert.deepEqual(
          listed.map(({ spec }) => plain(spec)),
          ids.map((id) => ({ id, definition: "ship", ...rest })),
        );
      }
      assert.deepEqual((await store.findSchedule({ namespace, id: "ship:00" }))?.spec.params, params);
      const { due, nextInMs } = await store.dueSchedules({ namespace, limitRows: 100 });
      assert.deepEqual([due.length, nextInMs], [17, 0]);
      assert.deepEqual(due[0]?.schedule.spec.params, params);
    },
  );
}
