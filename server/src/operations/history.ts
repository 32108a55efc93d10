import { isEnded, type LogLineView, type RunEventView, type RunView, type TopicEventView } from "@holdfast/protocol";
import type { Clock } from "../clock.ts";
import type { RingTopic, Store } from "../store/store.ts";
import { EndWatch } from "./end-watch.ts";
import type { Runs } from "./runs.ts";

export interface HistoryOptions {
  readonly store: Store;
  readonly runs: Runs;
  readonly namespace: string;
  readonly clock: Clock;
  /** How often to look while waiting, should every ring be lost. */
  readonly pollMs: number;
}

/** What has happened, and waiting for what will. Waits are woken by the doorbell and would be right without it. */
export class History {
  readonly #store: Store;
  readonly #runs: Runs;
  readonly #namespace: string;
  readonly #clock: Clock;
  readonly #pollMs: number;
  readonly #ends: EndWatch;

  constructor({ store, runs, namespace, clock, pollMs }: HistoryOptions) {
    this.#store = store;
    this.#runs = runs;
    this.#namespace = namespace;
    this.#clock = clock;
    this.#pollMs = pollMs;
    this.#ends = new EndWatch({ store, namespace, clock, pollMs });
  }

  /** A run's events from after number `after`. Waits up to `waitMs` for a first one. */
  async events(
    id: string,
    query: { after: number; limit: number; waitMs: number },
    signal?: AbortSignal,
  ): Promise<{ events: RunEventView[]; last: number }> {
    const { id: runId } = await this.#runs.get(id);
    const read = () => this.#store.listEvents({ runId, after: query.after, limitRows: query.limit });
    const events = await this.#await(read, (page) => page.length > 0, query.waitMs, signal);
    return { events: events.map(timed), last: events.at(-1)?.number ?? query.after };
  }

  /**
   * The namespace's log from after position `after`. Waits up to `waitMs` for a first event. After `"last"`: no event, and
   * the position where the log ends now.
   */
  async topic(
    query: { after: number | "last"; limit: number; waitMs: number },
    signal?: AbortSignal,
  ): Promise<{ events: TopicEventView[]; last: number }> {
    const { after, limit, waitMs } = query;
    if (after === "last") {
      const namespace = this.#namespace;
      const { last } = await this.#store.listTopic({ namespace, after: Number.MAX_SAFE_INTEGER, limitRows: 1 });
      return { events: [], last };
    }
    const read = () => this.#store.listTopic({ namespace: this.#namespace, after, limitRows: limit });
    const { events } = await this.#await(read, (page) => page.events.length > 0, waitMs, signal);
    return { events: events.map(timed), last: events.at(-1)?.position ?? after };
  }

  async logs(
    id: string,
    query: { cursor?: string; limit: number },
  ): Promise<{ lines: LogLineView[]; cursor: string | null }> {
    const { id: runId } = await this.#runs.get(id);
    const { cursor, limit } = query;
    const page = await this.#store.listLogs({ runId, limitRows: limit, ...(cursor === undefined ? {} : { cursor }) });
    return { lines: page.lines.map(timed), cursor: page.cursor };
  }

  /** The run once it has ended, or as it stands after `waitMs`. */
  async result(id: string, waitMs: number, signal?: AbortSignal): Promise<RunView> {
    let runId = await this.#runs.resolve(id);
    const deadline = this.#clock.monotonicMs() + waitMs;
    const never = new AbortController().signal;
    for (let leftMs = waitMs; ; leftMs = deadline - this.#clock.monotonicMs()) {
      if (leftMs > 0) await this.#ends.ended(runId, leftMs, signal ?? never);
      const run = await this.#runs.get(runId);
      // What was promised under this id is made by the look at it, or came to the run that had the key.
      const isOver = isEnded(run.status) || signal?.aborted === true || deadline <= this.#clock.monotonicMs();
      if (isOver) return run;
      runId = run.id;
    }
  }

  async #await<T>(
    read: () => Promise<T>,
    done: (value: T) => boolean,
    waitMs: number,
    signal?: AbortSignal,
  ): Promise<T> {
    const deadline = this.#clock.monotonicMs() + waitMs;
    for (;;) {
      const bell = new AbortController();
      const stop = this.#store.onRing((topics) => {
        if (topics.some(tellsOfRuns)) bell.abort();
      });
      try {
        const value = await read();
        const left = deadline - this.#clock.monotonicMs();
        if (done(value) || left <= 0 || signal?.aborted === true) return value;
        const woken = signal === undefined ? bell.signal : AbortSignal.any([bell.signal, signal]);
        await this.#clock.sleep(Math.min(left, this.#pollMs), woken);
      } finally {
        stop();
      }
    }
  }
}

/** What is shown says its moment as every other answer does. */
function timed<T extends { readonly at: number }>(row: T): Omit<T, "at"> & { readonly at: string } {
  return { ...row, at: new Date(row.at).toISOString() };
}

function tellsOfRuns(topic: RingTopic): boolean {
  return topic === "ended" || topic === "events";
}
