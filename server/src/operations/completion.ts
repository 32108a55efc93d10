// Step 6 of 6: the end of an activation, the run's transition, the release of what waited for it and the events about it are
// written in one commit (P3), fenced by the epoch (P2). Only this makes success, and only when a body has said it (P4).

import {
  AppError,
  checkNesting,
  type Json,
  limits,
  type RetryPolicy,
  type RunError,
  type RunStatus,
  type StepRecord,
  storableText,
  textDefect,
  utf8Bytes,
} from "@holdfast/protocol";
import type { Clock } from "../clock.ts";
import {
  afterFailure,
  afterLoss,
  type Failure,
  type FinishResult,
  isCleaningUp,
  type Limit,
  type Next,
  type RunRow,
} from "../core/index.ts";
import type { Random } from "../random.ts";
import type { Store } from "../store/store.ts";
import { noObserver, type Observer } from "../telemetry/observer.ts";
import { persist } from "./persistence.ts";

/** An activation that is being carried out here, as far as its end is concerned. */
export interface HeldActivation {
  readonly run: RunRow;
  readonly retry: RetryPolicy;
  /** Running time so far in milliseconds, frozen time left out. */
  readonly ranMs: number;
  /** Fires when the activation is no longer this node's: nothing more needs to be written for it. */
  readonly revoked: AbortSignal;
  /** Its node has told it to end, because it stops or because the run was cancelled. */
  readonly isToldToEnd: boolean;
}

/** Whether an activation cleans its run up (core/clean-up.ts). */
export function isCleanUp({ run }: HeldActivation): boolean {
  return isCleaningUp(run);
}

export class Completion {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #observer: Observer;

  constructor(parts: { store: Store; clock: Clock; random: Random; observer?: Observer }) {
    const { store, clock, random, observer = noObserver } = parts;
    this.#observer = observer;
    this.#store = store;
    this.#clock = clock;
    this.#random = random;
  }

  /** Throws `run_ended` when a cancel came first (P6), `stale_epoch` when the run was taken over, `too_large`. */
  async succeed(held: HeldActivation, output: Json): Promise<void> {
    if (held.run.kind === "task") checkValue("output", output, limits.outputBytes, limits.nestingLevels);
    else checkValue("output", output, limits.collectedOutputBytes, limits.boundNestingLevels);
    const status = await this.#finish(held, { to: "ended", status: "succeeded", outcome: "succeeded", output });
    if (status !== "succeeded") throw tooLate(held, status);
  }

  /** A clean-up is over: its run ends as it was ordered to. */
  async cleanedUp(held: HeldActivation): Promise<void> {
    await this.#finish(held, { to: "ended", status: "succeeded", outcome: "succeeded", output: null });
  }

  async skip(held: HeldActivation, error: RunError): Promise<void> {
    const next = { to: "ended", status: "skipped", outcome: "skipped", error: storableError(error) } as const;
    const status = await this.#finish(held, next);
    if (status !== "skipped") throw tooLate(held, status);
  }

  /** Ends this attempt; the retry policy says whether another follows. Answers where the run stands then. */
  fail(held: HeldActivation, failure: Failure): Promise<RunStatus> {
    const bounded = { ...failure, error: storableError(failure.error) };
    return this.#finish(held, afterFailure(held.run, held.retry, bounded, this.#random.fraction()));
  }

  /** The activation's process was ended from outside: no attempt is used up. */
  lose(held: HeldActivation, error: RunError): Promise<RunStatus> {
    return this.#finish(held, afterLoss(held.run, storableError(error)));
  }

  /** Nothing of the activation is left: another takes its place, or a cancelled run ends as ordered. */
  giveBack(held: HeldActivation, delayMs = 0): Promise<RunStatus> {
    return this.#finish(held, { to: "ready", outcome: "released", error: null, delayMs });
  }

  /** It has not begun: its input says that it has to stand in line for these limits first. */
  standInLine(held: HeldActivation, limited: readonly Limit[]): Promise<RunStatus> {
    return this.#finish(held, { to: "line", outcome: "released", limits: limited });
  }

