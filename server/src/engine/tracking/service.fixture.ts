import {
  type CancelAnswer,
  canonicalText,
  type Observation,
  type PollResult,
  type SubmissionClass,
  type TrackedJob,
  type Tracking,
  TrackingError,
  type TrackingFailure,
} from "@holdfast/protocol";
import type { Clock } from "../../clock.ts";

/** A job as the service outside has it. */
export interface OutsideJob {
  readonly name: string;
  readonly service: string;
  readonly token: string;
  readonly madeMs: number;
  observation: Observation;
}

/** What befalls a call. `lost`: it is done and its answer is lost. `unsent`: it is not done, and nobody can say so. */
export type Fate = "ok" | "lost" | "unsent" | "hang" | Partial<TrackingFailure> | CancelAnswer;

type Verb = "submit" | "find" | "poll" | "cancel";

/** After so long a listing shows what was made. */
export const listingLagMs = 8_000;
export const settleMs = 10_000;

/**
 * Services outside, of every class of P5, as scripts say. It counts what was made under each token: P5 is that this is one. Services are
 * named for their class: `token…`, `named…` (a token whose job has a name beforehand), `listed…`, `blind…`.
 */
export class OutsideService implements Tracking {
  readonly jobs = new Map<string, OutsideJob>();
  readonly calls: { readonly verb: Verb; readonly service: string; readonly refs: number; readonly atMs: number }[] =
    [];
  /** What befalls the calls of a verb at a service, in order; without any left, all is well. */
  readonly fates = new Map<string, Fate[]>();
  /** What befalls all of them. */
  readonly standing = new Map<string, Fate>();
  readonly watches: {
    readonly asked: Parameters<Tracking["watch"]>[0];
    readonly refs: Set<string>;
    isClosed: boolean;
  }[] = [];
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many jobs were made. */
  get made(): number {
    return this.jobs.size;
  }

  countOf(verb: Verb, service?: string): number {
    return this.calls.filter((call) => call.verb === verb && (service === undefined || call.service === service))
      .length;
  }

  will(verb: Verb, service: string, ...fates: Fate[]): void {
    this.fates.set(`${verb} ${service}`, fates);
  }

  always(verb: Verb, service: string, fate: Fate): void {
    this.standing.set(`${verb} ${service}`, fate);
  }

  /** All jobs of the services, or of one, are this from now on. */
  turn(observation: Partial<Observation> & Pick<Observation, "phase">, service?: string): void {
    for (const job of this.jobs.values()) {
      if (service === undefined || job.service === service)
        job.observation = { rawStatus: observation.phase, ...observation };
    }
  }

  prepare: Tracking["prepare"] = async ({ service, spec, token }) => {
    const job = service.startsWith("named") ? tracked(service, `J-${token}`) : null;
    return { submission: classOf(service), spec, job, settleMs: classOf(service) === "listed" ? settleMs : 0 };
  };

  adopt: Tracking["adopt"] = async ({ service, ref }) => tracked(service, String(ref));

  submit: Tracking["submit"] = async ({ service, token, notAfterMs }) => {
    const fate = await this.#meet("submit", service);
    if (notAfterMs !== undefined && this.#clock.monotonicMs() > notAfterMs) throw failure({ code: "too_late" });
    if (fate === "unsent") throw failure({ undecided: true });
    if (typeof fate === "object") throw failure(fate);
    const name = this.#make(service, token);
    if (fate === "lost") throw failure({ code: "cut", undecided: true });
    return tracked(service, name);
  };

  find: Tracking["find"] = async ({ service, token }) => {
    const fate = await this.#meet("find", service);
    if (typeof fate === "object") throw failure(fate);
    const now = this.#clock.monotonicMs();
    const found = [...this.jobs.values()].find((job) => job.token === token && now - job.madeMs >= listingLagMs);
    return found === undefined ? null : tracked(service, found.name);
  };

  poll: Tracking["poll"] = async ({ service, refs }) => {
    const fate = await this.#meet("poll", service, refs.length);
    if (typeof fate === "object") throw failure(fate);
    return refs.map((ref): PollResult => {
      const job = this.jobs.get(String(ref));
      return { observation: job?.observation ?? { phase: "gone", rawStatus: "not found" } };
    });
  };

  cancel: Tracking["cancel"] = async ({ service, ref }) => {
    const fate = await this.#meet("cancel", service);
    if (typeof fate === "object") throw failure(fate);
    if (fate !== "ok") return fate as CancelAnswer;
    const job = this.jobs.get(String(ref));
    if (job === undefined) return "not_found";
    if (job.observation.phase === "succeeded") return "already_ended";
    job.observation = { phase: "cancelled", rawStatus: "cancelled" };
    return "accepted";
  };

  watch: Tracking["watch"] = (asked) => {
    const watch = { asked, refs: new Set<string>(), isClosed: false };
    this.watches.push(watch);
    return {
      add: (refs) => {
        for (const ref of refs) watch.refs.add(canonicalText(ref));
      },
      remove: (refs) => {
        for (const ref of refs) watch.refs.delete(canonicalText(ref));
      },
      close: () => {
        watch.isClosed = true;
      },
    };
  };

  async close(): Promise<void> {}

  #make(service: string, token: string): string {
    const isKnown = classOf(service) === "token";
    const name = isKnown ? `J-${token}` : `J-${token}-${this.jobs.size}`;
    const observation: Observation = { phase: "running", rawStatus: "running" };
    const made = { name, service, token, madeMs: this.#clock.monotonicMs(), observation };
    if (!this.jobs.has(name)) this.jobs.set(name, made);
    return name;
  }

  async #meet(verb: Verb, service: string, refs = 1): Promise<Fate> {
    this.calls.push({ verb, service, refs, atMs: this.#clock.monotonicMs() });
    const place = `${verb} ${service}`;
    const fate = this.fates.get(place)?.shift() ?? this.standing.get(place) ?? "ok";
    if (fate === "hang") return await new Promise<Fate>(() => undefined);
    // An answer takes a turn.
    await Promise.resolve();
    return fate;
  }
}

export function classOf(service: string): SubmissionClass {
  if (service.startsWith("listed")) return "listed";
  return service.startsWith("blind") ? "blind" : "token";
}

function tracked(service: string, name: string): TrackedJob {
  return { ref: name, externalId: name, links: [], group: service.includes("lone") ? name : service };
}

function failure(more: Partial<TrackingFailure>): TrackingError {
  return new TrackingError({ fault: "transient", code: "network", message: "It did not answer.", ...more });
}
