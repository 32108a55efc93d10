import type { EventType, Json, RunError } from "@holdfast/protocol";
import { leavesCalls, refuseActivation, refuseWaits } from "./answers.ts";
import { droppedEnding } from "./causes.ts";
import type { LedgerChanges, Links } from "./changes.ts";
import { passingOver } from "./clean-up.ts";
import type { JobLoad, JobNote, JobNoteResult } from "./job-rows.ts";
import { Jobs } from "./jobs.ts";
import { LedgerEdges } from "./ledger-edges.ts";
import { LedgerEnds } from "./ledger-ends.ts";
import { LedgerRestarts } from "./ledger-restarts.ts";
import { LedgerRows } from "./ledger-rows.ts";
import type { MarkOrder, MarkResult } from "./marks.ts";
import type { Below, Edge, Expansion, Finish, FinishResult } from "./next.ts";
import type { RestartOrder, RestartPlan, RestartResult } from "./restart.ts";
import { afterTakeover } from "./retry.ts";
import { judgeRule, outcomeOf } from "./rules.ts";
import type { Ending, OutcomeCounts, RunRow } from "./run.ts";
import { isEnded, mayBeActive, transition } from "./transitions.ts";
import type { WaitName } from "./wait-name.ts";
import type { SignalOrder, SignalResult, WaitLoad, WaitsOrder, WaitsResult } from "./wait-rows.ts";
import { externalsOf, isHeldUp } from "./waiting.ts";
import { Waits } from "./waits.ts";

// One transaction's worth of changes to runs, worked out in memory on rows that the store has locked and given here.
// Every store uses it, so that what an end, a cancel or a takeover means is written once.
//
// P2  A change by an activation compares its epoch with the row's; a takeover raises the epoch.
// P3  The end of a run, its parent's count, its dependents' edges and all their events come out of one ledger.
// P6  A run that is `cancelling` ends as ordered, whatever its activation says, and so does one whose parent is. An order goes
//     down a tree in pages: the run that was ordered is `cancelling` at once, and `spreading` until all below it are reached.

export class Ledger {
  readonly #rows: LedgerRows;
  readonly #jobs: Jobs;
  readonly #waits: Waits;
  readonly #edges = new LedgerEdges();
  readonly #restarts: LedgerRestarts;
  readonly #ends: LedgerEnds;
  readonly #losses: RunRow[] = [];

