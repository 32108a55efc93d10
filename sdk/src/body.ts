import {
  type ActivationStart,
  AppError,
  type ChannelCall,
  isAppError,
  isRefusedOutcome,
  limits,
  utf8Bytes,
} from "@holdfast/protocol";
import { cleanUpContext, cleanUpOf } from "./clean-up.ts";
import { ActivationContext } from "./context.ts";
import type { TaskData } from "./definition.ts";
import { failure, type Outcome } from "./outcome.ts";
import { hasJobs, withoutJobs } from "./returned-jobs.ts";
import { isSkip } from "./skip.ts";
import { describeIssues, type StandardSchema } from "./standard-schema.ts";

export { loadFailure, loadTask } from "./load-task.ts";
export { failure, type Outcome } from "./outcome.ts";

// Runs one body, whatever process it is in: input checked, body called, result checked, outcome said.

/** One activation's body and what it runs with. */
export interface BodyRun {
  readonly task: TaskData;
  readonly start: ActivationStart;
  readonly call: ChannelCall;
  readonly abortSignal: AbortSignal;
  /** Absolute; stacks name files relative to it. */
  readonly projectRoot: string;
}

/**
 * Runs the body to its end and answers what is to be said of it; undefined: nothing, for its run waits and the body is left where
 * it stands. Never rejects. Steps and calls that the body left unawaited are waited for, and its log and progress have been sent.
 */
export async function runBody(run: BodyRun): Promise<Outcome | undefined> {
  const context = new ActivationContext(run.start, run.call, run.abortSignal, run.task.options);
  return Promise.race([bodyOutcome(run, context), context.suspended.then(() => undefined)]);
}

async function bodyOutcome(run: BodyRun, context: ActivationContext): Promise<Outcome> {
  try {
    const input = await checked(run.task.options.input, run.start.input, (issues) => {
      return new AppError("invalid_input", `The input does not fit ${run.task.options.id}: ${issues}`);
    });
    if (run.start.cleanUp !== undefined) return await cleanedUp(run, input, context);
    const returned = await run.task.body(input as never, context);
    await context.stepsDone();
    await context.callsDone();
    return await success(run.task, returned);
  } catch (thrown) {
    await context.stayed();
    if (isSkip(thrown)) await context.callsDone();
    return failure(thrown, run.projectRoot);
  } finally {
    context.close();
  }
}

/** Carries out the task's clean-up instead of its body; a plain function that a workflow's file names is one itself. */
async function cleanedUp({ task, start, call }: BodyRun, input: unknown, context: ActivationContext): Promise<Outcome> {
  const own = cleanUpContext({ context, start, call });
  const isPlain = start.executor === "typescript" && start.source.plain === true;
  const clean = isPlain ? task.body : cleanUpOf(task.options.onCancel);
  if (clean === undefined) {
    const message = `The task ${task.options.id} has no "onCancel" any more: nothing was cleaned up.`;
    return { method: "run.fail", params: { error: { code: "definition_missing", message }, fatal: true } };
  }
  await clean(input as never, own as never);
  await context.stepsDone();
  return { method: "run.succeed", params: { output: null } };
}

async function success(task: TaskData, returned: unknown): Promise<Outcome> {
  try {
    const { output: schema } = task.options;
    // What comes of jobs is not known yet: the control plane holds the whole against the schema once it is.
    const output =
      schema !== undefined && hasJobs(returned)
        ? returned
        : await checked(schema, returned, (issues) => new TypeError(`It does not fit: ${issues}`));
    const said = withoutJobs(output);
    const bytes = utf8Bytes(JSON.stringify(said.output));
    if (bytes > limits.outputBytes) {
      return invalid(`It has ${bytes} bytes; the limit is ${limits.outputBytes}.`, {
        hint: "Keep large values in a file or an object store and return their name.",
      });
    }
    return { method: "run.succeed", params: said };
  } catch (error) {
    const hint = isAppError(error) ? error.hint : undefined;
    return invalid(error instanceof Error ? error.message : String(error), hint === undefined ? {} : { hint });
  }
}

function invalid(why: string, more: { readonly hint?: string } = {}): Outcome {
  const message = `The body returned something that cannot be its output. ${why}`;
  return { method: "run.fail", params: { error: { code: "result_invalid", message, ...more } } };
}

async function checked(
  schema: StandardSchema | undefined,
  value: unknown,
  refusal: (issues: string) => Error,
): Promise<unknown> {
  if (schema === undefined) return value;
  const answer = schema["~standard"].validate(value);
  const result = answer instanceof Promise ? await answer : answer;
  if (result.issues === undefined) return result.value;
  throw refusal(describeIssues(result.issues));
}

const firstPauseMs = 50;
const longestPauseMs = 5_000;

/**
 * Says the outcome until it is acknowledged: while the store is away it is said again (the control plane takes it once).
 * An outcome that cannot be stored becomes a failure that says so. Rejects with `stale_epoch` or `run_ended` when the
 * control plane no longer wants to hear it, and with the AppError of a refusal that has no remedy.
 */
export async function settle(call: ChannelCall, outcome: Outcome, pause: (ms: number) => Promise<void>): Promise<void> {
  let said = outcome;
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
    try {
      await call(said.method, said.params);
      return;
    } catch (error) {
      if (isAppError(error, "store_unavailable")) await pause(pauseMs);
      else if (said === outcome && isRefusedOutcome(error)) said = unstorable(outcome, error);
      else throw error;
    }
  }
}

function unstorable(outcome: Outcome, error: AppError): Outcome {
  const what = outcome.method === "run.succeed" ? "result" : "error";
  const isSaid = error.code === "invalid_output" || error.code === "unsupported";
  const message = isSaid ? error.message : `The ${what} of the body could not be stored: ${error.message}`;
  const hint = error.hint === undefined ? {} : { hint: error.hint };
  return { method: "run.fail", params: { error: { code: "result_invalid", message, ...hint } } };
}
