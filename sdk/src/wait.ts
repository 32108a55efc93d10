import type { Duration, Json } from "@holdfast/protocol";
import type { PassedTo, ReturnedBy, Task, Workflow } from "./callable.ts";
import type { ExternalJob } from "./external/external-job.ts";
import type { OutputOf, StandardSchema } from "./standard-schema.ts";

// What bodies see of waiting, as types. waits.ts is what runs.

declare const waitBrand: unique symbol;

/**
 * Something that a body waits for. Await it, or several of them by `ctx.all` and `ctx.race`: while nothing else is under way, the
 * activation ends, and the body starts again when the wait is over. Then everything that was recorded answers by its key.
 */
export interface Wait<T> extends Promise<T> {
  readonly [waitBrand]: true;
}

/** What awaiting gives. */
type Waited<W> = W extends Wait<infer T> ? T : never;

export interface CallOptions {
  /** How long the called run may take, from now, waits included. */
  readonly timeout?: Duration | number;
}

export interface ExternalOptions {
  /** How long the job may take, from now; then it is ended, and the wait rejects with WaitTimedOut once it has. */
  readonly timeout?: Duration | number;
  /**
   * What happens when nobody can say whether the job was started, which its service then neither knows by a token nor lists:
   * `ask` (default) waits for a person, `resubmit` starts it once more.
   */
  readonly onUnknown?: "ask" | "resubmit";
}

export interface SignalOptions<S extends StandardSchema | undefined> {
  /** The signal's name; default the key. */
  readonly name?: string;
  /** How long it is waited for; then it rejects with WaitTimedOut. */
  readonly timeout?: Duration | number;
  /** What the payload has to fit; else it rejects. */
  readonly schema?: S;
}

export type CallMapOptions<E, I> = CallOptions & {
  /** The identity of an item: `parts[eu]`. Different for each. */
  readonly key: (item: E, index: number) => string | number | boolean;
  /** How many items may be under way at a time; default all. */
  readonly concurrency?: number;
} & ([E] extends [I]
    ? { readonly with?: (item: E, index: number) => I }
    : { readonly with: (item: E, index: number) => I });

type CallArguments<I> = unknown extends I
  ? [input?: unknown, options?: CallOptions]
  : undefined extends I
    ? [input?: I, options?: CallOptions]
    : Record<never, never> extends I
      ? [input?: I, options?: CallOptions]
      : [input: I, options?: CallOptions];

/** A run of its own. */
export interface StartedRun {
  readonly id: string;
}

/** How a body waits. Keys are unique in a body; under the same one the record answers. */
export interface WaitContext {
  /** Waits so long; a number is milliseconds. */
  sleep(key: string, duration: Duration | number): Wait<void>;
  /**
   * Waits for a signal of its name: the oldest one that nobody has taken, or the next. Rejects with WaitTimedOut, and with
   * TypeError when the payload does not fit the schema.
   */
  waitForSignal<S extends StandardSchema | undefined = undefined>(
    key: string,
    options?: SignalOptions<S>,
  ): Wait<S extends StandardSchema ? OutputOf<S> : Json>;
  /**
   * Runs a task or workflow as a child of this run and answers its output. It starts at once, whether awaited or not, and this
   * run does not succeed before it has ended. Rejects with CallError when it does not succeed, WaitTimedOut after its timeout.
   */
  call<D extends Task | Workflow>(key: string, definition: D, ...rest: CallArguments<PassedTo<D>>): Wait<ReturnedBy<D>>;
  call(key: string, definition: string, input?: Json, options?: CallOptions): Wait<Json>;
  /**
   * Starts a job of another system, or takes one over, and answers what comes of it: see `holdfast/external`. It starts at once,
   * whether awaited or not, and this run does not succeed before it has ended. Rejects with ExternalJobError when it does not
   * succeed, WaitTimedOut after its timeout. What ends the run ends the job.
   */
  external<R>(key: string, job: ExternalJob<R>, options?: ExternalOptions): Wait<R>;
  /** Runs a task for each item, as children of one run, and answers their outputs in the order of the list. Rejects as `call`. */
  map<E, D extends Task>(
    key: string,
    items: readonly E[],
    task: D,
    options: CallMapOptions<E, PassedTo<D>>,
  ): Wait<readonly ReturnedBy<D>[]>;
  /** Waits for all of them, also when some reject; then answers the list, or rejects as the first of them did. */
  all<const W extends readonly Wait<unknown>[]>(waits: W): Wait<{ -readonly [K in keyof W]: Waited<W[K]> }>;
  /**
   * Waits for the first of them, and records which it was: the others are dropped, and what they called is cancelled. Rejects
   * when the winner does.
   */
  race<W extends { readonly [name: string]: Wait<unknown> }>(
    key: string,
    waits: W,
  ): Wait<{ [K in keyof W]: { readonly winner: K; readonly value: Waited<W[K]> } }[keyof W]>;
  /**
   * Starts a run of its own, once under this key, and answers its id: nobody waits for its end, and it is no part of this run.
   */
  start<D extends Task | Workflow>(key: string, definition: D, ...rest: StartRest<PassedTo<D>>): Promise<StartedRun>;
  start(key: string, definition: string, input?: Json, options?: { readonly key?: string }): Promise<StartedRun>;
}

type StartRest<I> = unknown extends I
  ? [input?: unknown, options?: { readonly key?: string }]
  : undefined extends I
    ? [input?: I, options?: { readonly key?: string }]
    : Record<never, never> extends I
      ? [input?: I, options?: { readonly key?: string }]
      : [input: I, options?: { readonly key?: string }];
