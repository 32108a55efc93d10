import type { RunError, RunStatus } from "@holdfast/protocol";
import type { RunRow } from "../core/index.ts";

/** How an activation ended, as people count it. `released`: given back unfinished; `suspended`: waits for children. */
export type ActivationOutcome =
  | "succeeded"
  | "failed"
  | "timed_out"
  | "lost"
  | "skipped"
  | "cancelled"
  | "released"
  | "suspended";

/** An activation whose end is committed. */
export interface EndedActivation {
  /** As it was claimed. */
  readonly run: RunRow;
  readonly outcome: ActivationOutcome;
  /** Where the run stands since then. */
  readonly status: RunStatus;
  readonly error: RunError | null;
  /** Milliseconds since 1970, on this node's clock. */
  readonly at: number;
  readonly ranMs: number;
}

/** A step that an activation has recorded. */
export interface CommittedStep {
  readonly run: RunRow;
  readonly key: string;
  readonly tookMs: number | undefined;
  readonly at: number;
}

/** Is told what has been committed, by whoever committed it and after the commit. Never throws and never waits. */
export interface Observer {
  activationEnded(end: EndedActivation): void;
  stepCommitted(step: CommittedStep): void;
  /** Runs that ended without an activation of this node: cancelled, expired or skipped where they stood. */
  runsEnded(runs: readonly RunRow[]): void;
}

/** Tells all of them, one after the other. */
export function toldAll(...observers: readonly Observer[]): Observer {
  return {
    activationEnded: (end) => {
      for (const observer of observers) observer.activationEnded(end);
    },
    stepCommitted: (step) => {
      for (const observer of observers) observer.stepCommitted(step);
    },
    runsEnded: (runs) => {
      for (const observer of observers) observer.runsEnded(runs);
    },
  };
}

/** Hears nothing. */
export const noObserver: Observer = {
  activationEnded: () => undefined,
  stepCommitted: () => undefined,
  runsEnded: () => undefined,
};
