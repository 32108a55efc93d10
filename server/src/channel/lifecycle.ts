import type { RunError } from "@holdfast/protocol";
import type { ActivationLog } from "../operations/activation-log.ts";
import type { Handlers } from "./handlers.ts";

/** What an activation says about itself, and its steps. */
export const lifecycle: Handlers<"run.succeed" | "run.fail" | "run.retry" | "run.skip" | "step.commit"> = {
  "run.succeed": async ({ completion, held, task, definitions }, { output }) => {
    await definitions.checkOutput(task, output);
    await completion.succeed(held, output);
    return {};
  },
  "run.fail": async ({ completion, held, log }, { error, fatal = false }) => {
    await tell(log, error);
    await completion.fail(held, { outcome: "failed", error, fatal });
    return {};
  },
  "run.retry": async ({ completion, held, log }, { error, afterMs }) => {
    await tell(log, error);
    await completion.fail(held, { outcome: "failed", error, fatal: false, afterMs });
    return {};
  },
  "run.skip": async ({ completion, held }, { reason }) => {
    await completion.skip(held, { code: "skipped_by_task", message: reason });
    return {};
  },
  "step.commit": ({ completion, held }, step) => completion.commitStep(held, step),
};

/** What a body threw stands in its log with the place in the user's code: each try's, and where people look for it. */
async function tell(log: ActivationLog, { stack }: RunError): Promise<void> {
  if (stack !== undefined) await log.write([{ stream: "log", level: "error", text: stack }]);
}
