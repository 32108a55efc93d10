import {
  type AccessGroup,
  type ActivationStart,
  AppError,
  type CodeTaskSpec,
  defaultRetry,
  durationText,
  isAppError,
  type Json,
  type RetryPolicy,
  type RunError,
  type StepRecord,
  type TaskCode,
  type TaskSpec,
} from "@holdfast/protocol";
import type { Clock } from "../clock.ts";
import { isCleaningUp, type RunRow, tokenIdentity, tryOf } from "../core/index.ts";
import type { Logger } from "../log.ts";
import { ActivationLog } from "../operations/activation-log.ts";
import type { Completion, HeldActivation } from "../operations/completion.ts";
import type { Definitions } from "../operations/definitions.ts";
import type { Expander } from "../operations/expansion.ts";
import type { JobBodies } from "../operations/job-bodies.ts";
import { persist } from "../operations/persistence.ts";
import type { ActivationEnd, ActivationListener, Placement, RunningActivation } from "../placements/placement.ts";
import type { Store } from "../store/store.ts";
import type { Tracing } from "../telemetry/tracing.ts";
import { cleanUpCode } from "./clean-up-code.ts";

/** When a placement has no room although a slot was free: a killed child may take a moment to be gone. */
const noRoomMs = 200;

/** One activation that this node holds, from its claim to its acknowledged end. */
class Held implements HeldActivation {
  readonly run: RunRow;
  readonly log: ActivationLog;
  readonly #revocation = new AbortController();
  retry: RetryPolicy = defaultRetry;
  running: RunningActivation | undefined;
  abortReason: string | undefined;

  constructor(run: RunRow, store: Store, clock: Clock) {
    this.run = run;
    this.log = new ActivationLog({ store, clock, runId: run.id, epoch: run.epoch, revoked: this.revoked });
  }

  get ranMs(): number {
    return this.running?.ranMs ?? 0;
  }

  get revoked(): AbortSignal {
    return this.#revocation.signal;
  }

  get isToldToEnd(): boolean {
    return this.abortReason !== undefined;
  }

  revoke(): void {
    this.#revocation.abort();
    this.running?.kill();
  }

  abort(reason: string): void {
    this.abortReason ??= reason;
    this.running?.abort(reason);
  }
}

/** How a call of an activation is answered: the channel, bound to what the activation may do. */
export type OpenChannel = (channel: {
  readonly held: HeldActivation;
  readonly task: CodeTaskSpec;
  readonly log: ActivationLog;
  readonly grants: readonly AccessGroup[];
}) => ActivationListener["call"];

export interface ActivationsOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly incarnation: string;
  readonly definitions: Definitions;
  readonly expander: Expander;
  readonly jobs: JobBodies;
  readonly completion: Completion;
  readonly placements: { readonly process: Placement; readonly inline: Placement };
  readonly openChannel: OpenChannel;
  readonly grants: readonly AccessGroup[];
  readonly newNonce: () => string;
  readonly hash: (text: string) => string;
  readonly tracing: Tracing;
}

/** What this node is carrying out. */
export class Activations {
  readonly #options: ActivationsOptions;
  readonly #held = new Map<string, Held>();
  /** Whatever is left of any activation, also of one that was replaced by a later one of its run. */
  readonly #underWay = new Set<Held>();

  constructor(options: ActivationsOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#held.size;
  }

  has(runId: string, epoch: number): boolean {
    return this.#held.get(runId)?.run.epoch === epoch;
  }

