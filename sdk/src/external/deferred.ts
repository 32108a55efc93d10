import type { ExternalJob, JobResult } from "./external-job.ts";

const deferredMark = Symbol.for("holdfast.Deferred");

/** The value with what came of each job in the job's place. */
type Ended<T, Missing> =
  T extends ExternalJob<infer R>
    ? R | Missing
    : T extends string | number | boolean | null | undefined | Date
      ? T
      : T extends readonly unknown[]
        ? { [K in keyof T]: Ended<T[K], Missing> }
        : T extends object
          ? { [K in keyof T]: Ended<T[K], Missing> }
          : T;

/** What a body returns to say for how many of its jobs the run is to wait. */
export interface Deferred<out R> extends JobResult<R> {
  readonly value: unknown;
  readonly enough: number | "all" | "any";
}

/**
 * Data with jobs in it, for a body to return: the run waits for the jobs and then succeeds with the data, each job replaced by what
 * came of it. `enough`: how many have to succeed; `any` is one, `all` (default) each. Once so many have, the others are ended, and
 * null stands for them.
 */
export function deferred<const T>(value: T): Deferred<Ended<T, never>>;
export function deferred<const T>(
  value: T,
  options: { readonly enough: number | "all" | "any" },
): Deferred<Ended<T, null>>;
export function deferred(
  value: unknown,
  { enough }: { readonly enough: number | "all" | "any" } = { enough: "all" },
): Deferred<unknown> {
  if (enough !== "all" && enough !== "any" && !(Number.isInteger(enough) && enough > 0)) {
    throw new RangeError(`enough is "all", "any" or a number of jobs from 1, not ${JSON.stringify(enough)}.`);
  }
  return Object.defineProperty({ value, enough }, deferredMark, { value: true }) as unknown as Deferred<unknown>;
}

export function isDeferred(value: unknown): value is Deferred<unknown> {
  return typeof value === "object" && value !== null && deferredMark in value;
}
