import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { isAppError, isEnded, type ResolveJob } from "@holdfast/protocol";
import { type Services, serve } from "../../server/src/main.ts";
import { Chance } from "../../server/src/store/contract/chance.contract.ts";
import { type Clouds, openClouds } from "../clouds/clouds.ts";
import { hasEnded, type Job } from "../clouds/world.ts";
import { signInAtFakes } from "../trackers/sign-in.ts";
import { Ambush } from "./ambush.ts";
import type { CampaignOptions } from "./campaign-options.ts";
import { type JobKind, type JobPace, jobKinds, jobManifest, submitCalls } from "./job-work.ts";
import { NodeProcess } from "./node-process.ts";
import { processesWithin, processOf, signal, trackersOf, until } from "./processes.ts";
import { patiently } from "./topic-reader.ts";

// Nodes, a store, services outside that count what is started, and blows between the moments of a job's life. Then every run has to end,
// and end right, with one job (job-verdict.ts).

/** `machine stopped`: the node and the processes that call for it. `trackers`: these alone. */
export const jobVictims = [
  "node killed",
  "machine stopped",
  "node stopped",
  "trackers killed",
  "trackers stopped",
] as const;
export type JobVictim = (typeof jobVictims)[number];

export interface JobStrike {
  readonly point: string;
  readonly kind: JobKind;
  readonly victim: JobVictim;
}

export interface JobCampaignOptions extends CampaignOptions {
  /** There is time for what takes minutes to be decided. */
  readonly isLong: boolean;
}

export interface JobRun {
  readonly key: string;
  readonly kind: JobKind;
  readonly pace: JobPace;
  id: string | undefined;
}

const reachLimitMs = 20_000;

/** What was noted as called for is sent within so long or never, and a listing has settled twice. */
const peaceLimitMs = 240_000;
/** In peace nobody who has called is stopped any more: what was sent has arrived by then. */
const arrivalMs = 2_000;

export class JobCampaign {
  readonly folder = mkdtempSync(join(tmpdir(), "hf-jobs-"));
  readonly runs: JobRun[] = [];
  readonly hits = new Map<string, number>();
  readonly #options: JobCampaignOptions;
  readonly #chance: Chance;
  readonly #ambush = new Ambush(this.folder);
  readonly #nodes: NodeProcess[] = [];
  readonly #doomed = new Set<NodeProcess>();
  readonly #asking = new Set<Promise<unknown>>();
  readonly #trace: string[] = [];
  readonly #faults: unknown[] = [];
  #address = "";
  #clouds: Clouds | undefined;
  #services: Services | undefined;
  #closed = false;

  constructor(options: JobCampaignOptions) {
    this.#options = options;
    this.#chance = new Chance(options.seed);
  }

