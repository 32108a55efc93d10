import { setTimeout as pause } from "node:timers/promises";
import { type RunningNode, type Services, startNode } from "../../server/src/main.ts";

// What is copied: ten runs that were really carried out, with all that they left behind. Steps, log lines, the keys of
// requests, a workflow of three tasks with its edges, and one run that failed.

/** How many runs the unit has. */
export const unitRuns = 10;

const roots = ["noop", "noop", "noop", "stepping", "stepping", "failing", "three"] as const;
/** The last of them came over HTTP, where every request has a key. */
const firstRequest = 3;

/** Carries out the unit on an empty store. Its roots in the order of their creation. */
export async function carryOutUnit(services: Services, root: string): Promise<string[]> {
  const node: RunningNode = await startNode(services, { root, concurrency: 1 });
  const ids: string[] = [];
  for (const [index, definition] of roots.entries()) {
    const request = index < firstRequest ? undefined : `request-${index}`;
    const { run } = await services.runs.start({ definition, input: { day: "2026-03-01" } }, request);
    ids.push(run.id);
    // It fails where it is to fail.
    await services.history.result(run.id, 60_000).catch(() => undefined);
  }
  // Members leave, and with them the lines that are still under way are kept.
  await node.stop();
  while ((await services.store.sequenceEvents({ limitRows: 1_000 })).more) await pause(1);
  return ids;
}
