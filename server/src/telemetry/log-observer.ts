import { isEnded, type RunError } from "@holdfast/protocol";
import type { RunRow } from "../core/index.ts";
import type { Logger } from "../log.ts";
import type { CommittedStep, EndedActivation, Observer } from "./observer.ts";
import type { Tracing } from "./tracing.ts";

/**
 * Says in the control plane's log what became of runs: failures at `info`, losses at `warn` (they are the platform's), the rest
 * at `debug`. What a body itself writes is in its run's log, not here.
 */
export class LogObserver implements Observer {
  readonly #log: Logger;
  readonly #tracing: Tracing;

  constructor(log: Logger, tracing: Tracing) {
    this.#log = log;
    this.#tracing = tracing;
  }

  activationEnded({ run, outcome, status, error, ranMs }: EndedActivation): void {
    const level = outcome === "lost" ? "warn" : outcome === "failed" || outcome === "timed_out" ? "info" : "debug";
    if (!this.#log.isLevelEnabled(level)) return;
    const facts = { ...this.#facts(run, error), outcome, status, ran_ms: Math.round(ranMs) };
    this.#log[level](facts, `${run.definition}: ${said[outcome]}${reason(error)}`);
    if (isEnded(status)) this.runsEnded([{ ...run, status, error }]);
  }

  stepCommitted({ run, key }: CommittedStep): void {
    if (!this.#log.isLevelEnabled("debug")) return;
    this.#log.debug({ ...this.#facts(run, null), step: key }, `${run.definition}: step ${key} is recorded.`);
  }

  runsEnded(runs: readonly RunRow[]): void {
    for (const run of runs) {
      const level = run.status === "failed" ? "info" : "debug";
      if (!this.#log.isLevelEnabled(level)) continue;
      const facts = { ...this.#facts(run, run.error), status: run.status };
      this.#log[level](facts, `${run.definition}: the run ended ${run.status}.`);
    }
  }

  #facts(run: RunRow, error: RunError | null) {
    const { id, rootId, epoch, attempt, definition, name, queue, namespace } = run;
    const traceId = this.#tracing.traceIdOf(run);
    return {
      ...{ run: id, root: rootId, epoch, attempt, definition, name, queue, namespace },
      ...(error === null ? {} : { code: error.code }),
      ...(traceId === undefined ? {} : { trace_id: traceId }),
    };
  }
}

const said: Readonly<Record<EndedActivation["outcome"], string>> = {
  succeeded: "it succeeded.",
  failed: "it failed",
  timed_out: "its time was over",
  lost: "its process was lost",
  skipped: "it was skipped",
  cancelled: "it was cancelled",
  released: "it was given back.",
  suspended: "it waits for its children.",
};

function reason(error: RunError | null): string {
  return error === null ? "" : `: ${error.message.slice(0, 1_000)}`;
}
