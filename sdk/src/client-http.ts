import {
  type Applied,
  appliedSchema,
  type Bulk,
  type BulkPage,
  bulkPageSchema,
  type CancelledRun,
  type ClearRun,
  cancelledRunSchema,
  type DefinitionView,
  type DroppedIntents,
  definitionPageSchema,
  droppedIntentsSchema,
  type EventPage,
  eventPageSchema,
  type IntentPage,
  intentPageSchema,
  type LimitView,
  type LogPage,
  limitPageSchema,
  limits,
  logPageSchema,
  type Manifest,
  type Marked,
  type MarkRun,
  markedSchema,
  type ObligationPage,
  obligationPageSchema,
  type Paused,
  type PausedSchedule,
  type PausePage,
  type PauseView,
  pausedScheduleSchema,
  pausedSchema,
  pausePageSchema,
  type RemovedSchedule,
  type Restarted,
  type RetriedIntents,
  type RetryRun,
  type RunPage,
  type RunView,
  removedScheduleSchema,
  restartedSchema,
  retriedIntentsSchema,
  runPageSchema,
  runViewSchema,
  type SchedulePage,
  type ScheduleSpec,
  type ScheduleView,
  type ServerView,
  type Signalled,
  type SignalRun,
  type StartedRun,
  type StartRun,
  schedulePageSchema,
  scheduleViewSchema,
  serverViewSchema,
  signalledSchema,
  startedRunSchema,
  type TopicPage,
  topicPageSchema,
  type Why,
  whySchema,
} from "@holdfast/protocol";
import { assetsOver } from "./client-assets.ts";
import { externalJobsOver } from "./client-external.ts";
import type { ControlPlane, IntentQuery, RunQuery, ScheduleQuery } from "./client-plane.ts";
import { stateOver } from "./client-state.ts";
import { type HttpOptions, HttpQuestions, type Question } from "./http-questions.ts";

/**
 * A control plane behind HTTP. Every call may be repeated without harm (what changes something carries an Idempotency-Key), so each is
 * repeated while the connection fails or the store is away, up to `patienceMs`.
 */
export class HttpPlane implements ControlPlane {
  readonly #questions: HttpQuestions;

  constructor(options: HttpOptions) {
    this.#questions = new HttpQuestions(options);
  }

