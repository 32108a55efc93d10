import { AppError, type Binding, type ErrorCode, type Json, type Manifest } from "@holdfast/protocol";
import { evaluateBinding, hasExpression, type Scope } from "../bindings.ts";
import { Overrun, ranMs } from "../bounded-work.ts";
import type { Fit, FitOptions, Fitted, Schema } from "../schema-fit.ts";
import { type Done, EvaluationThread, thrown } from "./evaluation-thread.ts";
import {
  doParts,
  type InputsJob,
  type Job,
  type KeysJob,
  type MappedInput,
  type Program,
  Programs,
} from "./programs.ts";
import { longestWorkMs, Slowness } from "./slowness.ts";

// What is quick is evaluated where it is asked for. What is not is cut off there after a moment and begun again in a thread of
// its own, whatever it does: so that a node can always answer, renew its lease and be told to stop (P1, P11).
// See docs/decisions/0015-bounded-expressions.md.

/** Longest that one piece of work may keep the node's own thread, in milliseconds of its running time. */
const momentMs = 50;
/** All pieces of one turn of the event loop together; those that come then wait for the next. */
const turnMs = 20;
/** Shorter pieces are not counted. */
const countedMs = 1;
/** Longest for all parts of one job together, in milliseconds of running time. */
const longestJobMs = 60_000;
/** Many times the largest value that is kept. */
const threadMb = 512;
/** Of those who ask at once for one schema or expression and can ask again. */
const mostWaiting = 100;

/** What is evaluated, in messages: `Checking the input of "load"`. */
interface Bounded {
  readonly what: string;
  readonly code: ErrorCode;
  /** Refused with `limit_exceeded` where many wait for the same already: whoever asks can ask again. */
  readonly mayRefuse?: boolean;
}

/** Manifests wait for each other. Each is another one: none is known to be slow. */
const manifests = {};

/** Evaluates users' schemas and expressions. */
export class Evaluator {
  readonly #programs = new Programs();
  readonly #slowness = new Slowness();
  readonly #thread: EvaluationThread;
  #usedMs = 0;
  #isResetting = false;

  /** `memoryMb`: what its thread may take. */
  constructor({ memoryMb = threadMb }: { memoryMb?: number } = {}) {
    this.#thread = new EvaluationThread({ longestMs: longestJobMs, memoryMb });
  }

  /** The compiled schema, for what takes no time. Throws `invalid_definition`. */
  schema(schema: Schema, options: FitOptions): Fit {
    return this.#programs.fit(schema, options);
  }

  /** Whether a value fits a schema. Throws the given code when that is not known in time. */
  async fit(value: Json, schema: Schema, options: FitOptions, bounded: Bounded): Promise<Fitted> {
    const fit = this.schema(schema, options);
    if (fit.isLight(value)) return fit.hold(value);
    const [fitted] = await this.#evaluate({ kind: "fit", schema, options, value }, bounded);
    return fitted as Fitted;
  }

  /** The value of a binding. Missing fields are null. Throws `invalid_input`, naming `place`, when it has none, or not in time. */
  async bind(binding: Binding, scope: Scope, place: string): Promise<Json> {
    if (!hasExpression(binding)) return evaluateBinding(binding, scope, place);
    const bounded = { what: `Binding ${place}`, code: "invalid_input" } as const;
    const [value] = await this.#evaluate({ kind: "bind", binding, scope, place }, bounded);
    return value as Json;
  }

