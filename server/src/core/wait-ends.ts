import { type JobLink, type Json, limits, type RecordedJob, utf8Bytes, type WaitRecord } from "@holdfast/protocol";
import { brief } from "./answers.ts";
import type { JobRow } from "./job-rows.ts";
import type { RunRow } from "./run.ts";

// How waits end, as their records say it.

/** What a record says, but for what it was asked with and in which try. */
export type WaitEnd = Omit<WaitRecord, "holdfast.wait" | "hash" | "attempt">;

/** How the wait for a run ends that was called. */
export function endOfCall(child: RunRow): WaitEnd {
  const run = child.id;
  if (child.status !== "succeeded") {
    const error = brief(child.error) as WaitRecord["error"] | null;
    return { end: "failed", run, status: child.status, ...(error === null ? {} : { error }) };
  }
  const value = child.output ?? null;
  return { end: "done", run, ...valueIn(value) };
}

/** Characters of a job's links that its record keeps; the others stand in the job alone. */
const linkCharacters = 2_000;

/**
 * How the wait for a job ends. One that succeeded before its time was over took hold of it did not time out. One whose result is not kept
 * has failed for whoever waits for it, and says that it succeeded.
 */
export function endOfJob(row: JobRow): WaitEnd {
  const job: RecordedJob = {
    id: row.id,
    service: row.service,
    externalId: row.externalId,
    rawStatus: row.rawStatus,
    links: fewLinks(row.links),
  };
  const error = brief(row.error) as WaitRecord["error"] | null;
  const why = error === null ? {} : { error };
  if (row.status === "succeeded") {
    return error === null
      ? { end: "done", job, ...valueIn(row.result) }
      : { end: "failed", job, status: row.status, ...why };
  }
  return { end: row.timedOut ? "timed_out" : "failed", job, status: row.status, ...why };
}

/** A value, unless it is too large for a record. */
function valueIn(value: Json): Pick<WaitEnd, "value" | "large"> {
  return utf8Bytes(JSON.stringify(value)) > limits.waitValueBytes ? { large: true } : { value };
}

function fewLinks(links: readonly JobLink[]): JobLink[] {
  let left = linkCharacters;
  return links.filter(({ label, url }) => {
    left -= label.length + url.length;
    return left >= 0;
  });
}
