import type { ExternalJob } from "./job-shape.ts";

/** Recognised across copies of this package. */
export const jobMark = Symbol.for("holdfast.ExternalJob");

export function isExternalJob(value: unknown): value is ExternalJob {
  return typeof value === "object" && value !== null && jobMark in value;
}
