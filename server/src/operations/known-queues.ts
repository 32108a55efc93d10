import { defaultQueue, nearestName } from "@holdfast/protocol";
import type { Store } from "../store/store.ts";
import type { Definitions } from "./definitions.ts";

// A queue is a name: it needs no declaration, so that a wrong one is as good as any, and nothing ever comes to it.

/** Ready runs that are counted at most in each. */
const lookedAtRuns = 1;

/** Queues that a definition, a limit or a run that is ready names, in their order. */
export async function knownQueues(store: Store, definitions: Definitions, namespace: string): Promise<string[]> {
  const prefix = `${namespace}/queue/`;
  const [limits, backlog, views] = await Promise.all([
    store.listLimits({ prefix }),
    store.measureBacklog({ namespace, limitRows: lookedAtRuns }),
    definitions.list(),
  ]);
  const names = new Set([defaultQueue, ...limits.map(({ id }) => id.slice(prefix.length))]);
  for (const { queue } of backlog.queues) names.add(queue);
  for (const { manifestHash } of views) {
    const { definitions: specs } = await definitions.manifest(manifestHash);
    for (const spec of Object.values(specs)) if (spec.kind === "task") names.add(spec.queue);
  }
  return [...names].sort();
}

/** What is to be said of a queue that nobody knows; undefined of one that somebody does. */
export function unknownQueueText(queue: string, known: readonly string[]): string | undefined {
  if (known.includes(queue)) return undefined;
  const near = nearestName(queue, known);
  const meant = near === undefined ? `There is ${known.join(", ")}.` : `Did you mean ${near}?`;
  return `No definition, limit or run here has the queue ${queue}. ${meant}`;
}
