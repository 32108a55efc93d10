import type { Manifest } from "@holdfast/protocol";
import { admitStateFilter, admitStateQueries } from "../state-admission.ts";
import type { RunFilter, ScopeQuery, Store } from "../store.ts";
import * as assets from "./assets.ts";
import { findAnswer } from "./control.ts";
import * as membership from "./membership.ts";
import type { Memory } from "./memory.ts";
import { knownObjects } from "./objects.ts";
import { findPauses, listPauses } from "./pausing.ts";
import * as reading from "./reading.ts";
import * as schedules from "./schedules.ts";
import * as state from "./state.ts";

type Args<Verb extends keyof Store> = Parameters<Store[Verb]>[0];
type Answer<Verb extends keyof Store> = ReturnType<Store[Verb]>;

/** The verbs that change nothing. */
export class MemoryReads {
  readonly #open: () => Memory;

  /** `open`: the memory, as long as its store is open. */
  constructor(open: () => Memory) {
    this.#open = open;
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

  async knownObjects({ names }: Args<"knownObjects">): Answer<"knownObjects"> {
    return knownObjects(this.#open(), names);
  }

  async listWaits({ runId, limitRows }: Args<"listWaits">): Answer<"listWaits"> {
    return this.#open().waits.of(runId).slice(0, limitRows);
  }

  async listSignals({ runId, limitRows }: Args<"listSignals">): Answer<"listSignals"> {
    const kept = this.#open().waits.signalsOf(runId).slice(0, limitRows);
    return kept.map(({ number, name, at }) => ({ number, name, at }));
  }

  async listTracked(args: Args<"listTracked">): Answer<"listTracked"> {
    return this.#open().jobs.tracked(args);
  }

  async listJobs(filter: Args<"listJobs">): Answer<"listJobs"> {
    return this.#open().jobs.list(filter);
  }

  async findJob({ id }: Args<"findJob">): Answer<"findJob"> {
    return this.#open().jobs.find(id);
  }

  async listOwed(args: Args<"listOwed">): Answer<"listOwed"> {
    return reading.listOwed(this.#open(), args);
  }

  async listObligations(args: Args<"listObligations">): Answer<"listObligations"> {
    return reading.listObligations(this.#open(), args);
  }

  async listClaimed(args: Args<"listClaimed">): Answer<"listClaimed"> {
    return reading.listClaimed(this.#open(), args);
  }

  async findRun({ id }: Args<"findRun">): Answer<"findRun"> {
    return this.#open().runs.find(id);
  }

  async findKeyedRuns(args: Args<"findKeyedRuns">): Answer<"findKeyedRuns"> {
    return reading.findKeyedRuns(this.#open(), args);
  }

  async findRunIds(args: Args<"findRunIds">): Answer<"findRunIds"> {
    return reading.findRunIds(this.#open(), args);
  }

  async listEnded(args: Args<"listEnded">): Answer<"listEnded"> {
    return reading.listEnded(this.#open(), args);
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

  async listLimits({ prefix }: Args<"listLimits">): Answer<"listLimits"> {
    return this.#open().slots.declared(prefix);
  }

  async findLimit({ id, limitRows }: Args<"findLimit">): Answer<"findLimit"> {
    return this.#open().slots.find(id, limitRows);
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

  async listAssets(args: Args<"listAssets">): Answer<"listAssets"> {
    return assets.listAssets(this.#open(), args);
  }

  async findAsset(query: Args<"findAsset">): Answer<"findAsset"> {
    return assets.findAsset(this.#open(), query);
  }

  async listAssetEvents(args: Args<"listAssetEvents">): Answer<"listAssetEvents"> {
    return assets.listAssetEvents(this.#open(), args);
  }

  async dueConsumers(args: Args<"dueConsumers">): Answer<"dueConsumers"> {
    return assets.dueConsumers(this.#open(), args);
  }

  async findConsumer(args: Args<"findConsumer">): Answer<"findConsumer"> {
    return assets.findConsumer(this.#open(), args);
  }

  async listPauses(args: Args<"listPauses">): Answer<"listPauses"> {
    return listPauses(this.#open(), args);
  }

  async findPauses({ runId }: Args<"findPauses">): Answer<"findPauses"> {
    return findPauses(this.#open(), runId);
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

  async findAnswer(args: Args<"findAnswer">): Answer<"findAnswer"> {
    return findAnswer(this.#open(), args);
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

  async listTopic({ namespace, after, limitRows }: Args<"listTopic">): Answer<"listTopic"> {
    return this.#open().events.ofTopic(namespace, after, limitRows);
  }

  async listLogs({ runId, cursor, limitRows }: Args<"listLogs">): Answer<"listLogs"> {
    const after = cursor === undefined ? 0 : reading.placeOf(cursor);
    const { lines, last } = this.#open().logs.ofRun(runId, after, limitRows);
    return { lines, cursor: last === undefined ? (cursor ?? null) : String(last) };
  }
}
