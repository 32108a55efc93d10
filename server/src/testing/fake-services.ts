import {
  type CancelAnswer,
  canonicalText,
  type JobAddress,
  type JobWatch,
  type Json,
  type Observation,
  type PollResult,
  type SubmissionClass,
  type TrackedJob,
  type Tracking,
  TrackingError,
} from "@holdfast/protocol";

// Services of a test: jobs that are started here run until the test says how they end. A service is there for every name, and knows each
// job by its token.

/** A job as its service knows it. */
interface FakeJob {
  readonly tracked: TrackedJob;
  observation: Observation;
}

type Watcher = Parameters<Tracking["watch"]>[0];

interface OpenWatch {
  readonly asked: Watcher;
  readonly refs: Map<string, Json>;
}

/** How a test lets a job end. */
export type FakeEnd =
  | { readonly phase: "succeeded"; readonly result: Json }
  | { readonly phase: "failed"; readonly message: string; readonly code: string }
  | { readonly phase: "cancelled" | "gone" };

export class FakeServices implements Tracking {
  readonly #jobs = new Map<string, FakeJob>();
  readonly #watches = new Set<OpenWatch>();
  readonly #classes = new Map<string, SubmissionClass>();
  /** How often each service was called to start a job. */
  readonly #submissions = new Map<string, number>();
  /** Services that do not answer at present. */
  readonly #away = new Set<string>();

  /** What the service promises of submissions (P5); default `token`. */
  declare(service: string, submission: SubmissionClass): void {
    this.#classes.set(service, submission);
  }

  setAway(service: string, away: boolean): void {
    if (away) this.#away.add(service);
    else this.#away.delete(service);
  }

  submissionsOf(service: string): number {
    return this.#submissions.get(service) ?? 0;
  }

  /** Whether the job has ended in its service, which may not be known yet. */
  hasEnded(ref: Json): boolean {
    const job = this.#at(ref);
    return job !== undefined && job.observation.phase !== "running";
  }

  /** Ends a job in its service, and tells those who watch. A ref that is not known yet is one from then on. */
  end(tracked: TrackedJob, end: FakeEnd): void {
    const key = canonicalText(tracked.ref);
    const job = this.#jobs.get(key) ?? { tracked, observation: running };
    job.observation = { rawStatus: end.phase.toUpperCase(), ...end };
    this.#jobs.set(key, job);
    for (const { asked, refs } of this.#watches) {
      if (refs.has(key) && !this.#away.has(asked.service)) asked.onObservation(tracked.ref, job.observation);
    }
  }

  prepare: Tracking["prepare"] = async ({ service, spec, token }) => {
    const submission = this.#classes.get(service) ?? "token";
    const job = submission === "token" ? trackedJob(service, { service, name: token.slice(0, 12) }) : null;
    return { submission, spec, job, settleMs: submission === "listed" ? 60_000 : 0 };
  };

  adopt: Tracking["adopt"] = async ({ service, ref }) => {
    const tracked = trackedJob(service, ref);
    const key = canonicalText(ref);
    if (!this.#jobs.has(key)) this.#jobs.set(key, { tracked, observation: pretended(ref) ?? running });
    return tracked;
  };

  submit: Tracking["submit"] = async ({ service, token }) => {
    this.#answering(service);
    this.#submissions.set(service, this.submissionsOf(service) + 1);
    const tracked = trackedJob(service, { service, name: token.slice(0, 12) });
    const key = canonicalText(tracked.ref);
    if (!this.#jobs.has(key)) this.#jobs.set(key, { tracked, observation: running });
    return tracked;
  };

  find: Tracking["find"] = async ({ service, token }) => {
    this.#answering(service);
    const tracked = trackedJob(service, { service, name: token.slice(0, 12) });
    return this.#jobs.get(canonicalText(tracked.ref))?.tracked ?? null;
  };

  poll: Tracking["poll"] = async ({ service, refs }) => {
    this.#answering(service);
    return refs.map((ref): PollResult => ({ observation: this.#at(ref)?.observation ?? unknown }));
  };

  cancel = async ({ service, ref }: JobAddress & { readonly ref: Json }): Promise<CancelAnswer> => {
    this.#answering(service);
    const job = this.#at(ref);
    if (job === undefined) return "not_found";
    if (job.observation.phase !== "running") return "already_ended";
    this.end(job.tracked, { phase: "cancelled" });
    return "accepted";
  };

  watch: Tracking["watch"] = (asked): JobWatch => {
    const open: OpenWatch = { asked, refs: new Map() };
    this.#watches.add(open);
    return {
      add: (refs) => {
        for (const ref of refs) {
          open.refs.set(canonicalText(ref), ref);
          asked.onWatched(ref, true);
        }
      },
      remove: (refs) => {
        for (const ref of refs) open.refs.delete(canonicalText(ref));
      },
      close: () => void this.#watches.delete(open),
    };
  };

  async close(): Promise<void> {
    this.#watches.clear();
  }

  #at(ref: Json): FakeJob | undefined {
    return this.#jobs.get(canonicalText(ref));
  }

  #answering(service: string): void {
    if (!this.#away.has(service)) return;
    throw new TrackingError({ fault: "transient", code: "away", message: `The test has ${service} not answer.` });
  }
}

const running: Observation = { phase: "running", rawStatus: "RUNNING" };
const unknown: Observation = { phase: "gone", rawStatus: "NOT_FOUND" };

function trackedJob(service: string, ref: Json): TrackedJob {
  return { ref, externalId: nameIn(ref), links: [], group: service };
}

function nameIn(ref: Json): string {
  if (typeof ref === "string") return ref;
  const fields = typeof ref === "object" && ref !== null ? (ref as Readonly<Record<string, Json>>) : {};
  const name = fields.job_id ?? fields.execution_id ?? fields.batch_id ?? fields.name ?? fields.url;
  return typeof name === "string" ? name : JSON.stringify(ref);
}

/** Ork's jobs that only pretend. */
function pretended(ref: Json): Observation | undefined {
  const url = typeof ref === "object" && ref !== null && "url" in ref ? String(ref.url) : "";
  if (url.startsWith("mock://success")) return { phase: "succeeded", rawStatus: "success", result: { url } };
  if (!url.startsWith("mock://failed")) return undefined;
  return { phase: "failed", rawStatus: "failed", message: "The job only pretends, and has failed." };
}
