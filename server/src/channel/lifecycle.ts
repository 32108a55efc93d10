import type { Handlers } from "./handlers.ts";

/** What an activation says about itself, and its steps. */
export const lifecycle: Handlers<"run.succeed" | "run.fail" | "run.retry" | "run.skip" | "step.commit"> = {
  "run.succeed": async ({ completion, held, task, definitions }, { output }) => {
    definitions.checkOutput(task, output);
    await completion.succeed(held, output);
    return {};
  },
  "run.fail": async ({ completion, held }, { error, fatal = false }) => {
    await completion.fail(held, { outcome: "failed", error, fatal });
    return {};
  },
  "run.retry": async ({ completion, held }, { error, afterMs }) => {
    await completion.fail(held, { outcome: "failed", error, fatal: false, afterMs });
    return {};
  },
  "run.skip": async ({ completion, held }, { reason }) => {
    await completion.skip(held, { code: "skipped_by_task", message: reason });
    return {};
  },
  "step.commit": ({ completion, held }, step) => completion.commitStep(held, step),
};
