import { setTimeout as pause } from "node:timers/promises";
import { bodiesRun, countBodies, noteBody, takeDelaysMs } from "../definitions/notes.ts";
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

interface WorkerUtils {
  migrate(): Promise<void>;
  addJob(task: string, payload: unknown): Promise<unknown>;
  addJobs(jobs: readonly { identifier: string; payload: unknown }[]): Promise<unknown>;
  withPgClient<T>(
    act: (client: { query(text: string): Promise<{ rows: { left: number }[] }> }) => Promise<T>,
  ): Promise<T>;
  release(): Promise<void>;
}
interface GraphileWorker {
  Logger: new (factory: () => () => void) => unknown;
  makeWorkerUtils(options: object): Promise<WorkerUtils>;
  run(options: object): Promise<{ stop(): Promise<void> }>;
}

const batchRows = 1_000;

/** graphile-worker 0.18: rows of done jobs are deleted. */
class GraphileSubject implements Subject {
  #package: GraphileWorker | undefined;
  #options: SubjectOptions | undefined;
  #utilities: WorkerUtils | undefined;
  #runner: { stop(): Promise<void> } | undefined;
  readonly chains = notAsked("chains");
  readonly fan = notAsked("fan-out");
  readonly ticks = notAsked("schedules");
  readonly steps = notAsked("steps");

  async open(options: SubjectOptions): Promise<void> {
    this.#options = options;
    this.#package = await loadPeer<GraphileWorker>("graphile-worker");
    this.#utilities = await this.#package.makeWorkerUtils(this.#connection());
    await this.#utilities.migrate();
  }

  async drain({ drainRuns }: Sizes): Promise<number[]> {
    for (let left = drainRuns; left > 0; left -= batchRows) {
      const job = { identifier: "noop", payload: {} };
      await this.#asked().addJobs(Array.from({ length: Math.min(left, batchRows) }, () => job));
    }
    const watch = new Stopwatch();
    const last = bodiesRun(drainRuns);
    await this.work();
    await last;
    while ((await this.#jobsLeft()) > 0) await pause(5);
    return watch.rates(drainRuns);
  }

  async enqueue({ enqueueRuns }: Sizes): Promise<number[]> {
    await rateOf(enqueueRuns / 20, 10, () => this.#asked().addJob("noop", {}));
    return rateOf(enqueueRuns, 10, () => this.#asked().addJob("noop", {}));
  }

  async latency(sizes: Sizes): Promise<number[]> {
    await this.work();
    await this.submit({ ...sizes, latencyRuns: 10 });
    await this.takeDelays({ ...sizes, latencyRuns: 10 });
    await this.submit(sizes);
    return this.takeDelays({ ...sizes, latencyRuns: sizes.latencyRuns + 10 });
  }

  async work(): Promise<number[]> {
    const { concurrency, isTuned } = this.#opened();
    const best = { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 };
    const worker = { concurrentJobs: concurrency, maxPoolSize: concurrency + 1, ...best };
    this.#runner = await this.#loaded().run({
      ...this.#connection(),
      ...(isTuned ? { preset: { worker } } : { concurrency }),
      noHandleSignals: true,
      taskList: {
        noop: () => noteBody(),
        timed: (payload: { at: string }) => noteBody(Number(process.hrtime.bigint() - BigInt(payload.at)) / 1e6),
      },
    });
    return [];
  }

  async submit({ latencyRuns, latencyGapMs }: Sizes): Promise<number[]> {
    for (let run = 0; run < latencyRuns; run++) {
      await this.#asked().addJob("timed", { at: instant() });
      await pause(latencyGapMs);
    }
    return [];
  }

  async takeDelays({ latencyRuns }: Sizes): Promise<number[]> {
    while (countBodies() < latencyRuns) await pause(10);
    return takeDelaysMs();
  }

  async close(): Promise<void> {
    await this.#runner?.stop();
    await this.#utilities?.release();
  }

  async #jobsLeft(): Promise<number> {
    const text = "select count(*)::int as left from (select 1 from graphile_worker._private_jobs limit 1) one";
    const { rows } = await this.#asked().withPgClient((client) => client.query(text));
    return rows[0]?.left ?? 0;
  }

  #connection(): object {
    const { Logger } = this.#loaded();
    return { connectionString: this.#opened().store, logger: new Logger(() => () => undefined) };
  }

  #opened(): SubjectOptions {
    if (this.#options === undefined) throw new Error("not opened");
    return this.#options;
  }

  #loaded(): GraphileWorker {
    if (this.#package === undefined) throw new Error("not opened");
    return this.#package;
  }

  #asked(): WorkerUtils {
    if (this.#utilities === undefined) throw new Error("not opened");
    return this.#utilities;
  }
}

serveSubject(new GraphileSubject());
