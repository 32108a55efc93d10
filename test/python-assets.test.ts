// What docs/guides/assets.md shows in Python, on a whole node, in real processes that are killed around their writes. Faults to catch: a page that
// is told twice or not at all; an event that starts two runs, or none; a body killed twice whose writes take effect again; a page of the guide
// that does not run.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { Json, RunView } from "@holdfast/protocol";
import { PythonNode } from "./python-node.fixture.ts";

const guide = readFileSync(new URL("../docs/guides/assets.md", import.meta.url), "utf8");
const [, shown = ""] = /^```py file=tasks\/sales\.py\n([\s\S]*?)^```$/m.exec(guide) ?? [];
const killed = `
def killed_twice(ctx: TaskContext) -> dict:
    pages = ctx.asset("pages")
    ctx.task_state.increment("n")
    ctx.task_state.append("l", "x")
    number = pages.emit({"n": 1}).number
    pages.advance("mark", 7, event={"n": 2})
    ctx.sleep("nap", "10ms")
    pages.increment("n")
    return {"number": number, "events": len(pages.events()), "n": pages.get("n")}


async def asynchronous(ctx) -> dict:
    pages = ctx.asset("pages")
    await ctx.task_state.increment("n")
    await ctx.task_state.append("l", "x")
    number = (await pages.emit({"n": 1})).number
    await pages.advance("mark", 8, event={"n": 2})
    await ctx.sleep("nap", "10ms")
    await pages.increment("n")
    return {"number": number, "events": len(await pages.events()), "n": await pages.get("n")}
`;
const functions = {
  ...{ "load-pages": "load_pages", "join-sales": "join_sales" },
  ...{ killed: "killed_twice", asynchronous: "asynchronous" },
};
const declares = {
  "load-pages": { writes: ["orders"] },
  "join-sales": { reads: ["orders"], startOn: { mode: "all", assets: ["customers", "orders"] } },
  killed: { writes: ["pages"] },
  asynchronous: { writes: ["pages"] },
} as const;

describe("the guide's assets in Python", { timeout: 120_000 }, () => {
  let node: PythonNode;
  before(async () => {
    node = await PythonNode.start({
      module: shown + killed,
      functions,
      declares: JSON.parse(JSON.stringify(declares)),
    });
  });
  after(() => node.stop());

  const ran = async (definition: string): Promise<Json> => {
    const { run } = await node.services.runs.start({ definition, input: {} });
    const { status, output, error } = await node.services.history.result(run.id, 60_000);
    assert.deepEqual([status, error], ["succeeded", null]);
    return output;
  };

  it("tells of each page once, though it is killed around its watermark, and so are those who wait for it", async () => {
    node.plan.add("state:after ", 1, "load-pages");
    node.plan.add("recorded:after 2026-01-02", 1, "load-pages");
    assert.equal(await ran("load-pages"), "2026-01-05");
    assert.equal(node.lines("saved.log").length, 7, "the first page was saved twice");
    const { events } = await node.services.assets.events("orders", {});
    assert.deepEqual(
      events.map(({ number, payload }) => [number, payload]),
      [1, 2, 3].map((number) => [number, { rows: number < 3 ? 2 : 1 }]),
    );
    assert.match(
      (await node.services.assets.consumer("join-sales")).waitsFor,
      /an event of customers \(orders has 3 more\)/,
    );
    node.plan.add("start", 1, "join-sales");
    node.plan.add("succeed", 1, "join-sales");
    await node.services.assets.emit("customers", { payload: null });
    const [run] = await ended(node, "join-sales");
    assert.deepEqual(run?.output, { rows: 5, customers: 1, until: "2026-01-05" });
    assert.equal((await node.services.state.get({ kind: "task", id: "join-sales" }, "rows")).value, 5);
    assert.equal((await node.services.assets.consumer("join-sales")).started, 1);
  });

  for (const [index, definition] of ["killed", "asynchronous"].entries()) {
    it(`takes effect once though it is killed twice (${definition})`, async () => {
      node.plan.add("recorded:emit/asset:pages#1", 1, definition);
      node.plan.add("state:increment/asset:pages/n#1", 1, definition);
      const before = 2 * index;
      assert.deepEqual(await ran(definition), { number: before + 1, events: before + 2, n: index + 1 });
      const { state } = node.services;
      const kept = await Promise.all(["n", "l"].map((key) => state.get({ kind: "task", id: definition }, key)));
      assert.deepEqual(
        kept.map(({ value }) => value),
        [1, ["x"]],
      );
    });
  }
});

async function ended(node: PythonNode, definition: string): Promise<RunView[]> {
  for (;;) {
    const { runs } = await node.services.runs.list({ definition, rootsOnly: true, limit: 10 });
    if (runs.some(({ status }) => status === "succeeded")) return runs;
    await pause(20);
  }
}
