import { randomUUID } from "node:crypto";
import { AppError, type LogLine } from "@holdfast/protocol";
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
import { admitConsumptions } from "../asset-admission.ts";
import type { StoreClock } from "../steady-time.ts";
import type { EnqueueRow, RingTopic, StepRow, Store, StoreDescription } from "../store.ts";
import { admitSignal, admitWaits } from "../wait-admission.ts";
import * as activations from "./activations.ts";
import * as assets from "./assets.ts";
import { claimCleanUps } from "./clean-ups.ts";
import { carryOutOnce, control } from "./control.ts";
import * as endings from "./endings.ts";
import { enqueueRuns } from "./enqueue.ts";
import { forceOverdue } from "./forcing.ts";
import * as jobs from "./jobs.ts";
import { kept } from "./kept.ts";
import { declareLimits } from "./limits.ts";
import * as membership from "./membership.ts";
import { type Decisions, Memory } from "./memory.ts";
import { MemoryReads } from "./memory-reads.ts";
import * as objects from "./objects.ts";
import { prune } from "./pruning.ts";
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

class MemoryStore extends MemoryReads implements Store {
  readonly #describe: () => Omit<StoreDescription, "now">;
  readonly #memory: Memory;
  #closed = false;

  constructor(memory: Memory, describe: () => Omit<StoreDescription, "now">) {
    super(() => this.#open());
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

  async applyManifests(args: Args<"applyManifests">): Answer<"applyManifests"> {
    const memory = this.#open();
    admitManifests(args.manifests);
    return assets.applyManifests(memory, args.namespace, kept(args.manifests));
  }

  async enqueueRuns({ rows }: { rows: readonly EnqueueRow[] }): Answer<"enqueueRuns"> {
    const memory = this.#open();
    admitEnqueue(rows);
    return enqueueRuns(memory, kept(rows));
  }

  async claimRuns(args: Args<"claimRuns">): Answer<"claimRuns"> {
    return activations.claimRuns(this.#open(), args);
  }

  async claimCleanUps(args: Args<"claimCleanUps">): Answer<"claimCleanUps"> {
    return claimCleanUps(this.#open(), args);
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

  async announceObjects({ rows }: Args<"announceObjects">): Answer<"announceObjects"> {
    return objects.announceObjects(this.#open(), kept(rows));
  }

  async condemnObjects(args: Args<"condemnObjects">): Answer<"condemnObjects"> {
    return objects.condemnObjects(this.#open(), args);
  }

  async forgetObjects({ names }: Args<"forgetObjects">): Answer<"forgetObjects"> {
    objects.forgetObjects(this.#open(), names);
  }

  async sweepState(args: Args<"sweepState">): Answer<"sweepState"> {
    return state.sweepState(this.#open(), args);
  }

  async consumeEvents({ rows }: Args<"consumeEvents">): Answer<"consumeEvents"> {
    const memory = this.#open();
    admitConsumptions(rows);
    return assets.consumeEvents(memory, kept(rows));
  }

  async noteConsumer(args: Args<"noteConsumer">): Answer<"noteConsumer"> {
    const memory = this.#open();
    admitText([args]);
    return assets.noteConsumer(memory, args);
  }

  async pruneAssetEvents(args: Args<"pruneAssetEvents">): Answer<"pruneAssetEvents"> {
    return assets.pruneAssetEvents(this.#open(), args);
  }

  async forgetAsset(args: Args<"forgetAsset">): Answer<"forgetAsset"> {
    return assets.forgetAsset(this.#open(), args);
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

  async claimJobs(args: Args<"claimJobs">): Answer<"claimJobs"> {
    return jobs.claimJobs(this.#open(), args);
  }

  async noteJobs({ rows }: Args<"noteJobs">): Answer<"noteJobs"> {
    return control.noteJobs(this.#open(), { rows });
  }

  async orderEnd(args: Args<"orderEnd">): Answer<"orderEnd"> {
    return control.orderEnd(this.#open(), args);
  }

  async spreadOrders({ limitRows }: Args<"spreadOrders">): Answer<"spreadOrders"> {
    return endings.spreadOrders(this.#open(), limitRows);
  }

  async noteObligations({ rows }: Args<"noteObligations">): Answer<"noteObligations"> {
    const memory = this.#open();
    admitText(rows);
    return { noted: memory.obligations.note(rows, memory.now()) };
  }

  async wakeRuns({ limitRows }: Args<"wakeRuns">): Answer<"wakeRuns"> {
    return endings.wakeRuns(this.#open(), limitRows);
  }

  async expireRuns({ limitRows }: Args<"expireRuns">): Answer<"expireRuns"> {
    return endings.expireRuns(this.#open(), limitRows);
  }

  async declareLimits(args: Args<"declareLimits">): Answer<"declareLimits"> {
    const memory = this.#open();
    admitLimits(args.limits);
    declareLimits(memory, args);
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

  async declareSchedules(args: Args<"declareSchedules">): Answer<"declareSchedules"> {
    admitSchedules(args.rows);
    return schedules.declareSchedules(this.#open(), kept(args));
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

  async sequenceEvents({ limitRows }: Args<"sequenceEvents">): Answer<"sequenceEvents"> {
    return this.#open().events.sequence(limitRows);
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