  /** The identities of a map's items. Throws `invalid_input`. */
  async keys(job: Omit<KeysJob, "kind">): Promise<string[]> {
    return (await this.#evaluate({ kind: "keys", ...job }, itemsOf(job.name))) as string[];
  }

  /** The inputs of a map's items. Throws `invalid_input`, `limit_exceeded`. */
  async inputs(job: Omit<InputsJob, "kind">): Promise<MappedInput[]> {
    return (await this.#evaluate({ kind: "inputs", ...job }, itemsOf(job.name))) as MappedInput[];
  }

  /** Throws `invalid_definition` for the first mistake in a manifest, with its place and a remedy. */
  async check(manifest: Manifest): Promise<void> {
    const bounded = { what: `Checking the manifest of "${manifest.root}"`, code: "invalid_definition" } as const;
    await this.#evaluate({ kind: "check", manifest }, bounded);
  }

  /** Ends its thread. */
  close(): Promise<void> {
    return this.#thread.close();
  }

  async #evaluate(job: Job, bounded: Bounded): Promise<unknown[]> {
    const subject = subjectOf(job);
    const done: unknown[] = [];
    if (await this.#here(job, done, bounded)) return done;
    if (bounded.mayRefuse === true && this.#thread.waiting(subject) >= mostWaiting) throw crowded(bounded);
    const boundMs = () => this.#slowness.boundMs(subject) ?? longestWorkMs;
    const { results, overrun, failure, ended } = await this.#thread.carryOut({
      job,
      subject,
      from: done.length,
      boundMs,
    });
    if (failure !== undefined) throw thrown(failure);
    for (const result of results) done.push(result);
    if (ended !== undefined) throw unended(bounded, ended);
    if (overrun !== undefined) {
      const error = this.#overran(subject, overrun, bounded, done.length);
      overruns.add(error);
      throw error;
    }
    return done;
  }

  /** Does in this thread what can be done there. False: it is for the other one; what is done of it is in `done`. */
  async #here(job: Job, done: unknown[], bounded: Bounded): Promise<boolean> {
    const subject = subjectOf(job);
    let program: Program | undefined;
    let allMs = 0;
    do {
      while (this.#usedMs >= turnMs) await new Promise((resolve) => setImmediate(resolve));
      if (this.#slowness.boundMs(subject) !== undefined || this.#thread.waiting(subject) > 0) return false;
      program ??= this.#programs.open(job);
      const beforeMs = ranMs();
      try {
        doParts(program, done, 0, momentMs);
      } catch (error) {
        if (error instanceof Overrun) return false;
        throw error;
      } finally {
        this.#count(ranMs() - beforeMs);
        allMs += ranMs() - beforeMs;
      }
      if (allMs >= longestJobMs && done.length < program.parts) throw tooMuch(bounded, longestJobMs, done.length);
    } while (done.length < program.parts);
    return true;
  }

  #count(ms: number): void {
    if (ms < countedMs) return;
    this.#usedMs += ms;
    if (this.#isResetting) return;
    this.#isResetting = true;
    setImmediate(() => {
      this.#usedMs = 0;
      this.#isResetting = false;
    });
  }

  #overran(subject: object, overrun: NonNullable<Done["overrun"]>, bounded: Bounded, parts: number): AppError {
    const { part, boundMs } = overrun;
    if (boundMs === longestJobMs) return tooMuch(bounded, boundMs, parts);
    if (subject !== manifests) this.#slowness.note(subject);
    const where = part === "" ? "" : `; it was at ${part}`;
    const message = `${bounded.what} took longer than ${boundMs} ms${where}.`;
    if (boundMs === longestWorkMs) return new AppError(bounded.code, message, { hint: overrun.hint });
    const leftS = Math.ceil(this.#slowness.leftMs(subject) / 1_000);
    const less = `It has less time than others for ${leftS} s yet, since it has run over ${longestWorkMs} ms of late.`;
    return new AppError(bounded.code, message, { hint: `${overrun.hint} ${less}` });
  }
}

/** Errors that say that something took too long. */
const overruns = new WeakSet<object>();

/** Whether an error says that an evaluation took too long: it may be no mistake of this value, and the next takes as long. */
export function isOverrun(error: object): boolean {
  return overruns.has(error);
}

function itemsOf(name: string): Bounded {
  return { what: `Binding the items of "${name}"`, code: "invalid_input" };
}

/** What is remembered as slow. Manifests are kept in memory, so that these are the same at the next time. */
function subjectOf(job: Job): object {
  switch (job.kind) {
    case "fit":
      return job.schema;
    case "bind":
      return job.binding;
    case "keys":
      return job.itemKey;
    case "inputs":
      return job.with;
    case "check":
      return manifests;
  }
}

function tooMuch({ what, code }: Bounded, ms: number, parts: number): AppError {
  return new AppError(code, `${what} took longer than ${ms} ms; ${parts} parts of it are done.`, {
    hint: "Make it simpler, or do this work in a task.",
  });
}

function unended({ what, code }: Bounded, why: string): AppError {
  return new AppError(code, `${what} was given up: ${why}.`, { hint: "Make it simpler, or do this work in a task." });
}

function crowded({ what }: Bounded): AppError {
  return new AppError("limit_exceeded", `${what} takes long, and ${mostWaiting} others wait for the same.`, {
    hint: "Ask again in a while. A pattern or expression that takes long for some values is to be written otherwise.",
  });
}
