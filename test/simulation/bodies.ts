import { asWaitRecord, type ChannelResult, isAppError, isStanding, type Json, type WaitSpec } from "@holdfast/protocol";
import type {
  ActivationEnd,
  ActivationJob,
  ActivationListener,
  Placement,
  RunningActivation,
} from "../../server/src/placements/placement.ts";
import type { Chance } from "../../server/src/store/contract/chance.contract.ts";
import type { Machine } from "./machine.ts";
import type { JobPlan, Outside } from "./outside.ts";

// Bodies as the engine meets them, without processes: each acts by its input.

/** What a simulated body does. */
export interface Script {
  /** Each is some work and then a recorded step. */
  readonly steps: number;
  readonly workMs: number;
  /** How it ends, once its attempt is past `failures`. `mute`: ends with exit code 0 without a word. `hang`: until its timeout. */
  readonly end: "succeed" | "fail" | "fatal" | "skip" | "mute" | "hang";
  /** Attempts that fail before. */
  readonly failures: number;
  /** Moments that it waits for after its steps, one after the other, and runs that it calls then, all at once. */
  readonly naps: number;
  readonly calls: number;
  /** What it waits for in other systems, before its naps. `ahead`: opened before its steps. `race`: the first one or a nap is enough. */
  readonly jobs: readonly JobPlan[];
  readonly ahead: boolean;
  readonly race: boolean;
  /** The chance that the process is killed from outside in an activation. */
  readonly lost: number;
  readonly [key: string]: Json;
}

/** Of a run that events have started: its input says nothing of what its body does. */
const quiet: Script = {
  ...{ steps: 1, workMs: 50, end: "succeed", failures: 0, naps: 0, calls: 0 },
  ...{ jobs: [], ahead: false, race: false, lost: 0.1 },
};

/** What bodies did, as nobody but the simulation sees it. */
export interface Witness {
  /** `run/generation/step` → epochs in which its function ran to its end. */
  readonly stepRuns: Map<string, number[]>;
  /** `run/generation/step` → acknowledged records. */
  readonly stepRecords: Map<string, Json>;
  /** Runs whose body said success. */
  readonly said: Set<string>;
  /** Runs whose success was acknowledged, and to which epoch. */
  readonly acknowledged: Map<string, number>;
  /** Steps done again although their record had been acknowledged before the activation began, and the like. */
  readonly faults: string[];
  /** `run@epoch` of bodies that have not ended, whatever became of their runs. */
  readonly atWork: Set<string>;
}

export function newWitness(): Witness {
  return {
    stepRuns: new Map(),
    stepRecords: new Map(),
    said: new Set(),
    acknowledged: new Map(),
    faults: [],
    atWork: new Set(),
  };
}

export interface BodiesOptions {
  readonly machine: Machine;
  readonly chance: Chance;
  readonly witness: Witness;
  readonly outside: Outside;
  /** A broken supervisor: takes exit code 0 for success (P4). */
  readonly successFromExit?: boolean;
}

class Body implements RunningActivation {
  readonly ended: Promise<ActivationEnd>;
  readonly #stop = new AbortController();
  readonly #options: BodiesOptions;
  #end: (end: ActivationEnd) => void = () => undefined;
  #frozen: Promise<void> | undefined;
  #isTold = false;
  #thaw: () => void = () => undefined;
  ranMs = 0;

