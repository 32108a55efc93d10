import { randomUUID } from "node:crypto";
import { AppError, type LogLine, type Manifest } from "@holdfast/protocol";
import type { Expansion, Finish } from "../../core/index.ts";
import {
  admitEnqueue,
  admitExpansions,
  admitFinishes,
  admitFirings,
  admitLimits,
  admitManifests,
  admitSchedules,
  admitSteps,
  admitText,
} from "../admission.ts";
import { admitNotes } from "../job-admission.ts";
import { admitStateFilter, admitStateQueries } from "../state-admission.ts";
import type { StoreClock } from "../steady-time.ts";
import type {
  EnqueueRow,
  ManifestRow,
  RingTopic,
  RunFilter,
  ScopeQuery,
  StepRow,
  Store,
  StoreDescription,
} from "../store.ts";
import { admitSignal, admitWaits } from "../wait-admission.ts";
import * as activations from "./activations.ts";
import { carryOutOnce, control, findAnswer } from "./control.ts";
import * as endings from "./endings.ts";
import { enqueueRuns } from "./enqueue.ts";
import { forceOverdue } from "./forcing.ts";
import * as jobs from "./jobs.ts";
import { kept } from "./kept.ts";
import { declareLimits } from "./limits.ts";
import * as membership from "./membership.ts";
import { type Decisions, Memory } from "./memory.ts";
import { findPauses, listPauses } from "./pausing.ts";
import { prune } from "./pruning.ts";
import * as reading from "./reading.ts";
import * as schedules from "./schedules.ts";
import * as state from "./state.ts";
import { openWaits, signalRun } from "./waiting.ts";

export interface MemoryStoreOptions {
  /** Milliseconds since 1970. The store's time never goes back nor stands still, whatever this one does. */
  readonly clock: StoreClock;
  /** Names the incarnation; default a UUID. */
  readonly randomId?: () => string;
  /** Default: core's. */
  readonly decisions?: Partial<Decisions>;
}

/**
 * A store in this process's memory: the oracle of the contract, and what tests and simulations run on. Each verb does its
 * work at once and answers in a promise, so that equal calls in equal order give equal answers. It remembers nothing after
 * its process.
 */
export function openMemoryStore({ clock, randomId = randomUUID, decisions }: MemoryStoreOptions): Store {
  return memoryStoreOn(new Memory(clock, decisions), randomId());
}

/** The store that keeps everything in `memory`. */
export function memoryStoreOn(memory: Memory, incarnation: string): Store {
  const description = { kind: "memory", incarnation, schemaVersion: 1, timedLeases: true } as const;
  return storeOn(memory, () => description);
}

/** The verbs on a memory. Each does its work before it answers, so that calls in one turn are carried out in their order. */
export function storeOn(memory: Memory, describe: () => Omit<StoreDescription, "now">): Store {
  return new MemoryStore(memory, describe);
}

type Args<Verb extends keyof Store> = Parameters<Store[Verb]>[0];
type Answer<Verb extends keyof Store> = ReturnType<Store[Verb]>;

class MemoryStore implements Store {
  readonly #describe: () => Omit<StoreDescription, "now">;
  readonly #memory: Memory;
  #closed = false;

  constructor(memory: Memory, describe: () => Omit<StoreDescription, "now">) {
    this.#memory = memory;
    this.#describe = describe;
  }

