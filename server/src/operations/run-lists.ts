import type { RunPage, RunStatus } from "@holdfast/protocol";
import type { RunRow } from "../core/index.ts";
import type { Store } from "../store/store.ts";
import { runView } from "./run-views.ts";

/** Which runs are listed. */
export interface RunListing {
  readonly statuses?: readonly RunStatus[];
  readonly definition?: string;
  /** Children of this run. */
  readonly parentId?: string;
  /** What this key names: a root of each definition at most. */
  readonly key?: string | undefined;
  /** RFC 3339: only what was created from then on. */
  readonly since?: string | undefined;
  readonly rootsOnly: boolean;
  readonly cursor?: string;
  readonly limit: number;
}

interface Kept {
  readonly store: Store;
  readonly namespace: string;
}

/** Newest first. */
export async function listedRuns({ store, namespace }: Kept, listing: RunListing): Promise<RunPage> {
  const { key, since, rootsOnly, limit, ...filter } = listing;
  const from = since === undefined ? Number.NEGATIVE_INFINITY : Date.parse(since);
  if (key !== undefined) {
    const keyed = await keyedRuns({ store, namespace }, key, listing);
    return { runs: keyed.filter(({ createdAt }) => createdAt >= from).map(runView), cursor: null };
  }
  const { runs, cursor } = await store.listRuns({
    ...filter,
    namespace,
    rootsOnly: rootsOnly && listing.parentId === undefined,
    limitRows: limit,
  });
  // From the newest: behind one that is too old there are only older ones.
  const young = runs.filter(({ createdAt }) => createdAt >= from);
  return { runs: young.map(runView), cursor: young.length < runs.length ? null : cursor };
}

/** All of them: there are few. */
async function keyedRuns(
  { store, namespace }: Kept,
  key: string,
  { statuses, definition, parentId }: RunListing,
): Promise<RunRow[]> {
  if (parentId !== undefined) return [];
  const known = definition === undefined ? await store.listDefinitions({ namespace }) : [{ id: definition }];
  const ids = await store.findKeyedRuns({ namespace, key, definitions: known.map(({ id }) => id) });
  const found = await Promise.all(ids.map((id) => store.findRun({ id })));
  const runs = found.flatMap((run) => run ?? []).filter(({ status }) => statuses?.includes(status) !== false);
  return runs.sort((a, b) => b.createdAt - a.createdAt);
}
