import { loadPeer } from "./peer-package.ts";
import { rateOf, type Sizes, StepsSubject, type SubjectOptions, serveSubject } from "./subject.ts";

interface Dbos {
  setConfig(config: object): void;
  registerWorkflow<T>(body: () => Promise<T>, options: { readonly name: string }): () => Promise<T>;
  runStep<T>(step: () => Promise<T>, options: { readonly name: string }): Promise<T>;
  launch(): Promise<void>;
  shutdown(): Promise<void>;
}

const poolSize = 50;

/** DBOS 5: a library on PostgreSQL; each step is a row, committed before the next begins. */
class DbosSubject extends StepsSubject {
  #dbos: Dbos | undefined;
  #tenSteps: (() => Promise<number>) | undefined;
  #concurrency = 1;

  async open({ store, concurrency }: SubjectOptions): Promise<void> {
    const { DBOS } = await loadPeer<{ readonly DBOS: Dbos }>("@dbos-inc/dbos-sdk");
    DBOS.setConfig({
      ...{ name: "bench", systemDatabaseUrl: store, systemDatabasePoolSize: poolSize },
      ...{ runAdminServer: false, logLevel: "error" },
    });
    this.#tenSteps = DBOS.registerWorkflow(
      async () => {
        let sum = 0;
        for (let step = 0; step < 10; step++) sum += await DBOS.runStep(async () => step, { name: `step-${step}` });
        return sum;
      },
      { name: "tenSteps" },
    );
    await DBOS.launch();
    this.#dbos = DBOS;
    this.#concurrency = concurrency;
  }

  async steps({ stepBodies }: Sizes): Promise<number[]> {
    const body = this.#tenSteps;
    if (body === undefined) throw new Error("not opened");
    await rateOf(2 * this.#concurrency, this.#concurrency, () => body());
    return rateOf(stepBodies * this.#concurrency, this.#concurrency, () => body());
  }

  async close(): Promise<void> {
    await this.#dbos?.shutdown();
  }
}

serveSubject(new DbosSubject());
