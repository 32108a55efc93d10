import { isEnded } from "@holdfast/protocol";
import {
  type GateChange,
  isClaimable,
  isCleaningUp,
  isTrackable,
  isWithoutJobs,
  type JobChanges,
  Ledger,
  type LedgerChanges,
  type Links,
  mayJudge,
  orderedJob,
  owedChange,
  type Presence,
  passGates,
  type RunRow,
  StateBook,
} from "../../core/index.ts";
import { SteadyTime, type StoreClock } from "../steady-time.ts";
import type { RingTopic } from "../store.ts";
import { AssetTable } from "./asset-table.ts";
import { Bell } from "./bell.ts";
import type { Note } from "./changes.ts";
import { DefinitionTable } from "./definitions.ts";
import { EventHistory, LogHistory } from "./history.ts";
import { JobTable } from "./job-table.ts";
import { frozen } from "./kept.ts";
import { MemberTable } from "./members.ts";
import { UniqueNames } from "./names.ts";
import { ObjectTable } from "./object-table.ts";
import { ObligationTable } from "./obligations.ts";
import { PauseTable } from "./pauses.ts";
import { RunTable } from "./run-table.ts";
import { ScheduleTable } from "./schedule-table.ts";
import { SlotTable } from "./slots.ts";
import { StateTable } from "./state-table.ts";
import { StepTable } from "./steps.ts";
import { WaitTable } from "./waits.ts";

/** What core decides. A simulation puts broken ones in their place, to see the faults caught. */
export interface Decisions {
  /** Opens the ledger of one verb, at `now`. */
  readonly newLedger: (now: number) => Ledger;
  /** Opens the book of one verb, at `now`. */
  readonly newStateBook: (now: number) => StateBook;
  readonly newSlots: (runs: RunTable, note: Note) => SlotTable;
  readonly mayJudge: (judge: Presence, member: Presence, now: number) => boolean;
}

/** Everything that a memory store remembers. Verbs change it in one go, without waiting for anything: each is atomic. */
export class Memory {
  readonly runs: RunTable;
  readonly members: MemberTable;
  /** Of the members that have not ended. */
  readonly presences = new Map<string, Presence>();
  readonly definitions: DefinitionTable;
  readonly schedules: ScheduleTable;
  readonly slots: SlotTable;
  readonly pauses: PauseTable;
  readonly obligations: ObligationTable;
  readonly names: UniqueNames;
  readonly steps: StepTable;
  readonly state: StateTable;
  readonly assets: AssetTable;
  readonly objects: ObjectTable;
  readonly waits: WaitTable;
  readonly jobs: JobTable;
  readonly events: EventHistory;
  readonly logs: LogHistory;
  readonly bell = new Bell();
  /** Roots in the order in which they ended. */
  endedRoots: { readonly id: string; readonly at: number }[] = [];
  readonly decisions: Decisions;
  readonly #clock: StoreClock;
  readonly #time = new SteadyTime(Number.NEGATIVE_INFINITY);

  /** `note`: told of every change of a row; presences alone are the process's own. */
  constructor(clock: StoreClock, decisions: Partial<Decisions> = {}, note?: Note) {
    this.runs = new RunTable(note);
    this.members = new MemberTable(note);
    this.definitions = new DefinitionTable(note);
    this.pauses = new PauseTable(note);
    this.obligations = new ObligationTable(note);
    this.schedules = new ScheduleTable(note);
    this.names = new UniqueNames(note);
    this.steps = new StepTable(note);
    this.state = new StateTable(note);
    this.assets = new AssetTable(note);
    this.objects = new ObjectTable(note);
    this.waits = new WaitTable(note);
    this.jobs = new JobTable(note);
    this.events = new EventHistory(note);
    this.logs = new LogHistory(note);
    this.#clock = clock;
    this.decisions = {
      newLedger: (now) => new Ledger(now),
      newStateBook: (now) => new StateBook(now),
      newSlots: (runs, tell) => new SlotTable(runs, tell),
      mayJudge,
      ...decisions,
    };
    this.slots = this.decisions.newSlots(this.runs, note);
  }

  /** The store's clock: never earlier than it was (P9). */
  now(): number {
    return this.#time.tell(this.#clock.now(), this.#clock.monotonicMs?.());
  }

  /** A member that has not been judged; an expired lease alone invalidates nothing (P2). */
  isMember(id: string): boolean {
    return this.members.get(id)?.endedAt === null;
  }

