import type { NewRun, RunRow } from "../core/index.ts";

// What `Store.enqueueRuns` takes and answers.

/** A name by which a call can be repeated: a run's own key, or a request's. */
export interface Uniqueness {
  readonly key: string;
  /** Hash of what the key was used for; another hash under the same key is a conflict. */
  readonly hash: string;
  readonly retentionMs: number;
}

export interface EnqueueRow {
  /** A root: `parentId` null, `blockedBy` 0. */
  readonly run: NewRun;
  /** Uniqueness within namespace and definition. */
  readonly key: Uniqueness | null;
  /** Uniqueness of the request that asked, within the namespace. */
  readonly request: Uniqueness | null;
  /** Claim it in the same step for this member, if it can start at once and the member is alive. */
  readonly claimFor: string | null;
  /** Insert it only while the run's manifest is the current one of its definition; else `outdated`. */
  readonly onlyIfCurrent?: boolean;
}

/**
 * `created`: with the row as inserted (claimed: status `running`). `existing`: the same key or request came before, or the
 * same id. `outdated`: nothing of these, and another manifest is current, or none.
 */
export type EnqueueResult =
  | { readonly outcome: "created"; readonly run: RunRow }
  | { readonly outcome: "existing"; readonly runId: string }
  | { readonly outcome: "key_conflict"; readonly runId: string }
  | { readonly outcome: "request_conflict"; readonly runId: string }
  | { readonly outcome: "outdated" };
