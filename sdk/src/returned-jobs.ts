import type { ChannelParams } from "@holdfast/protocol";
import { isDeferred } from "./external/deferred.ts";
import { type ExternalJob, submitOf } from "./external/external-job.ts";
import { isExternalJob } from "./external/job-mark.ts";
import { storedValue } from "./stored-value.ts";

// Jobs in what a body returns: the control plane waits for them, and the run succeeds with what came of each in its place. The body
// does not run again for it.

type Succeeded = ChannelParams<"run.succeed">;
type ReturnedJob = NonNullable<Succeeded["jobs"]>[number];

/** Whether there is a job in it, or in a list or an object in it. */
export function hasJobs(returned: unknown): boolean {
  if (isDeferred(returned) || isExternalJob(returned)) return true;
  let found = false;
  try {
    storedValue(returned, "It", () => {
      found = true;
      return null;
    });
  } catch {
    // What cannot be stored is told where it is stored.
  }
  return found;
}

/** What is to be said of it: jobs apart from the data that they are part of. Throws TypeError for what JSON cannot keep. */
export function withoutJobs(returned: unknown): Succeeded {
  const { value, enough } = isDeferred(returned) ? returned : { value: returned, enough: "all" as const };
  const jobs: ReturnedJob[] = [];
  const output = storedValue(value, "It", (job, path) => {
    jobs.push(asked(job, path));
    return null;
  });
  if (jobs.length === 0) return { output };
  const needed = enough === "all" ? jobs.length : enough === "any" ? 1 : enough;
  if (needed > jobs.length) throw new RangeError(`${needed} jobs would be enough, and there are ${jobs.length}.`);
  return needed === jobs.length ? { output, jobs } : { output, jobs, enough: needed };
}

function asked(job: ExternalJob, path: readonly (string | number)[]): ReturnedJob {
  const { service, connection, spec, ref } = job;
  const place = { path: [...path], service, ...(connection === undefined ? {} : { connection }) };
  if (spec !== undefined) return { ...place, spec };
  if (ref !== undefined && submitOf(job) === undefined) return { ...place, ref };
  throw new TypeError("It has a job that the body has not started: wait for it by ctx.external.");
}
