import {
  defaultRetry,
  type Manifest,
  type RunStatus,
  type TaskSpec,
  type WorkflowNode,
  type WorkflowSpec,
} from "@holdfast/protocol";
import { judgeRule, type OutcomeCounts, outcomeOf } from "../../server/src/core/index.ts";
import type { Chance } from "../../server/src/store/contract/chance.contract.ts";
import type { Script } from "./bodies.ts";

// What a campaign runs, and how each of it has to end whatever is killed meanwhile.

const finales = ["succeed", "fatal", "skip"];
/** The limits of "unit" and "metered", of each finale, which is their key, and of the schedule. */
export const heldLimits = [
  "default/schedule/pulse",
  ...finales.flatMap((finale) => [
    `default/key/unit:${finale}`,
    `default/rate/metered:${finale}`,
    `default/fair/metered:${finale}`,
  ]),
];

/** So many starts of "metered" within a time, of each finale. */
export const meter = { limit: 5, perMs: 250 } as const;

/** A stopped body ends by this where nobody else ends it. */
const timeoutMs = 3_000;

/** In which language the bodies of a campaign are written. */
export type Language = "typescript" | "python";
const modules = { typescript: "test/kill/bodies.ts", python: "test/kill/bodies.py" } as const;

const unitTask = (executor: Language): TaskSpec => ({
  kind: "task",
  id: "unit",
  executor,
  source: { module: modules[executor], export: "unit" },
  queue: "default",
  // Few enough for lines to form at its gate: a slot that is lost leaves runs standing there for ever.
  concurrency: 4,
  concurrencyKey: { ref: { from: "params", path: ["finale"] } },
  priority: 0,
  // Many attempts: a strike may use one up by the timeout, and no strike may change how a run ends.
  retry: { ...defaultRetry, attempts: 20, delayMs: 40, factor: 1 },
  timeoutMs,
  placement: "process",
  isolation: "pool",
  reads: [],
  writes: [],
});

function untimedTask(executor: Language) {
  const { timeoutMs: _, concurrency: __, concurrencyKey: ___, ...untimed } = unitTask(executor);
  return { ...untimed, executor };
}

function sitterTask(executor: Language): TaskSpec {
  return {
    ...untimedTask(executor),
    id: "sitter",
    source: { module: modules[executor], export: "sitter" },
  } as TaskSpec;
}

/** The same body, whose starts are measured out and whose keys take turns. */
function meteredTask(executor: Language): TaskSpec {
  const key = { ref: { from: "params", path: ["finale"] } };
  const source = { module: modules[executor], export: "metered" };
  return { ...untimedTask(executor), id: "metered", source, rate: { ...meter, key }, fair: key, timeoutMs } as TaskSpec;
}

export const calm: Script = {
  steps: 0,
  workMs: 0,
  naps: 0,
  busy: false,
  command: false,
  finale: "succeed",
  failures: 0,
};

export function randomScript(chance: Chance): Script {
  const finale = chance.happens(0.8) ? "succeed" : chance.pick(["fatal", "skip"] as const);
  return {
    steps: chance.between(0, 3),
    workMs: chance.between(0, 60),
    naps: chance.happens(0.4) ? chance.between(1, 2) : 0,
    busy: chance.happens(0.3),
    command: chance.happens(0.1),
    finale,
    failures: chance.happens(0.2) ? chance.between(1, 2) : 0,
  };
}

const workers = ["unit", "unit", "metered"] as const;
const rules = ["all_success", "all_success", "all_done", "one_success", "none_failed"] as const;

function randomWorkflow(id: string, smaller: string | undefined, chance: Chance): WorkflowSpec {
  const nodes: WorkflowNode[] = [];
  for (let i = chance.between(2, 5); i > 0; i--) {
    const name = `node-${nodes.length}`;
    const upstream = nodes.filter(() => chance.happens(0.5)).map((node) => node.name);
    const fields = { name, upstream, rule: chance.pick(rules) };
    if (smaller !== undefined && chance.happens(0.25)) {
      nodes.push({ kind: "call", ...fields, definition: smaller, args: { const: {} } });
    } else if (chance.happens(0.3)) {
      const list = Array.from({ length: chance.between(0, 4) }, (_, n) => ({
        ...randomScript(chance),
        name: `item-${n}`,
      }));
      const itemKey = { ref: { from: "item" as const, path: ["name"] } };
      const item = { ref: { from: "item" as const, path: [] } };
      const map = { definition: chance.pick(workers), list: { const: list }, itemKey, with: item };
      nodes.push({ kind: "map", ...fields, ...map, ...(chance.happens(0.5) ? { concurrency: 2 } : {}) });
    } else {
      const when = chance.happens(0.1) ? { when: { const: false } } : {};
      nodes.push({
        kind: "call",
        ...fields,
        ...when,
        definition: chance.pick(workers),
        args: { const: { ...randomScript(chance) } },
      });
    }
  }
  const source = { module: "test/kill/workload.ts", export: id };
  const output = { ref: { from: "output" as const, node: nodes.at(-1)?.name ?? "", path: [] } };
  return { kind: "workflow", id, source, priority: 0, nodes, output };
}

