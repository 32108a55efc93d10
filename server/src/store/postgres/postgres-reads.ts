import type { Manifest } from "@holdfast/protocol";
import { admitStateFilter, admitStateQueries } from "../state-admission.ts";
import type { RunFilter, ScopeQuery, Store } from "../store.ts";
import { listAssetEvents } from "./asset-events.ts";
import * as assets from "./asset-rows.ts";
import { measureBacklog } from "./backlog.ts";
import * as definitions from "./definitions.ts";
import * as endings from "./endings.ts";
import { findLimit, listLimits } from "./gates.ts";
import * as jobs from "./jobs.ts";
import { listRuns } from "./listing.ts";
import { listLogs } from "./logs.ts";
import * as membership from "./membership.ts";
import { knownObjects } from "./objects.ts";
import * as obligations from "./obligations.ts";
import * as pauses from "./pauses.ts";
import * as reading from "./reading.ts";
import { findAnswer } from "./requests.ts";
import * as schedules from "./schedules.ts";
import type { SessionPool } from "./session-pool.ts";
import * as state from "./state-reading.ts";
import { listSteps } from "./steps.ts";
import { listEvents, listTopic } from "./topics.ts";
import { listKeptSignals, listWaits } from "./wait-rows.ts";

type Args<Verb extends keyof Store> = Parameters<Store[Verb]>[0];
type Answer<Verb extends keyof Store> = ReturnType<Store[Verb]>;

/** The verbs that change nothing. */
export class PostgresReads {
  readonly #pool: SessionPool;

  constructor(pool: SessionPool) {
    this.#pool = pool;
  }

  findDefinition(args: Args<"findDefinition">): Answer<"findDefinition"> {
    return definitions.findDefinition(this.#pool, args);
  }

  listDefinitions({ namespace }: Args<"listDefinitions">): Answer<"listDefinitions"> {
    return definitions.listDefinitions(this.#pool, namespace);
  }

  findManifest({ hash }: Args<"findManifest">): Promise<Manifest | undefined> {
    return definitions.findManifest(this.#pool, hash);
  }

  listAssets(args: Args<"listAssets">): Answer<"listAssets"> {
    return assets.listAssets(this.#pool, args);
  }

  findAsset(query: Args<"findAsset">): Answer<"findAsset"> {
    return assets.findAsset(this.#pool, query);
  }

  listAssetEvents(args: Args<"listAssetEvents">): Answer<"listAssetEvents"> {
    return listAssetEvents(this.#pool, args);
  }

  dueConsumers(args: Args<"dueConsumers">): Answer<"dueConsumers"> {
    return assets.dueConsumers(this.#pool, args);
  }

  findConsumer(args: Args<"findConsumer">): Answer<"findConsumer"> {
    return assets.findConsumer(this.#pool, args);
  }

  async readState({ rows }: Args<"readState">): Answer<"readState"> {
    admitStateQueries(rows);
    return state.readState(this.#pool, rows);
  }

  async listState(filter: Args<"listState">): Answer<"listState"> {
    admitStateFilter(filter);
    return state.listState(this.#pool, filter);
  }

  knownObjects({ names }: Args<"knownObjects">): Answer<"knownObjects"> {
    return knownObjects(this.#pool, names);
  }

  listTracked(args: Args<"listTracked">): Answer<"listTracked"> {
    return jobs.listTracked(this.#pool, args);
  }

  listJobs(args: Args<"listJobs">): Answer<"listJobs"> {
    return jobs.listJobs(this.#pool, args);
  }

  findJob({ id }: Args<"findJob">): Answer<"findJob"> {
    return jobs.findJob(this.#pool, id);
  }

  listOwed(args: Args<"listOwed">): Answer<"listOwed"> {
    return obligations.listOwed(this.#pool, args);
  }

  listObligations(args: Args<"listObligations">): Answer<"listObligations"> {
    return obligations.listObligations(this.#pool, args);
  }

  listClaimed(args: Args<"listClaimed">): Answer<"listClaimed"> {
    return endings.listClaimed(this.#pool, args);
  }

  findRun({ id }: Args<"findRun">): Answer<"findRun"> {
    return reading.findRun(this.#pool, id);
  }

  findKeyedRuns(args: Args<"findKeyedRuns">): Answer<"findKeyedRuns"> {
    return reading.findKeyedRuns(this.#pool, args);
  }

  findRunIds(args: Args<"findRunIds">): Answer<"findRunIds"> {
    return reading.findRunIds(this.#pool, args);
  }

  listEnded({ ids, namespace }: Args<"listEnded">): Answer<"listEnded"> {
    return reading.listEnded(this.#pool, ids, namespace);
  }

  async listRuns(filter: RunFilter): Answer<"listRuns"> {
    return listRuns(this.#pool, filter);
  }

  listTree(args: Args<"listTree">): Answer<"listTree"> {
    return reading.listTree(this.#pool, args);
  }

  listUpstreams(args: Args<"listUpstreams">): Answer<"listUpstreams"> {
    return reading.listUpstreams(this.#pool, args);
  }

  findScopes({ rows }: { rows: readonly ScopeQuery[] }): Answer<"findScopes"> {
    return reading.findScopes(this.#pool, rows);
  }

  listChildOutputs(args: Args<"listChildOutputs">): Answer<"listChildOutputs"> {
    return reading.listChildOutputs(this.#pool, args);
  }

  listSteps({ runId, generation }: Args<"listSteps">): Answer<"listSteps"> {
    return listSteps(this.#pool, runId, generation);
  }

  listLimits({ prefix }: Args<"listLimits">): Answer<"listLimits"> {
    return listLimits(this.#pool, prefix);
  }

  findLimit(args: Args<"findLimit">): Answer<"findLimit"> {
    return findLimit(this.#pool, args);
  }

  listPauses(args: Args<"listPauses">): Answer<"listPauses"> {
    return pauses.listPauses(this.#pool, args);
  }

  findPauses({ runId }: Args<"findPauses">): Answer<"findPauses"> {
    return pauses.findPauses(this.#pool, runId);
  }

  listSchedules(args: Args<"listSchedules">): Answer<"listSchedules"> {
    return schedules.listSchedules(this.#pool, args);
  }

  findSchedule(args: Args<"findSchedule">): Answer<"findSchedule"> {
    return schedules.findSchedule(this.#pool, args);
  }

  dueSchedules(args: Args<"dueSchedules">): Answer<"dueSchedules"> {
    return schedules.dueSchedules(this.#pool, args);
  }

  findAnswer(args: Args<"findAnswer">): Answer<"findAnswer"> {
    return findAnswer(this.#pool, args);
  }

  measureBacklog(args: Args<"measureBacklog">): Answer<"measureBacklog"> {
    return measureBacklog(this.#pool, args);
  }

  listMembers({ namespace }: Args<"listMembers">): Answer<"listMembers"> {
    return membership.listMembers(this.#pool, namespace);
  }

  listEvents(args: Args<"listEvents">): Answer<"listEvents"> {
    return listEvents(this.#pool, args);
  }

  listTopic(args: Args<"listTopic">): Answer<"listTopic"> {
    return listTopic(this.#pool, args);
  }

  async listLogs(args: Args<"listLogs">): Answer<"listLogs"> {
    return listLogs(this.#pool, args);
  }

  listWaits({ runId, limitRows }: Args<"listWaits">): Answer<"listWaits"> {
    return listWaits(this.#pool, runId, limitRows);
  }

  listSignals({ runId, limitRows }: Args<"listSignals">): Answer<"listSignals"> {
    return listKeptSignals(this.#pool, runId, limitRows);
  }
}
