import { randomUUID } from "node:crypto";
import { Refusal } from "../refusal.ts";
import type { Answer } from "../routes.ts";

// How the API server words its answers: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/.

const reasons: Readonly<Record<number, string>> = {
  400: "BadRequest",
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotFound",
  409: "Conflict",
  410: "Expired",
  422: "Invalid",
  429: "TooManyRequests",
  500: "InternalError",
  503: "ServiceUnavailable",
  504: "Timeout",
};

/** One line of JSON, as the API server writes it for programs. */
export function json(body: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Answer {
  const usual = {
    "content-type": "application/json",
    "audit-id": randomUUID(),
    "cache-control": "no-cache, private",
    "x-kubernetes-pf-flowschema-uid": "5fb5b1b0-3f1c-4f0e-9d8e-2f6a3f6a1c11",
    "x-kubernetes-pf-prioritylevel-uid": "8a6a3f6a-1c11-4f0e-9d8e-5fb5b1b03f1c",
  };
  return { status, text: `${JSON.stringify(body)}\n`, headers: { ...usual, ...headers } };
}

export function failure(refusal: Pick<Refusal, "status" | "message" | "reason" | "details">): object {
  const { status: code, message, reason = reasons[code] ?? "Unknown", details } = refusal;
  const known = Object.keys(details).length > 0 && { details };
  return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, reason, ...known, code };
}

export function refuse(refusal: Refusal): Answer {
  if (refusal.status === 401) return json(failure(new Refusal(401, "Unauthorized")), 401);
  return json(failure(refusal), refusal.status);
}

const jobs = { group: "batch", kind: "jobs" };

export function notFound(name: string): Refusal {
  return new Refusal(404, `jobs.batch "${name}" not found`, "NotFound", { name, ...jobs });
}

export function alreadyExists(name: string): Refusal {
  return new Refusal(409, `jobs.batch "${name}" already exists`, "AlreadyExists", { name, ...jobs });
}

export function conflict(name: string, why: string): Refusal {
  return new Refusal(409, `Operation cannot be fulfilled on jobs.batch "${name}": ${why}`, "Conflict", {
    name,
    ...jobs,
  });
}

export interface Cause {
  readonly field: string;
  readonly reason: "FieldValueRequired" | "FieldValueInvalid" | "FieldValueTooLong" | "FieldValueForbidden";
  readonly message: string;
}

export function invalid(name: string, causes: readonly Cause[]): Refusal {
  const all = causes.map(({ field, message }) => `${field}: ${message}`);
  const said = all.length === 1 ? all[0] : `[${all.join(", ")}]`;
  const details = {
    name,
    group: "batch",
    kind: "Job",
    causes: causes.map(({ reason, message, field }) => ({ reason, message, field })),
  };
  return new Refusal(422, `Job.batch "${name}" is invalid: ${said}`, "Invalid", details);
}

export function tooOld(asked: string, oldest: number): Refusal {
  return new Refusal(410, `too old resource version: ${asked} (${oldest})`, "Expired");
}
