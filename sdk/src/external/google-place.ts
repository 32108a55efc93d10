import type { JobOptions } from "./external-job.ts";

/** Where a job of Google's runs. What is left out, the connection says. */
export interface GooglePlace extends JobOptions {
  readonly project?: string;
  readonly region?: string;
}
