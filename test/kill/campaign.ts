import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { isEnded, type StartRun, type TopicEvent } from "@holdfast/protocol";
import { Chance } from "../../server/src/store/contract/chance.contract.ts";
import type { Store } from "../../server/src/store/store.ts";
import { describeOpen, listAllRuns } from "./all-runs.ts";
import { Ambush } from "./ambush.ts";
import type { Script } from "./bodies.ts";
import type { CampaignOptions, Root, Strike, Victim } from "./campaign-options.ts";
import { childrenOf } from "./effects.ts";
import { decideEnd, holdUp, startAgain } from "./hand.ts";
import { NodeProcess } from "./node-process.ts";
import type { Reached } from "./points.ts";
import { processesWithin, processOf, signal, until } from "./processes.ts";
import { beginPulse, endPulse } from "./pulse.ts";
import { namespace, patiently, TopicReader } from "./topic-reader.ts";
import {
  calm,
  type Expected,
  expectTask,
  expectWorkflow,
  randomScript,
  randomWorkload,
  type Workload,
} from "./workload.ts";

// A campaign: a store, nodes, work without end, and strikes at it. Then it is left in peace, and every run has to end, and
// end right (verdict.ts).

/** Points that are passed too seldom to let anybody go by. */
const oncePoints =
  /^(join|fire|judge\.after|loss|cancel|force|owed|restart|mark|give-back|child|body\.aborted|sql\.endLapsed)/;

const openRoots = 12;
const reachLimitMs = 40_000;
const peaceLimitMs = 180_000;

export class Campaign {
  readonly folder: string;
  readonly chance: Chance;
  readonly workload: Workload;
  readonly roots: Root[] = [];
  /** Strikes that were carried out at each point. */
  readonly hits = new Map<string, number>();
  readonly victims = new Map<string, number>();
  /** When a node was killed or stopped, by the machine's clock, and which member it was when it had started. */
  readonly nodeStrikes: { readonly at: number; readonly memberId: string | undefined }[] = [];
  readonly #options: CampaignOptions;
  readonly #ambush: Ambush;
  readonly #nodes: NodeProcess[] = [];
  readonly #asking = new Set<Promise<unknown>>();
  readonly #faults: unknown[] = [];
  readonly #doomed = new Set<NodeProcess>();
  /** What was done and when, for whoever has to understand a failure. */
  readonly #trace: string[] = [];
  #address = "";
  #store: Store | undefined;
  #booted = 0;
  #reader: TopicReader | undefined;
  #closed = false;
  #reading: Promise<void> | undefined;

  constructor(options: CampaignOptions) {
    this.#options = options;
    this.folder = mkdtempSync(join(tmpdir(), "hf-kill-"));
    this.chance = new Chance(options.seed);
    this.workload = randomWorkload(this.chance, options.language ?? "typescript");
    this.#ambush = new Ambush(this.folder);
  }

