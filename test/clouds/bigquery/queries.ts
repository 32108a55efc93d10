import type { Script } from "../script.ts";
import { list, record, text } from "../values.ts";
import { hasEnded, type Job, phaseOf, type World } from "../world.ts";
import { type Query, type QueryEngine, QueryFailure, type QueryParameter } from "./engine.ts";
import { referenceOf } from "./resources.ts";

/** What a job does that no script speaks of: it waits to be carried out. */
export const realScript: Script = { timeline: [{ afterMs: 0, phase: "queued" }] };

/** Jobs whose queries are really carried out. */
export class RealQueries {
  readonly #world: World;
  readonly #engine: QueryEngine;
  readonly #queryMs: number;

  /** Jobs that a killed process left running are carried out again, as a cloud's jobs outlive a machine of it. */
  constructor(options: { world: World; engine: QueryEngine; queryMs: number }) {
    this.#world = options.world;
    this.#engine = options.engine;
    this.#queryMs = options.queryMs;
    for (const job of options.world.list("bigquery")) this.start(job);
  }

  /** Unless a script says what becomes of the job. */
  start(job: Job): void {
    const { query } = record(job.spec.configuration);
    if (
      query === undefined ||
      hasEnded(job) ||
      JSON.stringify(job.script.timeline) !== JSON.stringify(realScript.timeline)
    )
      return;
    const over = new AbortController();
    const stop = this.#world.listen((changed, change) => {
      if (changed === job && (change === "gone" || hasEnded(job) || phaseOf(job) === "cancelling")) over.abort();
    });
    if (phaseOf(job) === "cancelling") over.abort();
    void this.#carryOut(job, record(query), over.signal).finally(stop);
  }

  async #carryOut(job: Job, asked: Record<string, unknown>, over: AbortSignal): Promise<void> {
    const { clock } = this.#world;
    if (phaseOf(job) === "queued") this.#world.turn(job, { phase: "running" }, [...job.ahead]);
    try {
      const result = await this.#engine.run(queryOf(job, asked), over);
      const untilMs = job.createdMs + this.#queryMs;
      while (!over.aborted && clock.nowMs() < untilMs) await this.#world.change(job, { untilMs, gone: over });
      if (over.aborted) return;
      job.facts.result = result;
      this.#world.turn(job, { phase: "succeeded" });
    } catch (error) {
      if (over.aborted) return;
      const failure = error instanceof QueryFailure ? error : new QueryFailure("backendError", String(error));
      if (failure.location !== undefined) job.facts.errorLocation = failure.location;
      this.#world.turn(job, { phase: "failed", reason: failure.reason, message: failure.message });
    }
  }
}

function queryOf(job: Job, asked: Record<string, unknown>): Query {
  const { query, defaultDataset, queryParameters, destinationTable, writeDisposition, useLegacySql } = asked;
  if (useLegacySql !== false) {
    const said = "Only GoogleSQL is spoken here: set useLegacySql to false, for it is true when it is left out.";
    throw new QueryFailure("invalidQuery", said);
  }
  const dataset = text(record(defaultDataset).datasetId);
  const { datasetId, tableId } = record(destinationTable);
  const write = text(writeDisposition) ?? "WRITE_EMPTY";
  return {
    job: job.uid,
    sql: text(query) ?? "",
    project: referenceOf(job).projectId,
    parameters: list(queryParameters) as QueryParameter[],
    ...(dataset !== undefined && { defaultDataset: dataset }),
    ...(tableId !== undefined && { destination: { dataset: String(datasetId), table: String(tableId), write } }),
  };
}
