import type { ErrorCode } from "@holdfast/protocol";
import type { Job } from "./programs.ts";

// What the node's thread and the one that evaluates for it say to each other. One job at a time is in work, so that it is
// known what a thread was at when it ends.

/** Go on with a job from a part on; the job itself comes once. */
export interface Order {
  readonly id: number;
  readonly job?: Job;
  readonly from: number;
  /** Longest that one part may take, in milliseconds of running time. */
  readonly boundMs: number;
}

/** What was done of it in one share of time: the results of the next parts, and how the one after them went wrong. */
export interface Report {
  readonly id: number;
  readonly results: readonly unknown[];
  readonly isDone: boolean;
  readonly ranMs: number;
  readonly overrun?: { readonly part: string; readonly hint: string };
  readonly failure?: Failure;
}

export interface Failure {
  /** Undefined: a mistake of Holdfast's. */
  readonly code?: ErrorCode;
  readonly message: string;
  readonly hint?: string;
  readonly details?: unknown;
}
