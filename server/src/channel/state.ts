import type { Handlers } from "./handlers.ts";

/** What an activation reads and writes of the state of its run and its task. */
export const state: Handlers<"state.get" | "state.list" | "state.transact"> = {
  "state.get": async ({ state: values, held }, { scope, keys }) => ({ values: await values.get(held, scope, keys) }),
  "state.list": ({ state: values, held }, asked) => values.list(held, asked),
  "state.transact": ({ state: values, held }, asked) => values.transact(held, asked),
};
