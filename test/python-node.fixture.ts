import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultRetry, type Manifest, type TaskSpec } from "@holdfast/protocol";
import { openServices, type RunningNode, type Services, startNode } from "../server/src/main.ts";
import { ProcessPlacement } from "../server/src/placements/process/process-placement.ts";
import { CrashingPlacement, CrashPlan } from "../server/src/testing/crashing-placement.ts";
import { FakeServices } from "../server/src/testing/fake-services.ts";

export interface PythonNodeOptions {
  /** The text of the only module. */
  readonly module: string;
  /** The function of each task, by the task's id. */
  readonly functions: Readonly<Record<string, string>>;
  readonly concurrency?: number;
  readonly spareChildren?: number;
}

const file = "tasks/bodies.py";

/** A node on a store in memory, whose tasks are functions of one Python module in real processes, which die where a plan says. */
export class PythonNode {
  readonly plan = new CrashPlan();
  /** The services of its external jobs. */
  readonly fake = new FakeServices();
  readonly services: Services;
  readonly #root: string;
  #node: RunningNode | undefined;

  private constructor(services: Services) {
    this.services = services;
    this.#root = mkdtempSync(join(tmpdir(), "hf-python-node-"));
  }

  static async start({ module, functions, concurrency = 2, spareChildren }: PythonNodeOptions): Promise<PythonNode> {
    const it = new PythonNode(await openServices({ address: "memory:" }));
    const root = it.#root;
    mkdirSync(join(root, "tasks"));
    writeFileSync(join(root, file), module);
    const spare = spareChildren === undefined ? {} : { spareChildren };
    const processes = new ProcessPlacement({ projectRoot: root, concurrency, ...spare });
    const placement = new CrashingPlacement(processes, it.plan);
    it.#node = await startNode(it.services, { root, concurrency, placement, tracking: it.fake });
    const definitions = Object.fromEntries(Object.entries(functions).map(([id, name]) => [id, taskOf(id, name)]));
    const manifests = Object.keys(functions).map((id): Manifest => ({ format: 1, root: id, definitions, assets: {} }));
    await it.services.definitions.apply(manifests);
    return it;
  }

  /** Lines that its bodies wrote into a file. */
  lines(name: string): string[] {
    return readFileSync(join(this.#root, name), "utf8").trim().split("\n");
  }

  /** Stops it. Fails where a point of the plan was never reached. */
  async stop(): Promise<void> {
    await this.#node?.stop({ graceMs: 0 });
    await this.services.close();
    rmSync(this.#root, { recursive: true, force: true });
    assert.deepEqual(this.plan.unreached, []);
  }
}

function taskOf(id: string, name: string): TaskSpec {
  return {
    ...{ kind: "task", id, executor: "python", source: { module: file, export: name } },
    ...{ queue: "default", priority: 0, retry: defaultRetry, placement: "process", isolation: "pool" },
    ...{ reads: [], writes: [] },
  };
}
