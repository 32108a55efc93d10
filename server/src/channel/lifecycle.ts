import { AppError, type RunError } from "@holdfast/protocol";
import type { ActivationLog } from "../operations/activation-log.ts";
import { type HeldActivation, isCleanUp } from "../operations/completion.ts";
import { deferralOf } from "../operations/returned-jobs.ts";
import type { Handlers } from "./handlers.ts";

type Lifecycle =
  | "run.succeed"
  | "run.fail"
  | "run.retry"
  | "run.skip"
  | "run.suspend"
  | "step.commit"
  | "wait.open"
  | "external.submit"
  | "external.adopt";

/** What an activation says about itself, its steps, and what it waits for. */
export const lifecycle: Handlers<Lifecycle> = {
  "run.succeed": async ({ completion, held, task, definitions, jobs }, { output, jobs: own, enough }) => {
    mayEnd(held);
    if (isCleanUp(held)) {
      await completion.cleanedUp(held);
      return {};
    }
    const returned = own === undefined ? deferralOf(task, output) : { output, jobs: own, enough: enough ?? own.length };
    if (returned !== undefined) {
      await jobs.park(held, task, returned);
      return {};
    }
    await definitions.checkOutput(task, output);
    await completion.succeed(held, output);
    return {};
  },
  "run.fail": async ({ completion, held, log }, { error, fatal = false }) => {
    await tell(log, error, held);
    mayEnd(held);
    await completion.fail(held, { outcome: "failed", error, fatal });
    return {};
  },
  "run.retry": async ({ completion, held, log }, { error, afterMs }) => {
    await tell(log, error, held);
    mayEnd(held);
    await completion.fail(held, { outcome: "failed", error, fatal: false, afterMs });
    return {};
  },
  "run.skip": async ({ completion, held }, { reason }) => {
    mayEnd(held);
    await completion.skip(held, { code: "skipped_by_task", message: reason });
    return {};
  },
  "run.suspend": ({ waits, held }, asked) => waits.suspend(held, asked),
  "step.commit": ({ completion, held }, step) => completion.commitStep(held, step),
  "external.submit": ({ waits, held }, asked) => waits.submit(held, asked),
  "external.adopt": async ({ waits, held }, named) => {
    await waits.adopt(held, named);
    return {};
  },
  "wait.open": ({ waits, held }, asked) => waits.open(held, asked),
};

/**
 * A body that was told to end has most likely been cut short, whatever it says then: it neither failed nor succeeded. Refused,
 * it is given back: to start again where its node stops, to end as ordered where it was cancelled (P6).
 */
function mayEnd({ isToldToEnd, run }: HeldActivation): void {
  if (!isToldToEnd) return;
  throw new AppError(
    "run_ended",
    `Activation ${run.epoch} of run ${run.id} was told to end: what it says is not heard.`,
  );
}

/** What a body threw stands in its log with the place in the user's code: each try's, and where people look for it. */
async function tell(log: ActivationLog, { stack }: RunError, { isToldToEnd }: HeldActivation): Promise<void> {
  if (stack === undefined) return;
  const line = isToldToEnd
    ? ({ level: "info", text: `It was told to end and threw an error, which does not count:\n${stack}` } as const)
    : ({ level: "error", text: stack } as const);
  await log.write([{ stream: "log", ...line }]);
}
