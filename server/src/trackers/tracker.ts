import type { CancelAnswer, JobLink, Json, Observation, PollResult, SubmissionClass } from "@holdfast/protocol";
import type { z } from "zod";
import type { Outbound } from "./outbound.ts";

/** What a tracker has to work with during one call. */
export interface TrackerIo<Settings = Json, Access = unknown> {
  /** The settings of the named connection, as the tracker's own schema has parsed them. */
  readonly settings: Settings;
  /** What `connect` has made of them: a provider of tokens, a cluster. Lives as long as the connection. */
  readonly access: Access;
  readonly outbound: Outbound;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /** Whether addresses that begin with `mock://` are jobs that only pretend. */
  readonly mock: boolean;
  /** Milliseconds since 1970. */
  now(): number;
}

/** What is asked for when a job is to be started. */
export interface Submission<Spec> {
  readonly spec: Spec;
  /** The same for every try to start this one job, and for nothing else (P5). Lower-case letters and digits. */
  readonly token: string;
}

/**
 * One external service. A tracker knows no store and remembers nothing between two calls, so that every call may come twice, late,
 * or in another process. It throws TrackingError; whatever else it throws is a mistake of its own and counts as transient.
 */
export interface Tracker<Spec = Json, Ref = Json, Settings = Json, Access = unknown> {
  readonly service: string;
  /** Other names that Ork's files and people use. */
  readonly aliases?: readonly string[];
  /** What the connection of a service may say. */
  readonly settings: z.ZodType<Settings>;
  /** Makes what calls prove themselves with; without I/O. */
  connect?(settings: Settings): Access;
  /** What is to be started, with the connection's defaults filled in by `complete`; absent where nothing can be started. */
  readonly spec?: z.ZodType<Spec>;
  /** What names a job. Read as Ork's deferrals write it. */
  readonly ref: z.ZodType<Ref>;

  /** See SubmissionClass. May depend on what is asked: an address of one's own may know tokens or not. */
  submission?(spec: Spec): SubmissionClass;
  /** For class `listed`: after so long a listing shows what was started. */
  readonly settleMs?: number;
  /** Takes from the connection what the spec leaves open and what decides the job's name. Throws a permanent TrackingError. */
  complete?(spec: Spec, settings: Settings): Spec;
  completeRef?(ref: Ref, settings: Settings): Ref;
  /** The job's name, where the caller chooses it. */
  refOf?(submission: Submission<Spec>): Ref | undefined;
  /** One line and pages for people. */
  describe(ref: Ref, settings: Settings): { readonly externalId: string; readonly links: readonly JobLink[] };

  /** Starts it, or finds that this token has. */
  submit?(submission: Submission<Spec>, io: TrackerIo<Settings, Access>): Promise<Ref>;
  /** For class `listed`: what this token has started. */
  find?(submission: Submission<Spec>, io: TrackerIo<Settings, Access>): Promise<Ref | null>;
  /** Refs of the same group are asked for together, where that takes fewer calls. Default: each alone. */
  pollGroup?(ref: Ref): string;
  /** One result a ref, in their order. A failure that concerns all of them may be thrown. */
  poll(refs: readonly Ref[], io: TrackerIo<Settings, Access>): Promise<readonly PollResult[]>;
  cancel?(ref: Ref, io: TrackerIo<Settings, Access>): Promise<CancelAnswer>;

  /** Refs of the same group are watched together. */
  watchGroup?(ref: Ref, settings: Settings): string;
  /** Where a watch costs a connection a ref, no more than so many groups at a time are watched; the others are polled. */
  readonly watchGroups?: number;
  /** Tells of a group's jobs until nothing of it is open, its connection ends, or `io.signal` fires. */
  watch?(group: WatchedGroup<Ref>, io: TrackerIo<Settings, Access>): Promise<void>;
}

/** What a watch watches: it may grow and shrink meanwhile. */
export interface WatchedGroup<Ref> {
  readonly group: string;
  readonly refs: () => readonly Ref[];
  /** The watch stands: what happens from now on will be told. */
  readonly standing: () => void;
  readonly tell: (ref: Ref, observation: Observation) => void;
}

/** A tracker whose own types are not known here: what comes in was parsed by its schemas. */
export function untyped<Spec, Ref, Settings, Access>(tracker: Tracker<Spec, Ref, Settings, Access>): Tracker {
  return tracker as unknown as Tracker;
}
