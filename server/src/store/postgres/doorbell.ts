import postgres from "postgres";
import { Bell } from "../memory/bell.ts";
import type { RingTopic } from "../store.ts";

// Rings between processes (DESIGN §6). NOTIFY has a connection of its own, after the commits it tells of, and never more than
// one is under way. Any ring may be lost, so nothing here is ever waited for or repeated.

const channel = "holdfast";
/** At least so long between two notifications. */
const pauseMs = 4;
const topicNames: readonly RingTopic[] = ["ready", "cancelling", "ended", "events", "jobs", "assets"];

export interface DoorbellOptions {
  readonly url: string;
  readonly applicationName: string;
  /** Rings of this process are known to it already. */
  readonly instance: string;
  /** A pooler in transaction mode lies between: others can be told, and nothing is heard. */
  readonly isPooled: boolean;
  /** For tests: nobody ever hears a ring, not even in this process. */
  readonly swallow: boolean;
}

export class Doorbell {
  readonly #options: DoorbellOptions;
  readonly #bell = new Bell();
  readonly #pending = new Set<RingTopic>();
  #sql: postgres.Sql | undefined;
  #isResting = false;
  #listening: Promise<unknown> | undefined;

  constructor(options: DoorbellOptions) {
    this.#options = options;
  }

  ring(topics: readonly RingTopic[]): void {
    if (topics.length === 0 || this.#options.swallow) return;
    this.#bell.ring(topics);
    for (const topic of topics) this.#pending.add(topic);
    this.#notify();
  }

  onRing(listener: (topics: readonly RingTopic[]) => void): () => void {
    if (this.#options.swallow) return () => {};
    if (!this.#options.isPooled) this.#listen();
    return this.#bell.listen(listener);
  }

  async close(): Promise<void> {
    this.#bell.silence();
    this.#pending.clear();
    this.#isResting = true;
    await this.#listening?.catch(() => {});
    await this.#sql?.end({ timeout: 1 });
  }

  #notify(): void {
    if (this.#isResting || this.#pending.size === 0) return;
    this.#isResting = true;
    const text = `${this.#options.instance} ${[...this.#pending].join(" ")}`;
    this.#pending.clear();
    const rest = () => {
      setTimeout(() => {
        this.#isResting = false;
        this.#notify();
      }, pauseMs).unref();
    };
    this.#connection().notify(channel, text).then(rest, rest);
  }

  #listen(): void {
    if (this.#listening !== undefined) return;
    // The driver listens again by itself after its connection has ended; what was rung meanwhile is not known, so all of it.
    let isFirst = true;
    const onListening = () => {
      if (!isFirst) this.#bell.ring(topicNames);
      isFirst = false;
    };
    this.#listening = this.#connection().listen(channel, (text) => this.#hear(text), onListening);
    this.#listening.catch(() => {
      // Not reachable yet: polling goes on, and the next listener tries again.
      this.#listening = undefined;
    });
  }

  #hear(text: string): void {
    const [instance, ...topics] = text.split(" ");
    if (instance === this.#options.instance) return;
    this.#bell.ring(topicNames.filter((topic) => topics.includes(topic)));
  }

  #connection(): postgres.Sql {
    const { url, applicationName, isPooled } = this.#options;
    this.#sql ??= postgres(url, {
      max: 1,
      fetch_types: false,
      prepare: false,
      connection: {
        application_name: `${applicationName} doorbell`,
        // A ring may be lost, so no disk is waited for: it is heard a flush earlier. Poolers know no such parameter.
        ...(isPooled ? {} : { synchronous_commit: "off" }),
      },
      onnotice: () => {},
    });
    return this.#sql;
  }
}
