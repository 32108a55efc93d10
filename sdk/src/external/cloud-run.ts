import { given, makeJob } from "./external-job.ts";
import type { GooglePlace } from "./google-place.ts";

/** What an execution of a Cloud Run job answers. */
export interface CloudRunResult {
  /** `projects/P/locations/R/jobs/J/executions/E`. */
  readonly name: string;
  readonly taskCount: number;
  readonly succeededCount: number;
}

export interface CloudRunJobOptions extends GooglePlace {
  /** The name of a job that is there. */
  readonly job: string;
  /** The container that is told; needed where the job has several. */
  readonly container?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly taskCount?: number;
  /** As the service writes it: `"600s"`. */
  readonly timeout?: `${number}s`;
}

export interface CloudRunRef extends GooglePlace {
  readonly job: string;
  readonly execution: string;
}

function placed({ connection }: GooglePlace) {
  return { service: "cloudrun", connection };
}

/** Cloud Run jobs. */
export const cloudRun = {
  service: "cloudrun",
  /** Starts a job once. */
  job: (options: CloudRunJobOptions) => {
    const { connection: _, ...spec } = options;
    return makeJob<CloudRunResult>(placed(options), { spec: given(spec) });
  },
  /** An execution that has been started by somebody else. */
  existing: (ref: CloudRunRef) => {
    const { project, region, job, execution } = ref;
    const named = given({ project, region, job_name: job, execution_id: execution });
    return makeJob<CloudRunResult>(placed(ref), { ref: named });
  },
} as const;
