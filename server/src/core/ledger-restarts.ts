import type { Json, RunStatus } from "@holdfast/protocol";
import { clearedEnding } from "./causes.ts";
import type { Jobs } from "./jobs.ts";
import type { LedgerEdges } from "./ledger-edges.ts";
import type { LedgerRows } from "./ledger-rows.ts";
import { answerMark, type MarkOrder, type MarkResult } from "./marks.ts";
import {
  isBound,
  planRestart,
  planRevision,
  type RestartChange,
  type RestartOrder,
  type RestartPlan,
  type RestartResult,
  type RestartView,
} from "./restart.ts";
import { type Ending, expiryAgain, firstGate, isClaimable, type RunRow } from "./run.ts";
import { isEnded } from "./transitions.ts";
import { externalsOf, unawaited } from "./waiting.ts";
import type { Waits } from "./waits.ts";

type Wanting = Extract<RestartPlan, { outcome: "wanting" }>;

/**
 * Runs of one ledger that start again: what plans look at, and what becomes of those that are carried out.
 *
 * One that has not ended can be taken back too. Afresh, what it has under way is ended first, its external jobs among them: it is
 * `cancelling` until the last of that is acknowledged, and then starts again instead of ending (`startAnew`), so that nobody hears of an end.
 * A body that only waits, or is to start once more, goes on in its next try with what it has open; nobody takes a body away that is at work.
 */
export class LedgerRestarts {
  readonly #rows: LedgerRows;
  readonly #edges: LedgerEdges;
  readonly #waits: Waits;
  readonly #jobs: Jobs;
  readonly #restarted = new Map<string, RestartChange>();

  constructor(rows: LedgerRows, edges: LedgerEdges, { waits, jobs }: { waits: Waits; jobs: Jobs }) {
    this.#rows = rows;
    this.#jobs = jobs;
    this.#edges = edges;
    this.#waits = waits;
  }

  /** `end`: orders the end of one that is live. */
  restart(order: RestartOrder, end: (runId: string, ending: Ending, data: Json) => void): RestartResult | Wanting {
    const run = this.#rows.get(order.runId);
    if (run === undefined) return { outcome: "not_found" };
    if (order.ifAttempt !== null && run.attempt !== order.ifAttempt)
      return { outcome: "unchanged", status: run.status };
    if (order.live === true && !isEnded(run.status)) return this.#takeBack(run, order, end);
    const plan = planRestart(this.#view(), order);
    if (plan.outcome !== "planned") return plan;
    this.#adopt(plan);
    const { status = run.status, attempt = 0, generation = 0 } = this.#rows.get(run.id) ?? {};
    const { reset, reopened, awaited } = plan;
    return { outcome: "restarted", status, attempt, generation, reset, reopened, adopted: [], awaited };
  }

  #takeBack(
    run: RunRow,
    { fresh, data }: RestartOrder,
    end: (runId: string, ending: Ending, data: Json) => void,
  ): RestartResult {
    const { id, name, status } = run;
    const isClearing = status === "cancelling" && run.ending?.again !== undefined;
    // What has not begun has nothing behind it.
    if (run.epoch === 0 || status === "pending" || isClearing) return { outcome: "unchanged", status };
    const goesOn = run.kind === "task" && (status === "waiting" || status === "ready");
    if (status === "cancelling" || (!fresh && !goesOn)) {
      return { outcome: "refused", refusal: { reason: "live", runId: id, name, status } };
    }
    const jobs = this.#openJobsOf(run);
    const next = { attempt: run.attempt + 1, generation: run.generation + (fresh ? 1 : 0) };
    if (fresh) end(id, clearedEnding(data), data);
    else this.#goOn(run, data);
    const result = { ...next, status: this.#rows.get(id)?.status ?? status, reset: [], reopened: [] };
    return { outcome: "restarted", ...result, adopted: fresh ? [] : jobs, awaited: fresh ? jobs : [] };
  }

  /** A body that waits or is to start once more does so in its next try, with all that it has open. */
  #goOn(run: RunRow, data: RestartOrder["data"]): void {
    const attempt = run.attempt + 1;
    const again = { attempt, firstAttempt: attempt, error: null, ranMs: 0, losses: 0, takeovers: 0, wakeAt: null };
    const waiting = run.waiting === null ? null : unawaited(run.waiting);
    const gate = run.status === "ready" && run.wakeAt === null ? run.gate : firstGate(run);
    const row: RunRow = { ...run, ...again, status: "ready", waiting, gate };
    const facts = { ...data, status: row.status, fresh: false, generation: row.generation, attempt: row.attempt };
    this.#rows.write(row, "run.restarted", facts);
    this.#restarted.set(run.id, { run: row, forgetsInput: false });
    if (isClaimable(row)) this.#rows.readied += 1;
  }