  /** False once nothing of it is left here. */
  isUnderWay(runId: string, epoch: number): boolean {
    if (this.has(runId, epoch)) return true;
    return [...this.#underWay].some(({ run }) => run.id === runId && run.epoch === epoch);
  }

  /** Every activation that is being carried out here. */
  list(): { runId: string; epoch: number; name: string }[] {
    return [...this.#held.values()].map(({ run }) => ({ runId: run.id, epoch: run.epoch, name: run.name }));
  }

  /** Carries a claimed run out. Resolves when nothing of it is left here; never rejects. */
  async carryOut(run: RunRow): Promise<void> {
    const held = new Held(run, this.#options.store, this.#options.clock);
    this.#held.get(run.id)?.revoke();
    this.#held.set(run.id, held);
    this.#underWay.add(held);
    try {
      await this.#carry(held);
    } catch (error) {
      await this.#explain(held, error);
    } finally {
      this.#underWay.delete(held);
      if (this.#held.get(run.id) === held) this.#held.delete(run.id);
    }
  }

  /** Tells an activation to end: its signal, then TERM, then KILL. */
  abort(runId: string, epoch: number, reason: string): void {
    const held = this.#held.get(runId);
    if (held?.run.epoch === epoch) held.abort(reason);
  }

  abortAll(reason: string): void {
    for (const held of this.#held.values()) held.abort(reason);
  }

  freezeAll(): void {
    const { process, inline } = this.#options.placements;
    process.freezeAll();
    inline.freezeAll();
  }

  thawAll(): void {
    const { process, inline } = this.#options.placements;
    process.thawAll();
    inline.thawAll();
  }

  /** None of them is this node's any more: kills them, and nothing is written for them. */
  revokeAll(): void {
    for (const held of this.#held.values()) held.revoke();
    this.thawAll();
  }

  async #carry(held: Held): Promise<void> {
    const { expander, completion, clock } = this.#options;
    const { run } = held;
    if (isCleaningUp(run)) return this.#cleanUp(held);
    const { retry, turn } = await persist(clock, held.revoked, async () => ({
      retry: await expander.retryPolicy(run),
      turn: await expander.turn(run),
    }));
    held.retry = retry;
    if (turn.run === "line") await completion.standInLine(held, turn.limits);
    else if (!turn.run) await completion.skip(held, turn.error);
    else if (run.kind === "task") await this.#runBody(held, turn.input);
    else await persist(clock, held.revoked, () => expander.carryOut(held, turn.input));
  }

  /** A try of the run's clean-up in the place of its body. */
  async #cleanUp(held: Held): Promise<void> {
    const { definitions, expander, clock } = this.#options;
    const { run, revoked } = held;
    const task = await definitions.spec(run.manifestHash, run.definition);
    const code = task.kind === "task" ? cleanUpCode(task) : undefined;
    if (code === undefined) throw new Error(`"${task.id}" has no clean-up`);
    held.retry = code.retry;
    const input = await persist(clock, revoked, () => expander.inputOf(run));
    const steps = await this.#steps(held);
    await this.#place(held, code.spec, { input, steps, remainingMs: code.timeoutMs });
  }

  async #runBody(held: Held, input: Json): Promise<void> {
    const { definitions, jobs, clock } = this.#options;
    const spec = await definitions.spec(held.run.manifestHash, held.run.definition);
    if (spec.kind !== "task") throw new Error(`"${spec.id}" is not a task`);
    const remainingMs = spec.timeoutMs === undefined ? undefined : spec.timeoutMs - held.run.ranMs;
    if (remainingMs !== undefined && remainingMs <= 0)
      return this.#conclude(held, { how: "timed_out", ranMs: 0 }, spec);
    const steps = await this.#steps(held);
    if (await persist(clock, held.revoked, () => jobs.carryOut(held, { spec, input, steps }))) return;
    if (spec.executor === "external") throw new Error(`"${spec.id}" has no process`);
    await this.#place(held, spec, { input, steps, remainingMs });
  }

  /** Lets a placement carry it out, to its end. */
  async #place(
    held: Held,
    spec: CodeTaskSpec,
    { input, steps, remainingMs }: { input: Json; steps: StepRecord[]; remainingMs: number | undefined },
  ): Promise<void> {
    const { placements, openChannel, grants, completion } = this.#options;
    const start = this.#start(held.run, spec, { input, steps });
    if (held.revoked.aborted || held.abortReason !== undefined) {
      await this.#conclude(held, { how: "aborted", reason: held.abortReason ?? "", ranMs: 0 }, spec);
      return;
    }
    const placement = placements[spec.placement];
    if (placement.free <= 0) {
      await completion.giveBack(held, noRoomMs);
      return;
    }
    const listener: ActivationListener = {
      call: openChannel({ held, task: spec, log: held.log, grants }),
      lines: (lines) => held.log.write(lines).catch((error: unknown) => this.#note(held, error)),
    };
    held.running = placement.start({ start, task: spec, remainingMs, grants }, listener);
    await this.#conclude(held, await held.running.ended, spec);
  }

  /** A first activation has recorded nothing yet. */
  async #steps({ run: { id, epoch, generation }, revoked }: Held): Promise<StepRecord[]> {
    const { store, clock } = this.#options;
    return epoch === 1 ? [] : persist(clock, revoked, () => store.listSteps({ runId: id, generation }));
  }

  #start(
    run: RunRow,
    spec: CodeTaskSpec,
    { input, steps }: { readonly input: Json; readonly steps: StepRecord[] },
  ): ActivationStart {
    const { incarnation, newNonce, hash, tracing } = this.#options;
    const { id, rootId, parentId, definition, workflow, name, item, key, generation, attempt, epoch } = run;
    const traceparent = tracing.traceparentOf(run);
    return {
      nonce: newNonce(),
      run: { id, rootId, parentId, definition, workflow, name, item, key, generation },
      attempt,
      epoch,
      ...codeOf(spec),
      input,
      steps,
      tokenSeed: hash(tokenIdentity(incarnation, id, generation)),
      ...(traceparent === undefined ? {} : { traceparent }),
      ...cleanUpOf(run),
    };
  }

  async #conclude(held: Held, end: ActivationEnd, spec: TaskSpec): Promise<void> {
    if (held.revoked.aborted) return;
    const { completion } = this.#options;
    switch (end.how) {
      case "settled":
      case "refused":
        return;
      case "aborted":
        await completion.giveBack(held);
        return;
      case "timed_out": {
        const message = `It ran longer than its timeout of ${durationText(spec.timeoutMs ?? 0)}.`;
        await completion.fail(held, { outcome: "timed_out", error: { code: "task_timed_out", message }, fatal: false });
        return;
      }
      case "exited": {
        const error: RunError = {
          code: "task_exited",
          message: end.message,
          ...(end.hint === undefined ? {} : { hint: end.hint }),
          ...(end.details === undefined ? {} : { details: end.details }),
        };
        if (end.lost) await completion.lose(held, error);
        else await completion.fail(held, { outcome: "failed", error, fatal: false });
      }
    }
  }