  /** Writes everything that follows from what a ledger decided (P3). */
  commit(ledger: Ledger): void {
    for (let ids = ledger.propagate(); ids.length > 0; ids = ledger.propagate()) ledger.link(ids, this.#links(ids));
    this.apply(ledger.changes());
  }

  /** What hangs on runs that ended. */
  #links(ids: readonly string[]): Links {
    const waits = ids.flatMap((id) => {
      const { parentId, parentGeneration, name } = this.runs.find(id) ?? {};
      if (parentId == null || parentGeneration === undefined || name === undefined) return [];
      return this.waits.find({ runId: parentId, generation: parentGeneration, key: name }) ?? [];
    });
    return { ...this.runs.links(ids), waits };
  }

  apply(changes: LedgerChanges): void {
    const { inserted, updated, newEdges, unflippedEdges, flippedEdges, events, gates, waits } = changes;
    const { jobs, obligations } = changes;
    const topics = new Set<RingTopic>();
    for (const row of [...inserted, ...updated]) {
      for (const topic of rungBy(this.runs.find(row.id), row)) topics.add(topic);
      this.putRun(frozen(row));
    }
    this.runs.addEdges(newEdges);
    this.runs.unflipEdges(unflippedEdges);
    this.runs.flipEdges(flippedEdges);
    this.waits.apply(waits);
    for (const { runId, generation, key, value } of waits.records) {
      this.steps.restore({ runId, generation, key, value: frozen(value) });
    }
    for (const event of events) this.events.record({ ...event, data: frozen(event.data) });
    if (!isWithoutJobs(jobs)) for (const topic of this.#applyJobs(jobs)) topics.add(topic);
    this.obligations.follow(obligations);
    if (obligations.some(({ became }) => became !== "met")) topics.add("cancelling");
    if (this.passGates(gates) > 0) topics.add("ready");
    if (events.length > 0) topics.add("events");
    this.bell.ring(topics);
  }

  #applyJobs({ opened, updated, ordered }: JobChanges): RingTopic[] {
    for (const job of [...opened, ...updated]) this.jobs.put(frozen(job));
    let owed = 0;
    for (const order of ordered) {
      for (const job of this.jobs.openOf(order)) {
        if (job.status !== "cancelling") this.jobs.put(frozen(orderedJob(job, order)));
        this.obligations.follow([owedChange(job, order, this.now())]);
        owed += 1;
      }
    }
    const isFree = [...opened, ...updated].some(isTrackable);
    return [...(isFree || owed > 0 ? ["jobs" as const] : []), ...(owed > 0 ? ["cancelling" as const] : [])];
  }

  /** Writes a row that is new, or that a ledger changed. */
  putRun(row: RunRow): void {
    const before = this.runs.find(row.id);
    this.runs.put(row);
    if (row.parentId !== null || (before?.endedAt ?? null) === row.endedAt) return;
    if (before !== undefined && before.endedAt !== null)
      this.endedRoots = this.endedRoots.filter(({ id }) => id !== row.id);
    if (row.endedAt !== null) this.endedRoots.push({ id: row.id, at: row.endedAt });
  }

  /** Deletes trees with everything that belongs to their runs, and answers the ids of these. */
  forgetTrees(rootIds: readonly string[]): string[] {
    const gone = new Set(rootIds);
    this.endedRoots = this.endedRoots.filter(({ id }) => !gone.has(id));
    const ids = this.runs.removeTrees(rootIds);
    this.steps.forgetRuns(ids);
    this.state.forgetRuns(ids);
    this.waits.forgetRuns(ids);
    this.jobs.forgetRuns(ids);
    this.events.forgetRuns(ids);
    this.logs.forgetRuns(ids);
    this.obligations.forgetRuns(ids);
    return ids;
  }

  /** Frees slots and hands them on; answers how many runs became claimable. */
  passGates(changes: readonly GateChange[]): number {
    return changes.length === 0 ? 0 : passGates(this.slots, changes, this.now()).admitted;
  }
}

function rungBy(before: RunRow | undefined, row: RunRow): RingTopic[] {
  const topics: RingTopic[] = [];
  if (isClaimable(row) && !(before !== undefined && isClaimable(before))) topics.push("ready");
  if (row.status === "cancelling" && (row.claimedBy !== null || row.spreading || isCleaningUp(row)))
    topics.push("cancelling");
  if (isEnded(row.status)) topics.push("ended");
  return topics;
}
