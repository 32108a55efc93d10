import { AsyncLocalStorage } from "node:async_hooks";
import { createHash } from "node:crypto";
import {
  type ActivationStart,
  AppError,
  asStateRecord,
  asWaitRecord,
  type ChannelCall,
  canonicalText,
  type Json,
  limits,
  storableText,
  textDefect,
  utf8Bytes,
} from "@holdfast/protocol";
import { assetHandle } from "./asset-context.ts";
import type { AnyAsset, Asset, AssetAccess } from "./assets.ts";
import { originHere, placedAt } from "./placed-errors.ts";
import { LogSender, ProgressSender, type TaskLog } from "./reports.ts";
import { Skip } from "./skip.ts";
import type { StateDeclaration, StateHandle } from "./state.ts";
import { stateHandle } from "./state-context.ts";
import { StateSteps } from "./state-steps.ts";
import type { Stored } from "./stored.ts";
import { storedValue } from "./stored-value.ts";
import type { WaitContext } from "./wait.ts";
import { waitContext } from "./wait-context.ts";
import { Waits } from "./waits.ts";

/** The run that a body is carrying out. */
export interface RunIdentity {
  readonly id: string;
  readonly rootId: string;
  readonly parentId: string | null;
  readonly definition: string;
  /** The workflow that this run is a node of; null for a root. */
  readonly workflow: string | null;
  /** The node's name in its workflow (`transform[eu]`), or the definition's id for a root. */
  readonly name: string;
  /** The identity of the item, for a mapped child. */
  readonly item: string | null;
  readonly key: string | null;
  /** Rises when the run is cleared to start fresh. */
  readonly generation: number;
}

/** What a body is given beside its input; `state` and `taskState` come with their types to the task itself (`TaskContext`). */
export interface BodyContext extends WaitContext {
  readonly run: RunIdentity;
  /** The try that users see and count, from 1. */
  readonly attempt: number;
  /** Which start of the body this is, over all attempts. */
  readonly epoch: number;
  /** Aborts when the run is cancelled, its attempt times out or its node stops. What the body returns then is not heard. */
  readonly abortSignal: AbortSignal;
  readonly log: TaskLog;
  /** W3C `traceparent` of this activation's span, for what the body calls; null where nothing is traced. */
  readonly traceparent: string | null;
  /** Tells watchers how far the body is; only the latest report counts. Never throws and never waits. */
  progress(done: number, total?: number, text?: string): void;
  /**
   * 64 hexadecimal digits that are the same for this key at every activation and attempt of this run's generation, and
   * nowhere else: give it to a service as idempotency key or name.
   */
  token(key: string): string;
  /**
   * Runs `fn` and records what it returns under `key`; once recorded, `fn` is not run again in this run's generation and
   * the record answers. A crash before the record commits runs `fn` again. Answers what JSON keeps of the value
   * (undefined as null). Rejects with what `fn` threw (nothing is recorded), with TypeError when JSON cannot keep the
   * value, and with Error when the same key is under way already.
   */
  step<R>(key: string, fn: () => R | Promise<R>): Promise<Stored<Awaited<R>>>;
  /** Ends the run `skipped` with this reason. It throws: what follows it in the body does not happen. */
  skip(reason: string): never;
}

/**
 * What a body is given beside its input. `S`, `T`: the handles of its run's state and its task's; `R`, `W`: the assets that it declared to
 * read and to write.
 */
export interface TaskContext<S = StateHandle, T = StateHandle, R extends Asset = Asset, W extends Asset = Asset>
  extends BodyContext,
    AssetAccess<R, W> {
  /** Values of this run: all its attempts see them, a retry goes on with them, and a fresh clear begins without any. */
  readonly state: S;
  /** Values of the task: all its runs see them. */
  readonly taskState: T;
}

/** How a task declares its state. */
export interface DeclaredState {
  readonly state?: StateDeclaration | undefined;
  readonly taskState?: StateDeclaration | undefined;
}

