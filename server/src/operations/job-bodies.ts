import {
  AppError,
  type ExternalTaskSpec,
  isAppError,
  type Json,
  type RunError,
  type StepRecord,
  type TaskSpec,
  type WaitSpec,
} from "@holdfast/protocol";
import type { Store } from "../store/store.ts";
import type { BodyWaits } from "./body-waits.ts";
import type { Completion, HeldActivation } from "./completion.ts";
import type { Definitions } from "./definitions.ts";
import { filledJob } from "./job-input.ts";
import {
  placed,
  type Returned,
  type ReturnedRecord,
  recordOf,
  returnedKey,
  standingOf,
  type WaitEnd,
  waitEnds,
} from "./returned-jobs.ts";

// Activations that wait for external jobs and run no user code, which the node therefore carries out itself: of a task that is nothing
// but one job (the executors cloudrun, http and kubernetes of workflow files), and of one whose body has returned jobs.

/** The key of the one job of a task that is nothing else. */
const ownKey = "job";

export interface JobBodiesOptions {
  readonly store: Store;
  readonly waits: BodyWaits;
  readonly completion: Completion;
  readonly definitions: Definitions;
}

/** What is known when an activation starts. */
export interface JobStart {
  readonly spec: TaskSpec;
  readonly input: Json;
  readonly steps: readonly StepRecord[];
}

export class JobBodies {
  readonly #options: JobBodiesOptions;

  constructor(options: JobBodiesOptions) {
    this.#options = options;
  }

  /** Carries an activation out that needs no process. False: it is somebody else's. Throws as `BodyWaits.open` and a finish. */
  async carryOut(held: HeldActivation, { spec, input, steps }: JobStart): Promise<boolean> {
    const { attempt } = held.run;
    const ends = waitEnds(steps, attempt);
    if (spec.executor === "external") {
      await this.#carryOwn(held, spec, input, ends);
      return true;
    }
    const key = returnedKey(attempt);
    const record = steps.find((step) => step.key === key)?.value as ReturnedRecord | undefined;
    if (record === undefined) return false;
    await this.#conclude(held, spec, record, ends);
    return true;
  }

