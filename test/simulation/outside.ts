import type { CancelAnswer, JobPhase, Json, PollResult, SubmissionClass, TrackedJob } from "@holdfast/protocol";
import type { JobRow } from "../../server/src/core/index.ts";
import type { Chance } from "../../server/src/store/contract/chance.contract.ts";
import type { VirtualClock } from "../../server/src/testing/virtual-clock.ts";

// The services outside of a simulated fleet: one of each class of P5. They count what is started, and know at the moment at which
// something is started whether it may be.

/** `named`: its token gives the job a name that is known beforehand. `own`: bodies call it by themselves, with their token. */
export const services = ["token", "named", "listed", "blind", "own"] as const;
export type ServiceName = (typeof services)[number];

/** After so long a listing shows what was made; a call is under way for so long at most. */
const listingLagMs = 6_000;
export const longestWayMs = 3_000;
export const settleMs = 10_000;
/** For so long a service may not find what it has: less than what is waited for until that is believed. */
const goneMs = 20_000;

/** What a job of a script does. */
export interface JobPlan {
  readonly [key: string]: Json;
  readonly service: ServiceName;
  readonly ms: number;
  readonly end: "succeeded" | "failed";
  readonly onUnknown: "ask" | "resubmit";
  readonly timeoutMs: number | null;
  /** It tells its end by its one-time address too. */
  readonly callsBack: boolean;
}

/** What is submitted: the plan, and for whom. */
export interface OutsideSpec {
  readonly [key: string]: Json;
  /** `run/generation/key`. */
  readonly place: string;
  readonly ms: number;
  readonly end: "succeeded" | "failed";
}

interface OutsideJob {
  readonly name: string;
  readonly service: ServiceName;
  readonly token: string;
  readonly spec: OutsideSpec;
  readonly madeMs: number;
  readonly goneFromMs: number;
  cancelledMs: number;
}

export interface OutsideOptions {
  readonly clock: VirtualClock;
  readonly chance: Chance;
  /** The job that was committed with this token, as the store has it. */
  readonly rowOf: (token: string) => JobRow | undefined;
  readonly breach: (text: string) => void;
  /** Has a job's end told by its one-time address. */
  readonly callBack: (address: string, status: "succeeded" | "failed", result: Json) => void;
}

type Listener = (ref: string, phase: JobPhase, result: Json) => void;

export class Outside {
  readonly #options: OutsideOptions;
  readonly #jobs = new Map<string, OutsideJob>();
  readonly #listeners = new Set<Listener>();
  readonly #away = new Set<ServiceName>();
  /** Calls that arrived, of all classes. */
  submissions = 0;

  constructor(options: OutsideOptions) {
    this.#options = options;
  }

  get made(): number {
    return this.#jobs.size;
  }

  isAway(service: string): boolean {
    return this.#away.has(service as ServiceName);
  }

  setAway(service: ServiceName, isAway: boolean): void {
    if (isAway) this.#away.add(service);
    else this.#away.delete(service);
  }