/** The key of the step whose function runs. */
const inStep = new AsyncLocalStorage<string>();

/** The context of one activation, and what its runner needs beside it. */
export class ActivationContext implements TaskContext {
  readonly run: RunIdentity;
  readonly attempt: number;
  readonly epoch: number;
  readonly abortSignal: AbortSignal;
  readonly log: LogSender;
  readonly traceparent: string | null;
  readonly sleep: WaitContext["sleep"];
  readonly waitForSignal: WaitContext["waitForSignal"];
  readonly call: WaitContext["call"];
  readonly map: WaitContext["map"];
  readonly external: WaitContext["external"];
  readonly all: WaitContext["all"];
  readonly race: WaitContext["race"];
  readonly start: WaitContext["start"];
  readonly state: StateHandle;
  readonly taskState: StateHandle;
  readonly asset: (asset: unknown) => AnyAsset;
  readonly #waits: Waits;
  readonly #tokenSeed: string;
  readonly #call: ChannelCall;
  readonly #progress: ProgressSender;
  readonly #recorded: Map<string, Json>;
  readonly #used = new Set<string>();
  readonly #open = new Set<string>();
  #allDone: () => void = () => undefined;
  #closed = false;

  constructor(start: ActivationStart, call: ChannelCall, abortSignal: AbortSignal, declared: DeclaredState = {}) {
    this.run = start.run;
    this.attempt = start.attempt;
    this.epoch = start.epoch;
    this.abortSignal = abortSignal;
    this.traceparent = start.traceparent ?? null;
    this.#tokenSeed = start.tokenSeed;
    this.#call = call;
    this.log = new LogSender(call);
    this.#progress = new ProgressSender(call);
    this.#recorded = new Map(start.steps.map((step) => [step.key, step.value]));
    const recorded = this.#recorded;
    this.#waits = new Waits({ call, attempt: start.attempt, recorded, warn: (text) => this.log.warn(text) });
    const waiting = waitContext({ waits: this.#waits, call, recorded, check: (key) => this.#checkWait(key) });
    const { sleep, waitForSignal, map, external, all, race } = waiting;
    this.sleep = sleep;
    this.waitForSignal = waitForSignal;
    this.call = waiting.call;
    this.map = map;
    this.external = external;
    this.all = all;
    this.race = race;
    this.start = waiting.start;
    const steps = new StateSteps({
      ...{ recorded, call, epoch: start.epoch, inStep: () => inStep.getStore() },
      warn: (text) => this.log.warn(text),
      take: (key) => this.#take(key),
      during: (key, act) => this.#during(key, act),
    });
    this.state = stateHandle(steps, { what: "ctx.state", scope: { kind: "run" }, declared: declared.state });
    const ofTask = { what: "ctx.taskState", scope: { kind: "task" }, declared: declared.taskState } as const;
    this.taskState = stateHandle(steps, ofTask);
    this.asset = (asset) => assetHandle({ steps, call }, asset);
  }

  /** Resolves when the body is over without a word: its run waits, or is somebody else's. */
  get suspended(): Promise<void> {
    return this.#waits.suspended;
  }

  progress(done: number, total?: number, text?: string): void {
    this.#progress.report(done, total, text);
  }

  token(key: string): string {
    // Canonical text of a list: no seed and key can be shifted into another pair.
    return createHash("sha256")
      .update(canonicalText([this.#tokenSeed, key]))
      .digest("hex");
  }

  async step<R>(key: string, fn: () => R | Promise<R>): Promise<Stored<Awaited<R>>> {
    this.#take(key);
    const recorded = this.#recorded.get(key);
    if (recorded !== undefined && asStateRecord(recorded) !== undefined) {
      throw new Error(`${JSON.stringify(key)} is the key of a write of state: give the step a key of its own.`);
    }
    if (recorded !== undefined) return recorded as Stored<Awaited<R>>;
    return this.#during(key, async () => {
      const began = performance.now();
      const value = storedValue(await inStep.run(key, fn), `The result of step ${JSON.stringify(key)}`);
      return (await this.#commit(key, value, performance.now() - began)) as Stored<Awaited<R>>;
    });
  }

  /** Says that a key is used. Throws where it cannot be; warns where it was before and its record answers. */
  #take(key: string): void {
    this.#check(key);
    if (this.#used.has(key) && this.#recorded.has(key)) {
      const record = "its record answers, and nothing is done";
      this.log.warn(
        `Step ${JSON.stringify(key)} was used before in this body: ${record}. Give each use a key of its own.`,
      );
    }
    this.#used.add(key);
  }

  /** While it goes on, the activation is not suspended, and the key is under way. */
  async #during<T>(key: string | undefined, act: () => Promise<T>): Promise<T> {
    if (key === undefined && this.#closed) throw new Error("State was asked for after the body had ended.");
    if (key !== undefined) this.#open.add(key);
    try {
      return await this.#waits.underWay(act);
    } finally {
      if (key !== undefined) this.#open.delete(key);
      if (this.#open.size === 0) this.#allDone();
    }
  }

  async #commit(key: string, value: Json, tookMs: number): Promise<Json> {
    const bytes = utf8Bytes(JSON.stringify(value));
    if (bytes > limits.stepValueBytes) {
      throw new AppError("too_large", `The result of step ${JSON.stringify(key)} has ${bytes} bytes.`, {
        hint: `The limit is ${limits.stepValueBytes}: keep the value in a file or an object store and return its name.`,
      });
    }
    const timed = this.traceparent === null ? {} : { tookMs: Math.max(0, tookMs) };
    const origin = originHere();
    const answer = await this.#call("step.commit", { key, value, ...timed }).catch((error: unknown) => {
      throw placedAt(error, origin);
    });
    this.#recorded.set(key, answer.value);
    return answer.value;
  }

  #check(key: string): void {
    this.#checkKey(key);
    if (this.#open.has(key)) {
      throw new Error(`Step ${JSON.stringify(key)} is under way already: await it, or give each use a key of its own.`);
    }
    if (asWaitRecord(this.#recorded.get(key) ?? null) !== undefined) {
      throw new Error(`${JSON.stringify(key)} is the key of a wait: give the step a key of its own.`);
    }
  }

  #checkKey(key: string): void {
    if (typeof key !== "string" || key === "" || key.length > limits.keyCharacters) {
      throw new TypeError(`A step's key is a text of 1 to ${limits.keyCharacters} characters.`);
    }
    const defect = textDefect(key);
    // Now, not when the record is refused: by then the step's work would be done.
    if (defect !== undefined) throw new TypeError(`A step's key has a ${defect}, which cannot be stored.`);
    if (this.#closed) throw new Error(`Step ${JSON.stringify(key)} was asked for after the body had ended.`);
  }

  #checkWait(key: string): void {
    this.#checkKey(key);
    const step = inStep.getStore();
    if (step === undefined) return;
    throw new Error(
      `${JSON.stringify(key)} waits inside of the step ${JSON.stringify(step)}: await it beside the step.`,
    );
  }

  skip(reason: string): never {
    throw new Skip(storableText(String(reason).slice(0, 1_000)));
  }

  /** Resolves when no step is under way: what the body left unawaited belongs to it. */
  async stepsDone(): Promise<void> {
    while (this.#open.size > 0) {
      await new Promise<void>((resolve) => {
        this.#allDone = resolve;
      });
    }
  }

  /** Resolves when no run is under way that the body called. */
  callsDone(): Promise<void> {
    return this.#waits.callsDone();
  }

  /** Resolves when nothing is on its way that may end the activation; never when it has ended. */
  stayed(): Promise<void> {
    return this.#waits.stayed();
  }

  /** Hands over what is still unsent of log and progress, then takes no more. */
  close(): void {
    this.#closed = true;
    this.#waits.close();
    this.log.close();
    this.#progress.close();
  }
}
