import type { Json } from "@holdfast/protocol";
import { type ExternalJob, type JobOptions, makeJob, type OwnSubmission } from "./external-job.ts";
import { isExternalJob } from "./job-mark.ts";

/** A service whose jobs have names: `bigquery`, `cloudRun`, `dataproc`, `dataprocBatch`, `kubernetes`, `http`. */
export interface JobService<Ref, R> {
  readonly service: string;
  readonly existing: (ref: Ref) => ExternalJob<R>;
}

/**
 * A job that the body starts by itself: `submit` calls the service with the submission's token, as the job's name or as its
 * idempotency key, and answers what `existing` of that service takes. It runs again, with the same token, when the process dies
 * before its answer is recorded.
 */
export function own<Ref, R>(
  { service, existing }: JobService<Ref, R>,
  submit: (submission: OwnSubmission) => Ref | Promise<Ref>,
  { connection }: JobOptions = {},
): ExternalJob<R> {
  return makeJob<R>(
    { service, connection },
    {
      submit: async (submission) => {
        const job = existing(await submit(submission));
        if (isExternalJob(job) && job.ref !== undefined) return job.ref;
        throw new TypeError(`What starts a job of ${service} answers what names it.`);
      },
    },
  );
}

/** A job of a service that has no functions of its own here: of a tracker of one's own. */
export function customJob<R = Json>({
  service,
  connection,
  ...asked
}: JobOptions & { readonly service: string } & (
    | { readonly spec: Json; readonly ref?: never }
    | { readonly ref: Json; readonly spec?: never }
  )): ExternalJob<R> {
  const place = { service, connection };
  return asked.spec === undefined ? makeJob<R>(place, { ref: asked.ref }) : makeJob<R>(place, { spec: asked.spec });
}
