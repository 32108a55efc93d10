/** A run that wrote something of an asset, and when. */
export interface AssetWriter {
  readonly runId: string;
  readonly at: number;
}

/** Runs that an asset's detail names. */
export const maxWriters = 10;
/** Events that are looked at for them, and values of each of its scopes. */
export const maxWritings = 50;

/** The runs that wrote last, each once, the newest first. */
export function lastWriters(writings: readonly AssetWriter[]): AssetWriter[] {
  const newest = new Map<string, number>();
  for (const { runId, at } of writings) newest.set(runId, Math.max(at, newest.get(runId) ?? 0));
  const writers = [...newest].map(([runId, at]) => ({ runId, at }));
  return writers.sort((a, b) => b.at - a.at || (a.runId < b.runId ? -1 : 1)).slice(0, maxWriters);
}