  async describe(): Promise<StoreDescription> {
    return { ...this.#describe(), now: this.#open().now() };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#memory.bell.silence();
  }

  async applyManifests(args: { namespace: string; manifests: readonly ManifestRow[] }): Promise<{ changed: string[] }> {
    const memory = this.#open();
    admitManifests(args.manifests);
    return { changed: memory.definitions.apply(args.namespace, kept(args.manifests), memory.now()) };
  }

  async findDefinition({ namespace, id }: Args<"findDefinition">): Answer<"findDefinition"> {
    return this.#open().definitions.find(namespace, id);
  }

  async listDefinitions({ namespace }: Args<"listDefinitions">): Answer<"listDefinitions"> {
    return this.#open().definitions.list(namespace);
  }

  async findManifest({ hash }: Args<"findManifest">): Promise<Manifest | undefined> {
    return this.#open().definitions.manifest(hash);
  }

  async enqueueRuns({ rows }: { rows: readonly EnqueueRow[] }): Answer<"enqueueRuns"> {
    const memory = this.#open();
    admitEnqueue(rows);
    return enqueueRuns(memory, kept(rows));
  }

  async claimRuns(args: Args<"claimRuns">): Answer<"claimRuns"> {
    return activations.claimRuns(this.#open(), args);
  }

  async finishActivations({ rows }: { rows: readonly Finish[] }): Answer<"finishActivations"> {
    const memory = this.#open();
    admitFinishes(rows);
    return activations.finishActivations(memory, kept(rows));
  }

  async commitSteps({ rows }: { rows: readonly StepRow[] }): Answer<"commitSteps"> {
    const memory = this.#open();
    admitSteps(rows);
    return activations.commitSteps(memory, kept(rows));
  }

  async transactState({ rows }: Args<"transactState">): Answer<"transactState"> {
    return control.transactState(this.#open(), { rows });
  }

  async readState({ rows }: Args<"readState">): Answer<"readState"> {
    const memory = this.#open();
    admitStateQueries(rows);
    return state.readState(memory, rows);
  }

  async listState(filter: Args<"listState">): Answer<"listState"> {
    const memory = this.#open();
    admitStateFilter(filter);
    return state.listState(memory, filter);
  }

  async sweepState(args: Args<"sweepState">): Answer<"sweepState"> {
    return state.sweepState(this.#open(), args);
  }

  async appendLogs({ rows }: { rows: readonly LogLine[] }): Answer<"appendLogs"> {
    const memory = this.#open();
    admitText(rows);
    return activations.appendLogs(memory, kept(rows));
  }

  async expandRuns({ rows }: { rows: readonly Expansion[] }): Answer<"expandRuns"> {
    const memory = this.#open();
    admitExpansions(rows);
    return activations.expandRuns(memory, kept(rows));
  }

  async openWaits({ rows }: Args<"openWaits">): Answer<"openWaits"> {
    const memory = this.#open();
    admitWaits(rows);
    return openWaits(memory, kept(rows));
  }

  async signalRun(args: Args<"signalRun">): Answer<"signalRun"> {
    const memory = this.#open();
    admitSignal(args);
    return signalRun(memory, kept(args));
  }

  async listWaits({ runId, limitRows }: Args<"listWaits">): Answer<"listWaits"> {
    return this.#open().waits.of(runId).slice(0, limitRows);
  }

  async claimJobs(args: Args<"claimJobs">): Answer<"claimJobs"> {
    return jobs.claimJobs(this.#open(), args);
  }

  async listTracked(args: Args<"listTracked">): Answer<"listTracked"> {
    return this.#open().jobs.tracked(args);
  }

  async noteJobs({ rows }: Args<"noteJobs">): Answer<"noteJobs"> {
    const memory = this.#open();
    admitNotes(rows);
    return jobs.noteJobs(memory, kept(rows));
  }

  async listJobs(filter: Args<"listJobs">): Answer<"listJobs"> {
    return this.#open().jobs.list(filter);
  }

  async findJob({ id }: Args<"findJob">): Answer<"findJob"> {
    return this.#open().jobs.find(id);
  }

  async orderEnd(args: Args<"orderEnd">): Answer<"orderEnd"> {
    return control.orderEnd(this.#open(), args);
  }

  async spreadOrders({ limitRows }: Args<"spreadOrders">): Answer<"spreadOrders"> {
    return endings.spreadOrders(this.#open(), limitRows);
  }

  async listOwed(args: Args<"listOwed">): Answer<"listOwed"> {
    return reading.listOwed(this.#open(), args);
  }

  async noteObligations({ rows }: Args<"noteObligations">): Answer<"noteObligations"> {
    const memory = this.#open();
    admitText(rows);
    return { noted: memory.obligations.note(rows, memory.now()) };
  }

  async listObligations(args: Args<"listObligations">): Answer<"listObligations"> {
    return reading.listObligations(this.#open(), args);
  }

  async listClaimed(args: Args<"listClaimed">): Answer<"listClaimed"> {
    return reading.listClaimed(this.#open(), args);
  }

  async wakeRuns({ limitRows }: Args<"wakeRuns">): Answer<"wakeRuns"> {
    return endings.wakeRuns(this.#open(), limitRows);
  }

  async expireRuns({ limitRows }: Args<"expireRuns">): Answer<"expireRuns"> {
    return endings.expireRuns(this.#open(), limitRows);
  }

  async findRun({ id }: Args<"findRun">): Answer<"findRun"> {
    return this.#open().runs.find(id);
  }

  async findRunIds(args: Args<"findRunIds">): Answer<"findRunIds"> {
    return reading.findRunIds(this.#open(), args);
  }

  async listEnded({ ids }: Args<"listEnded">): Answer<"listEnded"> {
    return reading.listEnded(this.#open(), ids);
  }

  async listRuns(filter: RunFilter): Answer<"listRuns"> {
    return reading.listRuns(this.#open(), filter);
  }

  async listTree(args: Args<"listTree">): Answer<"listTree"> {
    return reading.listTree(this.#open(), args);
  }

  async listUpstreams({ runId, limitRows }: Args<"listUpstreams">): Answer<"listUpstreams"> {
    return reading.listUpstreams(this.#open(), { runId, limitRows });
  }

  async findScopes({ rows }: { rows: readonly ScopeQuery[] }): Answer<"findScopes"> {
    return reading.findScopes(this.#open(), rows);
  }

  async listChildOutputs(args: Args<"listChildOutputs">): Answer<"listChildOutputs"> {
    return reading.listChildOutputs(this.#open(), args);
  }

  async listSteps({ runId, generation }: Args<"listSteps">): Answer<"listSteps"> {
    return this.#open().steps.list(runId, generation);
  }

  async declareLimits(args: Args<"declareLimits">): Answer<"declareLimits"> {
    const memory = this.#open();
    admitLimits(args.limits);
    declareLimits(memory, args);
  }

  async listLimits({ prefix }: Args<"listLimits">): Answer<"listLimits"> {
    return this.#open().slots.declared(prefix);
  }

  async findLimit({ id, limitRows }: Args<"findLimit">): Answer<"findLimit"> {
    return this.#open().slots.find(id, limitRows);
  }

  async restartRuns(args: Args<"restartRuns">): Answer<"restartRuns"> {
    return control.restartRuns(this.#open(), args);
  }

  async markRuns(args: Args<"markRuns">): Answer<"markRuns"> {
    return control.markRuns(this.#open(), args);
  }

  async forceEnds(args: Args<"forceEnds">): Answer<"forceEnds"> {
    return control.forceEnds(this.#open(), args);
  }

  async forceOverdue(args: Args<"forceOverdue">): Answer<"forceOverdue"> {
    return forceOverdue(this.#open(), args);
  }

  async pauseRuns(args: Args<"pauseRuns">): Answer<"pauseRuns"> {
    return control.pauseRuns(this.#open(), args);
  }

  async resumeRuns(args: Args<"resumeRuns">): Answer<"resumeRuns"> {
    return control.resumeRuns(this.#open(), args);
  }

  async listPauses(args: Args<"listPauses">): Answer<"listPauses"> {
    return listPauses(this.#open(), args);
  }

  async findPauses({ runId }: Args<"findPauses">): Answer<"findPauses"> {
    return findPauses(this.#open(), runId);
  }

  async declareSchedules(args: Args<"declareSchedules">): Answer<"declareSchedules"> {
    admitSchedules(args.rows);
    return schedules.declareSchedules(this.#open(), kept(args));
  }

  async listSchedules(args: Args<"listSchedules">): Answer<"listSchedules"> {
    return schedules.listSchedules(this.#open(), args);
  }

  async findSchedule({ namespace, id }: Args<"findSchedule">): Answer<"findSchedule"> {
    return this.#open().schedules.find(namespace, id);
  }

  async dueSchedules(args: Args<"dueSchedules">): Answer<"dueSchedules"> {
    return schedules.dueSchedules(this.#open(), args);
  }

  async fireSchedules({ rows }: Args<"fireSchedules">): Answer<"fireSchedules"> {
    const memory = this.#open();
    admitFirings(rows);
    return schedules.fireSchedules(memory, kept(rows));
  }

  async pauseSchedule(args: Args<"pauseSchedule">): Answer<"pauseSchedule"> {
    return control.pauseSchedule(this.#open(), args);
  }

  async removeSchedule(args: Args<"removeSchedule">): Answer<"removeSchedule"> {
    return control.removeSchedule(this.#open(), args);
  }

  async carryOutOnce(args: Args<"carryOutOnce">): Answer<"carryOutOnce"> {
    return carryOutOnce(this.#open(), args);
  }

  async findAnswer(args: Args<"findAnswer">): Answer<"findAnswer"> {
    return findAnswer(this.#open(), args);
  }

  async joinMember(args: Args<"joinMember">): Answer<"joinMember"> {
    const memory = this.#open();
    admitText([args]);
    return membership.joinMember(memory, args);
  }

  async renewMember(args: Args<"renewMember">): Answer<"renewMember"> {
    return membership.renewMember(this.#open(), args);
  }

  async leaveMember({ id }: Args<"leaveMember">): Answer<"leaveMember"> {
    return membership.leaveMember(this.#open(), id);
  }

  async judgeMembers(args: Args<"judgeMembers">): Answer<"judgeMembers"> {
    return membership.judgeMembers(this.#open(), args);
  }

  async measureBacklog({ namespace, limitRows }: Args<"measureBacklog">): Answer<"measureBacklog"> {
    return { queues: this.#open().runs.ready.measure(namespace, limitRows), unsequenced: 0 };
  }

  async listMembers({ namespace }: Args<"listMembers">): Answer<"listMembers"> {
    return membership.listMembers(this.#open(), namespace);
  }

  async listEvents({ runId, after, limitRows }: Args<"listEvents">): Answer<"listEvents"> {
    return this.#open().events.ofRun(runId, after, limitRows);
  }

  async sequenceEvents({ limitRows }: Args<"sequenceEvents">): Answer<"sequenceEvents"> {
    return this.#open().events.sequence(limitRows);
  }

  async listTopic({ namespace, after, limitRows }: Args<"listTopic">): Answer<"listTopic"> {
    return this.#open().events.ofTopic(namespace, after, limitRows);
  }

  async listLogs({ runId, cursor, limitRows }: Args<"listLogs">): Answer<"listLogs"> {
    const after = cursor === undefined ? 0 : reading.placeOf(cursor);
    const { lines, last } = this.#open().logs.ofRun(runId, after, limitRows);
    return { lines, cursor: last === undefined ? (cursor ?? null) : String(last) };
  }

  async prune(args: Args<"prune">): Answer<"prune"> {
    return prune(this.#open(), args);
  }

  ring(topics: readonly RingTopic[]): void {
    this.#memory.bell.ring(topics);
  }

  onRing(listener: (topics: readonly RingTopic[]) => void): () => void {
    return this.#memory.bell.listen(listener);
  }

  #open(): Memory {
    if (this.#closed) throw new AppError("store_unavailable", "The store is closed.");
    return this.#memory;
  }
}