  get services(): Services {
    if (this.#services === undefined) throw new Error("the campaign has not begun");
    return this.#services;
  }

  /** The jobs that were made outside for a run. */
  madeFor(runId: string): Job[] {
    return this.#server.world.list().filter(({ spec }) => JSON.stringify(spec).includes(runId));
  }

  get #server(): Clouds["server"] {
    if (this.#clouds === undefined) throw new Error("the campaign has not begun");
    return this.#clouds.server;
  }

  async begin(): Promise<void> {
    this.#clouds = await openClouds();
    signInAtFakes(this.#clouds.url);
    const { world } = this.#server;
    const running = { afterMs: 0, phase: "running" } as const;
    // A look has to find them running, and nobody wants to wait for their ends.
    const quick = { timeline: [running, { afterMs: 700, phase: "succeeded" } as const] };
    world.addRule({ id: "quick", match: { text: "quick" }, script: quick });
    world.addRule({ id: "endless", match: { text: "endless" }, script: { timeline: [running] } });
    this.#address = await this.#options.address(this.folder);
    for (let i = 0; i < this.#options.nodes; i++) this.#boot();
    await Promise.all(this.#nodes.map((node) => node.ready));
    this.#services = serve(await this.#options.openStore(this.#address), { pollMs: 250 });
    await this.services.definitions.apply(jobKinds.map(jobManifest));
  }

  /** Strikes where somebody has come to the point on behalf of a job of this kind. False when nobody has. */
  async strike({ point, kind, victim }: JobStrike): Promise<boolean> {
    if (this.#faults.length > 0) throw this.#faults[0];
    const struck = await this.#struck(point, kind, victim);
    // What cannot be listed at once takes minutes to be submitted again: no further strike may come into its call.
    if (kind === "listed" && !this.#options.isLong) await this.#allSubmitted();
    this.#note(`${victim} at ${point} of ${kind}: ${struck ? "struck" : "nobody came"}`);
    if (struck) this.hits.set(point, (this.hits.get(point) ?? 0) + 1);
    return struck;
  }

  /** Until everything has ended, with somebody who decides what nobody can know. */
  async peace(): Promise<void> {
    this.#note("peace");
    let isAsking = true;
    const asked = Promise.all(this.#asking).finally(() => {
      isAsking = false;
    });
    await delay(arrivalMs);
    // Whoever waits for a job to be there waits for ever where the call that was noted was never made: a person decides about it.
    while (isAsking) {
      await this.#decide();
      await delay(50);
    }
    await asked;
    if (this.#faults.length > 0) throw this.#faults[0];
    const open = new Set(this.runs);
    try {
      await until(
        "all runs have ended",
        async () => {
          await this.#decide();
          for (const run of open) if (isEnded(await this.#statusOf(run))) open.delete(run);
          return open.size === 0 || undefined;
        },
        peaceLimitMs,
      );
      await until("what was told to end has ended", async () => {
        const owed = await this.#patient(() =>
          this.services.store.listObligations({ namespace: "default", limitRows: 9 }),
        );
        return owed.length === 0 || undefined;
      });
    } catch (error) {
      throw new Error(`P1 stuck: ${JSON.stringify([...open])}\n${this.logs()}`, { cause: error });
    }
  }

  async end(): Promise<void> {
    this.#closed = true;
    try {
      for (const node of this.#nodes) {
        for (const pid of this.#machine(node)) signal(pid, "SIGCONT");
      }
      await this.#services?.close();
      await Promise.all(this.#nodes.map((node) => node.kill()));
      await this.#clouds?.close();
    } finally {
      this.#ambush.close();
      for (const node of this.#nodes) node.signal("SIGKILL");
      for (const { pid } of processesWithin(this.folder)) signal(pid, "SIGKILL");
      rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
    }
  }

  /** Jobs that have not ended, for whoever has to understand a failure. */
  async describeOpen(): Promise<string> {
    const { jobs } = await this.services.store.listJobs({ namespace: "default", limitRows: 100 });
    return jobs.flatMap((job) => (job.endedAt === null ? JSON.stringify(job) : [])).join("\n");
  }

  logs(): string {
    const tail = ({ name }: NodeProcess) => readFileSync(join(this.folder, `${name}.log`), "utf8").slice(-1_500);
    return [...this.#trace, ...this.#nodes.map((node) => `${node.name} (${node.pid}): ${tail(node)}`)].join("\n");
  }

  async #struck(point: string, kind: JobKind, victim: JobVictim): Promise<boolean> {
    if (point.startsWith("service.")) return await this.#strikeInService(point, kind, victim);
    if (/^(find|unknown)\./.test(point)) {
      // Somebody has to die first who may have called, for this job and not for another.
      await this.#allSubmitted();
      const first = await this.#strike("call.after", () => this.#start(kind, "quick"), "node killed");
      return first && (await this.#strike(point, () => undefined, victim));
    }
    const isCancel = /^(cancel|stop|cancel_asked|acknowledged)\./.test(point);
    return await this.#strike(
      point,
      () => (isCancel ? this.#startAndCancel(kind) : this.#start(kind, "quick")),
      victim,
    );
  }

  async #allSubmitted(): Promise<void> {
    await until(
      "every job is submitted",
      async () => {
        const { jobs } = await this.#patient(() => this.services.externalJobs.list({ status: ["submitting"] }));
        return jobs.length === 0 || undefined;
      },
      peaceLimitMs,
    );
  }

  async #strike(point: string, provoke: () => unknown, victim: JobVictim): Promise<boolean> {
    this.#ambush.arm(point);
    provoke();
    let reached = await this.#ambush.next(reachLimitMs);
    if (reached === undefined) {
      this.#ambush.disarm();
      // Somebody may have come to it in the last moment.
      reached = await this.#ambush.next(100);
    }
    if (reached === undefined) return false;
    const { pid } = reached;
    // It says that it is there before it stops itself.
    await until("it stands at the point", () => [undefined, "T"].includes(processOf(pid)?.state) || undefined);
    const node = this.#nodeOf(pid);
    await this.#hit(victim, node, () => signal(pid, "SIGCONT"));
    return true;
  }

  /** The call has arrived, and its answer is on its way: the job is made before, or after, that is struck. */
  async #strikeInService(point: string, kind: JobKind, victim: JobVictim): Promise<boolean> {
    const { faults, calls } = this.#server;
    const when = point === "service.before" ? "before" : "after";
    const match = submitCalls[kind];
    const [{ seq = 0 } = {}] = calls.list(match).slice(-1);
    const held = faults.add({ match, fault: { kind: "hold", when }, times: 1 });
    const run = this.#start(kind, "quick");
    const gone = AbortSignal.timeout(reachLimitMs);
    const [call] = await calls.until({ match, count: 1, sinceSeq: seq, ended: false, gone });
    if (call !== undefined) {
      const node = await this.#trackedBy(run);
      await this.#hit(victim, node, () => faults.release(held.id));
    }
    faults.release(held.id);
    faults.remove(held.id);
    return call !== undefined;
  }

  /** The node that tracks a run's job. */
  async #trackedBy(run: JobRun): Promise<NodeProcess> {
    const row = await until("the run's job is tracked", async () => {
      if (run.id === undefined) return undefined;
      const of = { namespace: "default", runId: run.id, limitRows: 1 };
      const { jobs } = await this.#patient(() => this.services.store.listJobs(of));
      return jobs[0]?.memberId === null ? undefined : jobs[0];
    });
    return this.#living().find(({ memberId }) => memberId === row.memberId) ?? this.#chance.pick(this.#living());
  }

  async #hit(victim: JobVictim, node: NodeProcess, goOn: () => unknown): Promise<void> {
    const overLeaseMs = this.#options.leaseMs * (1.2 + this.#chance.fraction() / 2);
    const pids = victim.startsWith("machine")
      ? this.#machine(node)
      : victim.startsWith("node")
        ? [node.pid]
        : trackersOf(node.pid);
    if (victim === "node killed") {
      this.#doomed.add(node);
      await node.kill();
      goOn();
      this.#boot();
      return;
    }
    if (victim === "trackers killed") {
      for (const pid of pids) signal(pid, "SIGKILL");
      goOn();
      return;
    }
    // Stopped in the middle of it, and woken when others have taken over, where there are others.
    for (const pid of pids) signal(pid, "SIGSTOP");
    if (victim === "trackers stopped") goOn();
    await delay(overLeaseMs);
    for (const pid of pids) signal(pid, "SIGCONT");
    goOn();
  }

  /** The processes of a node: itself and those that call services for it. */
  #machine(node: NodeProcess): number[] {
    return node.hasExited ? [] : [node.pid, ...trackersOf(node.pid)];
  }

  #start(kind: JobKind, pace: JobPace): JobRun {
    const run: JobRun = { key: `key-${this.runs.length}`, kind, pace, id: undefined };
    this.runs.push(run);
    this.#track(async () => {
      const { key } = run;
      const asked = { definition: `job-${kind}`, key, input: { pace } };
      run.id = (await this.#patient(() => this.services.runs.start(asked))).run.id;
    });
    return run;
  }

  /** An endless job, cancelled once it is there. */
  #startAndCancel(kind: JobKind): void {
    const run = this.#start(kind, "endless");
    this.#track(async () => {
      const isThere = () => run.id !== undefined && this.madeFor(run.id).length > 0;
      // Where nobody could know whether it was made, it was not, and a person said that it is lost.
      const isOver = async () => run.id !== undefined && isEnded(await this.#statusOf(run));
      await until(
        "the endless job is there",
        async () => this.#closed || isThere() || (await isOver()) || undefined,
        peaceLimitMs,
      );
      const { id } = run;
      if (id === undefined || !isThere()) return;
      const asked = { cancel: id, force: false, key: `cancel ${id}` };
      for (;;) {
        const ready = this.#living().filter(({ isReady }) => isReady);
        const answer = ready.length === 0 ? undefined : await this.#chance.pick(ready).ask(asked);
        if (this.#closed || (answer !== undefined && "runId" in answer)) return;
        if (answer !== undefined && "failed" in answer && answer.code !== "store_unavailable")
          throw new Error(answer.failed);
        await delay(50);
      }
    });
  }

  /** What is unknown is looked for where it would be. */
  async #decide(): Promise<void> {
    const { jobs } = await this.#patient(() => this.services.externalJobs.list({ status: ["unknown"] }));
    for (const { id, runId } of jobs) {
      const decision = this.#decision(runId);
      if (decision === undefined) continue;
      try {
        await this.#patient(() => this.services.externalJobs.resolve(id, decision));
      } catch (error) {
        if (!isAppError(error, "run_ended") && !isAppError(error, "request_conflict")) throw error;
      }
    }
  }

  /** Undefined: it goes on, and its end says what became of it. */
  #decision(runId: string): ResolveJob | undefined {
    const made = this.madeFor(runId).at(-1);
    if (made === undefined) return { as: this.#chance.pick(["resubmit", "lost"] as const) };
    return hasEnded(made) ? { as: "succeeded", result: { input: { run: runId } } } : undefined;
  }

  async #statusOf(run: JobRun) {
    const { id } = run;
    if (id === undefined) throw new Error(`${run.key} was never acknowledged`);
    const row = await this.#patient(() => this.services.store.findRun({ id }));
    if (row === undefined) throw new Error(`P1 the acknowledged run ${id} is lost`);
    return row.status;
  }

