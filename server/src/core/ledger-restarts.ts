import type { LedgerEdges } from "./ledger-edges.ts";
import type { LedgerRows } from "./ledger-rows.ts";
import { answerMark, type MarkOrder, type MarkResult } from "./marks.ts";
import {
  planRestart,
  planRevision,
  type RestartChange,
  type RestartOrder,
  type RestartPlan,
  type RestartResult,
  type RestartView,
} from "./restart.ts";
import { isClaimable, type RunRow } from "./run.ts";
import { isEnded } from "./transitions.ts";
import type { Waits } from "./waits.ts";

type Wanting = Extract<RestartPlan, { outcome: "wanting" }>;

/** Runs of one ledger that start again: what plans look at, and what becomes of those that are carried out. */
export class LedgerRestarts {
  readonly #rows: LedgerRows;
  readonly #edges: LedgerEdges;
  readonly #waits: Waits;
  readonly #restarted = new Map<string, RestartChange>();

  constructor(rows: LedgerRows, edges: LedgerEdges, waits: Waits) {
    this.#rows = rows;
    this.#edges = edges;
    this.#waits = waits;
  }

  restart(order: RestartOrder): RestartResult | Wanting {
    const run = this.#rows.get(order.runId);
    if (run === undefined) return { outcome: "not_found" };
    if (order.ifAttempt !== null && run.attempt !== order.ifAttempt)
      return { outcome: "unchanged", status: run.status };
    const plan = planRestart(this.#view(), order);
    if (plan.outcome !== "planned") return plan;
    this.#adopt(plan);
    const { status = run.status, attempt = 0, generation = 0 } = this.#rows.get(run.id) ?? {};
    return { outcome: "restarted", status, attempt, generation, reset: plan.reset, reopened: plan.reopened };
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
    return { outcome: "marked", status: verdict.status, reset: plan?.reset ?? [], reopened: plan?.reopened ?? [] };
  }

  #view(): RestartView {
    return { now: this.#rows.now, row: (id) => this.#rows.get(id), flippedFrom: (id) => this.#edges.flippedFrom(id) };
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
