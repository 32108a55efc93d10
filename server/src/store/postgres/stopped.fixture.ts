import assert from "node:assert/strict";
import { isAppError } from "@holdfast/protocol";
import { next, World } from "../contract/world.contract.ts";
import type { Store } from "../store.ts";
import type { PostgresStoreOptions } from "./options.ts";

/**
 * A process is stopped after it has locked a run and before it writes it: the server lets go of the run after a while, another process ends
 * it, and what the first says late changes nothing. `open`: another process's store, on the same database as `store`.
 */
export async function letsGoOfStopped(
  store: Store,
  open: (options: Omit<PostgresStoreOptions, "url">) => Promise<Store>,
): Promise<void> {
  const world = new World({ store, close: async () => {} });
  const run = await world.running();
  const [isHeld, goesOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const stopped = await open({
    idleTransactionMs: 200,
    beforeStatement: async (name) => {
      if (name !== "updateRuns") return;
      isHeld.resolve();
      await goesOn.promise;
    },
  });
  const ending = { to: "ended", status: "succeeded", outcome: "succeeded", output: "late" } as const;
  const late = stopped.finishActivations({ rows: [{ runId: run.id, epoch: run.epoch, ranMs: 1, next: ending }] });
  late.catch(() => undefined);
  await isHeld.promise;
  // Waits for the row until the server has let go of it.
  assert.equal((await world.finish(run, next.success("first"))).outcome, "finished");
  goesOn.resolve();
  await late.catch((error) => assert.ok(isAppError(error, "store_unavailable")));
  assert.equal((await world.get(run.id)).output, "first");
  await stopped.close();
}
