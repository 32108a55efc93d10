import type { Memory } from "./memory.ts";

/** Deletes what is past its retention. */
export function prune(
  memory: Memory,
  { runsMs, logsMs, limitRows }: { runsMs: number; logsMs: number; limitRows: number },
): { runs: number; more: boolean } {
  const now = memory.now();
  const due = memory.endedRoots.findIndex((root) => root.at >= now - runsMs);
  // What has still to be ended outside keeps its tree.
  const owing = memory.obligations.openJobTrees();
  const past = (due === -1 ? memory.endedRoots : memory.endedRoots.slice(0, due)).filter(({ id }) => !owing.has(id));
  const roots: string[] = [];
  let runs = 0;
  for (const { id } of past) {
    if (runs >= limitRows) break;
    roots.push(id);
    runs += memory.runs.tree(id).length;
  }
  const ids = memory.forgetTrees(roots);
  memory.events.forgetTopics(now - runsMs);
  memory.logs.forgetLines(now - logsMs);
  memory.slots.forgetIdle();
  memory.pauses.forgetRuns((id) => memory.runs.find(id)?.endedAt !== null);
  memory.names.prune(now, ids, (runId) => memory.runs.find(runId) !== undefined);
  // What a member holds that ended is still to be taken over.
  for (const { id, endedAt } of memory.members.values()) {
    if (endedAt === null || endedAt >= now - runsMs || memory.runs.claimedBy(id).length > 0) continue;
    if (memory.jobs.isTracking(id)) continue;
    memory.members.delete(id);
  }
  return { runs, more: past.length > roots.length };
}
