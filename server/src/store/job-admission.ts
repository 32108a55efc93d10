import { limits } from "@holdfast/protocol";
import type { JobNote, NewJob } from "../core/index.ts";
import { admitCount, admitText, admitValue, bound, refuse } from "./admission.ts";

// What every store refuses of external jobs, as admission.ts says of everything else.

/** A job that is to be opened. */
export function admitJob({ id, number, token, submission, spec, job }: NewJob, index: number): void {
  if (id.length === 0 || token.length === 0) refuse(index, "has a job without a name");
  if (!Number.isInteger(number) || number < 1) refuse(index, "has a job without a number");
  if (submission === "adopted" && job === null) refuse(index, "adopts a job without its name");
  admitValue(spec, bound(limits.jobSpecBytes), index, "spec");
  admitValue(job, bound(limits.jobSpecBytes), index, "name of its job");
}

/** What is said of jobs. */
export function admitNotes(rows: readonly JobNote[]): void {
  admitCount(rows.length);
  admitText(rows);
  for (const [index, { news }] of rows.entries()) {
    if (news.is === "ended") admitValue(news.result, bound(limits.jobResultBytes), index, "result");
    if (news.is === "submitted") admitValue(news.job, bound(limits.jobSpecBytes), index, "name of its job");
    if (news.is === "replaced") admitJob(news.next, index);
    if ("nextLookInMs" in news && !(news.nextLookInMs >= 0)) refuse(index, "has no moment of the next look");
  }
}