/** A task that sits until it is told to end, and one that waits for it. */
const vigil: WorkflowSpec = {
  kind: "workflow",
  id: "vigil",
  source: { module: "test/kill/workload.ts", export: "vigil" },
  priority: 0,
  nodes: [
    {
      kind: "call",
      name: "sitting",
      definition: "sitter",
      upstream: [],
      rule: "all_success",
      args: { const: { ...calm, finale: "sit" } },
    },
    {
      kind: "call",
      name: "after",
      definition: "unit",
      upstream: ["sitting"],
      rule: "all_done",
      args: { const: { ...calm } },
    },
  ],
  output: { const: null },
};

/** What a schedule starts (pulse.ts): one task below it, so that it ends in more than one commit. */
const pulse: WorkflowSpec = {
  kind: "workflow",
  id: "pulse",
  source: { module: "test/kill/workload.ts", export: "pulse" },
  priority: 0,
  nodes: [
    {
      kind: "call",
      name: "beat",
      definition: "unit",
      upstream: [],
      rule: "all_success",
      args: { const: { ...calm, steps: 1 } },
    },
  ],
  output: { ref: { from: "output", node: "beat", path: [] } },
};

/** The definitions of one campaign. */
export interface Workload {
  readonly manifests: readonly Manifest[];
  readonly workflows: ReadonlyMap<string, WorkflowSpec>;
  /** Ids of the random workflows. */
  readonly flows: readonly string[];
}

export function randomWorkload(chance: Chance, language: Language): Workload {
  const workflows = new Map<string, WorkflowSpec>([
    ["vigil", vigil],
    ["pulse", pulse],
  ]);
  const flows: string[] = [];
  for (let i = 0; i < 6; i++) {
    const id = `flow-${i}`;
    workflows.set(id, randomWorkflow(id, i < 2 ? undefined : chance.pick(["flow-0", "flow-1"]), chance));
    flows.push(id);
  }
  const tasks = { unit: unitTask(language), metered: meteredTask(language), sitter: sitterTask(language) };
  const definitions: Manifest["definitions"] = { ...tasks, ...Object.fromEntries(workflows) };
  const manifests = Object.keys(definitions).map((root): Manifest => ({ format: 1, root, definitions, assets: {} }));
  return { manifests, workflows, flows };
}

/** How a run has to end. */
export interface Expected {
  readonly status: RunStatus;
  readonly outcome: keyof OutcomeCounts;
  /** Of a workflow or a map: its children by their names. */
  readonly children?: ReadonlyMap<string, Expected>;
}

const ends = { succeed: "succeeded", fatal: "failed", skip: "skipped", sit: "cancelled" } as const;

export function expectTask(script: Pick<Script, "finale">): Expected {
  const status = ends[script.finale];
  return { status, outcome: outcomeOf({ status, error: null }) };
}

const succeeded: Expected = { status: "succeeded", outcome: "succeeded" };

export function expectWorkflow(id: string, { workflows }: Pick<Workload, "workflows">): Expected {
  const children = new Map<string, Expected>();
  for (const node of workflows.get(id)?.nodes ?? []) children.set(node.name, expectNode(node, children, workflows));
  return { ...joined(children), children };
}

function joined(children: ReadonlyMap<string, Expected>): Expected {
  const failed = [...children.values()].some(({ outcome }) => outcome === "failed");
  return failed ? { status: "failed", outcome: "failed" } : succeeded;
}

function expectNode(
  node: WorkflowNode,
  siblings: ReadonlyMap<string, Expected>,
  workflows: Workload["workflows"],
): Expected {
  const counts = { succeeded: 0, failed: 0, skipped: 0 };
  for (const name of node.upstream) counts[siblings.get(name)?.outcome ?? "failed"] += 1;
  const verdict = node.upstream.length === 0 ? "start" : judgeRule(node.rule, counts);
  if (verdict !== "start") return { status: "skipped", outcome: outcomeOf({ status: "skipped", error: verdict }) };
  if (node.when !== undefined) return { status: "skipped", outcome: "skipped" };
  if (node.kind === "map") {
    const list = "const" in node.list ? (node.list.const as unknown as (Script & { name: string })[]) : [];
    const items = new Map(list.map((script) => [`${node.name}[${script.name}]`, expectTask(script)]));
    return { ...joined(items), children: items };
  }
  if (workflows.has(node.definition)) return expectWorkflow(node.definition, { workflows });
  return expectTask("const" in node.args ? (node.args.const as unknown as Script) : calm);
}
