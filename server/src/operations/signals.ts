import { AppError, limits, type RunStatus, type Signalled, type SignalRun } from "@holdfast/protocol";
import { canonicalHash } from "../canonical.ts";
import type { Store } from "../store/store.ts";
import { shownWaits } from "./run-views.ts";
import type { Runs } from "./runs.ts";

/** How long a request is remembered beyond its run. */
const requestRetentionMs = 86_400_000;

/** Tells runs what their bodies wait for. */
export class Signals {
  readonly #store: Store;
  readonly #runs: Runs;

  constructor({ store, runs }: { store: Store; runs: Runs }) {
    this.#store = store;
    this.#runs = runs;
  }

  /**
   * Sends a signal. `requestKey`: the caller's Idempotency-Key, under which it is sent once. Throws `not_found`, `run_ended`,
   * `request_conflict`, `limit_exceeded`, `too_large`.
   */
  async signal(id: string, { name, payload = null }: SignalRun, requestKey?: string): Promise<Signalled> {
    const { id: runId } = await this.#runs.row(id);
    const hash = canonicalHash({ name, payload });
    const request = requestKey === undefined ? null : { key: requestKey, hash, retentionMs: requestRetentionMs };
    const result = await this.#store.signalRun({ runId, name, payload, request });
    switch (result.outcome) {
      case "kept":
        return { runId, outcome: "kept", ...(await this.#waitedFor(runId)) };
      case "delivered":
      case "repeated":
        return { runId, outcome: result.outcome };
      case "ended":
        throw signalAfterEnd(runId, result.status);
      case "request_conflict":
        throw new AppError("request_conflict", "This Idempotency-Key was used for another signal of this run.");
      case "limit_exceeded":
        throw tooManySignals(runId);
      case "not_found":
        throw new AppError("not_found", `There is no run ${runId}.`);
    }
  }

  /** Whoever misspells a name is told what would have been heard. */
  async #waitedFor(runId: string): Promise<Pick<Signalled, "waitsFor">> {
    const waits = await this.#store.listWaits({ runId, limitRows: shownWaits });
    const names = new Set(waits.flatMap(({ signal }) => signal ?? []));
    return names.size === 0 ? {} : { waitsFor: [...names] };
  }
}

/** A signal for a run that has ended. */
export function signalAfterEnd(runId: string, status: RunStatus): AppError {
  return new AppError("run_ended", `Run ${runId} has ended (${status}): nobody waits for a signal any more.`);
}

/** A signal for a run that keeps as many as it may. */
export function tooManySignals(runId: string): AppError {
  return new AppError("limit_exceeded", `Run ${runId} keeps ${limits.signalsPerRun} signals that nobody has taken.`, {
    hint: "Let its body wait for them, or send fewer.",
  });
}
