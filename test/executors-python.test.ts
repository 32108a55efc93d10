// A whole node with tasks of all three executors in one workflow. Faults to catch: an output handed on that its task did not
// declare; a command or Python process that outlives its run's cancel or timeout (Ork's defect 22); an input that only small
// tasks get, or an output of any size (27); a result of an earlier attempt taken for a later one's (21).
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { type Binding, defaultRetry, type Json, type Manifest, type TaskCode, type TaskSpec } from "@holdfast/protocol";
import { openServices, type RunningNode, type Services, startNode } from "../server/src/main.ts";

const longMs = 600_000;
const rows = {
  type: "object",
  properties: { rows: { type: "array", items: { type: "integer" } } },
  required: ["rows"],
};

const files = {
  "tasks/extract.ts": `import { task } from "holdfast";
export const extract = task({ id: "extract" }, ({ count }: { count: number }) => ({ rows: Array.from({ length: count }, (_, i) => i) }));
`,
  "tasks/clean.py": `from dataclasses import dataclass
from holdfast_sdk import TaskContext

@dataclass
class Rows:
    rows: list

def main(rows: list, ctx: TaskContext) -> Rows:
    kept = ctx.step("keep", lambda: [row for row in rows if row % 2 == 0])
    return Rows(kept)

def wrong():
    return {"rows": [1, "two"]}

def deferred():
    return {"deferred": [{"service_type": "bigquery", "job_id": "j"}]}

def large(text: str):
    return len(text)

def too_large():
    return "x" * 2_000_000
`,
};

function task(id: string, code: TaskCode, more: Partial<TaskSpec> = {}): TaskSpec {
  const common = {
    kind: "task",
    id,
    queue: "default",
    priority: 0,
    retry: defaultRetry,
    placement: "process",
  } as const;
  return { ...common, isolation: "pool", reads: [], writes: [], ...more, ...code } as TaskSpec;
}

const python = (name: string): TaskCode => ({ executor: "python", source: { module: "tasks/clean.py", export: name } });
const command = (text: string): TaskCode => ({ executor: "process", source: { command: text } });

function manifestOf(spec: TaskSpec): Manifest {
  return { format: 1, root: spec.id, definitions: { [spec.id]: spec }, assets: {} };
}

const fromNode = (node: string, ...path: string[]): Binding => ({ ref: { from: "output", node, path } });
const call = (name: string, upstream: string[], args: Binding) =>
  ({ kind: "call", name, definition: name, upstream, rule: "all_success", args }) as const;

const mixed: Manifest = {
  format: 1,
  root: "mixed",
  definitions: {
    mixed: {
      kind: "workflow",
      id: "mixed",
      source: { module: "mixed.yaml", export: "mixed" },
      priority: 0,
      nodes: [
        call("extract", [], { const: { count: 7 } }),
        call("clean", ["extract"], { object: { rows: fromNode("extract", "rows") } }),
        call("count", ["clean"], fromNode("clean")),
      ],
      output: { object: { counted: fromNode("count"), rows: fromNode("clean", "rows") } },
    },
    extract: task("extract", { executor: "typescript", source: { module: "tasks/extract.ts", export: "extract" } }),
    clean: task("clean", python("main"), { output: rows }),
    count: task(
      "count",
      command(
        `echo "$ORK_TASK_NAME of $ORK_WORKFLOW_NAME"; echo "HOLDFAST_OUTPUT:$(tr -cd , < "$HOLDFAST_INPUT" | wc -c)"`,
      ),
    ),
  },
  assets: {},
};

