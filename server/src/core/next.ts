import type { Json, RunError, RunStatus } from "@holdfast/protocol";
import type { Limit, NewRun, RunRow } from "./run.ts";

/**
 * What follows an activation. `attempt` rises only where the outcome is `failed` or `timed_out`. `released`: given back
 * unfinished, by a stopping node or because its process obeyed a cancel (the run then ends as that cancel ordered). `line`: it
 * has not begun; now that its input is known, it is subject to these limits, gives back all slots and stands in line for them.
 */
export type Next =
  | { readonly to: "ended"; readonly status: "succeeded"; readonly outcome: "succeeded"; readonly output: Json }
  | {
      readonly to: "ended";
      readonly status: "failed";
      readonly outcome: "failed" | "timed_out" | "lost";
      readonly error: RunError;
    }
  | { readonly to: "ended"; readonly status: "skipped"; readonly outcome: "skipped"; readonly error: RunError }
  | {
      readonly to: "ready";
      readonly outcome: "failed" | "timed_out" | "lost" | "released";
      readonly error: RunError | null;
      readonly delayMs: number;
    }
  | { readonly to: "line"; readonly outcome: "released"; readonly limits: readonly Limit[] };

/** The end of an activation, said by whoever held it. */
export interface Finish {
  readonly runId: string;
  readonly epoch: number;
  /** How long the body ran in this activation, frozen time left out. */
  readonly ranMs: number;
  readonly next: Next;
}

/** An upstream and the run that waits for it. */
export interface Edge {
  readonly upstream: string;
  readonly downstream: string;
}

/** What lies directly below runs whose order is spreading, as far as one page goes. */
export interface Below {
  /** Live children that no order has reached. */
  readonly children: readonly string[];
  /** The parents that have no others. */
  readonly whole: readonly string[];
}

/** The page that a store read: for each of `parents` in turn its unreached children, `limitRows` of them at most. */
export function belowOf(
  parents: readonly string[],
  found: readonly { readonly id: string; readonly parentId: string | null }[],
  limitRows: number,
): Below {
  const children = found.map(({ id }) => id);
  // A full page may have been cut off in the midst of its last parent's children.
  const cut = found.length < limitRows ? undefined : found.at(-1)?.parentId;
  return { children, whole: cut === undefined ? parents : parents.slice(0, parents.indexOf(cut ?? "")) };
}

/** A workflow's or map's first activation ends by putting its children in place; it then waits for them. */
export interface Expansion {
  readonly runId: string;
  readonly epoch: number;
  readonly ranMs: number;
  /** The parent's input as it was bound, kept with it: its children's bindings read it there. */
  readonly input: Json;
  /** At least one. */
  readonly children: readonly NewRun[];
  readonly edges: readonly Edge[];
}

/**
 * The answer to a finish or an expansion. `repeated`: this activation had been ended before (by this very call, or by a
 * cancel); `status` is where the run stands. `readied`: how many runs the row itself made ready, its own run or its children;
 * what an end releases among dependents and parents belongs to the whole call and is told by the doorbell. `ended`: runs that
 * the whole call ended besides its own, with one of its results, without inputs and outputs. `calls_open`: runs that a body called
 * have not ended, so that it cannot succeed yet; nothing was changed.
 */
export type FinishResult =
  | {
      readonly outcome: "finished";
      readonly status: RunStatus;
      readonly readied: number;
      readonly ended?: readonly RunRow[];
    }
  | { readonly outcome: "repeated"; readonly status: RunStatus }
  | { readonly outcome: "calls_open" }
  | { readonly outcome: "stale_epoch" }
  | { readonly outcome: "not_found" };
