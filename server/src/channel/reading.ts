import type { Handlers } from "./handlers.ts";

/** What an activation reads. */
export const reading: Handlers<"output.get"> = {
  "output.get": async ({ waits, held }, { run }) => ({ output: await waits.output(held, run) }),
};
