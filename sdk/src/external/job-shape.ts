import type { Json } from "@holdfast/protocol";

declare const resultBrand: unique symbol;

/** Where a job is: the service, and which of the configured connections to it; without one, that of the service's own name. */
export interface JobPlace {
  readonly service: string;
  readonly connection?: string;
}

/** Something whose value is known once a job has ended. */
export interface JobResult<out R> {
  readonly [resultBrand]: R;
}

/** A job of another system. `R` is what it answers once it has succeeded. Made by the functions of `holdfast/external`. */
export interface ExternalJob<out R = Json> extends JobPlace, JobResult<R> {
  /** What the control plane is to start; absent where the job is started by somebody else. */
  readonly spec?: Json;
  /** Names a job that has been started. */
  readonly ref?: Json;
}
