import {
  AppError,
  type Duration,
  durationMs,
  isEnded,
  type Json,
  type RunEvent,
  type RunPage,
  type RunView,
  type StartRun,
  type TopicEvent,
} from "@holdfast/protocol";
import { HttpPlane } from "./client-http.ts";
import type { ControlPlane, RunQuery } from "./client-plane.ts";
import type { Task, Workflow } from "./definition.ts";

export { HttpPlane } from "./client-http.ts";
export type { ControlPlane, IntentQuery, RunQuery } from "./client-plane.ts";

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
}

type StartArguments<I> =
  Record<never, never> extends I ? [input?: I, options?: StartOptions] : [input: I, options?: StartOptions];

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
  /** Its events from after number `after` (default 0), without gaps, until it has ended. */
  events(options?: { readonly after?: number; readonly signal?: AbortSignal }): AsyncGenerator<RunEvent, void, void>;
}

/** What programs ask of Holdfast, wherever it is. */
export class Client {
  readonly #plane: ControlPlane;

  constructor(plane: ControlPlane) {
    this.#plane = plane;
  }

  /** Starts a run of a definition that has been applied. Repeats itself safely when the connection fails. */
  start<I, O>(definition: Task<I, O> | Workflow<I, O>, ...rest: StartArguments<I>): Promise<RunHandle<O>>;
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
  ): AsyncGenerator<TopicEvent, void, void> {
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

/** A client of a server. `server` defaults to HOLDFAST_SERVER, else http://127.0.0.1:4400; `token` to HOLDFAST_TOKEN. */
export class Holdfast extends Client {
  constructor(options: { readonly server?: string; readonly token?: string } = {}) {
    const server = options.server ?? process.env.HOLDFAST_SERVER ?? "http://127.0.0.1:4400";
    const token = options.token ?? process.env.HOLDFAST_TOKEN;
    super(new HttpPlane({ server, ...(token === undefined ? {} : { token }) }));
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
    await this.#plane.cancelRun(this.id, reason);
  }

  async *events(
    options: { readonly after?: number; readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<RunEvent, void, void> {
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
  const { key, keyRetention, startAfter, expiresAfter, priority } = options;
  return {
    definition,
    ...(input === undefined ? {} : { input: plainJson(input) }),
    ...(key === undefined ? {} : { key }),
    ...(keyRetention === undefined ? {} : { keyRetentionMs: millis("keyRetention", keyRetention) }),
    ...(startAfter === undefined ? {} : { startAfter: startAfter.toISOString() }),
    ...(expiresAfter === undefined ? {} : { expiresAfterMs: millis("expiresAfter", expiresAfter) }),
    ...(priority === undefined ? {} : { priority }),
  };
}

/** As JSON keeps it: dates become text, undefined properties are left out. */
function plainJson(input: unknown): Json {
  let text: string | undefined;
  try {
    text = JSON.stringify(input);
  } catch (error) {
    throw new AppError("invalid_input", "The input is nothing that JSON can say.", { cause: error });
  }
  if (text === undefined) throw new AppError("invalid_input", "The input is nothing that JSON can say.");
  const value: Json = JSON.parse(text);
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
