import type { Handlers } from "./handlers.ts";

/** What an activation does with other runs. */
export const orchestration: Handlers<"run.enqueue"> = {
  "run.enqueue": async ({ waits, held }, asked) => ({ runId: await waits.start(held, asked) }),
};