  /** Records a step (P12). When the key is recorded already, that record answers. */
  async commitStep(
    held: HeldActivation,
    { tookMs, ...step }: StepRecord & { readonly tookMs?: number | undefined },
  ): Promise<{ recorded: boolean; value: Json }> {
    const defect = textDefect(step.key);
    if (defect !== undefined) throw new AppError("invalid_request", `The step key contains a ${defect}.`);
    checkValue(`value of step "${step.key}"`, step.value, limits.stepValueBytes, limits.nestingLevels);
    const { id: runId, epoch, generation } = held.run;
    const row = { runId, epoch, generation, ...step };
    const [result] = await persist(this.#clock, held.revoked, () => this.#store.commitSteps({ rows: [row] }));
    switch (result?.outcome) {
      case "recorded":
        this.#observer.stepCommitted({ run: held.run, key: step.key, tookMs, at: this.#clock.now() });
        return { recorded: true, value: step.value };
      case "existing":
        return { recorded: false, value: result.value };
      case "limit_exceeded":
        throw new AppError(
          "limit_exceeded",
          `The run has reached its limit of ${limits[result.limit]} ${result.limit}.`,
          {
            hint: "Split the work into more tasks, or keep large values elsewhere.",
          },
        );
      default:
        throw staleEpoch(held);
    }
  }

  async #finish(held: HeldActivation, next: Next): Promise<RunStatus> {
    const { id: runId, epoch } = held.run;
    const { ranMs } = held;
    const row = { runId, epoch, ranMs, next };
    const [result] = await persist(this.#clock, held.revoked, () => this.#store.finishActivations({ rows: [row] }));
    const status = statusOf(held, result);
    const outcome = status === "cancelled" ? status : next.outcome;
    const error = "error" in next ? next.error : null;
    this.#observer.activationEnded({ run: held.run, outcome, status, error, ranMs, at: this.#clock.now() });
    return status;
  }
}

/**
 * Where the run stands after a finish or expansion. Throws `stale_epoch` when it was not this activation's to end, `run_live` when it
 * succeeds before what it started.
 */
export function statusOf(held: HeldActivation, result: FinishResult | undefined): RunStatus {
  if (result?.outcome === "finished" || result?.outcome === "repeated") return result.status;
  if (result?.outcome === "calls_open") {
    throw new AppError(
      "run_live",
      `Runs or external jobs that ${held.run.id} started have not ended; it cannot succeed before them.`,
    );
  }
  throw staleEpoch(held);
}

/** What an activation is told that is not its run's last any more. */
export function staleEpoch({ run }: HeldActivation): AppError {
  return new AppError("stale_epoch", `Activation ${run.epoch} of run ${run.id} has been replaced by a later one.`);
}

/** What an activation is told whose run has ended, or will end otherwise. */
export function tooLate({ run }: HeldActivation, status: RunStatus): AppError {
  return new AppError("run_ended", `Run ${run.id} is ${status}; what its activation says no longer counts.`);
}

function checkValue(what: string, value: Json, allowed: number, levels: number): void {
  checkNesting(value, levels, `The ${what}`);
  const bytes = utf8Bytes(JSON.stringify(value));
  if (bytes <= allowed) return;
  throw new AppError("too_large", `The ${what} has ${bytes} bytes; ${allowed} are allowed.`, {
    hint: "Keep large values in a file or an object store and return their name.",
  });
}

/**
 * An error that every store takes: were it refused, its run could not end. Its texts may quote anything, cut anywhere.
 * Details that are too large or cannot be stored are left out.
 */
function storableError({ details, ...texts }: RunError): RunError {
  const longest = limits.errorTextBytes / 4;
  const fit = (text: string) => storableText(text.length > longest ? `${text.slice(0, longest)}…` : text);
  const kept = { ...texts, message: fit(texts.message) };
  for (const name of ["name", "stack", "hint"] as const) {
    const text = texts[name];
    if (text !== undefined) kept[name] = fit(text);
  }
  const detailsText = details === undefined ? "" : JSON.stringify(details);
  // JSON escapes exactly what cannot be stored.
  const fits = detailsText.length <= limits.errorTextBytes && !/\\u(?:0000|d[89a-f])/.test(detailsText);
  return details === undefined || !fits ? kept : { ...kept, details };
}