  startRun(request: StartRun, requestKey: string): Promise<StartedRun> {
    return this.#ask({
      method: "POST",
      path: "/v1/runs",
      body: request,
      requestKey,
      answer: startedRunSchema,
    });
  }

  getRun(id: string): Promise<RunView> {
    return this.#ask({ method: "GET", path: runPath(id), answer: runViewSchema });
  }

  listRuns({ statuses, ...query }: RunQuery): Promise<RunPage> {
    return this.#ask({
      method: "GET",
      path: "/v1/runs",
      query: { ...query, status: statuses },
      answer: runPageSchema,
    });
  }

  listTree(id: string, after?: string): Promise<RunPage> {
    const query = { after, limit: limits.pageRows };
    return this.#ask({ method: "GET", path: `${runPath(id)}/tree`, query, answer: runPageSchema });
  }

  cancelRun(id: string, body: { reason?: string; force?: boolean } = {}): Promise<CancelledRun> {
    return this.#ask({ method: "POST", path: `${runPath(id)}/cancel`, body, answer: cancelledRunSchema });
  }

  explainRun(id: string): Promise<Why> {
    return this.#ask({ method: "GET", path: `${runPath(id)}/why`, answer: whySchema });
  }

  awaitRun(id: string, waitMs: number, signal?: AbortSignal): Promise<RunView> {
    const path = `${runPath(id)}/result`;
    return this.#ask({ method: "GET", path, query: { waitMs }, waitMs, signal, answer: runViewSchema });
  }

  listEvents(id: string, query: { after: number; waitMs: number }, signal?: AbortSignal): Promise<EventPage> {
    const path = `${runPath(id)}/events`;
    return this.#ask({ method: "GET", path, query, waitMs: query.waitMs, signal, answer: eventPageSchema });
  }

  listTopic(query: { after: number | "last"; waitMs: number }, signal?: AbortSignal): Promise<TopicPage> {
    const { waitMs } = query;
    return this.#ask({ method: "GET", path: "/v1/events", query, waitMs, signal, answer: topicPageSchema });
  }

  listLogs(id: string, query: { cursor?: string; limit?: number }): Promise<LogPage> {
    return this.#ask({ method: "GET", path: `${runPath(id)}/logs`, query, answer: logPageSchema });
  }

  apply(manifests: readonly Manifest[], schedules?: readonly ScheduleSpec[]): Promise<Applied> {
    const body = { manifests, ...(schedules === undefined ? {} : { schedules }) };
    return this.#ask({ method: "POST", path: "/v1/definitions", body, answer: appliedSchema });
  }

  listSchedules({ ...query }: ScheduleQuery): Promise<SchedulePage> {
    return this.#ask({ method: "GET", path: "/v1/schedules", query, answer: schedulePageSchema });
  }

  getSchedule(id: string, next?: number): Promise<ScheduleView> {
    return this.#ask({ method: "GET", path: schedulePath(id), query: { next }, answer: scheduleViewSchema });
  }

  pauseSchedule(id: string, reason?: string): Promise<PausedSchedule> {
    return this.#change(`${schedulePath(id)}/pause`, { reason }, pausedScheduleSchema);
  }

  resumeSchedule(id: string): Promise<PausedSchedule> {
    return this.#change(`${schedulePath(id)}/resume`, {}, pausedScheduleSchema);
  }

  removeSchedule(id: string): Promise<RemovedSchedule> {
    return this.#change(`${schedulePath(id)}/remove`, {}, removedScheduleSchema);
  }

  startSchedule(id: string, requestKey: string): Promise<StartedRun> {
    const path = `${schedulePath(id)}/start`;
    return this.#ask({ method: "POST", path, body: {}, requestKey, answer: startedRunSchema });
  }

  async listDefinitions(): Promise<DefinitionView[]> {
    const page = await this.#ask({ method: "GET", path: "/v1/definitions", answer: definitionPageSchema });
    return page.definitions;
  }

  listIntents(query: IntentQuery): Promise<IntentPage> {
    return this.#ask({ method: "GET", path: "/v1/intents", query: { ...query }, answer: intentPageSchema });
  }

  retryIntents(ids?: readonly number[]): Promise<RetriedIntents> {
    const body = ids === undefined ? {} : { ids };
    return this.#ask({ method: "POST", path: "/v1/intents/retry", body, answer: retriedIntentsSchema });
  }

  dropIntents(ids: readonly number[]): Promise<DroppedIntents> {
    return this.#ask({
      method: "POST",
      path: "/v1/intents/drop",
      body: { ids },
      answer: droppedIntentsSchema,
    });
  }

  async listLimits(): Promise<LimitView[]> {
    const page = await this.#ask({ method: "GET", path: "/v1/limits", answer: limitPageSchema });
    return page.limits;
  }

  retryRun(id: string, body: RetryRun): Promise<Restarted> {
    return this.#change(`${runPath(id)}/retry`, body, restartedSchema);
  }

  clearRun(id: string, body: ClearRun): Promise<Restarted> {
    return this.#change(`${runPath(id)}/clear`, body, restartedSchema);
  }

  signalRun(id: string, body: SignalRun, requestKey: string = crypto.randomUUID()): Promise<Signalled> {
    return this.#ask({
      method: "POST",
      path: `${runPath(id)}/signals`,
      body,
      requestKey,
      answer: signalledSchema,
    });
  }

  markRun(id: string, body: MarkRun): Promise<Marked> {
    return this.#change(`${runPath(id)}/mark`, body, markedSchema);
  }

  controlRuns(body: Bulk): Promise<BulkPage> {
    return this.#change("/v1/runs/bulk", body, bulkPageSchema);
  }

  pause(kind: PauseView["kind"], name: string, reason?: string): Promise<Paused> {
    return this.#change(`${pausePath(kind, name)}/pause`, { reason }, pausedSchema);
  }

  resume(kind: PauseView["kind"], name: string): Promise<Paused> {
    return this.#change(`${pausePath(kind, name)}/resume`, {}, pausedSchema);
  }

  listPauses(query: { kind?: PauseView["kind"]; cursor?: string; limit?: number }): Promise<PausePage> {
    return this.#ask({ method: "GET", path: "/v1/pauses", query, answer: pausePageSchema });
  }

  listObligations(query: { run?: string; limit?: number }): Promise<ObligationPage> {
    return this.#ask({ method: "GET", path: "/v1/obligations", query, answer: obligationPageSchema });
  }

  readonly externalJobs = externalJobsOver((question) => this.#ask(question));
  readonly state = stateOver((question) => this.#ask(question));
  readonly assets = assetsOver((question) => this.#ask(question));

  describe(): Promise<ServerView> {
    return this.#ask({ method: "GET", path: "/v1/server", answer: serverViewSchema });
  }

  /** What changes something, under a key of its own: however often it is repeated on its way, it is done once and answered alike. */
  #change<T>(path: string, body: unknown, answer: Question<T>["answer"]): Promise<T> {
    return this.#ask({ method: "POST", path, body, requestKey: crypto.randomUUID(), answer });
  }

  #ask<T>(question: Question<T>): Promise<T> {
    return this.#questions.ask(question);
  }
}

function runPath(id: string): string {
  return `/v1/runs/${encodeURIComponent(id)}`;
}

function pausePath(kind: PauseView["kind"], name: string): string {
  return `/v1/${kind}s/${encodeURIComponent(name)}`;
}

function schedulePath(id: string): string {
  return `/v1/schedules/${encodeURIComponent(id)}`;
}
