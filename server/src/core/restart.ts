import { type EventType, type Json, limits, type RunStatus } from "@holdfast/protocol";
import type { JobRow } from "./job-rows.ts";
import type { Edge } from "./next.ts";
import type { RestartRefusal } from "./restart-refusals.ts";
import { judgeRule, outcomeOf } from "./rules.ts";
import { expiryAgain, firstGate, type OutcomeCounts, type RunRow } from "./run.ts";
import { isEnded, type RunInput, transition } from "./transitions.ts";
import type { WaitRow } from "./wait-rows.ts";
import { isHeldUp, opened } from "./waiting.ts";

// How runs that have ended start again: the one rule of retry, clear and mark, worked out on rows that the ledger knows, without
// changing any until all of it is allowed.
//
// R1  The outcome of a run that starts again counts no more: its edges are unflipped, its parent counts it as open.
// R2  What depends on it is set back to `pending`: what was skipped as it was; what has ever been at work afresh, in a new
//     generation, since its arguments are bound anew. What depends on that likewise. A dependent that is at work or waits is not
//     taken back: it has to end first.
// R3  What is above it is reopened: `waiting` for its children, attempt, generation and bound input as they were. Its own outcome counts no
//     more either, so R1 and R2 hold for it.
//     A body that had called it waits for it once more; one that has not ended has taken its outcome in, and is not taken back.
// R4  Afresh, a workflow or map forgets its children: they stay as history of the generation in which they were made, and it makes
//     new ones. Else it keeps them.
// R5  Epochs only rise: whatever an earlier activation still says changes nothing (P2).
// R6  An external job that is open still is being ended, for its run has ended without it. Who starts again waits for its end first, so that
//     the same work is never done twice at a time: what came of it answers where records are kept. Where it belongs to another run that
//     is set back or forgotten, the restart is refused.

/** `fresh`: in a new generation, so that no recorded step answers. */
export interface RestartOrder {
  readonly runId: string;
  readonly fresh: boolean;
  /** Only if this is its attempt; null: whichever. */
  readonly ifAttempt: number | null;
  /** A run that has not ended is taken back as well (see `LedgerRestarts`); else that is refused. */
  readonly live?: boolean;
  /** Who asks for what: data of its event. */
  readonly data: { readonly [name: string]: Json };
}

/** What a run that starts again keeps, or where it starts afresh leaves behind. */
export interface KeptOfRun {
  readonly steps: number;
  /** Of its state. */
  readonly values: number;
}

/**
 * `unchanged`: its attempt is not the one that was asked for; somebody was faster, or this very call came before. `reset`,
 * `reopened`: ids of dependents that were set back, and of runs above that wait again. `cancelling`: what it has under way is ended first, and
 * then it starts again, with this attempt and generation. `adopted`, `awaited`: ids of its external jobs with which it goes on, and whose
 * end it waits for before it starts. `had`: what it had until then.
 */
export type RestartResult =
  | {
      readonly outcome: "restarted";
      readonly status: RunStatus;
      readonly attempt: number;
      readonly generation: number;
      readonly reset: readonly string[];
      readonly reopened: readonly string[];
      readonly adopted: readonly string[];
      readonly awaited: readonly string[];
      /** Absent: not counted. */
      readonly had?: KeptOfRun;
    }
  | { readonly outcome: "unchanged"; readonly status: RunStatus }
  | { readonly outcome: "refused"; readonly refusal: RestartRefusal }
  | { readonly outcome: "not_found" };

/** Adds what the runs had before their restarts to the results. */
export function withKept(
  results: readonly RestartResult[],
  rows: readonly RestartOrder[],
  had: (runId: string) => KeptOfRun | undefined,
): RestartResult[] {
  return results.map((result, index) => {
    const kept = had(rows[index]?.runId ?? "");
    return result.outcome === "restarted" && kept !== undefined ? { ...result, had: kept } : result;
  });
}

/** What a plan looks at. `undefined`: not loaded yet. */
export interface RestartView {
  readonly now: number;
  row(id: string): RunRow | undefined;
  /** All edges that begin in a run that has ended. */
  flippedFrom(id: string): readonly Edge[] | undefined;
  /** The external jobs of its tree that are open. */
  openJobs(): readonly JobRow[];
}

