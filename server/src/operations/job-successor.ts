import type { Tracking } from "@holdfast/protocol";
import type { JobRow, NewJob } from "../core/index.ts";
import type { Store } from "../store/store.ts";
import { withTexts } from "./external-waits.ts";
import { jobNames } from "./job-names.ts";

/** What a job has in common with what is submitted in its place: all but what its tracker says of it, under the next number. */
export function successorFacts(row: JobRow, incarnation: string) {
  const { service, connection, onUnknown, callbackHash } = row;
  const names = jobNames(row, row.number + 1, incarnation);
  // Its one-time address names the job.
  const spec = withTexts(row.spec, (text) => text.replaceAll(row.id, names.id));
  return { ...names, service, connection, onUnknown, callbackHash, spec };
}

/** Makes what is submitted in place of a job of which nobody knows whether it began: the same, under the next number and a token of its own. */
export class JobSuccessors {
  readonly #store: Store;
  readonly #tracking: Tracking;

  constructor({ store, tracking }: { store: Store; tracking: Tracking }) {
    this.#store = store;
    this.#tracking = tracking;
  }

  /** Rejects with TrackingError where its tracker does not take it any more. Jobs that bodies start by themselves have none. */
  async successorOf(row: JobRow): Promise<NewJob> {
    const { incarnation } = await this.#store.describe();
    const facts = successorFacts(row, incarnation);
    return { ...facts, ...(await this.#tracking.prepare(facts)) };
  }
}
