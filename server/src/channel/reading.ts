import type { Handlers } from "./handlers.ts";

/** What an activation reads. */
export const reading: Handlers<"output.get"> = {
  "output.get": async ({ waits, held }, asked) => ({
    output: await ("run" in asked ? waits.output(held, asked.run) : waits.result(held, asked.job)),
  }),
};
