import type { Handlers } from "./handlers.ts";

/** What an activation reads and writes of the state of its run, its task, and of assets. */
export const state: Handlers<"asset.get" | "asset.events" | "state.get" | "state.list" | "state.transact"> = {
  "asset.get": ({ assets, ...asking }, asked) => assets.get(asking, asked),
  "asset.events": ({ assets, ...asking }, asked) => assets.events(asking, asked),
  "state.get": async ({ state: values, ...asking }, { scope, keys }) => ({
    values: await values.get(asking, scope, keys),
  }),
  "state.list": ({ state: values, ...asking }, asked) => values.list(asking, asked),
  "state.transact": ({ state: values, ...asking }, asked) => values.transact(asking, asked),
};
