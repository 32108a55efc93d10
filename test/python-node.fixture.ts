import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
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
  /** The text of a TypeScript module beside it, and the export of each of its tasks, by the task's id. */
  readonly typescript?: { readonly module: string; readonly exports: Readonly<Record<string, string>> };
  /** What tasks declare of assets, by their ids. */
  readonly declares?: Readonly<Record<string, Partial<Pick<TaskSpec, "reads" | "writes" | "startOn">>>>;
  readonly concurrency?: number;
  readonly spareChildren?: number;
}

const file = "tasks/bodies.py";
const typescriptFile = "tasks/bodies.ts";
const temp = fileURLToPath(new URL("../temp", import.meta.url));

/** A node on a store in memory, whose tasks are functions of one Python module in real processes, which die where a plan says. */
export class PythonNode {
  readonly plan = new CrashPlan();
  /** The services of its external jobs. */
  readonly fake = new FakeServices();
  readonly services: Services;
  readonly #root: string;
  #node: RunningNode | undefined;

  private constructor(services: Services, folder: string) {
    this.services = services;
    mkdirSync(folder, { recursive: true });
    this.#root = mkdtempSync(join(folder, "hf-python-node-"));
  }

  static async start(options: PythonNodeOptions): Promise<PythonNode> {
    const { module, functions, typescript, declares = {}, concurrency = 2, spareChildren } = options;
    // Below the repository TypeScript finds packages as in a user's project.
    const folder = typescript === undefined ? tmpdir() : temp;
    const it = new PythonNode(await openServices({ address: "memory:" }), folder);
    const root = it.#root;
    mkdirSync(join(root, "tasks"));
    writeFileSync(join(root, file), module);
    if (typescript !== undefined) writeFileSync(join(root, typescriptFile), typescript.module);
    const spare = spareChildren === undefined ? {} : { spareChildren };
    const processes = new ProcessPlacement({ projectRoot: root, concurrency, ...spare });
    const placement = new CrashingPlacement(processes, it.plan);
    it.#node = await startNode(it.services, { root, concurrency, placement, tracking: it.fake });
    const tasks = [
      ...Object.entries(functions).map(([id, name]) => [id, taskOf(id, { module: file, export: name })] as const),
      ...Object.entries(typescript?.exports ?? {}).map(
        ([id, name]) => [id, taskOf(id, { module: typescriptFile, export: name })] as const,
      ),
    ];
    const definitions: Manifest["definitions"] = Object.fromEntries(
      tasks.map(([id, task]) => [id, { ...task, ...declares[id] }]),
    );
    const manifests = Object.keys(definitions).map(
      (id): Manifest => ({ format: 1, root: id, definitions, assets: {} }),
    );
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

function taskOf(id: string, source: { readonly module: string; readonly export: string }): TaskSpec {
  return {
    ...{ kind: "task", id, executor: source.module === file ? "python" : "typescript", source },
    ...{ queue: "default", priority: 0, retry: defaultRetry, placement: "process", isolation: "pool" },
    ...{ reads: [], writes: [] },
  };
}