  /** `now` is the store's clock, read after the locks were taken (P9). */
  constructor(now: number) {
    this.#rows = new LedgerRows(now);
    this.#jobs = new Jobs(this.#rows);
    this.#waits = new Waits(this.#rows, this.#jobs);
    const parts = { jobs: this.#jobs, waits: this.#waits };
    this.#restarts = new LedgerRestarts(this.#rows, this.#edges, parts);
    this.#ends = new LedgerEnds(this.#rows, { ...parts, restarts: this.#restarts });
  }

  /** Takes in rows that the store has locked, those that an activation speaks for with their parents. A row that is known already keeps its image here. */
  load(rows: Iterable<RunRow>): void {
    this.#rows.load(rows);
  }

  /** Takes in what is known of the waits of such runs. */
  loadWaits(found: WaitLoad): void {
    this.#waits.load(found);
  }

  /** Takes in what is known of their external jobs. */
  loadJobs(found: JobLoad): void {
    this.#jobs.load(found);
  }

  /** Takes in what hangs on the runs of `ids`: call it for every id that `propagate` asks for, or before. */
  link(ids: Iterable<string>, links: Links): void {
    this.#edges.link(ids, links.edges);
    this.load(links.rows);
    this.loadWaits({ waits: links.waits ?? [] });
  }

  row(id: string): RunRow | undefined {
    return this.#rows.get(id);
  }

  /** How many runs became claimable so far; those at a gate are not. */
  get readied(): number {
    return this.#rows.readied;
  }

  /** The runs that ended so far. */
  endings(): RunRow[] {
    return this.#ends.all();
  }

  /** Activations taken over so far, as they were. */
  get losses(): readonly RunRow[] {
    return this.#losses;
  }

  /** How many live runs were ordered to end so far. */
  get reached(): number {
    return this.#ends.reached;
  }

  finish(finish: Finish): FinishResult {
    const run = this.#rows.get(finish.runId);
    const refusal = refuseActivation(run, finish.epoch);
    if (refusal !== undefined || run === undefined) return refusal ?? { outcome: "not_found" };
    if (leavesCalls(run, finish)) return { outcome: "calls_open" };
    const before = this.#rows.readied;
    const status = this.#ends.follow(this.#ends.heeding(run), finish.next, run.ranMs + finish.ranMs);
    return { outcome: "finished", status, readied: this.#rows.readied - before };
  }

  /** Opens waits for an activation, and ends it where its run is to wait. */
  openWaits(order: WaitsOrder): WaitsResult {
    const run = this.#rows.get(order.runId);
    const refusal = refuseWaits(run, order);
    if (refusal !== undefined || run === undefined) return refusal ?? { outcome: "not_found" };
    if (transition(run.status, "suspend") === "ordered") {
      const ranMs = run.ranMs + (order.suspend?.ranMs ?? 0);
      const released = { ...run, claimedBy: null, claimedAt: null, ranMs };
      return { outcome: "suspended", status: this.#ends.endAsOrdered(released) };
    }
    const { result, abandoned } = this.#waits.open(run.id, order);
    for (const id of abandoned) this.order(id, droppedEnding, { reason: droppedEnding.error.message });
    return result;
  }

  /** Ends a wait whose moment has come. */
  endWait(name: WaitName): boolean {
    return this.#waits.endDue(name);
  }

  signal(order: SignalOrder): SignalResult {
    return this.#waits.signal(order);
  }

  /** Takes in what is said of a job, with all that follows from it (core/jobs.ts). */
  noteJob(note: JobNote): JobNoteResult {
    const { result, ended } = this.#jobs.note(note, this.#waits);
    const run = ended === undefined ? undefined : this.#rows.get(ended.runId);
    if (run?.status === "cancelling" && run.claimedBy === null && !isHeldUp(run)) this.#ends.endAsOrdered(run);
    return result;
  }

  /** Lets a run go on without a job whose end it waits for in vain; the obligation stays. False: nothing is so. */
  letGoJob(id: string): boolean {
    return this.#jobs.letGo(id, this.#waits);
  }

  expand(expansion: Expansion): FinishResult {
    const run = this.#rows.get(expansion.runId);
    const refusal = refuseActivation(run, expansion.epoch);
    if (refusal !== undefined || run === undefined) return refusal ?? { outcome: "not_found" };
    const before = this.#rows.readied;
    const released = {
      ...this.#ends.heeding(run),
      claimedBy: null,
      claimedAt: null,
      ranMs: run.ranMs + expansion.ranMs,
    };
    if (transition(released.status, "suspend") === "ordered") {
      return { outcome: "finished", status: this.#ends.endAsOrdered(released), readied: 0 };
    }
    const openChildren = expansion.children.length;
    const calm = { losses: 0, takeovers: 0, openChildren };
    const waiting: RunRow = { ...released, ...calm, status: "waiting", input: expansion.input };
    this.#rows.write(waiting, "run.waiting", { children: openChildren });
    for (const child of expansion.children) this.#rows.insert(child, run.generation);
    this.#edges.added.push(...expansion.edges);
    return { outcome: "finished", status: "waiting", readied: this.#rows.readied - before };
  }

  /** Takes a run away from a member that is gone. False when there was nothing to take. */
  takeOver(id: string, error: RunError): boolean {
    const run = this.#rows.get(id);
    if (run === undefined || run.claimedBy === null || !mayBeActive(run.status)) return false;
    const next = afterTakeover(run, error);
    const taken = { ...this.#ends.heeding(run), epoch: run.epoch + 1, takeovers: run.takeovers + 1 };
    // Nobody knows how long the body ran before its node died: the attempt's running time stays as it was.
    this.#losses.push(run);
    this.#ends.follow(taken, next, run.ranMs, run);
    return true;
  }

  /** Writes an event that changes nothing else. False when the run has ended. */
  remark(id: string, type: EventType, data: Json): boolean {
    const run = this.#rows.get(id);
    if (run === undefined || isEnded(run.status)) return false;
    this.#rows.write(run, type, data);
    return true;
  }

  /**
   * Orders the end of a run, which is `spreading` afterwards where something lives below it: see `spread`. False when the run
   * had ended or such an order stood already. One that is to start again then does not any more.
   */
  order(id: string, ending: Ending, data: Json): boolean {
    const run = this.#rows.get(id);
    if (run?.status === "cancelling" && run.ending?.again !== undefined) return this.#ends.overrule(run, ending, data);
    if (run === undefined || transition(run.status, "cancel") === "stale") return false;
    this.#ends.orderOne(run, ending, data);
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
      const ending = run === undefined ? undefined : this.#ends.orderFromAbove(run);
      if (run === undefined || ending === undefined || transition(run.status, "cancel") === "stale") continue;
      this.#ends.orderOne(run, ending, { reason: ending.error.message });
      if (this.#rows.get(id)?.spreading === true) further.push(id);
    }
    for (const id of whole) {
      const run = this.#rows.get(id);
      if (run?.spreading === true) this.#rows.put({ ...run, spreading: false });
    }
    return further;
  }

  /** Takes in all edges that begin in runs that have ended, for those of `ids`, with the rows of `links`. */
  linkFlipped(ids: Iterable<string>, links: Links): void {
    this.#edges.linkFlipped(ids, links.edges);
    this.load(links.rows);
  }

  /** Lets a run start again, with all that follows (core/restart.ts). `wanting`: ids to give to `linkFlipped`; then ask again. */
  restart(order: RestartOrder): RestartResult | Extract<RestartPlan, { outcome: "wanting" }> {
    return this.#restarts.restart(order, (...of) => this.order(...of));
  }

  /**
   * Ends a run as a person decided, whatever its activation still says; the end that it had counts no more. `wanting`: as for
   * `restart`.
   */
  mark(order: MarkOrder): MarkResult | Extract<RestartPlan, { outcome: "wanting" }> {
    return this.#restarts.mark(order, (run) => this.#ends.end(run, order.verdict.status, order.verdict));
  }

  /**
   * Ends a run as it was ordered to, though its activation or its external jobs have not ended: what that activation still says
   * counts no more (P6). Its clean-up is passed over.
   */
  force(id: string): boolean {
    const run = this.#rows.get(id);
    if (run?.status !== "cancelling") return false;
    const { row, data } = passingOver(run);
    if (run.claimedBy === null && externalsOf(run) === 0 && row.ending === run.ending) return false;
    this.#rows.write({ ...row, epoch: run.epoch + (run.claimedBy === null ? 0 : 1) }, "run.forced", data);
    this.#ends.endAsOrdered(this.#ends.letGo({ ...(this.#rows.get(id) ?? run), claimedBy: null, claimedAt: null }));
    return true;
  }

  /** Carries ends on to parents and dependents. Answers the ids whose links it lacks: give them to `link`, then call again. */
  propagate(): string[] {
    const wanting: string[] = [];
    for (let ended = this.#ends.takeNew(); ended.length > 0; ended = this.#ends.takeNew()) {
      for (const id of ended) {
        const edges = this.#edges.from(id);
        if (edges === undefined) wanting.push(id);
        else this.#handOn(id, edges);
      }
    }
    this.#ends.putBack(wanting);
    return wanting;
  }

  changes(): LedgerChanges {
    const { added: newEdges, unflipped: unflippedEdges, flipped: flippedEdges } = this.#edges;
    const edges = { newEdges, unflippedEdges, flippedEdges };
    const restarted = this.#restarts.changes();
    const { events } = this.#rows;
    const rows = this.#rows.changes();
    const obligations = [...rows.obligations, ...this.#jobs.obligations()];
    const [waits, jobs] = [this.#waits.changes(), this.#jobs.changes()];
    return { ...rows, ...edges, restarted, events, waits, jobs, obligations };
  }

  #handOn(id: string, edges: readonly Edge[]): void {
    const run = this.#rows.get(id);
    if (run === undefined) throw new Error(`run ${id} ended but is not in the ledger`);
    const outcome = outcomeOf(run);
    for (const edge of edges) this.#flip(edge, outcome);
    this.#edges.settle(id);
    if (run.parentId !== null) this.#countChild(run.parentId, run, outcome);
  }

  #flip(edge: Edge, outcome: keyof OutcomeCounts): void {
    this.#edges.flipped.push(edge);
    const run = this.#rows.get(edge.downstream);
    if (run === undefined) return;
    const upstream = { ...run.upstream, [outcome]: run.upstream[outcome] + 1 };
    const counted = { ...run, upstream, blockedBy: run.blockedBy - 1 };
    this.#rows.put(counted);
    // One that has ended may start again: it counts on.
    if (counted.blockedBy > 0 || counted.status !== "pending") return;
    const ending = this.#ends.orderFromAbove(counted);
    if (ending !== undefined) {
      this.#ends.endAsOrdered({ ...counted, ending });
      return;
    }
    const verdict = judgeRule(counted.rule, upstream);
    if (verdict === "start") this.#rows.becomeReady(counted, this.#rows.arrive(counted, "release"), "run.ready", {});
    else this.#ends.end(counted, this.#rows.arrive(counted, "refuse"), { error: verdict });
  }

  #countChild(parentId: string, child: RunRow, outcome: keyof OutcomeCounts): void {
    const parent = this.#rows.get(parentId);
    if (parent === undefined || parent.generation !== child.parentGeneration) return;
    const children = { ...parent.children, [outcome]: parent.children[outcome] + 1 };
    const counted = { ...parent, children, openChildren: parent.openChildren - 1 };
    this.#rows.put(counted);
    const row = counted.waiting === null ? counted : this.#waits.childEnded(counted, child);
    // A body waits for what it says, a workflow or map for all of its children.
    if (row.openChildren > 0 || (row.waiting !== null && row.status === "waiting")) return;
    if (row.status === "waiting") this.#rows.becomeReady(row, this.#rows.arrive(row, "wake"), "run.woken", {});
    else if (row.status === "cancelling" && row.claimedBy === null) this.#ends.endAsOrdered(row);
  }
}
