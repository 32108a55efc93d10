import {
  type Applied,
  type Bulk,
  type BulkPage,
  type CancelledRun,
  type ClearRun,
  type DefinitionView,
  type DroppedIntents,
  type EventPage,
  type IntentPage,
  type LimitView,
  type LogPage,
  limits,
  type Manifest,
  type Marked,
  type MarkRun,
  type ObligationPage,
  type Paused,
  type PausedSchedule,
  type PausePage,
  type PauseView,
  type RemovedSchedule,
  type Restarted,
  type RetriedIntents,
  type RetryRun,
  type RunPage,
  type RunView,
  type SchedulePage,
  type ScheduleSpec,
  type ScheduleView,
  type ServerView,
  type Signalled,
  type SignalRun,
  type StartedRun,
  type StartRun,
  type TopicPage,
  type Why,
} from "@holdfast/protocol";
import type { ControlPlane, IntentQuery, RunQuery, ScheduleQuery } from "@holdfast/sdk/client";
import type { Services } from "../main.ts";

const defaultRows = 100;

/** What a client asks, answered by services in this process. */
export class LocalPlane implements ControlPlane {
  readonly #services: Services;
  readonly #version: string;

  constructor(services: Services, version: string) {
    this.#services = services;
    this.#version = version;
  }

  /** Nothing lies between the caller and the store on which an answer could be lost, so the request's key is not kept. */
  startRun(request: StartRun): Promise<StartedRun> {
    return this.#services.runs.start(request);
  }

  getRun(id: string): Promise<RunView> {
    return this.#services.runs.get(id);
  }

  listRuns({ scope = "roots", limit = defaultRows, ...query }: RunQuery): Promise<RunPage> {
    return this.#services.runs.list({ ...query, rootsOnly: scope === "roots", limit });
  }

  async listTree(id: string, after?: string): Promise<RunPage> {
    const limit = limits.pageRows;
    return this.#services.runs.tree(id, { limit, ...(after === undefined ? {} : { after }) });
  }

  cancelRun(id: string, request: { reason?: string; force?: boolean } = {}): Promise<CancelledRun> {
    return this.#services.runs.cancel(id, request);
  }

  explainRun(id: string): Promise<Why> {
    return this.#services.reasons.explain(id);
  }

  awaitRun(id: string, waitMs: number, signal?: AbortSignal): Promise<RunView> {
    return this.#services.history.result(id, waitMs, signal);
  }

  listEvents(id: string, query: { after: number; waitMs: number }, signal?: AbortSignal): Promise<EventPage> {
    return this.#services.history.events(id, { ...query, limit: defaultRows }, signal);
  }

  listTopic(query: { after: number | "last"; waitMs: number }, signal?: AbortSignal): Promise<TopicPage> {
    return this.#services.history.topic({ ...query, limit: limits.pageRows }, signal);
  }

  listLogs(id: string, { cursor, limit = defaultRows }: { cursor?: string; limit?: number }): Promise<LogPage> {
    return this.#services.history.logs(id, { limit, ...(cursor === undefined ? {} : { cursor }) });
  }

  apply(manifests: readonly Manifest[], schedules?: readonly ScheduleSpec[]): Promise<Applied> {
    return this.#services.schedules.apply(manifests, schedules);
  }

  listDefinitions(): Promise<DefinitionView[]> {
    return this.#services.definitions.list();
  }

  listSchedules({ limit = defaultRows, next = 1, ...query }: ScheduleQuery): Promise<SchedulePage> {
    return this.#services.schedules.list({ ...query, limit, next });
  }

  getSchedule(id: string, next = 5): Promise<ScheduleView> {
    return this.#services.schedules.get(id, next);
  }

  pauseSchedule(id: string, reason?: string): Promise<PausedSchedule> {
    return this.#services.schedules.pause(id, { paused: true, reason: reason ?? null });
  }

  resumeSchedule(id: string): Promise<PausedSchedule> {
    return this.#services.schedules.pause(id, { paused: false });
  }

  removeSchedule(id: string): Promise<RemovedSchedule> {
    return this.#services.schedules.remove(id);
  }

  startSchedule(id: string): Promise<StartedRun> {
    return this.#services.schedules.start(id);
  }

  listLimits(): Promise<LimitView[]> {
    return this.#services.concurrency.list();
  }

  listIntents({ state = "rejected", limit = defaultRows, ...query }: IntentQuery): Promise<IntentPage> {
    return this.#services.intents.list({ state, limit, ...query });
  }

  retryIntents(ids?: readonly number[]): Promise<RetriedIntents> {
    return this.#services.intents.retry(ids);
  }

  dropIntents(ids: readonly number[]): Promise<DroppedIntents> {
    return this.#services.intents.drop(ids);
  }

  retryRun(id: string, request: RetryRun): Promise<Restarted> {
    return this.#services.restarts.retry(id, request);
  }

  clearRun(id: string, { mode = "fresh", ...rest }: ClearRun): Promise<Restarted> {
    return this.#services.restarts.clear(id, { fresh: mode === "fresh", ...rest });
  }

  signalRun(id: string, request: SignalRun, requestKey?: string): Promise<Signalled> {
    return this.#services.signals.signal(id, request, requestKey);
  }

  markRun(id: string, request: MarkRun): Promise<Marked> {
    return this.#services.marks.mark(id, request);
  }

  controlRuns(request: Bulk): Promise<BulkPage> {
    return this.#services.bulk.act(request);
  }

  pause(kind: PauseView["kind"], name: string, reason?: string): Promise<Paused> {
    return this.#services.pauses.pause(kind, name, reason);
  }

  resume(kind: PauseView["kind"], name: string): Promise<Paused> {
    return this.#services.pauses.resume(kind, name);
  }

  listObligations({ limit = defaultRows, ...query }: { run?: string; limit?: number }): Promise<ObligationPage> {
    return this.#services.obligations.list({ ...query, limit });
  }

  listPauses({ limit = defaultRows, ...query }: Parameters<ControlPlane["listPauses"]>[0]): Promise<PausePage> {
    return this.#services.pauses.list({ ...query, limit });
  }

  get externalJobs(): ControlPlane["externalJobs"] {
    return this.#services.externalJobs;
  }

  get state(): ControlPlane["state"] {
    const { state } = this.#services;
    return {
      list: (target, query) => state.list(target, query),
      get: (target, key) => state.get(target, key),
      change: (target, ops) => state.change(target, ops),
      clear: (target, prefix) => state.clear(target, prefix),
      sweep: (request) => state.sweep(request),
    };
  }

  get assets(): ControlPlane["assets"] {
    return this.#services.assets;
  }

  async describe(): Promise<ServerView> {
    const { store, namespace } = this.#services;
    const { kind, incarnation, now } = await store.describe();
    return { version: this.#version, store: kind, incarnation, namespace, now: new Date(now).toISOString() };
  }
}