/** A row that a plan changes, with its event, if it has one. */
export interface RestartChange {
  readonly run: RunRow;
  readonly type?: EventType;
  readonly data?: Json;
  /** Its input was bound and will be bound anew. */
  readonly forgetsInput: boolean;
}

export type RestartPlan =
  | { readonly outcome: "wanting"; readonly ids: readonly string[] }
  | { readonly outcome: "refused"; readonly refusal: RestartRefusal }
  | {
      readonly outcome: "planned";
      readonly changes: readonly RestartChange[];
      readonly unflipped: readonly Edge[];
      /** Dependents that were set back, and runs above that were reopened. */
      readonly reset: readonly string[];
      readonly reopened: readonly string[];
      /** What bodies wait for once more, or before they start. */
      readonly waits: readonly WaitRow[];
      /** Ids of the ordered run's jobs whose end it waits for. */
      readonly awaited: readonly string[];
    };

/** What follows if a run starts again; its row has to be loaded. */
export function planRestart(view: RestartView, order: RestartOrder): RestartPlan {
  const plan = new Plan(view, order.runId);
  return plan.finish(() => plan.begin(order));
}

/** What follows if the outcome of a run that has ended is taken back, and another is said for it at once. */
export function planRevision(view: RestartView, runId: string): RestartPlan {
  const plan = new Plan(view, runId);
  return plan.finish(() => plan.takeBack());
}

class Refused extends Error {
  readonly refusal: RestartRefusal;

  constructor(reason: RestartRefusal["reason"], { id, name, status }: RunRow) {
    super(reason);
    this.refusal = { reason, runId: id, name, status };
  }
}

class Plan {
  readonly #view: RestartView;
  readonly #runId: string;
  readonly #changes = new Map<string, RestartChange>();
  readonly #wanting = new Set<string>();
  readonly #leaving: RunRow[] = [];
  readonly #unflipped: Edge[] = [];
  readonly #reset: string[] = [];
  readonly #reopened: string[] = [];
  readonly #waits: WaitRow[] = [];

  constructor(view: RestartView, runId: string) {
    this.#view = view;
    this.#runId = runId;
  }

