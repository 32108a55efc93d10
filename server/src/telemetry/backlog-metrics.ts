import type { Backlog, Store } from "../store/store.ts";
import type { Metrics } from "./metrics.ts";

/** A queue is counted up to here: a depth of so many means at least so many. */
export const countedRows = 10_000;
/** Queues whose first run is looked up. */
const lookedUp = 100;
/** As often as Prometheus usually asks; a second scraper within that time costs the store nothing. */
const freshMs = 5_000;

interface Reading {
  readonly at: number;
  readonly backlog: Backlog;
  /** Since when the run that is next has been as it is, by queue. */
  readonly ages: ReadonlyMap<string, number>;
}

/** What is the same whichever node is asked: the store's backlog, read when the metrics are, and not more often than needed. */
export class BacklogMetrics {
  readonly #store: Store;
  readonly #namespace: string;
  #reading: Reading | undefined;
  #underWay: Promise<void> | undefined;

  constructor({ store, namespace, metrics }: { store: Store; namespace: string; metrics: Metrics }) {
    this.#store = store;
    this.#namespace = namespace;
    const queues = () => this.#reading?.backlog.queues ?? [];
    metrics.gauge(
      "queue_ready_runs",
      `Runs that could start at once if there were a free slot, counted up to ${countedRows}. Of the whole store.`,
      () => queues().map(({ queue, ready }) => [ready, metrics.queues.of(queue)]),
      ["queue"],
    );
    metrics.gauge(
      "queue_oldest_ready_seconds",
      "How long the run that is next in its queue has waited for a slot. Of the whole store.",
      () => [...(this.#reading?.ages ?? [])].map(([queue, seconds]) => [seconds, metrics.queues.of(queue)]),
      ["queue"],
    );
    metrics.gauge(
      "events_unsequenced",
      `Events that are committed and in no topic yet, counted up to ${countedRows}. Of the whole store.`,
      () => (this.#reading === undefined ? [] : [[this.#reading.backlog.unsequenced]]),
    );
    metrics.gauge("backlog_read", "1 when the numbers of the whole store could be read.", () => [
      [this.#reading === undefined ? 0 : 1],
    ]);
  }

  /** Reads anew unless what there is is fresh. A store that does not answer leaves the numbers out. */
  async refresh(): Promise<void> {
    if (this.#reading !== undefined && performance.now() - this.#reading.at < freshMs) return;
    this.#underWay ??= this.#read().finally(() => {
      this.#underWay = undefined;
    });
    await this.#underWay;
  }

  async #read(): Promise<void> {
    try {
      const { now } = await this.#store.describe();
      const backlog = await this.#store.measureBacklog({ namespace: this.#namespace, limitRows: countedRows });
      const ages = await Promise.all(
        backlog.queues.slice(0, lookedUp).map(async ({ queue, head }) => {
          const after = head.lastEvent - 1;
          const [event] = await this.#store.listEvents({ runId: head.runId, after, limitRows: 1 });
          return [queue, Math.max(0, now - (event?.at ?? now)) / 1_000] as const;
        }),
      );
      this.#reading = { at: performance.now(), backlog, ages: new Map(ages) };
    } catch {
      this.#reading = undefined;
    }
  }
}
