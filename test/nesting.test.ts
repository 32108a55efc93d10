// Values within values on every way into a run, through real processes. Faults to catch: a value that one door takes and the
// next cannot read, so that a run is lost time and again with a message that speaks of memory; a refusal that does not say
// where; a binding that may not wrap what an output may be.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import {
  type Binding,
  defaultRetry,
  type Json,
  limits,
  type Manifest,
  type TaskCode,
  type TaskSpec,
} from "@holdfast/protocol";
import { Client } from "@holdfast/sdk/client";
import { LocalPlane } from "../server/src/embedded/local-plane.ts";
import { openServices, type RunningNode, type Services, startNode } from "../server/src/main.ts";

const longMs = 600_000;
const { nestingLevels: most, boundNestingLevels: mostBound } = limits;

const files = {
  "deep.ts": `import { task } from "holdfast";
const nested = (levels: number) => { let value: unknown = []; for (let i = 1; i < levels; i++) value = [value]; return value; };
const depth = (value: any): number => (value === null || typeof value !== "object" ? 0 : 1 + depth(Object.values(value)[0]));
export const make = task({ id: "make" }, ({ levels }: { levels: number }) => nested(levels));
export const step = task({ id: "step" }, ({ levels }: { levels: number }, ctx) => ctx.step("s", () => nested(levels)).then(depth));
export const log = task({ id: "log" }, ({ levels }: { levels: number }, ctx) => ctx.log.info("so deep", { it: nested(levels) }));
export const measure = task({ id: "measure" }, (value: unknown) => depth(value));
`,
  "deep.py": `def nested(levels):
    value = []
    for _ in range(levels - 1):
        value = [value]
    return value

def make(levels):
    return nested(levels)

def step(levels, ctx):
    value, depth = ctx.step("s", lambda: nested(levels)), 0
    while isinstance(value, list):
        value, depth = value[0] if value else None, depth + 1
    return depth

def log(levels, ctx):
    ctx.log.info("so deep", it=nested(levels))

def measure(input):
    value, depth = input, 0
    while isinstance(value, (dict, list)):
        depth += 1
        value = next(iter(value.values() if isinstance(value, dict) else value), None)
    return depth
`,
};

const printing = `python3 -c "import sys; n = int(sys.stdin.read().split(':')[1].rstrip('}')); print('HOLDFAST_OUTPUT:' + '[' * n + ']' * n)" < "$HOLDFAST_INPUT"`;
const counting = `python3 -c "import sys; t = sys.stdin.read(); print('HOLDFAST_OUTPUT:%d' % sum(t.count(c) for c in '[{'))" < "$HOLDFAST_INPUT"`;

function codeOf(executor: TaskCode["executor"], name: string): TaskCode {
  if (executor === "process") return { executor, source: { command: name === "make" ? printing : counting } };
  return { executor, source: { module: executor === "python" ? "deep.py" : "deep.ts", export: name } };
}

function task(executor: TaskCode["executor"], name: string): TaskSpec {
  const common = { kind: "task", id: name, queue: "default", priority: 0, retry: defaultRetry } as const;
  const code = codeOf(executor, name);
  return { ...common, placement: "process", isolation: "pool", reads: [], writes: [], ...code } as TaskSpec;
}

/** `make` at the levels of the input, and `measure` of what `wrap` makes of its output. */
function chain(executor: TaskCode["executor"], wrap: (made: Binding) => Binding): Manifest {
  const call = (name: string, upstream: string[], args: Binding) =>
    ({ kind: "call", name, definition: name, upstream, rule: "all_success", args }) as const;
  const output = (node: string): Binding => ({ ref: { from: "output", node, path: [] } });
  const levels: Binding = { object: { levels: { ref: { from: "params", path: ["levels"] } } } };
  const nodes = [call("make", [], levels), call("measure", ["make"], wrap(output("make")))];
  const source = { module: "chain.yaml", export: "chain" };
  return {
    format: 1,
    root: "chain",
    definitions: {
      chain: { kind: "workflow", id: "chain", source, priority: 0, nodes, output: output("measure") },
      make: task(executor, "make"),
      measure: task(executor, "measure"),
    },
    assets: {},
  };
}

/** A binding within so many lists. */
function within(levels: number, binding: Binding): Binding {
  let wrapped = binding;
  for (let level = 0; level < levels; level++) wrapped = { list: [wrapped] };
  return wrapped;
}