  get store(): Store {
    if (this.#store === undefined) throw new Error("the campaign has not begun");
    return this.#store;
  }

  /** What a reader of the topic saw, in its order. */
  get topic(): readonly TopicEvent[] {
    return this.#reader?.events ?? [];
  }

  get nodes(): readonly NodeProcess[] {
    return this.#nodes;
  }

  async begin(): Promise<void> {
    this.#address = await this.#options.address(this.folder);
    for (let i = 0; i < this.#options.nodes; i++) this.boot();
    await Promise.all(this.#nodes.map((node) => node.ready));
    this.#store = await this.#options.openStore(this.#address);
    await beginPulse(this.store, this.workload.manifests, this.#options.pulse === true);
    this.#reader = new TopicReader({
      store: this.store,
      chance: new Chance(this.#options.seed),
      closed: () => this.#closed,
    });
    this.#reading = this.#reader.read().catch((error: unknown) => {
      if (!this.#closed) this.#faults.push(error);
    });
  }

  boot(): NodeProcess {
    const { leaseMs, concurrency = 4, deaf = false } = this.#options;
    const node = new NodeProcess({
      folder: this.folder,
      name: `n${this.#booted++}`,
      address: this.#address,
      leaseMs,
      concurrency,
      deaf,
    });
    this.#nodes.push(node);
    this.#note(`${node.name} boots as ${node.pid}`);
    void node.exited.then(() => {
      if (this.#doomed.has(node) || this.#closed) return;
      // A node that finds no database when it starts says so and ends; whoever keeps nodes running starts another.
      if (node.isReady) this.#faults.push(new Error(`${node.name} ended by itself`));
      else this.boot();
    });
    return node;
  }

  /** Asks for a run until it is acknowledged, of whichever node lives. */
  start(definition: string, expected: Expected, request: Omit<StartRun, "definition" | "key"> = {}): Root {
    const root: Root = { key: `key-${this.roots.length}`, definition, expected, id: undefined, restarts: 0 };
    this.roots.push(root);
    this.#track(async () => {
      root.id = (await this.#insist({ start: { definition, key: root.key, ...request } })).runId;
    });
    return root;
  }

  /** A run that sits until it is cancelled, and its cancel. */
  startAndCancel(force = this.chance.happens(0.2)): void {
    const expected = { status: "cancelled", outcome: "failed" } as const;
    const root = this.start("vigil", expected, { priority: 10 });
    const afterMs = this.chance.between(0, 600);
    this.#track(async () => {
      const id = await until("the run is acknowledged", () => (this.#closed ? "" : root.id), peaceLimitMs);
      await delay(afterMs);
      if (!this.#closed) await this.#insist({ cancel: id, force, key: `cancel ${id}` });
    });
  }

  /** Some work of each kind, unless much is open already. */
  feed(): void {
    if (this.roots.length - (this.#reader?.endedRoots ?? 0) > openRoots) return;
    const flow = this.chance.pick(this.workload.flows);
    this.start(flow, expectWorkflow(flow, this.workload));
    const script = randomScript(this.chance);
    this.start(this.chance.pick(["unit", "metered"]), expectTask(script), { input: { ...script } });
    const startAfter = new Date(Date.now() + this.chance.between(50, 300)).toISOString();
    this.start("unit", expectTask(calm), { input: { ...calm, steps: 1, workMs: 10 }, startAfter });
    if (this.chance.happens(0.4)) this.startAndCancel();
    if (this.chance.happens(0.3)) this.#track(() => holdUp(this, (asked) => this.#insist(asked)));
    if (this.chance.happens(0.3)) this.#meddle(startAgain);
    if (this.chance.happens(0.2)) this.#meddle(decideEnd);
  }

  /** Strikes; the strike is counted where it fell. False when nobody came to the point. */
  async strike({ point, victim }: Strike): Promise<boolean> {
    if (this.#faults.length > 0) throw this.#faults[0];
    this.feed();
    const reached = point === undefined ? undefined : await this.#lieInWait(point);
    if (point === undefined) await delay(this.chance.between(30, 500));
    else if (reached === undefined) return false;
    const name = point ?? "random";
    // It says that it is there before it stops itself.
    if (reached !== undefined) {
      await until(
        "it stands at the point",
        () => [undefined, "T"].includes(processOf(reached.pid)?.state) || undefined,
      );
    }
    this.#note(`${victim} at ${name} (${reached?.pid ?? "?"})`);
    this.hits.set(name, (this.hits.get(name) ?? 0) + 1);
    this.victims.set(victim, (this.victims.get(victim) ?? 0) + 1);
    await this.#hit(victim, reached);
    return true;
  }

  /** Waits until everything that was asked for has ended and all of its history has been read. */
  async peace(): Promise<void> {
    this.#note("peace");
    await Promise.all(this.#asking);
    if (this.#faults.length > 0) throw this.#faults[0];
    const open = new Set(this.roots);
    try {
      await until(
        "all runs have ended",
        async () => {
          for (const root of open) {
            const run = await patiently(
              () => this.#closed,
              () => this.store.findRun({ id: root.id ?? "" }),
            );
            if (run === undefined) throw new Error(`P1 the acknowledged run ${root.id} is lost`);
            if (!isEnded(run.status)) return undefined;
            open.delete(root);
          }
          return true;
        },
        peaceLimitMs,
      );
    } catch (error) {
      throw new Error(`P1 stuck: ${await describeOpen(this.store, open)}\n${this.logs()}`, { cause: error });
    }
    await endPulse(this.store, () => this.#closed);
    await until("nothing that was told to end goes on", async () => {
      const open = await this.store.listObligations({ namespace, limitRows: 10 });
      return open.length === 0 || undefined;
    });
    // That nothing is left to sequence would prove less: a node that is just moving events hides them until it has committed.
    await until("the reader of the topic saw as many events as the runs have", async () => {
      const due = (await listAllRuns(this.store)).reduce((sum, { lastEvent }) => sum + lastEvent, 0);
      return this.topic.length >= due || undefined;
    });
  }

  /** Stops the nodes in order and looks that nothing is left; or, after a failure, ends everything at once. */
  async end(isOrderly: boolean): Promise<void> {
    this.#closed = true;
    try {
      for (const node of this.#nodes) node.signal(isOrderly ? "SIGCONT" : "SIGKILL");
      if (isOrderly) await this.#reading;
      // SQLite's clients need the owner to say goodbye to; without one, what they still ask is given up here.
      await this.#store?.close();
      await this.#reading;
      await Promise.all(this.#nodes.map((node) => (isOrderly ? node.stop() : node.kill())));
    } finally {
      this.#ambush.close();
      for (const node of this.#nodes) node.signal("SIGKILL");
      for (const { pid } of processesWithin(this.folder)) signal(pid, "SIGKILL");
      rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
    }
  }

  logs(): string {
    const tail = ({ name }: NodeProcess) => readFileSync(join(this.folder, `${name}.log`), "utf8").slice(-1_500);
    const nodes = this.#nodes.map((node) => `${node.name} (${node.pid}): ${tail(node)}`);
    return [...this.#trace, ...nodes].join("\n");
  }

  async #lieInWait(point: string): Promise<Reached | undefined> {
    this.#ambush.arm(point, oncePoints.test(point) ? 0 : this.chance.between(0, 3));
    const deadline = performance.now() + reachLimitMs;
    for (let looks = 0; performance.now() < deadline; looks++) {
      this.#provoke(point, looks);
      const reached = await this.#ambush.next(1_500);
      if (reached !== undefined) return reached;
      this.feed();
    }
    this.#note(`nobody came to ${point}`);
    this.#ambush.disarm();
    return this.#ambush.next(100);
  }

  /** What a point needs to be come to, besides work. */
  #provoke(point: string, looks: number): void {
    const verb = point.split(".")[0] ?? "";
    if (verb === "loss") {
      const child = this.#someChild();
      if (child !== undefined) signal(child, "SIGKILL");
    } else if (point === "judge.after" || verb === "join") {
      // A node needs time to start, and a judge a lease.
      if (looks % 8 !== 0) return;
      this.#track(() => this.#replace(this.chance.pick(this.#living())));
    } else if (["cancel", "cancelling", "give-back", "body"].includes(verb)) this.startAndCancel();
    else if (["force", "owed"].includes(verb)) this.startAndCancel(true);
    else if (verb === "restart") this.#meddle(startAgain);
    else if (verb === "mark") this.#meddle(decideEnd);
    else if (verb === "retry") this.#startFirst({ ...calm, failures: 1 });
    else if (verb === "skip") this.#startFirst({ ...calm, finale: "skip" });
    else if (verb === "failure") this.#startFirst({ ...calm, finale: "fatal" });
  }

  #meddle(how: typeof startAgain): void {
    this.#track(() => how({ campaign: this, isClosed: () => this.#closed, insist: (asked) => this.#insist(asked) }));
  }

  #startFirst(script: Script): void {
    this.start("unit", expectTask(script), { input: { ...script }, priority: 10 });
  }

  async #hit(victim: Victim, reached: Reached | undefined): Promise<void> {
    const { leaseMs, database } = this.#options;
    const node = this.#nodeOf(reached?.pid) ?? this.chance.pick(this.#living());
    const goOn = () => reached !== undefined && signal(reached.pid, "SIGCONT");
    const overLeaseMs = leaseMs * (1.2 + this.chance.fraction());
    switch (victim) {
      case "node killed":
        await this.#replace(node);
        return;
      case "node stopped":
        this.nodeStrikes.push({ at: Date.now(), memberId: node.memberId });
        node.signal("SIGSTOP");
        await delay(overLeaseMs);
        node.signal("SIGCONT");
        goOn();
        return;
      case "child killed":
      case "child stopped": {
        const isChild = reached !== undefined && reached.pid !== node.pid;
        const child = isChild
          ? reached.pid
          : (childrenOf(node.folder, this.folder)[0] ?? (await this.#nextChild(node, goOn)));
        if (victim === "child killed") signal(child, "SIGKILL");
        else signal(child, "SIGSTOP");
        if (!isChild) goOn();
        // Sometimes it is never continued: then its timeout or its cancel ends it.
        if (victim === "child stopped" && this.#options.nodes > 1 && this.chance.happens(0.5)) {
          await delay(overLeaseMs);
          signal(child, "SIGCONT");
        }
        return;
      }
      case "database killed":
        await database?.kill();
        if (this.chance.happens(0.5)) goOn();
        await delay(this.chance.happens(0.5) ? overLeaseMs : 50);
        await database?.restart();
        goOn();
        return;
      case "database stopped":
        database?.freeze();
        if (this.chance.happens(0.5)) goOn();
        await delay(overLeaseMs);
        database?.thaw();
        goOn();
    }
  }

  /** Kills a node and sees that nothing is left of it. */
  async kill(node: NodeProcess): Promise<void> {
    this.#doomed.add(node);
    this.nodeStrikes.push({ at: Date.now(), memberId: node.memberId });
    await node.kill();
  }

  async #replace(node: NodeProcess): Promise<void> {
    if (this.#doomed.has(node)) return;
    await this.kill(node);
    this.boot();
  }

  #nodeOf(pid: number | undefined): NodeProcess | undefined {
    if (pid === undefined) return undefined;
    return this.#living().find(
      (node) => node.pid === pid || processesWithin(node.folder).some((one) => one.pid === pid),
    );
  }

  #living(): NodeProcess[] {
    return this.#nodes.filter((node) => !node.hasExited && !this.#doomed.has(node));
  }

  #note(text: string): void {
    if (process.env.HOLDFAST_KILL_TRACE !== undefined) console.error(text);
    this.#trace.push(`${(performance.now() / 1_000).toFixed(2)} ${text}`);
  }

  /** A node that stands at a point starts none, and one whose share others take needs work: so go on, with more of it. */
  #nextChild(node: NodeProcess, goOn: () => unknown): Promise<number> {
    goOn();
    let looks = 0;
    return until(
      `${node.name} has a child`,
      () => {
        if (looks++ % 40 === 0) for (let i = 0; i < 4; i++) this.#startFirst({ ...calm, workMs: 100 });
        return childrenOf(node.folder, this.folder)[0];
      },
      reachLimitMs,
    );
  }

  #someChild(): number | undefined {
    const children = this.#living().flatMap((node) => childrenOf(node.folder, this.folder));
    return children.length === 0 ? undefined : this.chance.pick(children);
  }

  async #insist(question: Parameters<NodeProcess["ask"]>[0]) {
    for (;;) {
      const ready = this.#living().filter(({ isReady }) => isReady);
      const answer = ready.length === 0 ? undefined : await this.chance.pick(ready).ask(question);
      if (answer !== undefined && "runId" in answer) return answer;
      if (answer !== undefined && answer.code !== "store_unavailable") throw new Error(answer.failed);
      if (this.#closed) throw new Error("the campaign is over");
      await delay(50);
    }
  }

  #track(work: () => Promise<void>): void {
    const done = work().catch((error: unknown) => void this.#faults.push(error));
    this.#asking.add(done);
  }
}