  constructor(job: ActivationJob, listener: ActivationListener, options: BodiesOptions) {
    this.#options = options;
    const { witness } = options;
    const name = `${job.start.run.id}@${job.start.epoch}`;
    witness.atWork.add(name);
    this.ended = new Promise((resolve) => {
      this.#end = (end) => {
        witness.atWork.delete(name);
        this.#stop.abort();
        resolve(end);
      };
    });
    void this.#run(job, listener);
  }

  /** Some take their time. */
  abort(reason: string): void {
    if (this.#isTold) return;
    this.#isTold = true;
    const { chance, machine } = this.#options;
    const end = () => this.#end({ how: "aborted", reason, ranMs: this.ranMs });
    if (chance.happens(0.7)) end();
    else void machine.clock.sleep(chance.between(100, 5_000)).then(end);
  }

  kill(): void {
    this.#end({ how: "aborted", reason: "killed", ranMs: this.ranMs });
  }

  freeze(): void {
    this.#frozen ??= new Promise((resolve) => {
      this.#thaw = resolve;
    });
  }

  thaw(): void {
    this.#frozen = undefined;
    this.#thaw();
  }

  async #run(job: ActivationJob, listener: ActivationListener): Promise<void> {
    try {
      await this.#act(job, listener);
    } catch (error) {
      const refused = isAppError(error, "stale_epoch") || isAppError(error, "run_ended");
      if (refused) this.#end({ how: "refused", ranMs: this.ranMs });
      else if (error !== halted)
        this.#end({ how: "exited", code: 1, signal: null, lost: false, message: String(error), ranMs: this.ranMs });
    }
  }

  async #act({ start, remainingMs }: ActivationJob, listener: ActivationListener): Promise<void> {
    const given = start.input as unknown as Script;
    const script = "events" in given ? quiet : given;
    const { chance, successFromExit = false } = this.#options;
    const recorded = new Map(start.steps.map(({ key, value }) => [key, value]));
    const place = `${start.run.id}/${start.run.generation}`;
    if (start.cleanUp !== undefined) return this.#cleanUp({ place, epoch: start.epoch, recorded }, listener);
    const external = { place, attempt: start.attempt, recorded, script };
    if (script.ahead) await this.#openJobs(external, listener);
    const dies = chance.happens(script.lost) ? chance.between(0, script.steps) : undefined;
    for (let i = 0; i < script.steps; i++) {
      if (dies === i) return this.#exit(null, "SIGKILL", true);
      await this.#step({ place, key: `step-${i}`, epoch: start.epoch, workMs: script.workMs, recorded }, listener);
    }
    if (dies === script.steps) return this.#exit(null, "SIGKILL", true);
    const isFailing = start.attempt <= script.failures || script.end === "fail" || script.end === "fatal";
    // Whoever fails with jobs open leaves them to its next attempt, or has them ended.
    if (!(script.ahead && isFailing) && !(await this.#waitForJobs(external, listener))) return;
    const waits = napsOf(script).map((wait) => [wait]);
    for (const group of [...waits, callsOf(script)]) {
      if (group.length > 0 && !(await this.#wait(group, { attempt: start.attempt, recorded }, listener))) return;
    }
    if (script.end === "hang" && remainingMs !== undefined) {
      await this.#work(remainingMs);
      return this.#end({ how: "timed_out", ranMs: this.ranMs });
    }
    const error = { code: "task_failed", message: "as its script says" };
    if (start.attempt <= script.failures || script.end === "fail") await listener.call("run.fail", { error });
    else if (script.end === "fatal") await listener.call("run.fail", { error, fatal: true });
    else if (script.end === "skip") await listener.call("run.skip", { reason: "as its script says" });
    else if (script.end === "mute" && !successFromExit) return this.#exit(0, null, false);
    else await this.#succeed(start.run.id, start.epoch, script.end !== "mute", listener);
    this.#end({ how: "settled", ranMs: this.ranMs });
  }

  /** Dies, fails or hangs now and then, as bodies do. */
  async #cleanUp(
    { place, epoch, recorded }: { place: string; epoch: number; recorded: Map<string, Json> },
    listener: ActivationListener,
  ): Promise<void> {
    const { chance } = this.#options;
    await this.#step({ place, key: "cleaned", epoch, workMs: 300, recorded }, listener);
    if (chance.happens(0.1)) return this.#exit(null, "SIGKILL", true);
    if (chance.happens(0.1)) {
      await listener.call("run.fail", { error: { code: "task_failed", message: "it cannot clean up" } });
    } else await listener.call("run.succeed", { output: null });
    this.#end({ how: "settled", ranMs: this.ranMs });
  }

  /** Opens its jobs, those that it starts by itself included. */
  async #openJobs({ place, attempt, recorded, script }: JobsOf, listener: ActivationListener): Promise<void> {
    const isOpen = ({ key }: WaitSpec) => !(recorded.has(key) && isStanding(recorded.get(key) ?? null, attempt));
    const waits = jobsOf(script, place).filter(isOpen);
    const others = waits.filter((wait) => !("own" in wait));
    if (script.ahead && others.length > 0) {
      const answer = (await listener.call("wait.open", { waits: others, settles: [] })) as ChannelResult<"wait.open">;
      await this.#alive();
      for (const { key, value } of answer.records) recorded.set(key, value);
      if (answer.refused.length > 0) throw new Error(JSON.stringify(answer.refused));
    }
    for (const wait of waits) if ("own" in wait) await this.#submitOwn(wait.key, { place, script }, listener);
  }

  /** Calls the service by itself, with the token that the run has for it (P5). */
  async #submitOwn(
    key: string,
    { place, script }: Pick<JobsOf, "place" | "script">,
    listener: ActivationListener,
  ): Promise<void> {
    const { outside } = this.#options;
    const asked = { key, service: "own" };
    const { token, ref } = (await listener.call("external.submit", asked)) as ChannelResult<"external.submit">;
    await this.#alive();
    if (token === null || ref !== null) return;
    await this.#work(100);
    const plan = script.jobs[Number(key.slice("job-".length))];
    if (plan === undefined) return;
    const there = outside.submit("own", token, { place: `${place}/${key}`, ms: plan.ms, end: plan.end });
    await this.#work(100);
    await listener.call("external.adopt", { key, ref: there.ref });
    await this.#alive();
  }

  /** False as `#wait`. Where it has raced, the loser is dropped. */
  async #waitForJobs(external: JobsOf, listener: ActivationListener): Promise<boolean> {
    const { script, place, recorded } = external;
    if (script.jobs.length === 0 || recorded.has("winner")) return true;
    await this.#openJobs(external, listener);
    const waits = jobsOf(script, place);
    if (script.race) {
      const nap: WaitSpec = { kind: "sleep", key: "race-nap", ms: 12_000 };
      const racers: WaitSpec[] = [...waits.slice(0, 1), nap];
      if (!(await this.#wait(racers, external, listener, { isRace: true }))) return false;
      const winner = racers.find(({ key }) => recorded.has(key))?.key ?? "";
      const drops = racers.map(({ key }) => key).filter((key) => key !== winner && !recorded.has(key));
      const settles = [{ key: "winner", value: winner, drops }];
      await listener.call("wait.open", { waits: [], settles });
      await this.#alive();
    } else if (!(await this.#wait(waits, external, listener))) return false;
    for (const { key } of waits) this.#checkResult(`${place}/${key}`, recorded.get(key));
    return true;
  }

  #checkResult(place: string, value: Json | undefined): void {
    const record = value === undefined ? undefined : asWaitRecord(value);
    if (record?.end !== "done") return;
    const result = record.value as { readonly place?: string } | undefined;
    if (result?.place !== place)
      this.#options.witness.faults.push(`P3 ${place} was answered with the result of ${result?.place}`);
  }

  /** Waits for all of these in one suspension, or the first. False when the activation is over, for its run waits or has failed by it. */
  async #wait(
    waits: readonly WaitSpec[],
    { attempt, recorded }: { readonly attempt: number; readonly recorded: Map<string, Json> },
    listener: ActivationListener,
    { isRace = false }: { readonly isRace?: boolean } = {},
  ): Promise<boolean> {
    const isOver = (key: string) => isStanding(recorded.get(key) ?? null, attempt) && recorded.has(key);
    const open = waits.filter(({ key }) => !isOver(key));
    if (open.length > 0 && !(isRace && open.length < waits.length)) {
      const keys = open.map(({ key }) => key);
      const asked = { waits: open, settles: [], groups: isRace ? keys.map((key) => [key]) : [keys] };
      const answer = (await listener.call("run.suspend", asked)) as ChannelResult<"run.suspend">;
      await this.#alive();
      if (answer.suspended) {
        this.#end({ how: "settled", ranMs: this.ranMs });
        return false;
      }
      for (const { key, value } of answer.records) recorded.set(key, value);
    }
    const failed = waits.find(({ key }) => {
      const end = asWaitRecord(recorded.get(key) ?? null)?.end;
      return isOver(key) && (end === "failed" || end === "timed_out");
    });
    if (failed === undefined) return true;
    await listener.call("run.fail", { error: { code: "child_failed", message: `${failed.key} failed` } });
    this.#end({ how: "settled", ranMs: this.ranMs });
    return false;
  }

  async #succeed(id: string, epoch: number, said: boolean, listener: ActivationListener): Promise<void> {
    const { witness } = this.#options;
    if (said) witness.said.add(id);
    await listener.call("run.succeed", { output: id });
    await this.#alive();
    witness.acknowledged.set(id, epoch);
  }

  async #step(
    step: { place: string; key: string; epoch: number; workMs: number; recorded: ReadonlyMap<string, Json> },
    listener: ActivationListener,
  ): Promise<void> {
    const { witness } = this.#options;
    const name = `${step.place}/${step.key}`;
    if (step.recorded.has(step.key)) {
      const known = witness.stepRecords.get(name);
      if (known !== undefined && known !== step.recorded.get(step.key))
        witness.faults.push(`P12 ${name} changed its record`);
      return;
    }
    // A body that was overtaken may still act; one that was started later may not act again.
    const recordedBy = Number(String(witness.stepRecords.get(name) ?? "@Infinity").split("@")[1]);
    if (recordedBy < step.epoch) witness.faults.push(`P12 ${name} is done again after its record was acknowledged`);
    await this.#work(step.workMs);
    witness.stepRuns.set(name, [...(witness.stepRuns.get(name) ?? []), step.epoch]);
    const value = `${name}@${step.epoch}`;
    const answer = (await listener.call("step.commit", { key: step.key, value })) as { value: Json };
    await this.#alive();
    witness.stepRecords.set(name, answer.value);
  }

  async #work(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 100) {
      await this.#options.machine.clock.sleep(Math.min(left, 100), this.#stop.signal);
      await this.#alive();
      this.ranMs += Math.min(left, 100);
    }
  }

  async #alive(): Promise<void> {
    while (this.#frozen !== undefined) await this.#frozen;
    await this.#options.machine.pass();
    if (this.#stop.signal.aborted) throw halted;
  }

  #exit(code: number | null, signal: string | null, lost: boolean): void {
    this.#end({ how: "exited", code, signal, lost, message: "It ended without a word.", ranMs: this.ranMs });
  }
}