  /** Instead of ending as it was ordered to, a run starts again afresh: all that it had under way has ended. */
  startAnew(run: RunRow, data: RestartOrder["data"]): RunStatus {
    const anew = livedAnew(run, this.#rows.now);
    const row: RunRow = { ...anew, status: "ready", gate: firstGate(anew) };
    const forgetsInput = isBound(run);
    const next = forgetsInput ? { ...row, input: undefined } : row;
    const { status, generation, attempt } = next;
    if (run.waiting !== null) this.#waits.clear(run.id);
    this.#rows.write(next, "run.restarted", { ...data, status, fresh: true, generation, attempt });
    this.#restarted.set(run.id, { run: next, forgetsInput });
    if (isClaimable(next)) this.#rows.readied += 1;
    return status;
  }

  #openJobsOf(run: RunRow): string[] {
    if (externalsOf(run) === 0) return [];
    // In one order whatever the store found first, so that every store answers alike.
    return this.#jobs
      .openOnes()
      .flatMap(({ id, runId }) => (runId === run.id ? id : []))
      .sort();
  }

  /** `end`: ends it as is decided. */
  mark({ runId, verdict, data }: MarkOrder, end: (run: RunRow) => void): MarkResult | Wanting {
    const run = this.#rows.get(runId);
    const answer = answerMark(run, verdict);
    if (run === undefined || answer !== undefined) return answer ?? { outcome: "not_found" };
    const plan = isEnded(run.status) ? planRevision(this.#view(), runId) : undefined;
    if (plan !== undefined && plan.outcome !== "planned") return plan;
    if (plan !== undefined) this.#adopt(plan);
    const epoch = run.epoch + (run.claimedBy === null ? 0 : 1);
    this.#rows.write({ ...run, epoch }, "run.marked", { ...data, status: verdict.status });
    end(this.#rows.get(runId) ?? run);
    if (plan !== undefined) this.#restarted.set(runId, { run: this.#rows.get(runId) ?? run, forgetsInput: false });
    const { reset = [], reopened = [] } = plan ?? {};
    return { outcome: "marked", status: verdict.status, reset, reopened, jobs: externalsOf(run) };
  }

  #view(): RestartView {
    return {
      now: this.#rows.now,
      row: (id) => this.#rows.get(id),
      flippedFrom: (id) => this.#edges.flippedFrom(id),
      openJobs: () => this.#jobs.openOnes(),
    };
  }

  #adopt(plan: Extract<RestartPlan, { outcome: "planned" }>): void {
    for (const change of plan.changes) {
      const { run, type, data = null } = change;
      const before = this.#rows.get(run.id);
      const isNew = before !== undefined && before.generation !== run.generation;
      if (isNew || (before !== undefined && isEnded(before.status))) this.#restarted.set(run.id, change);
      if (before?.waiting != null && run.waiting === null) this.#waits.clear(run.id);
      if (type === undefined) this.#rows.put(run);
      else this.#rows.write(run, type, data);
      if (isClaimable(run)) this.#rows.readied += 1;
    }
    this.#waits.reopen(plan.waits);
    this.#edges.unflip(plan.unflipped);
  }

  changes(): RestartChange[] {
    return [...this.#restarted.values()];
  }
}

/** A run that has not ended, as it starts again afresh: the slots that are held for its life it keeps. */
function livedAnew(run: RunRow, now: number): RunRow {
  return {
    ...run,
    ...{
      attempt: run.attempt + 1,
      firstAttempt: run.attempt + 1,
      generation: run.generation + 1,
      ending: null,
      error: null,
      spreading: false,
    },
    ...{ claimedBy: null, claimedAt: null, wakeAt: null, waiting: null, ranMs: 0, losses: 0, takeovers: 0 },
    ...{ openChildren: 0, children: { succeeded: 0, failed: 0, skipped: 0 } },
    ...expiryAgain(run, now),
  };
}
