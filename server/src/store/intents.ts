import type { Json, RunError, RunStatus } from "@holdfast/protocol";
import type { Ending } from "../core/index.ts";
import type { EnqueueRow, Store } from "./store.ts";

// Intents: what users' own transactions have promised (DESIGN §3.7). Only a store whose database is the users' too can keep
// them: see `intentsOf`. As in store.ts each verb is one atomic step, in JSON.

export interface IntentRow {
  /** Rises in the order of insertion, which is not the order of commits. */
  readonly id: number;
  readonly kind: "enqueue" | "cancel" | "signal";
  readonly namespace: string;
  /** The run that was promised, is to end or is sent a signal; null where the key of the latter two named none. */
  readonly runId: string | null;
  readonly definition: string | null;
  readonly key: string | null;
  /** A signal's payload; absent for a cancel. */
  readonly input?: Json;
  /** The name of a signal. */
  readonly signal: string | null;
  readonly priority: number | null;
  readonly startAfter: number | null;
  readonly expiresAfterMs: number | null;
  readonly keyRetentionMs: number | null;
  readonly reason: string | null;
  readonly traceparent: string | null;
  readonly madeAt: number;
  readonly rejection: IntentRejection | null;
}

/** `judgedBy`: the hash of the manifest that it did not fit; empty: its definition had none; null: another one changes nothing. */
export interface IntentRejection {
  readonly error: RunError;
  readonly judgedBy: string | null;
  readonly at: number;
}

/** What becomes of an intent. */
export type IntentVerdict =
  | { readonly intentId: number; readonly to: "run"; readonly row: EnqueueRow }
  | { readonly intentId: number; readonly to: "cancel"; readonly ending: Ending; readonly data: Json }
  | { readonly intentId: number; readonly to: "signal"; readonly name: string; readonly payload: Json }
  | {
      readonly intentId: number;
      readonly to: "rejected";
      readonly error: RunError;
      readonly judgedBy: string | null;
      /** Of which definition `judgedBy` is, where the intent does not say. */
      readonly definition?: string | null;
    };

/**
 * `kept`: it is carried out or marked, and gone or rejected; `runId`: of the run it came to. `elsewhere`: another node has it,
 * or it is gone. `outdated`: another manifest is current. `later`: what it is about is an intent itself that still stands open,
 * or an earlier one about the same run does.
 * `key_conflict`, `missing` (no such run), and of a signal `ended`, `limit_exceeded` and `withheld` (its run was promised and
 * rejected, for `error`): nothing has changed; reject it.
 */
export type IntentResult =
  | { readonly outcome: "kept"; readonly runId: string | null }
  | { readonly outcome: "elsewhere" | "outdated" | "later" | "missing" }
  | { readonly outcome: "key_conflict" | "limit_exceeded"; readonly runId: string }
  | { readonly outcome: "ended"; readonly runId: string; readonly status: RunStatus }
  | {
      readonly outcome: "withheld";
      readonly error: RunError;
      readonly judgedBy: string | null;
      readonly definition: string | null;
    };

export interface IntentStore {
  /** In the order of ids, from after `after`; fewer than `limitRows` where their inputs are large. */
  listIntents(args: {
    namespace: string;
    state: "open" | "rejected";
    after?: number;
    limitRows: number;
  }): Promise<IntentRow[]>;
  /** The promise of this run that stands, open or rejected. */
  findIntent(args: { namespace: string; runId: string }): Promise<IntentRow | undefined>;
  /** The run that a promised id came to, where another one had the key. */
  findKeptId(args: { namespace: string; runId: string }): Promise<string | undefined>;
  /** Carries out what was decided about intents: each with its own deletion in one commit. Never waits for another node. */
  settleIntents(args: { rows: readonly IntentVerdict[] }): Promise<IntentResult[]>;
  /** Opens those rejected intents again whose definition has another manifest now. `none`: nothing stands rejected. */
  reopenJudged(args: { namespace: string; limitRows: number }): Promise<{ reopened: number; none: boolean }>;
  /** Opens rejected intents again; `ids` null: all of them. */
  reopenIntents(args: { namespace: string; ids: readonly number[] | null }): Promise<{ reopened: number }>;
  /** Forgets rejected intents. */
  dropIntents(args: { namespace: string; ids: readonly number[] }): Promise<{ dropped: number }>;
  /** Lets a role of the database make intents, and nothing else. `invalid_request` for an unknown role. */
  grantIntents(args: { role: string }): Promise<void>;
}

/** A store that keeps intents says so by this property. */
export interface WithIntents {
  readonly intents: IntentStore;
}

/** The intents of a store; undefined where nobody else can write into its database. */
export function intentsOf(store: Store & Partial<WithIntents>): IntentStore | undefined {
  return store.intents;
}
