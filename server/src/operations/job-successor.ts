import type { Tracking } from "@holdfast/protocol";
import type { JobRow, NewJob } from "../core/index.ts";
import type { Store } from "../store/store.ts";
import { withTexts } from "./external-waits.ts";
import { jobNames } from "./job-names.ts";

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
    const { service, connection, onUnknown, callbackHash } = row;
    const { incarnation } = await this.#store.describe();
    const names = jobNames(row, row.number + 1, incarnation);
    // Its one-time address names the job.
    const own = withTexts(row.spec, (text) => text.replaceAll(row.id, names.id));
    const prepared = await this.#tracking.prepare({ service, connection, spec: own, token: names.token });
    const { submission, spec, job, settleMs } = prepared;
    return { ...names, service, connection, submission, spec, job, settleMs, onUnknown, callbackHash };
  }
}
