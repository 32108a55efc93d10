import type { Json, WaitSpec } from "@holdfast/protocol";
import type { Submit } from "./external/external-job.ts";
import type { Origin } from "./placed-errors.ts";
import type { Leaf } from "./wait-nodes.ts";

/** What may be said again. */
export type Repeated = "wait.open" | "run.suspend" | "external.submit" | "external.adopt";

/** What is known of a job once its service has been called. */
export interface Called {
  readonly token: string;
  /** What its service calls it, where it has answered. */
  ref?: Json;
}

/** A wait, and how its record is read. */
export interface Asked {
  readonly leaf: Leaf;
  readonly spec: WaitSpec;
  readonly read: (payload: Json) => unknown;
  /** Where the body asked. */
  readonly origin: Origin;
  /** For a job that the body starts by itself. */
  readonly submit?: Submit | undefined;
  /** It is open in the store, and the body goes on as if it were not: what starts its job has thrown. */
  isLeft?: boolean;
  /** Its service was called to start it. */
  called?: Called;
}
