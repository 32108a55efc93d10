import type { Json, RunError, RunKind, RunStatus, TriggerRule } from "@holdfast/protocol";
import type { Waiting } from "./waiting.ts";

/** How many ended, by outcome. Of upstreams: a skip because of a failure counts as failed. */
export interface OutcomeCounts {
  readonly succeeded: number;
  readonly failed: number;
  readonly skipped: number;
}

/** A clean-up that is due or at work (clean-up.ts). */
export interface CleanUp {
  /** The number of the run's last event when it became due: names the obligation. */
  readonly since: number;
  /** The try that is due or at work, from 1. */
  readonly try: number;
}

/** What a cancel or an expiry has ordered: how the run ends once its obligations are met. */
export interface Ending {
  readonly status: "cancelled" | "failed";
  readonly error: RunError;
  /** It does not end, but starts again afresh then: who asked for that, as data of its event. */
  readonly again?: { readonly [name: string]: Json };
  /** Its clean-up, once that is due; null: it is passed over. */
  readonly cleanUp?: CleanUp | null;
}

/** `activation`: given back whenever an activation ends. `run`: held until the run ends, waits and retries included. */
export type Hold = "activation" | "run";

/**
 * A limit that a run is subject to. `id` is unique in the store. With `perMs` it is a rate: from the run's claim on, the slot is
 * the start's, and it is free again so long after; `hold` then says whether each activation is a start, or the run's first alone.
 */
export interface Limit {
  readonly id: string;
  readonly slots: number;
  readonly hold: Hold;
  readonly perMs?: number;
  /**
   * Of a fair line, whose `perMs` is 0: a run that is let out of it for its first start stands among the others as if it had come then,
   * its priority counted by this (see `rankOf`).
   */
  readonly ageingMs?: number;
}

/** Who holds a rate's slot once the run has been claimed. */
export function startId({ id, epoch }: Pick<RunRow, "id" | "epoch">): string {
  return `${id}#${epoch}`;
}

/** A run as the store keeps it. Times are milliseconds on the store's clock. Never changed in place: changes make a copy. */
export interface RunRow {
  readonly id: string;
  readonly rootId: string;
  readonly parentId: string | null;
  readonly namespace: string;
  readonly kind: RunKind;
  readonly definition: string;
  /** The workflow in whose graph it stands as a node, or as an item of one; null for a root. */
  readonly workflow: string | null;
  readonly manifestHash: string;
  /** The definition's id for a root, else the node's name, with the item in brackets for a mapped child. */
  readonly name: string;
  readonly item: string | null;
  /** The place of a mapped child in its list: the order of collected outputs, never its identity. */
  readonly itemIndex: number | null;
  readonly key: string | null;
  /** The `traceparent` of whoever asked for the root, the same in all its tree; null where nobody traced. */
  readonly trace: string | null;
  readonly depth: number;
  readonly queue: string;
  readonly priority: number;
  /** Its place in every line, the lowest first; then who came first. See `rankOf`. */
  readonly rank: number;
  readonly rule: TriggerRule;
  readonly status: RunStatus;
  /** The generation of its parent that made it: an earlier one than its parent's now has been superseded. 1 for a root. */
  readonly parentGeneration: number;
  readonly generation: number;
  readonly attempt: number;
  /** The attempt with which it started, or started over last: the retry policy counts from there. */
  readonly firstAttempt: number;
  /** Rises at each claim and each takeover; fences everything an activation writes (P2). */
  readonly epoch: number;
  readonly losses: number;
  readonly takeovers: number;
  /** Undefined: bound from the workflow's values when the run starts. */
  readonly input: Json | undefined;
  readonly output: Json | undefined;
  readonly error: RunError | null;
  readonly blockedBy: number;
  readonly upstream: OutcomeCounts;
  readonly openChildren: number;
  readonly children: OutcomeCounts;
  /** What its body waits for; null: nothing. */
  readonly waiting: Waiting | null;
  /** Not claimable before this moment; null: at once. */
  readonly wakeAt: number | null;
  readonly limits: readonly Limit[];
  /** The limit for whose slot it stands in line, ready otherwise; null: none. */
  readonly gate: string | null;
  readonly expiresAt: number | null;
  /** Since when its time to expiry counts, where it has started again; null: since it was created. */
  readonly expiresFrom: number | null;
  /** Running time of this attempt, over the activations that have ended. */
  readonly ranMs: number;
  readonly claimedBy: string | null;
  readonly claimedAt: number | null;
  readonly ending: Ending | null;
  /** Whether its definition has a clean-up for runs that are cut off (clean-up.ts). */
  readonly cleansUp: boolean;
  /** Its order is on its way to what lies below: until it is there, nothing of the whole tree may be claimed. */
  readonly spreading: boolean;
  readonly lastEvent: number;
  readonly createdAt: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
}

