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
  /** The chance that the process is killed from outside in an activation. */
  readonly lost: number;
  readonly [key: string]: Json;
}

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
    const script = start.input as unknown as Script;
    const { chance, successFromExit = false } = this.#options;
    const recorded = new Map(start.steps.map(({ key, value }) => [key, value]));
    const place = `${start.run.id}/${start.run.generation}`;
    const dies = chance.happens(script.lost) ? chance.between(0, script.steps) : undefined;
    for (let i = 0; i < script.steps; i++) {
      if (dies === i) return this.#exit(null, "SIGKILL", true);
      await this.#step({ place, key: `step-${i}`, epoch: start.epoch, workMs: script.workMs, recorded }, listener);
    }
    if (dies === script.steps) return this.#exit(null, "SIGKILL", true);
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

  /** Waits for all of these in one suspension. False when the activation is over, for its run waits or has failed by it. */
  async #wait(
    waits: readonly WaitSpec[],
    { attempt, recorded }: { attempt: number; recorded: Map<string, Json> },
    listener: ActivationListener,
  ): Promise<boolean> {
    const isOver = (key: string) => isStanding(recorded.get(key) ?? null, attempt) && recorded.has(key);
    const open = waits.filter(({ key }) => !isOver(key));
    if (open.length > 0) {
      const asked = { waits: open, settles: [], groups: [open.map(({ key }) => key)] };
      const answer = (await listener.call("run.suspend", asked)) as ChannelResult<"run.suspend">;
      await this.#alive();
      if (answer.suspended) {
        this.#end({ how: "settled", ranMs: this.ranMs });
        return false;
      }
      for (const { key, value } of answer.records) recorded.set(key, value);
    }
    const failed = waits.find(({ key }) => asWaitRecord(recorded.get(key) ?? null)?.end === "failed");
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
  const input = { ...script, naps: 1, calls: 0 };
  return Array.from({ length: calls }, (_, n) => ({ kind: "call", key: `call-${n}`, definition: "leaf", input }));
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