  finish(decide: () => void): RestartPlan {
    try {
      decide();
      for (let run = this.#leaving.shift(); run !== undefined; run = this.#leaving.shift()) this.#takeOut(run);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return { outcome: "refused", refusal: error.refusal };
    }
    if (this.#wanting.size > 0) return { outcome: "wanting", ids: [...this.#wanting] };
    const changes = [...this.#changes.values()];
    const run = this.#view.row(this.#runId);
    if (changes.length > limits.batchRows && run !== undefined) {
      return { outcome: "refused", refusal: { reason: "too_many", runId: run.id, name: run.name, status: run.status } };
    }
    const awaited = this.#waits.flatMap(({ runId, jobId }) => (runId === this.#runId && jobId !== null ? jobId : []));
    const lists = {
      unflipped: this.#unflipped,
      reset: this.#reset,
      reopened: this.#reopened,
      waits: this.#waits,
      awaited,
    };
    return { outcome: "planned", changes, ...lists };
  }

  begin({ runId, fresh, data }: RestartOrder): void {
    const run = this.#known(runId);
    const cleared = this.#arrive(run, "clear", "live");
    const status = run.blockedBy > 0 ? this.#arrive(run, "hold_back", "live") : cleared;
    if (status === "ready" && isRefused(run)) throw new Refused("upstream_unmet", run);
    this.#refuseJobs(run, ({ runId: id }) => (status === "pending" || id !== run.id) && (fresh || id === run.id));
    this.#leave(run);
    const next = this.#awaitJobs(this.#startOver(run, status, fresh));
    const facts = { ...data, status: next.status, fresh, generation: next.generation, attempt: next.attempt };
    this.#put({ run: next, type: "run.restarted", data: facts, forgetsInput: fresh && isBound(run) });
  }

  takeBack(): void {
    const run = this.#known(this.#runId);
    this.#arrive(run, "clear", "live");
    this.#leave(run);
  }

  /** The outcome of a run that has ended counts no more: in its turn, since what depends on it may be a long chain. */
  #leave(run: RunRow): void {
    this.#leaving.push(run);
  }

  #takeOut(run: RunRow): void {
    const edges = this.#view.flippedFrom(run.id);
    if (edges === undefined) {
      this.#wanting.add(run.id);
      return;
    }
    const outcome = outcomeOf(run);
    // In one order whatever the store found first, so that every store answers and tells alike.
    for (const edge of [...edges].sort((a, b) => (a.downstream < b.downstream ? -1 : 1))) {
      this.#unflipped.push(edge);
      this.#hold(edge.downstream, outcome);
    }
    if (run.parentId !== null) this.#reopen(run.parentId, run, outcome);
  }

  #hold(id: string, outcome: keyof OutcomeCounts): void {
    const run = this.#row(id);
    if (run === undefined) return;
    const upstream = { ...run.upstream, [outcome]: run.upstream[outcome] - 1 };
    const counted = { ...run, upstream, blockedBy: run.blockedBy + 1 };
    if (run.status === "pending") {
      this.#put({ ...this.#changes.get(id), run: counted, forgetsInput: this.#changes.get(id)?.forgetsInput ?? false });
      return;
    }
    const status = this.#arrive(run, "hold_back", "dependent_live");
    if (isHeldUp(run) && !isEnded(run.status)) throw new Refused("dependent_live", run);
    const fresh = run.epoch > 0;
    this.#refuseJobs(run, () => true);
    const next = this.#startOver(counted, status, fresh);
    const data = { because: this.#runId, generation: next.generation, attempt: next.attempt };
    this.#put({ run: next, type: "run.reset", data, forgetsInput: fresh && isBound(run) });
    this.#reset.push(id);
    if (isEnded(run.status)) this.#leave(run);
  }

  #reopen(id: string, child: RunRow, outcome: keyof OutcomeCounts): void {
    const run = this.#row(id);
    if (run === undefined) return;
    if (run.generation !== child.parentGeneration) throw new Refused("superseded", child);
    const children = { ...run.children, [outcome]: run.children[outcome] - 1 };
    const counted = { ...run, children, openChildren: run.openChildren + 1 };
    if (run.kind === "task") {
      this.#callAgain(counted, child);
      return;
    }
    if (run.status === "waiting") {
      this.#put({ ...this.#changes.get(id), run: counted, forgetsInput: false });
      return;
    }
    const status = this.#arrive(run, "reopen", "cancelling");
    // Whoever says its output at this moment is too late.
    const epoch = run.epoch + (run.claimedBy === null ? 0 : 1);
    const waiting = { ...counted, status, epoch, claimedBy: null, claimedAt: null, gate: null, wakeAt: null };
    const next = isEnded(run.status) ? this.#revived(waiting) : waiting;
    this.#put({ run: next, type: "run.reopened", data: { because: this.#runId }, forgetsInput: false });
    this.#reopened.push(id);
    if (isEnded(run.status)) this.#leave(run);
  }

