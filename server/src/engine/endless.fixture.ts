import { defaultRetry, type Manifest } from "@holdfast/protocol";
import { type NodeOptions, type RunningNode, type Services, serve, startNode } from "../main.ts";
import type { ActivationJob, Placement } from "../placements/placement.ts";
import { openMemoryStore } from "../store/memory/memory-store.ts";
import type { Store } from "../store/store.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";

/** Running time that each activation of `Endless` says it has had. */
export const endlessRanMs = 4_000;

/** Bodies that never end by themselves. */
export class Endless implements Placement {
  readonly name = "process";
  readonly free = 8;
  readonly jobs: ActivationJob[] = [];
  readonly killed: string[] = [];
  isFrozen = false;

  /** Ids of the runs whose bodies were started, in order. */
  get started(): string[] {
    return this.jobs.map(({ start }) => start.run.id);
  }

  start: Placement["start"] = (job) => {
    const { run } = job.start;
    this.jobs.push(job);
    const end = Promise.withResolvers<{ how: "aborted"; reason: string; ranMs: number }>();
    const kill = () => {
      this.killed.push(run.id);
      end.resolve({ how: "aborted", reason: "killed", ranMs: endlessRanMs });
    };
    return { ended: end.promise, ranMs: endlessRanMs, abort: kill, freeze() {}, thaw() {}, kill };
  };
  freezeAll() {
    this.isFrozen = true;
  }
  thawAll() {
    this.isFrozen = false;
  }
  forgetCode() {}
  async close() {}
}

const source = { module: "load.ts", export: "load" };
const task = {
  ...{ kind: "task", executor: "typescript", source, queue: "default", priority: 0, retry: defaultRetry },
  ...{ placement: "process", isolation: "pool", reads: [], writes: [] },
};
const node = { kind: "call", name: "first", definition: "load", upstream: [], rule: "all_success" };
const definitions = {
  load: { ...task, id: "load" },
  timed: { ...task, id: "timed", timeoutMs: 10_000 },
  /** Its only node is a `load` whose input is looked up. */
  flow: {
    ...{ kind: "workflow", id: "flow", source, priority: 0, output: { const: null } },
    nodes: [{ ...node, args: { ref: { from: "params", path: [] } } }],
  },
};

function manifestOf(root: keyof typeof definitions, ...others: (keyof typeof definitions)[]): Manifest {
  const used = Object.fromEntries([root, ...others].map((id) => [id, definitions[id]]));
  return { format: 1, root, definitions: used, assets: {} } as unknown as Manifest;
}

/** A store with some of its verbs replaced. */
export function replaced(store: Store, verbs: Partial<Store>): Store {
  return new Proxy(store, {
    get: (target, name: keyof Store) => {
      const value = verbs[name] ?? target[name];
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** A memory store seen through `verbs`, on a clock that stands still, with endless bodies and the definitions above. */
export class NodeWorld {
  readonly clock: VirtualClock;
  readonly memory: Store;
  readonly services: Services;
  readonly placement = new Endless();

  private constructor(verbsOf: (memory: Store, clock: VirtualClock) => Partial<Store>) {
    this.clock = new VirtualClock();
    this.memory = openMemoryStore({ clock: this.clock });
    const store = replaced(this.memory, verbsOf(this.memory, this.clock));
    this.services = serve(store, { clock: this.clock, namespace: "shop" });
  }

  static async open(verbsOf: (memory: Store, clock: VirtualClock) => Partial<Store> = () => ({})): Promise<NodeWorld> {
    const world = new NodeWorld(verbsOf);
    await world.services.definitions.apply([manifestOf("load"), manifestOf("timed"), manifestOf("flow", "load")]);
    return world;
  }

  startNode(options: Partial<NodeOptions> = {}): Promise<RunningNode> {
    return startNode(this.services, { root: "/", placement: this.placement, ...options });
  }

  async startRun(definition: keyof typeof definitions): Promise<string> {
    const { run } = await this.services.runs.start({ definition });
    return run.id;
  }

  /** Ends a membership, as a judge does, and lets another member have all that it held. */
  async takeAway(memberId: string): Promise<void> {
    await this.memory.leaveMember({ id: memberId });
    const by = {
      id: "other",
      kind: "node",
      name: "other",
      namespace: "shop",
      serves: null,
      leaseMs: 86_400_000,
    } as const;
    await this.memory.joinMember(by);
    await this.memory.claimRuns({ memberId: by.id, namespace: "shop", queues: null, limitRows: 100 });
  }

  /** Stops a node, which gives back what it runs. */
  async stop(node: RunningNode): Promise<void> {
    const stopped = node.stop({ graceMs: 0 });
    await this.clock.advanceMs(60_000);
    await stopped;
  }
}