  #patient<T>(ask: () => Promise<T>): Promise<T> {
    return patiently(() => this.#closed, ask);
  }

  #boot(): void {
    const { leaseMs, nodes } = this.#options;
    const name = `n${this.#nodes.length}`;
    const common = { folder: this.folder, name, address: this.#address, leaseMs, concurrency: 4, deaf: nodes === 2 };
    const node = new NodeProcess({ ...common, clouds: this.#clouds?.url ?? "" });
    this.#nodes.push(node);
    this.#note(`${name} boots as ${node.pid}`);
    node.ready.catch(() => undefined);
    void node.exited.then(() => {
      if (!this.#doomed.has(node) && !this.#closed) this.#faults.push(new Error(`${name} ended by itself`));
    });
  }

  #nodeOf(pid: number): NodeProcess {
    const node = this.#living().find((one) => one.pid === pid);
    if (node === undefined) throw new Error(`no node is process ${pid}`);
    return node;
  }

  #living(): NodeProcess[] {
    return this.#nodes.filter((node) => !node.hasExited && !this.#doomed.has(node));
  }

  #track(work: () => Promise<void>): void {
    this.#asking.add(work().catch((error: unknown) => void this.#faults.push(error)));
  }

  #note(text: string): void {
    if (process.env.HOLDFAST_KILL_TRACE !== undefined)
      console.error(`${(performance.now() / 1_000).toFixed(2)} ${text}`);
    this.#trace.push(`${(performance.now() / 1_000).toFixed(2)} ${text}`);
  }
}
