import { asWaitRecord, isStanding, type Json, type ReturnedJob, type TaskSpec } from "@holdfast/protocol";

// Jobs that a body has returned, as a record among the run's steps: from then on the body is not run again in this try, and the run
// waits for the jobs and succeeds with what came of each in its place.

/** What a body has returned beside its jobs, and where each of them belongs. */
export interface Returned {
  readonly output: Json;
  readonly jobs: readonly ReturnedJob[];
  /** How many of them have to succeed. */
  readonly enough: number;
}

/** The record of it. `jobs`: the key of each one's wait, and its place in the output. */
export interface ReturnedRecord {
  readonly output: Json;
  readonly jobs: readonly { readonly key: string; readonly path: readonly (string | number)[] }[];
  readonly enough: number;
}

/** Its key. A later try runs the body again, so that what it returns then is another record. */
export function returnedKey(attempt: number): string {
  return `holdfast.returned/${attempt}`;
}

export function recordOf({ output, jobs, enough }: Returned, attempt: number): ReturnedRecord {
  return { output, enough, jobs: jobs.map(({ path }, index) => ({ key: `returned/${attempt}/${index}`, path })) };
}

/** What stands of the waits for the jobs, by the records of the run's steps. */
export type Standing =
  | { readonly is: "open"; readonly keys: readonly string[] }
  | { readonly is: "enough"; readonly open: readonly string[] }
  | { readonly is: "failed"; readonly open: readonly string[]; readonly first: WaitEnd };

export type WaitEnd = NonNullable<ReturnType<typeof asWaitRecord>>;

export function standingOf({ jobs, enough }: ReturnedRecord, ends: ReadonlyMap<string, WaitEnd>): Standing {
  const open = jobs.flatMap(({ key }) => (ends.has(key) ? [] : [key]));
  const ended = jobs.flatMap(({ key }) => ends.get(key) ?? []);
  const succeeded = ended.filter(({ end }) => end === "done").length;
  // Who needs all of them hears of a failure when all have ended, as with ctx.all.
  if (succeeded >= enough) return { is: "enough", open };
  const first = ended.find(({ end }) => end !== "done");
  if (first !== undefined && succeeded + open.length < enough && (enough < jobs.length || open.length === 0)) {
    return { is: "failed", open, first };
  }
  return { is: "open", keys: open };
}

/** The ends of waits that are recorded and count in this try. */
export function waitEnds(records: readonly { readonly key: string; readonly value: Json }[], attempt: number) {
  const ends = new Map<string, WaitEnd>();
  for (const { key, value } of records) {
    const record = asWaitRecord(value);
    if (record !== undefined && isStanding(value, attempt)) ends.set(key, record);
  }
  return ends;
}

/** The output with these values at their places; a field that is not there is made. */
export function placed(output: Json, path: readonly (string | number)[], value: Json): Json {
  const [step, ...rest] = path;
  if (step === undefined) return value;
  if (Array.isArray(output) && typeof step === "number") {
    return output.map((item: Json, index) => (index === step ? placed(item, rest, value) : item));
  }
  const fields = typeof output === "object" && output !== null && !Array.isArray(output) ? output : {};
  const current = (fields as Readonly<Record<string, Json>>)[String(step)] ?? null;
  return { ...(fields as object), [String(step)]: placed(current, rest, value) } as Json;
}

/**
 * Jobs in Ork's form: a field `deferred` with a list that is not empty, of objects that name their service and job, unless the task
 * has declared a field of that name for something else (Ork's defects 9 and 10). What comes of each is added to it as `result`.
 */
export function deferralOf(spec: TaskSpec, output: Json): Returned | undefined {
  if (typeof output !== "object" || output === null || Array.isArray(output)) return undefined;
  const { deferred } = output as Readonly<Record<string, Json>>;
  if (!Array.isArray(deferred) || deferred.length === 0 || !deferred.every(isDeferredJob)) return undefined;
  if (declaresOtherwise(spec.output)) return undefined;
  const jobs = (deferred as readonly DeferredJob[]).map((item, index): ReturnedJob => {
    const { service_type: service, connection } = item;
    const place = typeof connection === "string" && connection !== "" ? { connection } : {};
    return { path: ["deferred", index, "result"], service, ...place, ref: item };
  });
  return { output, jobs, enough: jobs.length };
}

type DeferredJob = { readonly service_type: string; readonly job_id: string } & { readonly [field: string]: Json };

function isDeferredJob(job: Json): job is DeferredJob {
  if (typeof job !== "object" || job === null || !("service_type" in job && "job_id" in job)) return false;
  return typeof job.service_type === "string" && job.service_type !== "" && typeof job.job_id === "string";
}

/** A declared field of that name is one's own, but where its items are declared to be such jobs. */
function declaresOtherwise(schema: Json | undefined): boolean {
  const field = property(schema, "deferred");
  if (field === undefined) return false;
  const items = typeof field === "object" && field !== null && "items" in field ? field.items : undefined;
  return property(items, "service_type") === undefined || property(items, "job_id") === undefined;
}

function property(schema: Json | undefined, name: string): Json | undefined {
  if (typeof schema !== "object" || schema === null || !("properties" in schema)) return undefined;
  const { properties } = schema;
  const isThere = typeof properties === "object" && properties !== null && Object.hasOwn(properties, name);
  return isThere ? (properties as Readonly<Record<string, Json>>)[name] : undefined;
}
