import {
  type Binding,
  defaultRetry,
  type Manifest,
  type RateSpec,
  type TaskSpec,
  triggerRules,
  type WorkflowNode,
  type WorkflowSpec,
} from "@holdfast/protocol";
import type { Chance } from "../../server/src/store/contract/chance.contract.ts";
import type { Script } from "./bodies.ts";
import { type JobPlan, services } from "./outside.ts";

export const unit: TaskSpec = {
  kind: "task",
  id: "unit",
  executor: "typescript",
  source: { module: "unit.ts", export: "unit" },
  queue: "default",
  priority: 0,
  retry: { ...defaultRetry, attempts: 3, delayMs: 500 },
  timeoutMs: 3_000,
  onCancel: { attempts: 2, timeoutMs: 2_000 },
  placement: "process",
  isolation: "pool",
  reads: [],
  writes: [],
};

/** A random script; mostly of those that succeed, since what follows a success is where the graph is. */
export function randomScript(chance: Chance): Script {
  const ends = [
    "succeed",
    "succeed",
    "succeed",
    "succeed",
    "succeed",
    "fail",
    "fatal",
    "skip",
    "mute",
    "hang",
  ] as const;
  return {
    steps: chance.between(0, 3),
    workMs: chance.between(0, 400),
    end: chance.pick(ends),
    failures: chance.happens(0.2) ? chance.between(1, 3) : 0,
    naps: chance.happens(0.3) ? chance.between(1, 2) : 0,
    calls: chance.happens(0.15) ? chance.between(1, 3) : 0,
    ...randomJobs(chance),
    lost: chance.happens(0.2) ? 0.3 : 0,
  };
}

function randomJobs(chance: Chance): Pick<Script, "jobs" | "ahead" | "race"> {
  const count = chance.happens(0.2) ? chance.between(1, 2) : 0;
  const jobs = Array.from({ length: count }, () => randomJob(chance));
  return { jobs, ahead: count > 0 && chance.happens(0.4), race: count > 0 && chance.happens(0.2) };
}

function randomJob(chance: Chance): JobPlan {
  const service = chance.pick(services);
  return {
    service,
    ms: chance.pick([100, 2_000, 15_000, 60_000] as const),
    end: chance.happens(0.9) ? "succeeded" : "failed",
    onUnknown: chance.happens(0.5) ? "resubmit" : "ask",
    timeoutMs: service !== "own" && chance.happens(0.2) ? chance.between(500, 30_000) : null,
    callsBack: service !== "own" && chance.happens(0.2),
  };
}

/** The task alone, and a few random workflows: graphs, maps, and workflows within workflows. */
export function randomManifests(chance: Chance): Manifest[] {
  const task = {
    ...unit,
    ...randomConcurrency(chance, 0.3),
    ...randomKey(chance, 0.5),
    ...randomRate(chance, 0.3),
    ...randomFair(chance, 0.3),
  };
  const definitions: Record<string, WorkflowSpec | TaskSpec> = { unit: task };
  const ids: string[] = [];
  for (let i = 0; i < 3; i++) {
    const spec = randomWorkflow(`flow-${i}`, ids, chance);
    definitions[spec.id] = spec;
    ids.push(spec.id);
  }
  const single: Manifest = { format: 1, root: "unit", definitions: { unit: task }, assets: {} };
  const leaf: Manifest = { format: 1, root: "leaf", definitions: { leaf: { ...unit, id: "leaf" } }, assets: {} };
  return [single, leaf, ...ids.map((root): Manifest => ({ format: 1, root, definitions, assets: {} }))];
}

/** At most so many at a time; most have no limit. */
export function randomConcurrency(chance: Chance, share: number): { concurrency?: number } {
  return chance.happens(share) ? { concurrency: chance.between(1, 3) } : {};
}

/** The end that a script comes to is its key, if any. */
export function randomKey(chance: Chance, share: number): { concurrencyKey?: Binding } {
  return chance.happens(share) ? { concurrencyKey: { ref: { from: "params", path: ["end"] } } } : {};
}

/** Runs of each end take turns. */
function randomFair(chance: Chance, share: number): { fair?: Binding } {
  return chance.happens(share) ? { fair: { ref: { from: "params", path: ["end"] } } } : {};
}

/** So many starts within a time, of all runs or of each key; enough for a fleet to come to its end. */
function randomRate(chance: Chance, share: number): { rate?: RateSpec } {
  if (!chance.happens(share)) return {};
  const key = chance.happens(0.5) ? { key: { ref: { from: "params" as const, path: ["end"] } } } : {};
  return { rate: { limit: chance.between(2, 4), perMs: 2_000, ...key } };
}

function randomWorkflow(id: string, smaller: readonly string[], chance: Chance): WorkflowSpec {
  const nodes: WorkflowNode[] = [];
  for (let i = chance.between(1, 6); i > 0; i--) {
    const name = `node-${nodes.length}`;
    const upstream = nodes.filter(() => chance.happens(0.4)).map((node) => node.name);
    const rule = chance.happens(0.6) ? "all_success" : chance.pick(triggerRules);
    const fields = { name, upstream, rule };
    if (smaller.length > 0 && chance.happens(0.15)) {
      nodes.push({ kind: "call", ...fields, definition: chance.pick(smaller), args: { const: {} } });
    } else if (chance.happens(0.25)) {
      const list = Array.from({ length: chance.between(0, 4) }, (_, n) => ({
        ...randomScript(chance),
        name: `item-${n}`,
      }));
      const itemKey = { ref: { from: "item" as const, path: ["name"] } };
      const item = { ref: { from: "item" as const, path: [] } };
      const map = { definition: "unit", list: { const: list }, itemKey, with: item };
      nodes.push({ kind: "map", ...fields, ...map, ...randomConcurrency(chance, 0.4) });
    } else {
      const when = chance.happens(0.1) ? { when: { const: false } } : {};
      nodes.push({ kind: "call", ...fields, ...when, definition: "unit", args: { const: randomScript(chance) } });
    }
  }
  const last = nodes.at(-1)?.name ?? "node-0";
  return {
    kind: "workflow",
    id,
    source: { module: "flows.ts", export: id },
    priority: 0,
    ...randomConcurrency(chance, 0.2),
    nodes,
    output: { ref: { from: "output", node: last, path: [] } },
  };
}