const nested = (levels: number): Json => JSON.parse(`${"[".repeat(levels)}${"]".repeat(levels)}`) as Json;

describe("values within values", { timeout: 240_000 }, () => {
  let root = "";
  let services: Services;
  let node: RunningNode;
  before(async () => {
    root = mkdtempSync(join(tmpdir(), "hf-nesting-"));
    for (const [file, text] of Object.entries(files)) writeFileSync(join(root, file), text);
    services = await openServices({ address: "memory:" });
    node = await startNode(services, { root, concurrency: 4 });
  });
  after(async () => {
    await node.stop({ graceMs: 0 });
    await services.close();
    rmSync(root, { recursive: true, force: true });
  });

  async function run(manifest: Manifest, input: Json) {
    await services.definitions.apply([manifest]);
    const { id } = (await services.runs.start({ definition: manifest.root, input })).run;
    return services.history.result(id, longMs);
  }
  const alone = (spec: TaskSpec): Manifest => ({
    format: 1,
    root: spec.id,
    definitions: { [spec.id]: spec },
    assets: {},
  });

  for (const executor of ["typescript", "python", "process"] as const) {
    it(`pass from an output into an input within others, ${executor}`, async () => {
      const wrapped = await run(
        chain(executor, (made) => within(100, made)),
        { levels: most },
      );
      assert.deepEqual([wrapped.status, wrapped.output], ["succeeded", mostBound], wrapped.error?.message);
    });

    it(`fail the run whose input they would be, by name, and nothing is lost, ${executor}`, async () => {
      const failed = await run(
        chain(executor, (made) => within(101, made)),
        { levels: most },
      );
      assert.equal(
        failed.error?.message,
        `One task did not succeed. "measure" failed: "measure"'s input is nested deeper than 600 levels.`,
      );
      const measured = (await services.runs.tree(failed.id, { limit: 10 })).runs.find(({ name }) => name === "measure");
      assert.deepEqual([measured?.status, measured?.error?.code, measured?.attempt], ["failed", "invalid_input", 1]);
      assert.match(measured?.error?.hint ?? "", /in a file or an object store/);
    });

    it(`are no output when they are too many, ${executor}`, async () => {
      for (const levels of [most + 1, 1_001, 2_000]) {
        const failed = await run(alone(task(executor, "make")), { levels });
        assert.deepEqual([failed.status, failed.error?.code, failed.attempt], ["failed", "result_invalid", 1]);
        assert.match(failed.error?.message ?? "", /nested deeper than 500 levels/);
      }
    });
  }

  for (const executor of ["typescript", "python"] as const) {
    it(`are recorded as steps or refused, ${executor}`, async () => {
      const kept = await run(alone(task(executor, "step")), { levels: most });
      assert.deepEqual([kept.status, kept.output], ["succeeded", most], kept.error?.message);
      const refused = await run(alone(task(executor, "step")), { levels: most + 1 });
      assert.equal(refused.status, "failed");
      assert.match(refused.error?.message ?? "", /^The result of step "s" is nested deeper than 500 levels/);
    });

    it(`are left out of a log line, which stays, ${executor}`, async () => {
      const logged = await run(alone(task(executor, "log")), { levels: 2_000 });
      const { lines } = await services.history.logs(logged.id, { limit: 10 });
      assert.deepEqual([logged.status, lines[0]?.text], ["succeeded", "so deep"]);
      assert.deepEqual(lines[0]?.fields, { dropped: "fields is nested deeper than 500 levels." });
    });
  }

  it("are refused where they are given to a run", async () => {
    await services.definitions.apply([alone(task("typescript", "measure"))]);
    const client = new Client(new LocalPlane(services, "0"));
    const refusal = { code: "too_large", message: "The input is nested deeper than 500 levels." };
    for (const levels of [most + 1, 100_000]) {
      await assert.rejects(client.start("measure", nested(levels)), refusal);
      await assert.rejects(services.runs.start({ definition: "measure", input: nested(levels) }), {
        ...{ code: "too_large", message: 'The input of "measure" is nested deeper than 500 levels.' },
      });
    }
    const { id } = await client.start("measure", nested(most));
    assert.equal((await services.history.result(id, longMs)).output, most);
  });
});