  /** A body waits for a run that it had called and that starts again. */
  #callAgain(run: RunRow, child: RunRow): void {
    const { reopened } = run.waiting ?? {};
    if (reopened === undefined && !isEnded(run.status)) throw new Refused("caller_live", run);
    // Of several that were called under one key, in one try after the other, it waits for the first that starts again.
    if (reopened?.includes(child.name) === true) {
      this.#put({ ...this.#changes.get(run.id), run, forgetsInput: false });
      return;
    }
    const [awaited = 0] = run.waiting?.awaits ?? [];
    const waiting = {
      ...opened(run.waiting, "call"),
      awaits: [awaited + 1],
      reopened: [...(reopened ?? []), child.name],
    };
    const { id: childId, name: key } = child;
    const of = { runId: run.id, generation: run.generation, epoch: run.epoch, openedAt: this.#view.now };
    this.#waits.push({
      ...of,
      key,
      kind: "call",
      hash: null,
      dueAt: null,
      signal: null,
      childId,
      jobId: null,
      groups: [0],
    });
    if (reopened !== undefined) {
      this.#put({ ...this.#changes.get(run.id), run: { ...run, waiting }, forgetsInput: false });
      return;
    }
    const status = this.#arrive(run, "reopen", "cancelling");
    const next = this.#awaitJobs({ ...this.#revived(run), status, waiting });
    this.#put({ run: next, type: "run.reopened", data: { because: this.#runId }, forgetsInput: false });
    this.#reopened.push(run.id);
    this.#leave(run);
  }

  /** Refuses while such jobs of a run or of what is below it are open. */
  #refuseJobs(run: RunRow, isInTheWay: (job: JobRow) => boolean): void {
    for (const job of this.#view.openJobs()) {
      if (!this.#isBelow(job.runId, run.id) || !isInTheWay(job)) continue;
      const of = this.#row(job.runId);
      if (of !== undefined) throw new Refused("jobs_open", of);
    }
  }

  #isBelow(id: string, top: string): boolean {
    for (let at: string | null = id; at !== null; at = this.#row(at)?.parentId ?? null) if (at === top) return true;
    return false;
  }

  /** The run as it waits for the ends of its open jobs, of each key the last one. */
  #awaitJobs(run: RunRow): RunRow {
    const jobs = this.#view.openJobs().filter((job) => job.runId === run.id);
    const inOrder = jobs.sort((a, b) => a.number - b.number || (a.id < b.id ? -1 : 1));
    const last = new Map(inOrder.map((job) => [`${job.generation}/${job.key}`, job]));
    if (last.size === 0) return run;
    let waiting = run.waiting;
    for (const { generation, key, id: jobId } of last.values()) {
      const [awaited = 0] = waiting?.awaits ?? [];
      waiting = { ...opened(waiting, "external"), awaits: [awaited + 1] };
      const { id: runId, epoch } = run;
      const nothing = { hash: null, dueAt: null, signal: null, childId: null };
      const of = { runId, generation, key, jobId, epoch, openedAt: this.#view.now };
      this.#waits.push({ ...of, ...nothing, kind: "external", groups: [0] });
    }
    return { ...run, status: "waiting", gate: null, waiting };
  }

  #startOver(run: RunRow, status: RunStatus, fresh: boolean): RunRow {
    const attempt = run.attempt + (run.epoch > 0 || this.#runId === run.id ? 1 : 0);
    const none = { succeeded: 0, failed: 0, skipped: 0 };
    const started = {
      ...(isEnded(run.status) ? this.#revived(run) : { ...run, wakeAt: null, ranMs: 0, losses: 0, takeovers: 0 }),
      status,
      attempt,
      firstAttempt: attempt,
      generation: run.generation + (fresh ? 1 : 0),
      startedAt: null,
      waiting: null,
      ...(fresh ? { openChildren: 0, children: none } : {}),
      ...(fresh && isBound(run) ? { input: undefined } : {}),
    };
    return { ...started, gate: status === "ready" ? firstGate(started) : null };
  }

  /** Live again, with its whole time before it. A slot that it held for its life it takes again, at the next gate. */
  #revived(run: RunRow): RunRow {
    const keeps = run.limits.every(({ hold }) => hold === "activation");
    return {
      ...run,
      ...{ output: undefined, error: null, ending: null, endedAt: null, wakeAt: null, gate: null, ranMs: 0 },
      ...{ losses: 0, takeovers: 0, startedAt: keeps ? run.startedAt : null },
      ...expiryAgain(run, this.#view.now),
    };
  }

  #put(change: RestartChange): void {
    this.#changes.set(change.run.id, change);
  }

  #arrive(run: RunRow, input: RunInput, reason: RestartRefusal["reason"]): RunStatus {
    const arrival = transition(run.status, input);
    if (arrival === "stale" || arrival === "ordered") throw new Refused(reason, run);
    return arrival;
  }

  #known(id: string): RunRow {
    const run = this.#row(id);
    if (run === undefined) throw new Error(`run ${id} is to start again and is not in the ledger`);
    return run;
  }

  /** As the plan leaves it so far. Undefined, and asked for, where it is not loaded. */
  #row(id: string): RunRow | undefined {
    const run = this.#changes.get(id)?.run ?? this.#view.row(id);
    if (run === undefined) this.#wanting.add(id);
    return run;
  }
}

/** A node's arguments are bound when it starts; the input of a root, of an item and of a run that a body has called is given. */
export function isBound({ parentId, workflow, item }: RunRow): boolean {
  return parentId !== null && workflow !== null && item === null;
}

/** Whether its rule would skip it once more. */
function isRefused({ rule, upstream }: RunRow): boolean {
  if (upstream.succeeded + upstream.failed + upstream.skipped === 0) return false;
  return judgeRule(rule, upstream) !== "start";
}
