import {
  AppError,
  checkNesting,
  type Duration,
  durationMs,
  isEnded,
  type Json,
  limits,
  type RunEventView,
  type RunPage,
  type RunView,
  type StartRun,
  type TopicEventView,
  tooDeep,
} from "@holdfast/protocol";
import { HttpPlane } from "./client-http.ts";
import type { ControlPlane, RunQuery } from "./client-plane.ts";
import type { PassedTo, ReturnedBy, Task, Workflow } from "./definition.ts";
import { type IntentPlace, promiseCancel, promiseRun, promiseSignal, type RunTarget } from "./intents.ts";
import { activeTraceparent } from "./tracing.ts";

export { HttpPlane } from "./client-http.ts";
export type { ControlPlane, IntentQuery, RunQuery, ScheduleQuery } from "./client-plane.ts";
export type { IntentPlace, RunTarget } from "./intents.ts";

/** One wait at the server; then the client asks again. */
const waitMs = 25_000;

export interface StartOptions {
  /** Names the run among those of its definition: the same key and input answer the same run, another input is `key_conflict`. */
  readonly key?: string;
  /** How long the key is remembered; default 30d. */
  readonly keyRetention?: Duration;
  readonly startAfter?: Date;
  /** The run fails with `expired` this long after it was started, waiting included. */
  readonly expiresAfter?: Duration;
  /** −1,000 to 1,000; higher runs first. */
  readonly priority?: number;
  /** W3C `traceparent` under which the run's trace begins; default the active span's of OpenTelemetry, where it is loaded. */
  readonly traceparent?: string;
}

type StartArguments<I> = undefined extends I
  ? [input?: I, options?: StartOptions]
  : Record<never, never> extends I
    ? [input?: I, options?: StartOptions]
    : [input: I, options?: StartOptions];

/** A run that was started, here or elsewhere. */
export interface RunHandle<O = Json> {
  readonly id: string;
  /** True when the run was there already: its key or request had started it before. */
  readonly existing: boolean;
  /** The output, once the run has succeeded. Rejects with `run_ended` when it ends in another way; `details` say how. */
  result(options?: { readonly signal?: AbortSignal }): Promise<O>;
  status(): Promise<RunView>;
  /** Orders the run and everything below it to end. */
  cancel(reason?: string): Promise<void>;
  /** Sends a signal to the run: to the wait for it, or to the next one of its name. Repeated until it is known to have arrived, once. */
  signal(name: string, payload?: unknown): Promise<void>;
  /** Its events from after number `after` (default 0), without gaps, until it has ended. */
  events(options?: {
    readonly after?: number;
    readonly signal?: AbortSignal;
  }): AsyncGenerator<RunEventView, void, void>;
}

/** What programs ask of Holdfast, wherever it is. */
export class Client {
  readonly #plane: ControlPlane;
  readonly #place: IntentPlace;

  constructor(plane: ControlPlane, place: IntentPlace = { namespace: "default" }) {
    this.#plane = plane;
    this.#place = place;
  }