  /** What went wrong outside a body ends the run in words, unless the activation was no longer ours. */
  async #explain(held: Held, error: unknown): Promise<void> {
    const { completion } = this.#options;
    if (held.revoked.aborted || isAppError(error, "stale_epoch") || isAppError(error, "run_ended")) return;
    const known = isAppError(error) && error.code !== "internal";
    if (!known) this.#note(held, error);
    const message = error instanceof Error ? error.message : String(error);
    const hint = error instanceof AppError ? error.hint : undefined;
    const code = !isAppError(error) ? "internal" : error.code === "not_found" ? "definition_missing" : error.code;
    const reason: RunError = { code, message, ...(hint === undefined ? {} : { hint }) };
    try {
      await completion.fail(held, { outcome: "failed", error: reason, fatal: true });
    } catch (failure) {
      this.#note(held, failure);
    }
  }

  #note(held: Held, error: unknown): void {
    if (held.revoked.aborted || isAppError(error, "stale_epoch") || isAppError(error, "run_ended")) return;
    const { log, tracing } = this.#options;
    const { id, epoch, definition } = held.run;
    const facts = { err: error, run: id, epoch, definition, trace_id: tracing.traceIdOf(held.run) };
    log.error(facts, "An activation could not be carried out.");
  }
}

/** That it is a clean-up, and why its run was cut off. */
function cleanUpOf(run: RunRow): Pick<ActivationStart, "cleanUp"> {
  const { ending } = run;
  if (!isCleaningUp(run) || ending === null) return {};
  const { code, message } = ending.error;
  return { cleanUp: { code, message, try: tryOf(run) } };
}

/** What the body is, for whoever runs it. */
function codeOf(spec: CodeTaskSpec): TaskCode {
  return spec.executor === "process"
    ? { executor: spec.executor, source: spec.source }
    : { executor: spec.executor, source: spec.source };
}
