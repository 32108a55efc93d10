import type { EventType, Json, RunError, RunStatus } from "@holdfast/protocol";
import { brief, inputOf, refuseActivation } from "./answers.ts";
import { inheritedEnding } from "./causes.ts";
import { type LedgerChanges, type LedgerEvent, type Links, rowChanges } from "./changes.ts";
import { enqueuedData } from "./claims.ts";
import { answerMark, type MarkOrder, type MarkResult } from "./marks.ts";
import type { Below, Edge, Expansion, Finish, FinishResult, Next } from "./next.ts";
import {
  planRestart,
  planRevision,
  type RestartChange,
  type RestartOrder,
  type RestartPlan,
  type RestartResult,
  type RestartView,
} from "./restart.ts";
import { afterTakeover } from "./retry.ts";
import { judgeRule, outcomeOf } from "./rules.ts";
import { type Ending, firstGate, isClaimable, type OutcomeCounts, type RunRow, startingRun, unstarted } from "./run.ts";
import { isEnded, mayBeActive, type RunInput, transition } from "./transitions.ts";

// One transaction's worth of changes to runs, worked out in memory on rows that the store has locked and given here.
// Every store uses it, so that what an end, a cancel or a takeover means is written once.
//
// P2  A change by an activation compares its epoch with the row's; a takeover raises the epoch.
// P3  The end of a run, its parent's count, its dependents' edges and all their events come out of one ledger.
// P6  A run that is `cancelling` ends as ordered, whatever its activation says, and so does one whose parent is. An order goes
//     down a tree in pages: the run that was ordered is `cancelling` at once, and `spreading` until all below it are reached.
// P10 Each event takes the next number of its run.

export class Ledger {
  readonly #now: number;
  readonly #rows = new Map<string, RunRow>();
  readonly #before = new Map<string, RunRow>();
  readonly #edgesFrom = new Map<string, Edge[]>();
  readonly #newEdges: Edge[] = [];
  readonly #flipped: Edge[] = [];
  readonly #flippedFrom = new Map<string, Edge[]>();
  readonly #unflipped: Edge[] = [];
  readonly #restarted = new Map<string, RestartChange>();
  readonly #events: LedgerEvent[] = [];
  #ended: string[] = [];
  readonly #endings: string[] = [];
  readonly #losses: RunRow[] = [];
  #readied = 0;
  #reached = 0;

  /** `now` is the store's clock, read after the locks were taken (P9). */
  constructor(now: number) {
    this.#now = now;
  }

