import type { JobRow } from "../core/index.ts";

// How the SQL stores keep an external job: what statements look for, what orders change without reading the row, and what is large have
// columns of their own; the rest is JSON, read and written whole.

/** What has no column of its own. */
export type JobFacts = Omit<JobRow, JobColumn | "spec" | "result">;

const columns = [
  ...([
    "id",
    "runId",
    "rootId",
    "namespace",
    "generation",
    "key",
    "number",
    "service",
    "submission",
    "status",
  ] as const),
  ...(["ref", "memberId", "epoch", "reason", "timedOut", "openedAt", "endedAt"] as const),
] as const;
type JobColumn = (typeof columns)[number];
const apart: ReadonlySet<string> = new Set([...columns, "spec", "result"]);

/** The part of a job that is kept as JSON. */
export function factsOf(job: JobRow): JobFacts {
  return Object.fromEntries(Object.entries(job).filter(([name]) => !apart.has(name))) as unknown as JobFacts;
}
