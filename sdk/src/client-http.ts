import {
  AppError,
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
  type ErrorCode,
  type EventPage,
  errorBodySchema,
  errorCodes,
  eventPageSchema,
  type IntentPage,
  intentPageSchema,
  isAppError,
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
import { causeOf, expectAnswer, isTimeout, sleep, unansweredHint } from "./answer-wait.ts";
import { externalJobsOver } from "./client-external.ts";
import type { ControlPlane, IntentQuery, RunQuery, ScheduleQuery } from "./client-plane.ts";
import { stateOver } from "./client-state.ts";

export interface HttpOptions {
  /** Base address: `http://127.0.0.1:4400`. */
  readonly server: string;
  readonly token?: string;
  /** How long a call is repeated while the server cannot be reached; default 30 s. */
  readonly patienceMs?: number;
  /** Told, once a call, when a server that has been reached says nothing for some seconds longer than it was asked to wait. */
  readonly onSilence?: (text: string) => void;
  /** How long a server may say nothing, beyond what it was asked to wait; default 30 s. */
  readonly answerMs?: number;
}

interface Question<T> {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | readonly string[] | undefined>>;
  readonly body?: unknown;
  readonly requestKey?: string;
  /** How long the server may hold the answer back. */
  readonly waitMs?: number;
  readonly signal?: AbortSignal | undefined;
  readonly answer: { parse(value: unknown): T };
}

const answerTimeoutMs = 30_000;
const firstDelayMs = 100;
const longestDelayMs = 2_000;
/** What a proxy says while the server behind it is away. */
const awayStatuses: ReadonlySet<number> = new Set([502, 503, 504]);

/**
 * A control plane behind HTTP. Every call may be repeated without harm (what changes something carries an Idempotency-Key), so each is
 * repeated while the connection fails or the store is away, up to `patienceMs`.
 */
export class HttpPlane implements ControlPlane {
  readonly #base: URL;
  readonly #token: string | undefined;
  readonly #patienceMs: number;
  readonly #answerMs: number;
  readonly #onSilence: (text: string) => void;

  constructor(options: HttpOptions) {
    const { server, token, patienceMs = answerTimeoutMs, answerMs = answerTimeoutMs } = options;
    this.#answerMs = answerMs;
    this.#onSilence = options.onSilence ?? (() => undefined);
    this.#base = baseUrl(server);
    this.#token = token;
    this.#patienceMs = patienceMs;
  }

  startRun(request: StartRun, requestKey: string): Promise<StartedRun> {
    return this.#ask({ method: "POST", path: "/v1/runs", body: request, requestKey, answer: startedRunSchema });
  }

  getRun(id: string): Promise<RunView> {
    return this.#ask({ method: "GET", path: runPath(id), answer: runViewSchema });
  }

  listRuns({ statuses, ...query }: RunQuery): Promise<RunPage> {
    return this.#ask({ method: "GET", path: "/v1/runs", query: { ...query, status: statuses }, answer: runPageSchema });
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
    return this.#ask({ method: "POST", path: "/v1/intents/drop", body: { ids }, answer: droppedIntentsSchema });
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
    return this.#ask({ method: "POST", path: `${runPath(id)}/signals`, body, requestKey, answer: signalledSchema });
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

  describe(): Promise<ServerView> {
    return this.#ask({ method: "GET", path: "/v1/server", answer: serverViewSchema });
  }

  /** What changes something, under a key of its own: however often it is repeated on its way, it is done once and answered alike. */
  #change<T>(path: string, body: unknown, answer: Question<T>["answer"]): Promise<T> {
    return this.#ask({ method: "POST", path, body, requestKey: crypto.randomUUID(), answer });
  }

  async #ask<T>(question: Question<T>): Promise<T> {
    let deadline: number | undefined;
    for (let delayMs = firstDelayMs; ; delayMs = Math.min(delayMs * 2, longestDelayMs)) {
      try {
        return await this.#askOnce(question);
      } catch (error) {
        if (!isAppError(error, "store_unavailable") || question.signal?.aborted === true) throw error;
        // From the first failure on: a call may have waited long for news before.
        // Who has been silent for long has been waited for already.
        deadline ??= performance.now() + (isTimeout(error.cause) ? 0 : this.#patienceMs);
        if (performance.now() + delayMs > deadline) throw error;
        await sleep(delayMs, question.signal);
      }
    }
  }

  async #askOnce<T>({
    method,
    path,
    query = {},
    body,
    requestKey,
    waitMs = 0,
    signal,
    answer,
  }: Question<T>): Promise<T> {
    const url = new URL(this.#base);
    url.pathname = `${url.pathname.replace(/\/$/, "")}${path}`;
    for (const [name, value] of Object.entries(query)) {
      for (const item of [value ?? []].flat()) url.searchParams.append(name, String(item));
    }
    const timeout = AbortSignal.timeout(waitMs + this.#answerMs);
    const silence = expectAnswer({
      origin: this.#base.origin,
      waitMs,
      answerMs: this.#answerMs,
      onSilence: this.#onSilence,
    });
    const { status, text } = await this.#fetch(url, {
      method,
      headers: {
        accept: "application/json",
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
        ...(requestKey === undefined ? {} : { "idempotency-key": requestKey }),
      },
      redirect: "error",
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }).finally(() => clearTimeout(silence));
    const value = parseJson(text);
    if (status >= 200 && status < 300 && value !== undefined) return this.#parse(answer, value);
    throw this.#refusal(status, value);
  }

  async #fetch(url: URL, init: RequestInit): Promise<{ status: number; text: string }> {
    try {
      const response = await fetch(url, init);
      return { status: response.status, text: await response.text() };
    } catch (error) {
      throw new AppError("store_unavailable", `${this.#base.origin} does not answer: ${causeOf(error)}.`, {
        hint: unansweredHint(error),
        cause: error,
      });
    }
  }

  #parse<T>(answer: { parse(value: unknown): T }, value: unknown): T {
    try {
      return answer.parse(value);
    } catch (error) {
      throw new AppError("internal", `${this.#base.origin} answered something that this version does not understand.`, {
        hint: "Is it a Holdfast server, and of about this version?",
        cause: error,
      });
    }
  }

  #refusal(status: number, value: unknown): AppError {
    const parsed = errorBodySchema.safeParse(value);
    if (!parsed.success && awayStatuses.has(status)) {
      throw new AppError(
        "store_unavailable",
        `${this.#base.origin} passes on that nobody answers (status ${status}).`,
        {
          hint: "What stands before the server answers, the server does not: is it running?",
        },
      );
    }
    if (!parsed.success) {
      return new AppError("internal", `${this.#base.origin} answered with status ${status} and no word of Holdfast.`, {
        hint: "Is it a Holdfast server, or is something in between?",
      });
    }
    const { code, message, hint, details } = parsed.data.error;
    return new AppError(Object.hasOwn(errorCodes, code) ? (code as ErrorCode) : "internal", message, {
      ...(hint === undefined ? {} : { hint }),
      ...(details === undefined ? {} : { details }),
    });
  }
}

function baseUrl(server: string): URL {
  const url = URL.parse(server);
  if (url !== null && (url.protocol === "http:" || url.protocol === "https:")) return url;
  throw new AppError("invalid_request", `"${server}" is not the address of a server.`, {
    hint: "Write it as http://127.0.0.1:4400.",
  });
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

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