  /** Starts a run of a definition that has been applied. Repeats itself safely when the connection fails. */
  start<D extends Task | Workflow>(
    definition: D,
    ...rest: StartArguments<PassedTo<D>>
  ): Promise<RunHandle<ReturnedBy<D>>>;
  start(definition: string, input?: Json, options?: StartOptions): Promise<RunHandle>;
  async start(
    definition: string | { readonly id: string },
    input?: unknown,
    options: StartOptions = {},
  ): Promise<RunHandle> {
    const id = typeof definition === "string" ? definition : definition.id;
    const request = startRequest(id, input, options);
    const { run, existing } = await this.#plane.startRun(request, crypto.randomUUID());
    return new Handle(this.#plane, run.id, existing);
  }

  /**
   * Promises a run in a transaction of your own, on the database in which Holdfast's PostgreSQL store lies: there will be exactly
   * one when it has committed, and none if it has not. `transaction`: of pg, postgres, Kysely, Drizzle, Prisma or Knex. Nothing
   * else is asked, so it needs no server. Wait for the handle's result after the commit only.
   */
  enqueueIn<D extends Task | Workflow>(
    transaction: object,
    definition: D,
    ...rest: StartArguments<PassedTo<D>>
  ): Promise<RunHandle<ReturnedBy<D>>>;
  enqueueIn(transaction: object, definition: string, input?: Json, options?: StartOptions): Promise<RunHandle>;
  async enqueueIn(
    transaction: object,
    definition: string | { readonly id: string },
    input?: unknown,
    options: StartOptions = {},
  ): Promise<RunHandle> {
    const id = typeof definition === "string" ? definition : definition.id;
    const runId = await promiseRun(transaction, startRequest(id, input, options), this.#place);
    return new Handle(this.#plane, runId, false);
  }

  /** Promises in the same way that a run, and everything below it, is ordered to end. */
  async cancelIn(
    transaction: object,
    target: RunTarget | DefinedTarget,
    options: { readonly reason?: string } = {},
  ): Promise<void> {
    await promiseCancel(transaction, namedTarget(target), { ...this.#place, ...options });
  }

  /**
   * Promises in the same way that a run is sent a signal, once. What one transaction promises of one run is carried out in the
   * order in which it did.
   */
  async signalIn(
    transaction: object,
    target: RunTarget | DefinedTarget,
    name: string,
    payload: unknown = null,
  ): Promise<void> {
    const signal = { name, payload: plainJson(payload, "The payload") };
    await promiseSignal(transaction, namedTarget(target), { ...this.#place, ...signal });
  }

  /** The handle of a run that was started elsewhere. Asks nothing yet. */
  run<O = Json>(id: string): RunHandle<O> {
    return new Handle<O>(this.#plane, id, true);
  }

  /** A page of runs, newest first. */
  list(query: RunQuery = {}): Promise<RunPage> {
    return this.#plane.listRuns(query);
  }

  /** Events of all runs from after position `after` of the log (default 0), without end: break off, or fire the signal. */
  async *events(
    options: { readonly after?: number; readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<TopicEventView, void, void> {
    const { signal } = options;
    let after = options.after ?? 0;
    while (signal?.aborted !== true) {
      const page = await unlessAborted(this.#plane.listTopic({ after, waitMs }, signal), signal);
      if (page === undefined) return;
      yield* page.events;
      after = page.last;
    }
  }
}

/** A run by the key under which it was started, with the task or workflow itself. */
export interface DefinedTarget {
  readonly definition: { readonly id: string };
  readonly key: string;
}

function namedTarget(target: RunTarget | DefinedTarget): RunTarget {
  if (typeof target === "string" || "id" in target) return target;
  const { definition, key } = target;
  return { key, definition: typeof definition === "string" ? definition : definition.id };
}

/**
 * A client of a server. `server` defaults to HOLDFAST_SERVER, else http://127.0.0.1:4400; `token` to HOLDFAST_TOKEN. `namespace`:
 * the server's, for `enqueueIn`, `signalIn` and `cancelIn`, which do not ask it; default `default`.
 */
export class Holdfast extends Client {
  constructor(options: { readonly server?: string; readonly token?: string; readonly namespace?: string } = {}) {
    const server = options.server ?? process.env.HOLDFAST_SERVER ?? "http://127.0.0.1:4400";
    const token = options.token ?? process.env.HOLDFAST_TOKEN;
    const place = { namespace: options.namespace ?? "default" };
    super(new HttpPlane({ server, ...(token === undefined ? {} : { token }) }), place);
  }
}

class Handle<O> implements RunHandle<O> {
  readonly id: string;
  readonly existing: boolean;
  readonly #plane: ControlPlane;

  constructor(plane: ControlPlane, id: string, existing: boolean) {
    this.#plane = plane;
    this.id = id;
    this.existing = existing;
  }

  async result({ signal }: { readonly signal?: AbortSignal } = {}): Promise<O> {
    for (;;) {
      signal?.throwIfAborted();
      const run = await unlessAborted(this.#plane.awaitRun(this.id, waitMs, signal), signal);
      if (run === undefined || !isEnded(run.status)) continue;
      // The definition's type says what its runs put out; the control plane has checked it.
      if (run.status === "succeeded") return run.output as O;
      throw endedOtherwise(run);
    }
  }

  status(): Promise<RunView> {
    return this.#plane.getRun(this.id);
  }

  async cancel(reason?: string): Promise<void> {
    await this.#plane.cancelRun(this.id, reason === undefined ? {} : { reason });
  }

  async signal(name: string, payload?: unknown): Promise<void> {
    const request = { name, ...(payload === undefined ? {} : { payload: plainJson(payload, "The payload") }) };
    await this.#plane.signalRun(this.id, request, crypto.randomUUID());
  }

  async *events(
    options: { readonly after?: number; readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<RunEventView, void, void> {
    const { signal } = options;
    let after = options.after ?? 0;
    while (signal?.aborted !== true) {
      const page = await unlessAborted(this.#plane.listEvents(this.id, { after, waitMs }, signal), signal);
      if (page === undefined) return;
      yield* page.events;
      after = page.last;
      const last = page.events.at(-1);
      // Nothing new, or an end: whether more can come stands in the run.
      if ((last === undefined || endTypes.has(last.type)) && (await this.#isOver(after))) return;
    }
  }

  async #isOver(after: number): Promise<boolean> {
    const run = await this.status();
    if (!isEnded(run.status)) return false;
    const { events } = await this.#plane.listEvents(this.id, { after, waitMs: 0 });
    return events.length === 0;
  }
}

const endTypes: ReadonlySet<string> = new Set(["run.succeeded", "run.failed", "run.cancelled", "run.skipped"]);

/** The error of one who waited for a run's output. */
export function endedOtherwise(run: RunView): AppError {
  const why = run.error === null ? "" : `: ${run.error.message}`;
  return new AppError("run_ended", `Run ${run.id} of "${run.definition}" ${endedHow[run.status] ?? run.status}${why}`, {
    ...(run.error?.hint === undefined ? {} : { hint: run.error.hint }),
    details: { runId: run.id, status: run.status, error: run.error },
  });
}

const endedHow: Readonly<Record<string, string>> = {
  failed: "failed",
  cancelled: "was cancelled",
  skipped: "was skipped",
};

function startRequest(definition: string, input: unknown, options: StartOptions): StartRun {
  const { key, keyRetention, startAfter, expiresAfter, priority, traceparent = activeTraceparent() } = options;
  return {
    definition,
    ...(input === undefined ? {} : { input: plainJson(input) }),
    ...(key === undefined ? {} : { key }),
    ...(keyRetention === undefined ? {} : { keyRetentionMs: millis("keyRetention", keyRetention) }),
    ...(startAfter === undefined ? {} : { startAfter: startAfter.toISOString() }),
    ...(expiresAfter === undefined ? {} : { expiresAfterMs: millis("expiresAfter", expiresAfter) }),
    ...(priority === undefined ? {} : { priority }),
    ...(traceparent === undefined ? {} : { traceparent }),
  };
}

/** As JSON keeps it: dates become text, undefined properties are left out. */
function plainJson(input: unknown, what = "The input"): Json {
  let text: string | undefined;
  try {
    text = JSON.stringify(input);
  } catch (error) {
    if (error instanceof RangeError) throw tooDeep(what, limits.nestingLevels);
    throw new AppError("invalid_input", `${what} is nothing that JSON can say.`, { cause: error });
  }
  if (text === undefined) throw new AppError("invalid_input", `${what} is nothing that JSON can say.`);
  const value: Json = JSON.parse(text);
  checkNesting(value, limits.nestingLevels, what);
  return value;
}

function millis(name: string, duration: Duration): number {
  const ms = durationMs(duration);
  if (ms !== undefined && ms > 0) return ms;
  throw new AppError("invalid_request", `${name} is "${duration}", which is no duration.`, {
    hint: 'Write a length such as "90s", "10m" or "7d".',
  });
}

/** Undefined instead of the failure when the signal ended the call. */
async function unlessAborted<T>(call: Promise<T>, signal: AbortSignal | undefined): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (signal?.aborted === true) return undefined;
    throw error;
  }
}