describe("a node", { timeout: 240_000 }, () => {
  let root = "";
  let services: Services;
  let node: RunningNode;
  before(async () => {
    root = mkdtempSync(join(tmpdir(), "hf-executors-"));
    mkdirSync(join(root, "tasks"));
    for (const [file, text] of Object.entries(files)) writeFileSync(join(root, file), text);
    services = await openServices({ address: "memory:" });
    node = await startNode(services, { root, concurrency: 4 });
  });
  after(async () => {
    await node.stop({ graceMs: 0 });
    await services.close();
    rmSync(root, { recursive: true, force: true });
  });

  async function start(manifest: Manifest, input: Json = {}): Promise<string> {
    await services.definitions.apply([manifest]);
    return (await services.runs.start({ definition: manifest.root, input })).run.id;
  }
  const run = async (spec: TaskSpec, input: Json = {}) =>
    services.history.result(await start(manifestOf(spec), input), longMs);

  it("carries TypeScript, Python and commands out in one workflow, each with the other's output", async () => {
    const id = await start(mixed);
    const ended = await services.history.result(id, longMs);
    assert.deepEqual([ended.status, ended.error], ["succeeded", null]);
    assert.deepEqual(ended.output, { counted: 3, rows: [0, 2, 4, 6] });
    const { runs } = await services.runs.tree(id, { limit: 100 });
    const counted = runs.find((each) => each.name === "count");
    const { lines } = await services.history.logs(counted?.id ?? "", { limit: 100 });
    assert.equal(lines[0]?.text, "count of mixed");
  });

  it("fails a run whose output is not as declared, and names the path", async () => {
    const wrong = await run(task("wrong", python("wrong"), { output: rows }));
    assert.deepEqual([wrong.status, wrong.error?.code], ["failed", "result_invalid"]);
    assert.equal(wrong.error?.message, 'The output of "wrong" does not fit: rows.1 must be integer.');
    const printed = await run(task("printed", command(`echo 'HOLDFAST_OUTPUT:{"rows":1}'`), { output: rows }));
    assert.equal(printed.error?.message, 'The output of "printed" does not fit: rows must be array.');
  });

  it("fails a task whose deferred jobs name nothing that can be waited for, by their place", async () => {
    const returned = await run(task("deferred", python("deferred")));
    const text = `echo 'ORK_OUTPUT:{"deferred":[{"service_type":"bigquery","job_id":"j"}]}'`;
    const printed = await run(task("deferred", command(text)));
    for (const { status, error } of [returned, printed]) {
      assert.equal(status, "failed");
      assert.match(
        error?.message ?? "",
        /^It has a job that cannot be waited for\. "output\.deferred\[0\]\.result" cannot be started: No project is named\./,
      );
    }
  });

  it("tries a command again as its policy says, and a later attempt's result counts (Ork 21)", async () => {
    const retry = { ...defaultRetry, attempts: 3, delayMs: 0 };
    const spec = task(
      "flaky",
      command('[ "$ORK_ATTEMPT" = 3 ] && echo "HOLDFAST_OUTPUT:$HOLDFAST_ATTEMPT" || exit 1'),
      { retry },
    );
    const ended = await run(spec);
    assert.deepEqual([ended.status, ended.output, ended.attempt], ["succeeded", 3, 3]);
    const once = await run(task("once", command("echo no luck >&2; exit 4")));
    assert.deepEqual([once.status, once.error?.code], ["failed", "task_exited"]);
    assert.match(once.error?.message ?? "", /exit code 4\. Its last line on stderr: no luck/);
  });

  it("ends the process of a cancelled or late run (Ork 22)", async () => {
    for (const code of [
      command('echo $$ > "$PIDS/cancelled"; sleep 1000'),
      command('echo $$ > "$PIDS/late"; sleep 1000'),
    ]) {
      const late = JSON.stringify(code).includes("late");
      const spec = task(late ? "late" : "cancelled", code, { env: { PIDS: root }, ...(late && { timeoutMs: 1_500 }) });
      const id = await start(manifestOf(spec));
      const pid = await pidIn(join(root, late ? "late" : "cancelled"));
      if (!late) await services.runs.cancel(id);
      const { status, error } = await services.history.result(id, longMs);
      assert.deepEqual([status, error?.code], late ? ["failed", "task_timed_out"] : ["cancelled", "cancelled"]);
      for (const until = performance.now() + 30_000; lives(pid); await pause(5)) assert.ok(performance.now() < until);
    }
  });

  it("gives a task an input of any allowed size, and refuses an output that is too large (Ork 27)", async () => {
    const text = "x".repeat(900_000);
    assert.equal((await run(task("large", python("large")), { text })).output, 900_000);
    const counted = await run(task("size", command('echo "HOLDFAST_OUTPUT:$(wc -c < "$HOLDFAST_INPUT")"')), { text });
    assert.equal(counted.output, JSON.stringify({ text }).length);
    const over = await run(task("too-large", python("too_large")));
    assert.match(over.error?.message ?? "", /It has 2000002 bytes; the limit is 1048576/);
  });
});

async function pidIn(file: string): Promise<number> {
  for (const until = performance.now() + 30_000; performance.now() < until; await pause(5)) {
    try {
      const text = readFileSync(file, "utf8");
      if (text.endsWith("\n")) return Number(text);
    } catch {
      // not written yet
    }
  }
  throw new Error(`${file} was not written`);
}

function lives(pid: number): boolean {
  try {
    return !/\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false;
  }
}