/** A run to be inserted; see `startingRun` for what the store adds. */
export interface NewRun {
  readonly id: string;
  readonly rootId: string;
  readonly parentId: string | null;
  readonly namespace: string;
  readonly kind: RunKind;
  readonly definition: string;
  /** The workflow in whose graph it stands as a node, or as an item of one; null for a root. */
  readonly workflow: string | null;
  readonly manifestHash: string;
  readonly name: string;
  readonly item: string | null;
  readonly itemIndex: number | null;
  readonly key: string | null;
  /** Absent: null. */
  readonly trace?: string | null;
  readonly depth: number;
  readonly queue: string;
  readonly priority: number;
  /** How long a point of its priority is worth; absent: `defaultAgeingMs`. */
  readonly ageingMs?: number;
  readonly rule: TriggerRule;
  /** What it is subject to, in the order in which it asks for slots: the narrowest first. */
  readonly limits: readonly Limit[];
  /** Absent: bound when the run starts. */
  readonly input?: Json;
  /** Absolute, on the store's clock. */
  readonly startAfter: number | null;
  /** From the moment of insertion. */
  readonly expiresAfterMs: number | null;
  /** How many edges end in it. */
  readonly blockedBy: number;
  /** Absent: false. */
  readonly cleansUp?: boolean;
}

const none: OutcomeCounts = { succeeded: 0, failed: 0, skipped: 0 };

/** The row of a run at the moment it is inserted, event 1 (`run.enqueued`) counted, not yet claimed. */
export function startingRun(run: NewRun, now: number, parentGeneration = 1): RunRow {
  const { startAfter, expiresAfterMs, input, trace = null, ageingMs, cleansUp = false, ...rest } = run;
  const wakeAt = startAfter !== null && startAfter > now ? startAfter : null;
  const mayStart = run.blockedBy === 0 && wakeAt === null;
  return {
    ...rest,
    rank: rankOf(run, now),
    trace,
    input,
    status: run.blockedBy > 0 ? "pending" : "ready",
    parentGeneration,
    generation: 1,
    attempt: 1,
    firstAttempt: 1,
    epoch: 0,
    losses: 0,
    takeovers: 0,
    output: undefined,
    error: null,
    upstream: none,
    openChildren: 0,
    children: none,
    waiting: null,
    wakeAt,
    gate: mayStart ? firstGate({ limits: run.limits, startedAt: null }) : null,
    expiresAt: expiresAfterMs === null ? null : now + expiresAfterMs,
    expiresFrom: null,
    ranMs: 0,
    claimedBy: null,
    claimedAt: null,
    ending: null,
    cleansUp,
    spreading: false,
    lastEvent: 1,
    createdAt: now,
    startedAt: null,
    endedAt: null,
  };
}

/** What a point of priority is worth where nobody says: so much longer has a run waited that stands level with one of a point more. */
export const defaultAgeingMs = 600_000;

/**
 * Where a run stands in line: at the moment at which it came, and each point of its priority puts it so much earlier. Reckoned once:
 * who has waited longer comes nearer to the front without anything being written, and no priority is passed for ever.
 */
export function rankOf(
  { priority, ageingMs = defaultAgeingMs }: Pick<NewRun, "priority" | "ageingMs">,
  now: number,
): number {
  return now - priority * ageingMs;
}

/** Whether the limit is a line of one key, which takes turns with others. */
export function isFairLine({ ageingMs }: Limit): boolean {
  return ageingMs !== undefined;
}

/** The rank of a run that is let out of its fair line at `now`, where it stood in one before its first start. */
export function rankLetIn(run: RunRow, now: number): number {
  const fair = run.limits.find(isFairLine);
  if (fair?.ageingMs === undefined || run.startedAt !== null) return run.rank;
  return rankOf({ priority: run.priority, ageingMs: fair.ageingMs }, now);
}

/** Where a run that may start now has to stand first; null: nowhere. Who has been admitted before keeps what is held by its run. */
export function firstGate({ limits, startedAt }: Pick<RunRow, "limits" | "startedAt">): string | null {
  const gate = startedAt === null ? limits[0] : limits.find(({ hold }) => hold === "activation");
  return gate?.id ?? null;
}

/** A run that was claimed, and has not begun: it is subject to these limits from now on and stands in line for all of them. */
export function unstarted(run: RunRow, limits: readonly Limit[]): RunRow {
  return { ...run, limits, startedAt: null, wakeAt: null };
}

/** The limits for which a run that is to start stands in line, and whose slots it gives back when it is put aside or set back. */
export function limitsAside({ limits, startedAt }: Pick<RunRow, "limits" | "startedAt">): readonly Limit[] {
  return startedAt === null ? limits : limits.filter(({ hold }) => hold === "activation");
}

/** When a run expires that starts again at `now`: it has its whole time before it. */
export function expiryAgain(
  { createdAt, expiresFrom, expiresAt }: Pick<RunRow, "createdAt" | "expiresFrom" | "expiresAt">,
  now: number,
): Pick<RunRow, "expiresFrom" | "expiresAt"> {
  if (expiresAt === null) return { expiresFrom, expiresAt };
  return { expiresFrom: now, expiresAt: now + expiresAt - (expiresFrom ?? createdAt) };
}

/** Whether a run is at its clean-up: it waits for somebody who carries it out, or somebody does. */
export function isCleaningUp({ status, ending }: Pick<RunRow, "status" | "ending">): boolean {
  return status === "cancelling" && ending?.cleanUp != null;
}

/** Which try an activation is, from 1: of a body since the run was started over, or of a clean-up. */
export function tryOf({ attempt, firstAttempt, ending }: Pick<RunRow, "attempt" | "firstAttempt" | "ending">): number {
  return ending?.cleanUp?.try ?? attempt - firstAttempt + 1;
}

/** True when a dispatcher may claim the run now. */
export function isClaimable(run: RunRow): boolean {
  return run.status === "ready" && run.wakeAt === null && run.gate === null;
}
