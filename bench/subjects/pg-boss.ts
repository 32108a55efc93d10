import { setTimeout as pause } from "node:timers/promises";
import { countBodies, noteBody, takeDelaysMs } from "../definitions/notes.ts";
import { loadPeer } from "./peer-package.ts";
import {
  instant,
  notAsked,
  rateOf,
  type Sizes,
  Stopwatch,
  type Subject,
  type SubjectOptions,
  serveSubject,
} from "./subject.ts";

interface Job {
  readonly data: { readonly at?: string };
}
interface Boss {
  on(event: "error" | "warning", listener: (error: unknown) => void): void;
  start(): Promise<unknown>;
  stop(options: object): Promise<void>;
  createQueue(name: string, options: object): Promise<void>;
  send(name: string, data: object): Promise<unknown>;
  insert(name: string, jobs: readonly { data: object }[]): Promise<unknown>;
  work(name: string, options: object, handler: (jobs: readonly Job[]) => Promise<void>): Promise<unknown>;
}
interface PgBossPackage {
  PgBoss: new (options: object) => Boss;
}

const batchRows = 1_000;

/** pg-boss 12.38: its defaults poll every two seconds for one job; its best fetches hundreds and listens. */
class BossSubject implements Subject {
  #options: SubjectOptions | undefined;
  #boss: Boss | undefined;
  readonly chains = notAsked("chains");
  readonly fan = notAsked("fan-out");
  readonly ticks = notAsked("schedules");
  readonly steps = notAsked("steps");

  async open(options: SubjectOptions): Promise<void> {
    const { store, isTuned } = options;
    this.#options = options;
    const { PgBoss } = await loadPeer<PgBossPackage>("pg-boss");
    const boss = new PgBoss({ connectionString: store, ...(isTuned ? { useListenNotify: true } : {}) });
    boss.on("error", (error) => console.error(error));
    await boss.start();
    for (const queue of ["noop", "timed"]) await boss.createQueue(queue, isTuned ? { notify: true } : {});
    this.#boss = boss;
  }

  async drain({ drainRuns, drainMs }: Sizes): Promise<number[]> {
    const boss = this.#started();
    for (let left = drainRuns; left > 0; left -= batchRows) {
      await boss.insert(
        "noop",
        Array.from({ length: Math.min(left, batchRows) }, () => ({ data: {} })),
      );
    }
    const watch = new Stopwatch();
    await this.work();
    while (countBodies() < drainRuns && watch.ms < drainMs) await pause(2);
    return watch.rates(countBodies());
  }

  async enqueue({ enqueueRuns }: Sizes): Promise<number[]> {
    await rateOf(enqueueRuns / 20, 10, () => this.#started().send("noop", {}));
    return rateOf(enqueueRuns, 10, () => this.#started().send("noop", {}));
  }

  async latency(sizes: Sizes): Promise<number[]> {
    await this.work();
    const warmUp = { ...sizes, latencyRuns: 3 };
    await this.submit(warmUp);
    await this.takeDelays(warmUp);
    await this.submit(sizes);
    return this.takeDelays({ ...sizes, latencyRuns: sizes.latencyRuns + 3 });
  }

  async work(): Promise<number[]> {
    const { concurrency, isTuned } = this.#opened();
    const best = { batchSize: 100, burstWhenBatchFull: true, localConcurrency: concurrency };
    const options = isTuned ? best : {};
    for (const queue of ["noop", "timed"]) {
      await this.#started().work(queue, options, async (jobs) => {
        for (const { data } of jobs) {
          if (data.at === undefined) noteBody();
          else noteBody(Number(process.hrtime.bigint() - BigInt(data.at)) / 1e6);
        }
      });
    }
    return [];
  }

  async submit({ latencyRuns, latencyGapMs }: Sizes): Promise<number[]> {
    for (let run = 0; run < latencyRuns; run++) {
      await this.#started().send("timed", { at: instant() });
      await pause(latencyGapMs);
    }
    return [];
  }

  async takeDelays({ latencyRuns }: Sizes): Promise<number[]> {
    while (countBodies() < latencyRuns) await pause(10);
    return takeDelaysMs();
  }

  async close(): Promise<void> {
    await this.#boss?.stop({ graceful: false });
  }

  #opened(): SubjectOptions {
    if (this.#options === undefined) throw new Error("not opened");
    return this.#options;
  }

  #started(): Boss {
    if (this.#boss === undefined) throw new Error("not opened");
    return this.#boss;
  }
}

serveSubject(new BossSubject());
