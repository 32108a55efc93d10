import type { asWaitRecord } from "@holdfast/protocol";
import type { Asked } from "./asked-waits.ts";
import { ExternalJobError } from "./external/external-error.ts";
import { CallError, WaitTimedOut } from "./wait-errors.ts";
import type { Outcome } from "./wait-nodes.ts";

// What bodies are told of a recorded wait.

type WaitRecord = NonNullable<ReturnType<typeof asWaitRecord>>;

/** What the body that asked for it gets. */
export function outcomeOf({ spec, read }: Asked, record: WaitRecord): Outcome {
  const { key } = spec;
  const isOther = record.kind !== (spec.kind === "map" ? "call" : spec.kind);
  if (isOther) return { error: used(key, `is the key of a ${record.kind}`) };
  if (record.end === "dropped") return { error: dropped(key) };
  if (record.end === "timed_out") return { error: new WaitTimedOut(key) };
  if (record.end === "failed") return { error: failureOf(key, spec, record) };
  try {
    return { value: read(record.value ?? null) };
  } catch (error) {
    return { error };
  }
}

function failureOf(key: string, spec: Asked["spec"], record: WaitRecord): Error {
  const { run: runId = "", status = "failed", error = null } = record;
  if (record.kind === "external") return jobFailure(key, record);
  const isLate = error?.code === "expired" && "timeoutMs" in spec && spec.timeoutMs !== undefined;
  return isLate ? new WaitTimedOut(key) : new CallError(key, { runId, status, error });
}

/** Why a job did not succeed: what its service says, or why it was never submitted. */
export function jobFailure(key: string, { job, status = "failed", error }: WaitRecord): ExternalJobError {
  const { service = "", id = "", externalId = null, links = [] } = job ?? {};
  const { code = status, message = "The service gives no reason.", hint, details } = error ?? {};
  const own = typeof details === "object" && details !== null && "code" in details ? details.code : code;
  return new ExternalJobError(key, { service, id, externalId, status, code: String(own), message, hint, links });
}

export function used(key: string, why: string): Error {
  return new Error(`${JSON.stringify(key)} ${why}: give each use a key of its own.`);
}

export function dropped(key: string): Error {
  return new Error(`What ${JSON.stringify(key)} waits for was dropped: a race that it was in was decided without it.`);
}
