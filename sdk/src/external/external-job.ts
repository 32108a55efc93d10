import { type Json, limits } from "@holdfast/protocol";
import { storedValue } from "../stored-value.ts";
import { jobMark } from "./job-mark.ts";
import type { ExternalJob } from "./job-shape.ts";

// A job of another system, as bodies describe it: what is to be started, or what names one that has been started.

export type { ExternalJob, JobPlace, JobResult } from "./job-shape.ts";

/** What a body calls its service with: the same at each start of the body, until the job is known. */
export interface OwnSubmission {
  /** 32 hexadecimal digits: the job's name, or its idempotency key. Another one for each try whose job has ended. */
  readonly token: string;
}

/** Calls the service and answers what names the job. */
export type Submit = (submission: OwnSubmission) => Json | Promise<Json>;

const submits = new WeakMap<object, Submit>();

export interface JobOptions {
  /** The name of a connection in the configuration; default the one that is called like the service. */
  readonly connection?: string;
}

/** Throws TypeError for what JSON cannot keep, and for names that are none. */
export function makeJob<R>(
  { service, connection }: { readonly service: string; readonly connection?: string | undefined },
  asked: { readonly spec: unknown } | { readonly ref: unknown } | { readonly submit: Submit },
): ExternalJob<R> {
  checkName("service", service);
  if (connection !== undefined) checkName("connection", connection);
  const place = connection === undefined ? { service } : { service, connection };
  const job =
    "spec" in asked
      ? { ...place, spec: storedValue(asked.spec, `The job of ${service}`) }
      : "ref" in asked
        ? { ...place, ref: storedValue(asked.ref, `The job of ${service}`) }
        : place;
  if ("submit" in asked) submits.set(job, asked.submit);
  return Object.defineProperty(job, jobMark, { value: true }) as unknown as ExternalJob<R>;
}

function checkName(what: string, name: unknown): void {
  if (typeof name === "string" && name !== "" && name.length <= limits.idCharacters) return;
  throw new TypeError(`A job's ${what} is a text of 1 to ${limits.idCharacters} characters.`);
}

/** How the body starts the job by itself; undefined where it does not. */
export function submitOf(job: ExternalJob): Submit | undefined {
  return submits.get(job);
}

/** The fields that are given. */
export function given(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
