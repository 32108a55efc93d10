// Waits of Python bodies on a whole node, in real processes that are ended at each suspension and killed around it. Faults to
// catch: an effect that happens twice because the body began again; an answer that is another the second time; a `finally`, an
// `except` or a context manager that sees a suspension; a process that is used again after its body waited.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Services } from "../server/src/main.ts";
import type { CrashPoint } from "../server/src/testing/crashing-placement.ts";
import { PythonNode } from "./python-node.fixture.ts";

const longMs = 120_000;

/** Bodies of both kinds. The file `log` gets a line for each thing that happens, with the id of the root that wanted it. */
const module = `import os
from contextlib import contextmanager

def note(ctx, text):
    with open("log", "a") as log:
        log.write(f"{ctx.run.root_id} {text}\\n")

def effect(mark, ctx):
    with open("log", "a") as log:
        log.write(f"{mark} effect\\n")
    return mark

@contextmanager
def within(ctx):
    try:
        yield
    except BaseException:
        note(ctx, "caught")
        raise
    finally:
        note(ctx, f"finally {ctx.epoch}")

def verbs(ctx, open):
    mark = ctx.run.id
    given = {"mark": mark}
    return {
        "step": lambda: ctx.step("key", lambda: note(ctx, "effect") or mark),
        "sleep": lambda: ctx.sleep("key", "5ms"),
        "call": lambda: ctx.call("key", "effect", given),
        "map": lambda: ctx.map("key", ["a", "b"], "effect", item_key=str, item_input=lambda _: given),
        "signal": lambda: ctx.wait_for_signal("key", name="go"),
        "start": lambda: ctx.start("key", "effect", given),
        "all": lambda: ctx.all([open.call("key", "effect", given), open.sleep("other", "5ms")]),
        "race": lambda: ctx.race("race", {"call": open.call("key", "effect", given), "time": open.sleep("other", "1h")}),
    }

def plain(verb, ctx):
    note(ctx, f"pid {os.getpid()}")
    with within(ctx):
        answer = verbs(ctx, ctx.open)[verb]()
        note(ctx, f"answer {answer}")
        ctx.sleep("afterwards", "5ms")
        return "end"

async def asynchronous(verb, ctx):
    note(ctx, f"pid {os.getpid()}")
    with within(ctx):
        answer = await verbs(ctx, ctx)[verb]()
        note(ctx, f"answer {answer}")
        await ctx.sleep("afterwards", "5ms")
        return "end"
`;

const happens: Readonly<Record<string, number>> = {
  ...{ step: 1, sleep: 0, call: 1, map: 2, signal: 0, start: 1, all: 1, race: 1 },
};
/** One kind dies before the commit, the other after it. All other cells: python/tests/test_waits.py. */
function pointsOf(verb: string, kind: string): readonly (CrashPoint | undefined)[] {
  const isBefore = kind === "plain";
  if (verb === "step" || verb === "start") return [isBefore ? "step:key" : "recorded:key"];
  const point = isBefore ? "wait" : "waiting";
  if (verb === "race") return [`${point}:key`, `${point}:race`];
  return verb === "call" ? [undefined, `${point}:key`] : [`${point}:key`];
}

const cells = ["plain", "asynchronous"].flatMap((kind) =>
  Object.keys(happens).flatMap((verb) =>
    pointsOf(verb, kind).map((crash) => {
      return { kind, verb, crash, id: `${kind}-${verb}-${crash ?? "waits"}`.replaceAll(":", "-") };
    }),
  ),
);

describe("waits of Python bodies", { timeout: 240_000 }, () => {
  const ids = new Map<string, string>();
  let node: PythonNode;
  before(async () => {
    const functions = { effect: "effect", ...Object.fromEntries(cells.map(({ id, kind }) => [id, kind])) };
    node = await PythonNode.start({ module, functions, concurrency: 4, spareChildren: 2 });
    const { runs, signals } = node.services;
    for (const { id, verb, crash } of cells) {
      if (crash !== undefined) node.plan.add(crash, 1, id);
      const { run } = await runs.start({ definition: id, input: { verb } });
      ids.set(id, run.id);
      if (verb === "signal") await signals.signal(run.id, { name: "go", payload: { by: "Ada" } });
    }
  });
  after(() => node.stop());

  for (const { kind, verb, crash, id } of cells) {
    const what = crash === undefined ? "though its body begins again" : `though its process dies at ${crash}`;
    it(`ctx.${verb} of ${kind} bodies has one effect and one answer, ${what}`, async () => {
      const runId = ids.get(id) ?? "";
      const { services } = node;
      const ended = await services.history.result(runId, longMs);
      assert.deepEqual([ended.status, ended.error], ["succeeded", null]);
      if (verb === "start") await startedEnds(services);
      const said = node.lines("log").filter((line) => line.startsWith(runId));
      const told = said.map((line) => line.slice(runId.length + 1));
      // A step's function may run again until its record commits, and only then.
      const times = crash === "step:key" && verb === "step" ? 2 : happens[verb];
      assert.equal(told.filter((line) => line === "effect").length, times);
      const answers = told.filter((line) => line.startsWith("answer"));
      assert.ok(answers.length >= 2 && answers.every((answer) => answer === answers[0]), told.join("\n"));
      assert.deepEqual(
        told.filter((line) => /caught|finally/.test(line)),
        [`finally ${ended.epoch}`],
      );
      const pids = told.filter((line) => line.startsWith("pid"));
      assert.equal(new Set(pids).size, pids.length, "a process whose body waited is not used again");
    });
  }
});

/** Runs that a body started are nobody's to wait for. */
async function startedEnds(services: Services): Promise<void> {
  const { runs } = await services.runs.list({ rootsOnly: true, definition: "effect", limit: 100 });
  for (const { id } of runs) await services.history.result(id, longMs);
}