function napsOf({ naps, workMs }: Script): WaitSpec[] {
  return Array.from({ length: naps }, (_, n) => ({ kind: "sleep", key: `nap-${n}`, ms: 1_000 + 20 * workMs * n }));
}

function callsOf({ calls, ...script }: Script): WaitSpec[] {
  const input = { ...script, naps: 1, calls: 0, jobs: [], ahead: false, race: false };
  return Array.from({ length: calls }, (_, n) => ({ kind: "call", key: `call-${n}`, definition: "leaf", input }));
}

/** What concerns the jobs of a body. */
interface JobsOf {
  /** `run/generation`. */
  readonly place: string;
  readonly attempt: number;
  readonly recorded: Map<string, Json>;
  readonly script: Script;
}

function jobsOf({ jobs }: Script, place: string): WaitSpec[] {
  return jobs.map(({ service, ms, end, onUnknown, timeoutMs, callsBack }, n): WaitSpec => {
    const key = `job-${n}`;
    const wait = { kind: "external" as const, key, service };
    if (service === "own") return { ...wait, own: true };
    const callback = callsBack ? { callback: "{callback}" } : {};
    return {
      ...{ ...wait, onUnknown, spec: { place: `${place}/${key}`, ms, end, ...callback } },
      ...(timeoutMs === null ? {} : { timeoutMs }),
      ...(callsBack ? { callback: true } : {}),
    };
  });
}

const halted = new Error("the body was ended from outside");

/** A placement of simulated bodies on one machine. */
export class Bodies implements Placement {
  readonly name = "process";
  readonly free = Number.POSITIVE_INFINITY;
  readonly #options: BodiesOptions;
  readonly #running = new Set<Body>();

  constructor(options: BodiesOptions) {
    this.#options = options;
  }

  start(job: ActivationJob, listener: ActivationListener): RunningActivation {
    const body = new Body(job, listener, this.#options);
    this.#running.add(body);
    void body.ended.then(() => this.#running.delete(body));
    return body;
  }

  freezeAll(): void {
    for (const body of this.#running) body.freeze();
  }

  thawAll(): void {
    for (const body of this.#running) body.thaw();
  }

  forgetCode(): void {}

  async close(): Promise<void> {
    for (const body of this.#running) body.kill();
  }
}