  /** Takes in rows that the store has locked, those that an activation speaks for with their parents. A row that is known already keeps its image here. */
  load(rows: Iterable<RunRow>): void {
    for (const row of rows) {
      if (this.#rows.has(row.id)) continue;
      this.#rows.set(row.id, row);
      this.#before.set(row.id, row);
    }
  }

  /** Takes in what hangs on the runs of `ids`: call it for every id that `propagate` asks for, or before. */
  link(ids: Iterable<string>, links: Links): void {
    for (const id of ids) if (!this.#edgesFrom.has(id)) this.#edgesFrom.set(id, []);
    for (const edge of links.edges) this.#edgesFrom.get(edge.upstream)?.push(edge);
    this.load(links.rows);
  }

  row(id: string): RunRow | undefined {
    return this.#rows.get(id);
  }

  /** How many runs became claimable so far; those at a gate are not. */
  get readied(): number {
    return this.#readied;
  }

  /** The runs that ended so far. */
  endings(): RunRow[] {
    return this.#endings.flatMap((id) => this.#rows.get(id) ?? []);
  }

  /** Activations taken over so far, as they were. */
  get losses(): readonly RunRow[] {
    return this.#losses;
  }

  /** How many live runs were ordered to end so far. */
  get reached(): number {
    return this.#reached;
  }

  finish(finish: Finish): FinishResult {
    const run = this.#rows.get(finish.runId);
    const refusal = refuseActivation(run, finish.epoch);
    if (refusal !== undefined || run === undefined) return refusal ?? { outcome: "not_found" };
    const before = this.#readied;
    const status = this.#follow(this.#heeding(run), finish.next, run.ranMs + finish.ranMs);
    return { outcome: "finished", status, readied: this.#readied - before };
  }

  expand(expansion: Expansion): FinishResult {
    const run = this.#rows.get(expansion.runId);
    const refusal = refuseActivation(run, expansion.epoch);
    if (refusal !== undefined || run === undefined) return refusal ?? { outcome: "not_found" };
    const before = this.#readied;
    const released = { ...this.#heeding(run), claimedBy: null, claimedAt: null, ranMs: run.ranMs + expansion.ranMs };
    if (transition(released.status, "suspend") === "ordered") {
      return { outcome: "finished", status: this.#endAsOrdered(released), readied: 0 };
    }
    const openChildren = expansion.children.length;
    const waiting: RunRow = {
      ...released,
      status: "waiting",
      input: expansion.input,
      openChildren,
      losses: 0,
      takeovers: 0,
    };
    this.#write(waiting, "run.waiting", { children: openChildren });
    for (const child of expansion.children) this.#insert(startingRun(child, this.#now, run.generation));
    this.#newEdges.push(...expansion.edges);
    return { outcome: "finished", status: "waiting", readied: this.#readied - before };
  }

  /** Takes a run away from a member that is gone. False when there was nothing to take. */
  takeOver(id: string, error: RunError): boolean {
    const run = this.#rows.get(id);
    if (run === undefined || run.claimedBy === null || !mayBeActive(run.status)) return false;
    const next = afterTakeover(run, error);
    const taken = { ...this.#heeding(run), epoch: run.epoch + 1, takeovers: run.takeovers + 1 };
    // Nobody knows how long the body ran before its node died: the attempt's running time stays as it was.
    this.#losses.push(run);
    this.#follow(taken, next, run.ranMs, run);
    return true;
  }

  /** Writes an event that changes nothing else. False when the run has ended. */
  remark(id: string, type: EventType, data: Json): boolean {
    const run = this.#rows.get(id);
    if (run === undefined || isEnded(run.status)) return false;
    this.#write(run, type, data);
    return true;
  }

  /**
   * Orders the end of a run, which is `spreading` afterwards where something lives below it: see `spread`. False when the run
   * had ended or such an order stood already.
   */
  order(id: string, ending: Ending, data: Json): boolean {
    const run = this.#rows.get(id);
    if (run === undefined || transition(run.status, "cancel") === "stale") return false;
    this.#orderOne(run, ending, data);
    return true;
  }

  /**
   * Hands the orders of spreading runs on to what lies directly below them: load the runs of `below` before. Answers the
   * children that are spreading now in their turn, in the same order.
   */
  spread({ children, whole }: Below): string[] {
    const further: string[] = [];
    for (const id of children) {
      const run = this.#rows.get(id);
      const ending = run === undefined ? undefined : this.#orderFromAbove(run);
      if (run === undefined || ending === undefined || transition(run.status, "cancel") === "stale") continue;
      this.#orderOne(run, ending, { reason: ending.error.message });
      if (this.#rows.get(id)?.spreading === true) further.push(id);
    }
    for (const id of whole) {
      const run = this.#rows.get(id);
      if (run?.spreading === true) this.#rows.set(id, { ...run, spreading: false });
    }
    return further;
  }

  /** Takes in all edges that begin in runs that have ended, for those of `ids`, with the rows of `links`. */
  linkFlipped(ids: Iterable<string>, links: Links): void {
    const fresh = new Set([...ids].filter((id) => !this.#flippedFrom.has(id)));
    for (const id of fresh) this.#flippedFrom.set(id, []);
    for (const edge of links.edges) if (fresh.has(edge.upstream)) this.#flippedFrom.get(edge.upstream)?.push(edge);
    this.load(links.rows);
  }

  /** Lets a run start again, with all that follows (core/restart.ts). `wanting`: ids to give to `linkFlipped`; then ask again. */
  restart(order: RestartOrder): RestartResult | Extract<RestartPlan, { outcome: "wanting" }> {
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

  /**
   * Ends a run as a person decided, whatever its activation still says; the end that it had counts no more. `wanting`: as for
   * `restart`.
   */
  mark({ runId, verdict, data }: MarkOrder): MarkResult | Extract<RestartPlan, { outcome: "wanting" }> {
    const run = this.#rows.get(runId);
    const answer = answerMark(run, verdict);
    if (run === undefined || answer !== undefined) return answer ?? { outcome: "not_found" };
    const plan = isEnded(run.status) ? planRevision(this.#view(), runId) : undefined;
    if (plan !== undefined && plan.outcome !== "planned") return plan;
    if (plan !== undefined) this.#adopt(plan);
    const epoch = run.epoch + (run.claimedBy === null ? 0 : 1);
    this.#write({ ...run, epoch }, "run.marked", { ...data, status: verdict.status });
    const marked = this.#rows.get(runId) ?? run;
    this.#end(marked, verdict.status, verdict);
    if (plan !== undefined) this.#restarted.set(runId, { run: this.#rows.get(runId) ?? run, forgetsInput: false });
    return { outcome: "marked", status: verdict.status, reset: plan?.reset ?? [], reopened: plan?.reopened ?? [] };
  }

  /** Ends a run as it was ordered to, though its activation has not ended: what that still says counts no more (P6). */
  force(id: string): boolean {
    const run = this.#rows.get(id);
    if (run?.status !== "cancelling" || run.claimedBy === null) return false;
    this.#write({ ...run, epoch: run.epoch + 1 }, "run.forced", { epoch: run.epoch, member: run.claimedBy });
    this.#endAsOrdered(this.#rows.get(id) ?? run);
    return true;
  }

  /** Carries ends on to parents and dependents. Answers the ids whose links it lacks: give them to `link`, then call again. */
  propagate(): string[] {
    const wanting: string[] = [];
    while (this.#ended.length > 0) {
      const ended = this.#ended;
      this.#ended = [];
      for (const id of ended) {
        const edges = this.#edgesFrom.get(id);
        if (edges === undefined) wanting.push(id);
        else this.#handOn(id, edges);
      }
    }
    this.#ended = [...wanting];
    return wanting;
  }

  changes(): LedgerChanges {
    const rows = rowChanges(this.#rows, this.#before);
    const edges = { newEdges: this.#newEdges, unflippedEdges: this.#unflipped, flippedEdges: this.#flipped };
    return { ...rows, ...edges, restarted: [...this.#restarted.values()], events: this.#events };
  }

  #view(): RestartView {
    return { now: this.#now, row: (id) => this.#rows.get(id), flippedFrom: (id) => this.#flippedFrom.get(id) };
  }

  #adopt(plan: Extract<RestartPlan, { outcome: "planned" }>): void {
    for (const change of plan.changes) {
      const { run, type, data = null } = change;
      const before = this.#rows.get(run.id);
      const isNew = before !== undefined && before.generation !== run.generation;
      if (isNew || (before !== undefined && isEnded(before.status))) this.#restarted.set(run.id, change);
      if (type === undefined) this.#rows.set(run.id, run);
      else this.#write(run, type, data);
      if (isClaimable(run)) this.#readied += 1;
    }
    for (const edge of plan.unflipped) {
      this.#unflipped.push(edge);
      this.#flippedFrom.delete(edge.upstream);
      this.#edgesFrom.set(edge.upstream, [...(this.#edgesFrom.get(edge.upstream) ?? []), edge]);
    }
  }

  #handOn(id: string, edges: readonly Edge[]): void {
    const run = this.#rows.get(id);
    if (run === undefined) throw new Error(`run ${id} ended but is not in the ledger`);
    const outcome = outcomeOf(run);
    for (const edge of edges) this.#flip(edge, outcome);
    this.#edgesFrom.set(id, []);
    if (run.parentId !== null) this.#countChild(run.parentId, run.parentGeneration, outcome);
  }

  #flip(edge: Edge, outcome: keyof OutcomeCounts): void {
    this.#flipped.push(edge);
    const run = this.#rows.get(edge.downstream);
    if (run === undefined) return;
    const upstream = { ...run.upstream, [outcome]: run.upstream[outcome] + 1 };
    const counted = { ...run, upstream, blockedBy: run.blockedBy - 1 };
    this.#rows.set(run.id, counted);
    // One that has ended may start again: it counts on.
    if (counted.blockedBy > 0 || counted.status !== "pending") return;
    const ending = this.#orderFromAbove(counted);
    if (ending !== undefined) {
      this.#endAsOrdered({ ...counted, ending });
      return;
    }
    const verdict = judgeRule(counted.rule, upstream);
    if (verdict === "start") this.#becomeReady(counted, this.#arrive(counted, "release"), "run.ready", {});
    else this.#end(counted, this.#arrive(counted, "refuse"), { error: verdict });
  }

  #countChild(parentId: string, generation: number, outcome: keyof OutcomeCounts): void {
    const parent = this.#rows.get(parentId);
    if (parent === undefined || parent.generation !== generation) return;
    const children = { ...parent.children, [outcome]: parent.children[outcome] + 1 };
    const counted = { ...parent, children, openChildren: parent.openChildren - 1 };
    this.#rows.set(parentId, counted);
    if (counted.openChildren > 0) return;
    if (counted.status === "waiting") this.#becomeReady(counted, this.#arrive(counted, "wake"), "run.woken", {});
    else if (counted.status === "cancelling" && counted.claimedBy === null) this.#endAsOrdered(counted);
  }

  #orderOne(run: RunRow, ending: Ending, data: Json): void {
    this.#reached += 1;
    const ordered = { ...run, ending, wakeAt: null };
    if (transition(run.status, "cancel") === "ordered") {
      this.#endAsOrdered(ordered);
      return;
    }
    const cancelling: RunRow = { ...ordered, status: "cancelling", spreading: run.openChildren > 0 };
    this.#write(cancelling, "run.cancel_requested", data);
    const row = this.#rows.get(run.id);
    if (row !== undefined && row.openChildren === 0 && row.claimedBy === null) this.#endAsOrdered(row);
  }

  /** What a run inherits whose parent was ordered to end. */
  #orderFromAbove(run: RunRow): Ending | undefined {
    const parent = run.parentId === null ? undefined : this.#rows.get(run.parentId);
    return parent?.status === "cancelling" ? inheritedEnding(parent) : undefined;
  }

  /** The run as its parent's order leaves it, though the page that brings the order may be still to come (P6). */
  #heeding(run: RunRow): RunRow {
    const ending = run.ending === null ? this.#orderFromAbove(run) : undefined;
    return ending === undefined ? run : { ...run, status: "cancelling", ending };
  }

  #follow(run: RunRow, next: Next, ranMs: number, takenFrom?: RunRow): RunStatus {
    const arrival = transition(run.status, inputOf(next));
    const released = { ...run, claimedBy: null, claimedAt: null, ranMs };
    if (arrival === "ordered") return this.#endAsOrdered(released);
    if (next.to === "ended") {
      const output = next.status === "succeeded" ? next.output : undefined;
      const error = next.status === "succeeded" ? null : next.error;
      return this.#end(released, next.status, { output, error });
    }
    if (next.to === "line") return this.#becomeReady(unstarted(released, next.limits), "ready", "run.given_back", {});
    const wakeAt = next.delayMs > 0 ? this.#now + next.delayMs : null;
    if (next.outcome === "released") return this.#becomeReady({ ...released, wakeAt }, "ready", "run.given_back", {});
    if (next.outcome === "lost") {
      const losses = takenFrom?.losses ?? run.losses + 1;
      const data = { epoch: takenFrom?.epoch ?? run.epoch, error: brief(next.error) };
      return this.#becomeReady({ ...released, wakeAt, losses, error: next.error }, "ready", "run.lost", data);
    }
    const attempt = run.attempt + 1;
    const data = { attempt, delayMs: next.delayMs, error: brief(next.error) };
    const retried = { ...released, wakeAt, attempt, ranMs: 0, losses: 0, takeovers: 0, error: next.error };
    return this.#becomeReady(retried, "ready", "run.retry_scheduled", data);
  }

  #arrive(run: RunRow, input: RunInput): RunStatus {
    const arrival = transition(run.status, input);
    if (arrival === "stale" || arrival === "ordered") throw new Error(`${input} cannot befall a ${run.status} run`);
    return arrival;
  }

  #becomeReady(run: RunRow, status: RunStatus, type: EventType, data: Json): RunStatus {
    const gate = run.wakeAt === null ? firstGate(run) : null;
    this.#write({ ...run, status, gate }, type, data);
    if (run.wakeAt === null && gate === null) this.#readied += 1;
    return status;
  }

  #endAsOrdered(run: RunRow): RunStatus {
    if (run.ending === null) throw new Error(`run ${run.id} was never ordered to end`);
    return this.#end(run, run.ending.status, { error: run.ending.error });
  }

  #end(run: RunRow, status: RunStatus, result: { output?: Json | undefined; error?: RunError | null }): RunStatus {
    const { output, error = null } = result;
    const cleared = {
      ...{ claimedBy: null, claimedAt: null, wakeAt: null, gate: null },
      ...{ spreading: false, endedAt: this.#now },
    };
    const type: EventType = `run.${status}` as EventType;
    const data = error === null ? { attempt: run.attempt } : { attempt: run.attempt, error: brief(error) };
    this.#write({ ...run, ...cleared, status, output, error }, type, data);
    this.#ended.push(run.id);
    this.#endings.push(run.id);
    return status;
  }

  #insert(run: RunRow): void {
    this.#rows.set(run.id, run);
    this.#events.push({ run, number: 1, type: "run.enqueued", at: this.#now, data: enqueuedData(run) });
    if (isClaimable(run)) this.#readied += 1;
  }

  #write(run: RunRow, type: EventType, data: Json): void {
    const written = { ...run, lastEvent: run.lastEvent + 1 };
    this.#rows.set(run.id, written);
    this.#events.push({ run: written, number: written.lastEvent, type, at: this.#now, data });
  }
}
