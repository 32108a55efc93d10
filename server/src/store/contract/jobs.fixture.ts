import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { asWaitRecord, type Json } from "@holdfast/protocol";
import {
  childId,
  type JobNews,
  type JobNoteResult,
  type JobRow,
  type JobSpeaker,
  jobIdentity,
  type NewJob,
  type NewWait,
  type RunRow,
  type WaitsOrder,
  type WaitsResult,
} from "../../core/index.ts";
import { namespace, plain, type World } from "./world.contract.ts";

// What cases about external jobs are told in.

export const found = {
  ref: { id: "j-1" },
  externalId: "j-1",
  links: [{ label: "Console", url: "https://x/1" }],
  group: "g",
};

/** A job to be opened under a key of a run. */
export function newJob(run: RunRow, key: string, fields: Partial<NewJob> = {}): NewJob {
  const { number = 1 } = fields;
  const hash = createHash("sha256")
    .update(jobIdentity(run.id, run.generation, key, number))
    .digest();
  return {
    ...{ id: childId(run.id, hash), number, token: `t-${run.id}-${run.generation}-${key}-${number}` },
    ...{ service: "warehouse", connection: null, submission: "token", spec: { sql: "select 1" }, job: null },
    ...{ settleMs: 0, onUnknown: "ask", callbackHash: null },
    ...fields,
  };
}

/** The wait for a job. */
export function external(
  run: RunRow,
  key: string,
  { delayMs = null, ...fields }: Partial<NewJob> & { readonly delayMs?: number | null } = {},
): NewWait {
  const job = newJob(run, key, fields);
  return { key, kind: "external", hash: `h-${key}`, delayMs, signal: null, child: null, job };
}

export async function order(world: World, run: RunRow, fields: Partial<WaitsOrder>): Promise<WaitsResult> {
  const { id: runId, epoch, generation } = run;
  const [result] = await world.store.openWaits({
    rows: [{ runId, epoch, generation, opens: [], settles: [], suspend: null, ...fields }],
  });
  assert.ok(result);
  return plain(result);
}

export async function suspendOn(
  world: World,
  run: RunRow,
  opens: readonly NewWait[],
  groups: readonly (readonly string[])[] = [opens.map(({ key }) => key)],
): Promise<WaitsResult> {
  return order(world, run, { opens, suspend: { groups, ranMs: 5 } });
}

/** A run that waits for jobs under these keys, and the jobs. */
export async function waitingFor(
  world: World,
  keys: readonly string[],
  fields: Partial<NewJob> & { readonly delayMs?: number | null } = {},
): Promise<{ readonly run: RunRow; readonly jobs: readonly JobRow[] }> {
  const run = await world.running();
  const opens = keys.map((key) => external(run, key, fields));
  assert.deepEqual(await suspendOn(world, run, opens), { outcome: "suspended", status: "waiting" });
  const jobs = await Promise.all(opens.map(({ job }) => jobOf(world, job?.id)));
  return { run, jobs };
}

export async function jobOf(world: World, id: string | undefined): Promise<JobRow> {
  const job = await world.store.findJob({ id: id ?? "" });
  assert.ok(job, `the job ${id} is there`);
  return job;
}

/** Jobs that a member has claimed. */
export function claimJobs(world: World, memberId: string, limitRows = 100): Promise<JobRow[]> {
  return world.store.claimJobs({ memberId, namespace, limitRows });
}

/** What somebody is answered who says this of a job, but for the runs that it ended. */
export async function note(
  world: World,
  { id, epoch }: Pick<JobRow, "id" | "epoch">,
  news: JobNews,
  by: JobSpeaker = { epoch },
): Promise<JobNoteResult> {
  const [result] = await world.store.noteJobs({ rows: [{ jobId: id, by, news }] });
  assert.ok(result);
  return plain(result.outcome === "noted" ? { outcome: "noted", status: result.status } : result);
}

export const said = {
  submitted: { is: "submitted", job: found },
  running: { is: "observed", rawStatus: "RUNNING", nextLookInMs: 1_000 },
  succeeded: { is: "ended", status: "succeeded", rawStatus: "DONE", result: { rows: 3 } },
  failed: { is: "ended", status: "failed", error: { code: "quota", message: "Too much." } },
  cancelled: { is: "ended", status: "cancelled", rawStatus: "STOPPED" },
  unknown: { is: "unknown", error: { code: "undecided", message: "No answer came." } },
} as const satisfies Record<string, JobNews>;

/** What is recorded of a wait, without what it was asked with and in which try. */
export async function recorded(world: World, { id, generation }: RunRow, key: string) {
  const steps = await world.store.listSteps({ runId: id, generation });
  const value: Json | undefined = steps.find((step) => step.key === key)?.value;
  const record = value === undefined ? undefined : asWaitRecord(value);
  if (record === undefined) return undefined;
  const { kind: _kind, hash: _hash, attempt: _attempt, "holdfast.wait": _mark, ...facts } = record;
  return facts;
}

/** What is owed of jobs in a tree, met or not. */
export async function owedJobs(world: World, { rootId }: RunRow) {
  const rows = await world.store.listObligations({ namespace, rootId, limitRows: 100 });
  return rows.filter(({ kind }) => kind === "external_job");
}