  /** A call that starts a job has arrived: it is there from now on. Where the service knows the token, it is the one that was made with it. */
  submit(service: ServiceName, token: string, spec: OutsideSpec): TrackedJob {
    const { clock, chance, breach } = this.#options;
    this.submissions += 1;
    const known = this.#known(service, token);
    if (known !== undefined) return tracked(known.name, service);
    this.#judge(service, token, spec);
    const madeMs = clock.monotonicMs();
    const name = service === "named" || service === "token" ? `J-${token}` : `J-${token}-${this.#jobs.size}`;
    const goneFromMs = chance.happens(0.1) ? madeMs + chance.between(0, spec.ms) : Number.POSITIVE_INFINITY;
    const job = { name, service, token, spec, madeMs, goneFromMs, cancelledMs: Number.POSITIVE_INFINITY };
    if (this.#jobs.has(name)) breach(`P5 ${name} was made twice`);
    this.#jobs.set(name, job);
    void clock.sleep(spec.ms + 1).then(() => this.#tellEnd(job));
    return tracked(name, service);
  }

  find(token: string): TrackedJob | null {
    const now = this.#options.clock.monotonicMs();
    const found = [...this.#jobs.values()].find((job) => job.token === token && now - job.madeMs >= listingLagMs);
    return found === undefined ? null : tracked(found.name, found.service);
  }

  poll(ref: string): PollResult {
    const job = this.#jobs.get(ref);
    if (job === undefined) return { observation: { phase: "gone", rawStatus: "not found" } };
    const now = this.#options.clock.monotonicMs();
    const isGone = now >= job.goneFromMs && now < job.goneFromMs + goneMs;
    const phase = isGone ? "gone" : this.#phaseOf(job);
    return { observation: { phase, rawStatus: phase, ...(phase === "succeeded" ? { result: resultOf(job) } : {}) } };
  }

  cancel(ref: string): CancelAnswer {
    const { clock, chance } = this.#options;
    const job = this.#jobs.get(ref);
    if (job === undefined) return "not_found";
    if (this.#phaseOf(job) !== "running") return "already_ended";
    job.cancelledMs = Math.min(job.cancelledMs, clock.monotonicMs() + chance.between(0, 4_000));
    return "accepted";
  }

  /** Told of ends at once. Answers how to hear no more. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** What a person sees who looks for the job of a token. */
  seen(token: string): { readonly name: string; readonly phase: JobPhase } | undefined {
    const job = [...this.#jobs.values()].find((one) => one.token === token);
    return job === undefined ? undefined : { name: job.name, phase: this.#phaseOf(job) };
  }

  /** P5, at the moment at which a job is made. */
  #judge(service: ServiceName, token: string, { place }: OutsideSpec): void {
    const { breach, rowOf } = this.#options;
    const row = rowOf(token);
    const of = `a job of "${service}" for ${place}`;
    if (row === undefined) {
      breach(`P5 ${of} was started with a token that nobody has committed`);
      return;
    }
    if (row.submission !== "own" && row.calledAt === null) breach(`P5 ${of} was started by a call that was not noted`);
    if ([...this.#jobs.values()].some((job) => job.token === token)) breach(`P5 ${of} was started twice`);
    // Nobody can say of a job that may have begun whether it did: with neither token nor listing it is somebody's choice to risk two.
    if (service === "blind") return;
    if (row.endedAt !== null && service !== "own")
      breach(`P6 ${of} was started after it had ended as ${row.status} (${row.error?.code})`);
    // What goes on only since a person forced its run to end, and started it again, is owed an end and gets it (P6).
    const isOwedAnEnd = (job: OutsideJob) => rowOf(job.token)?.status === "cancelling";
    // A body that never said what came of its call has told the doubt, and starts anew.
    const isInDoubt = (job: OutsideJob) => job.service === "own" && rowOf(job.token)?.status === "lost";
    const other = [...this.#jobs.values()].find(
      (job) => job.spec.place === place && this.#phaseOf(job) === "running" && !isOwedAnEnd(job) && !isInDoubt(job),
    );
    if (other !== undefined) breach(`P5 ${of} was started beside ${other.name}, which goes on`);
  }

  #known(service: ServiceName, token: string): OutsideJob | undefined {
    if (service === "listed" || service === "blind") return undefined;
    return [...this.#jobs.values()].find((job) => job.token === token);
  }

  #phaseOf({ madeMs, spec, cancelledMs }: OutsideJob): JobPhase {
    const now = this.#options.clock.monotonicMs();
    const endsMs = madeMs + spec.ms;
    if (cancelledMs < endsMs) return now >= cancelledMs ? "cancelled" : "running";
    return now >= endsMs ? spec.end : "running";
  }

  #tellEnd(job: OutsideJob): void {
    const phase = this.#phaseOf(job);
    for (const listener of this.#listeners) listener(job.name, phase, resultOf(job));
    const { callback } = job.spec;
    if (typeof callback !== "string" || (phase !== "succeeded" && phase !== "failed")) return;
    this.#options.callBack(callback, phase, resultOf(job));
  }
}

export function classOf(service: string): SubmissionClass {
  return service === "listed" || service === "blind" ? service : "token";
}

export function tracked(name: string, service: string): TrackedJob {
  return { ref: name, externalId: name, links: [], group: service };
}

/** What a job returns: for whom it was. */
function resultOf({ name, spec }: OutsideJob): Json {
  return { place: spec.place, name };
}
