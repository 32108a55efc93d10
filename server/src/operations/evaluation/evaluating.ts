import { isAppError } from "@holdfast/protocol";
import { Overrun, ranMs } from "../bounded-work.ts";
import type { Schema } from "../schema-fit.ts";
import type { Failure, Order, Report } from "./messages.ts";
import { doParts, type Job, type Program, Programs } from "./programs.ts";

/** A job of many parts is put aside after so long, for others. */
const shareMs = 200;
const keptSchemas = 100;

/** The thread's side: carries jobs out, a share of time for each order. */
export class Evaluating {
  readonly #programs = new Programs();
  /** Messages are copies: what is compiled of a schema is found by its text. */
  readonly #schemas = new Map<string, Schema>();
  readonly #begun = new Map<number, Program>();

  goOn({ id, job, from, boundMs }: Order): Report {
    const results: unknown[] = [];
    const beforeMs = ranMs();
    const report = (end: Pick<Report, "isDone" | "overrun" | "failure">): Report => {
      if (end.isDone) this.#begun.delete(id);
      return { id, results, ranMs: ranMs() - beforeMs, ...end };
    };
    try {
      const program = this.#begun.get(id) ?? this.#begin(id, job, from);
      for (const started = performance.now(); from + results.length < program.parts; ) {
        doParts(program, results, from, boundMs);
        if (performance.now() - started >= shareMs) break;
      }
      return report({ isDone: from + results.length >= program.parts });
    } catch (error) {
      if (!(error instanceof Overrun)) return report({ isDone: true, failure: failureOf(error) });
      const { part, hint } = error;
      return report({ isDone: true, overrun: { part, hint } });
    }
  }

  #begin(id: number, job: Job | undefined, from: number): Program {
    if (job === undefined) throw new Error("an order to go on with a job that never began");
    const program = this.#programs.open(this.#withKnownSchema(job), from);
    this.#begun.set(id, program);
    return program;
  }

  #withKnownSchema(job: Job): Job {
    if (job.kind === "fit") return { ...job, schema: this.#known(job.schema) };
    if (job.kind !== "inputs" || job.definition.schema === undefined) return job;
    return { ...job, definition: { ...job.definition, schema: this.#known(job.definition.schema) } };
  }

  #known(schema: Schema): Schema {
    const text = JSON.stringify(schema);
    const known = this.#schemas.get(text);
    if (known !== undefined) return known;
    if (this.#schemas.size >= keptSchemas) this.#schemas.clear();
    this.#schemas.set(text, schema);
    return schema;
  }
}

function failureOf(error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error);
  if (!isAppError(error)) return { message };
  const { code, hint, details } = error;
  return { code, message, ...(hint === undefined ? {} : { hint }), ...(details === undefined ? {} : { details }) };
}