  /** A body has returned jobs: its run waits for them, without it. Throws `invalid_output` for what is no job. */
  async park(held: HeldActivation, spec: TaskSpec, returned: Returned): Promise<void> {
    const { attempt } = held.run;
    const record = recordOf(returned, attempt);
    const waits = returned.jobs.map(({ path: _, ...job }, index): WaitSpec => {
      return { kind: "external", key: record.jobs[index]?.key ?? "", ...job };
    });
    const settles = [{ key: returnedKey(attempt), value: record as unknown as Json, drops: [] }];
    const groups = groupsOf(record, waits.map(({ key }) => key)); // biome-ignore format: one line
    const { suspended, records, refused } = await this.#options.waits.suspend(held, {
      waits,
      settles,
      groups,
      whole: true,
      called: new Map(record.jobs.map(({ key, path }) => [key, placeText(path)])),
    });
    const [first] = refused;
    if (first !== undefined) {
      const { message, hint } = first.error;
      throw new AppError(
        "invalid_output",
        `It has a job that cannot be waited for. ${message}`,
        hint === undefined ? {} : { hint },
      );
    }
    if (!suspended) await this.#conclude(held, spec, record, waitEnds(records, attempt));
  }

  async #carryOwn(
    held: HeldActivation,
    spec: ExternalTaskSpec,
    input: Json,
    known: ReadonlyMap<string, WaitEnd>,
  ): Promise<void> {
    const { id, attempt, name } = held.run;
    let end = known.get(ownKey);
    if (end === undefined) {
      const { service, connection, how, job } = spec.source;
      const filled = filledJob(job, { input, run: { id, attempt } });
      const place = connection === undefined ? { service } : { service, connection };
      const timeout = spec.timeoutMs === undefined ? {} : { timeoutMs: spec.timeoutMs };
      const asked = how === "submit" ? { spec: filled } : { ref: filled };
      const wait: WaitSpec = { kind: "external", key: ownKey, ...place, ...asked, ...timeout };
      const answer = await this.#options.waits.suspend(held, {
        waits: [wait],
        settles: [],
        groups: [[ownKey]],
        whole: true,
        called: new Map([[ownKey, name]]),
      });
      if (answer.suspended) return;
      const [refused] = answer.refused;
      if (refused !== undefined) {
        await this.#options.completion.fail(held, { outcome: "failed", error: refused.error, fatal: true });
        return;
      }
      end = waitEnds(answer.records, attempt).get(ownKey);
    }
    if (end === undefined) throw new Error(`run ${id} waits for its job, and nothing is recorded of it`);
    if (end.end !== "done") await this.#fail(held, end);
    else await this.#succeed(held, spec, await this.#resultOf(end));
  }

  async #conclude(
    held: HeldActivation,
    spec: TaskSpec,
    record: ReturnedRecord,
    known: ReadonlyMap<string, WaitEnd>,
  ): Promise<void> {
    const { waits } = this.#options;
    const ends = new Map(known);
    for (;;) {
      const standing = standingOf(record, ends);
      if (standing.is !== "open") {
        if (standing.open.length > 0) {
          const drop = {
            key: `${returnedKey(held.run.attempt)}/decided`,
            value: standing.is,
            drops: [...standing.open],
          };
          await waits.open(held, { waits: [], settles: [drop] });
        }
        if (standing.is === "failed") await this.#fail(held, standing.first);
        else await this.#succeed(held, spec, await this.#outputOf(record, ends));
        return;
      }
      const groups = groupsOf(record, standing.keys);
      const { suspended, records } = await waits.suspend(held, { waits: [], settles: [], groups });
      if (suspended) return;
      for (const [key, end] of waitEnds(records, held.run.attempt)) ends.set(key, end);
    }
  }

  async #outputOf({ output, jobs }: ReturnedRecord, ends: ReadonlyMap<string, WaitEnd>): Promise<Json> {
    let whole = output;
    for (const { key, path } of jobs) {
      const end = ends.get(key);
      whole = placed(whole, path, end?.end === "done" ? await this.#resultOf(end) : null);
    }
    return whole;
  }

  async #resultOf({ value = null, large, job }: WaitEnd): Promise<Json> {
    if (large !== true || job === undefined) return value;
    return (await this.#options.store.findJob({ id: job.id }))?.result ?? null;
  }

  /** What comes of jobs is held against what the task declares, whatever its language. */
  async #succeed(held: HeldActivation, spec: TaskSpec, output: Json): Promise<void> {
    const { definitions, completion } = this.#options;
    try {
      await definitions.checkDeclared(spec, output);
      await completion.succeed(held, output);
    } catch (error) {
      if (!isAppError(error, "invalid_output") && !isAppError(error, "too_large")) throw error;
      const { message, hint } = error;
      const reason: RunError = { code: "result_invalid", message, ...(hint === undefined ? {} : { hint }) };
      await completion.fail(held, { outcome: "failed", error: reason, fatal: false });
    }
  }

  /** The policy of retries holds for what fails outside as for what fails here (Ork's defect 3). */
  async #fail(held: HeldActivation, { end, job, status = "failed", error }: WaitEnd): Promise<void> {
    const { completion } = this.#options;
    const { service = "", externalId = null, id = "" } = job ?? {};
    const what = `The job ${externalId ?? id} of ${service}`;
    if (end === "timed_out") {
      const reason = { code: "task_timed_out", message: `${what} did not end in its time, and was ended.` };
      await completion.fail(held, { outcome: "timed_out", error: reason, fatal: false });
      return;
    }
    const { code = status, message = "The service gives no reason.", hint } = error ?? {};
    const details = { service, jobId: id, externalId, status, code };
    const reason: RunError = {
      code: "external_failed",
      message: `${what} ${status}: ${message}`,
      details,
      ...(hint === undefined ? {} : { hint }),
    };
    await completion.fail(held, { outcome: "failed", error: reason, fatal: false });
  }
}

/** Where a job stands in what a body has returned. */
function placeText(path: readonly (string | number)[]): string {
  const steps = path.map((step) => (typeof step === "number" ? `[${step}]` : `.${step}`));
  return `output${steps.join("")}`;
}

/** Who needs all of them is woken when all have ended, else whenever one has. */
function groupsOf({ jobs, enough }: ReturnedRecord, open: readonly string[]): string[][] {
  return enough === jobs.length ? [[...open]] : open.map((key) => [key]);
}
