import assert from "node:assert/strict";
import type { JobRow } from "../../server/src/core/index.ts";
import { hasEnded } from "../clouds/world.ts";
import type { JobCampaign, JobRun } from "./job-campaign.ts";

// What must hold after a campaign, by promise.
//
// 1  P1  every run that was acknowledged has ended: with what its job said, or cancelled where that was asked.
// 2  P5  of a service that knows tokens or lists what it has there is one job for a run; of one that does neither, one for a submission.
// 3  P6  nothing goes on outside that is not waited for, but what nobody could ask for; nothing is owed.
// 4  P3  each job has ended once, and its run was woken by it.

export interface JobsVerdict {
  readonly runs: number;
  /** Jobs that were made outside, and submissions that the store has of them. */
  readonly made: number;
  readonly submissions: number;
}

/** Throws AssertionError when a promise was broken. */
export async function judgeJobs(campaign: JobCampaign): Promise<JobsVerdict> {
  let [made, submissions] = [0, 0];
  for (const run of campaign.runs) {
    const { jobs } = await campaign.services.store.listJobs({
      namespace: "default",
      runId: run.id ?? "",
      limitRows: 100,
    });
    made += checkMade(campaign, run, jobs);
    submissions += jobs.length;
    await checkEnd(campaign, run, jobs);
  }
  return { runs: campaign.runs.length, made, submissions };
}

function checkMade(campaign: JobCampaign, { id = "", kind, pace }: JobRun, rows: readonly JobRow[]): number {
  const where = `${kind} job of ${id} (${rows.map(({ number, status }) => `${number} ${status}`).join(", ")})`;
  const made = campaign.madeFor(id);
  if (kind === "blind") assert.ok(made.length <= rows.length, `P5 ${made.length} were made of the ${where}`);
  else assert.deepEqual([made.length, rows.length], [1, 1], `P5 what was made of the ${where}`);
  const isKnown = rows.every(({ status }) => status !== "lost");
  for (const job of made) assert.ok(hasEnded(job) || !isKnown, `P6 the ${where} goes on`);
  assert.ok(isKnown || kind === "blind", `P5 the ${where} was given up`);
  assert.ok(pace === "quick" || made.length > 0, `the ${where} was never there`);
  return made.length;
}

async function checkEnd(
  campaign: JobCampaign,
  { id = "", kind, pace }: JobRun,
  rows: readonly JobRow[],
): Promise<void> {
  const { store } = campaign.services;
  const run = await store.findRun({ id });
  assert.equal(run?.status, pace === "quick" ? "succeeded" : "cancelled", `P1 ${id}: ${JSON.stringify(run?.error)}`);
  const events = await store.listEvents({ runId: id, after: 0, limitRows: 1_000 });
  const ends = events.filter(({ type }) => type === "external.ended").map(({ data }) => (data as { job?: string }).job);
  assert.deepEqual(ends.sort(), rows.map((row) => row.id).sort(), `P3 what ended of ${id}`);
  if (pace === "endless") return;
  const { output } = run;
  if (kind !== "listed") {
    assert.equal((output as { input?: { run?: string } } | undefined)?.input?.run, id, `P3 the result of ${id}`);
  }
  const [last] = rows.toSorted((a, b) => b.number - a.number);
  assert.equal(last?.status, "succeeded", `P4 ${id} succeeded`);
  assert.ok(
    events.some(({ type }) => type === "run.woken"),
    `P3 ${id} was never woken`,
  );
}
