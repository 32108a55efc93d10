import type { JobAddress, Json, PollResult, PreparedJob, TrackedJob } from "@holdfast/protocol";
import { z } from "zod";
import type { Connections, OpenConnection } from "./connections.ts";
import { failureOf, permanent, transient, undecidedly } from "./failures.ts";
import { keepable } from "./keeping.ts";
import { refuseAfter } from "./too-late.ts";
import type { Submission, Tracker, TrackerIo } from "./tracker.ts";
import { type TrackingMethod, type TrackingParams, type TrackingResult, trackingMethods } from "./wire.ts";

// What a tracker process does when it is asked. Everything that comes in is parsed, and everything that a tracker gives is parsed once
// more, so that a tracker of the user's own that says nonsense harms nobody but its own jobs.

type Asked<M extends TrackingMethod> = TrackingParams<M>;

/** Carries out one call. Rejects with whatever was thrown; `failureOf` tells it. */
export async function carryOut(
  connections: Connections,
  method: TrackingMethod,
  params: unknown,
  signal: AbortSignal,
): Promise<Json> {
  const asked = trackingMethods[method].params.safeParse(params);
  if (!asked.success) throw permanent("invalid_call", `${method}: ${z.prettifyError(asked.error)}`);
  const result = await actions[method](connections, asked.data as never, signal);
  const parsed = trackingMethods[method].result.safeParse(result);
  if (parsed.success) return parsed.data as Json;
  const undecided = method === "submit" || method === "cancel" ? { undecided: true } : {};
  throw transient(
    "malformed_answer",
    `The tracker answered ${method} with: ${z.prettifyError(parsed.error)}`,
    undecided,
  );
}

type Actions = {
  readonly [M in TrackingMethod]: (
    connections: Connections,
    asked: Asked<M>,
    signal: AbortSignal,
  ) => Promise<TrackingResult<M>>;
};

const actions: Actions = {
  prepare: async (connections, asked) => prepare(connections.get(asked), asked),
  adopt: async (connections, asked) => {
    const open = connections.get(asked);
    return trackedJob(open, refOf(open, asked.ref));
  },
  submit: async (connections, asked, signal) => {
    const open = connections.get(asked);
    const { tracker } = open;
    if (tracker.submit === undefined) throw cannotSubmit(asked);
    if (asked.notAfter !== undefined) refuseAfter(asked.notAfter);
    return await submit(open, submissionOf(open, asked), open.io(signal, asked.notAfter));
  },
  find: async (connections, asked, signal) => {
    const open = openLater(connections, asked);
    const submission = submissionOf(open, asked);
    const { tracker } = open;
    if (tracker.find === undefined)
      throw permanent("cannot_find", `Jobs of ${asked.service} cannot be found by a token.`);
    const ref = await tracker.find(submission, open.io(signal));
    return ref === null ? null : trackedJob(open, refOf(open, ref, "malformed_answer"));
  },
  poll: async (connections, asked, signal) => await poll(openLater(connections, asked), asked.refs, signal),
  cancel: async (connections, asked, signal) => {
    const open = openLater(connections, asked);
    const { tracker } = open;
    if (tracker.cancel === undefined) return "unsupported";
    return await tracker.cancel(refOf(open, asked.ref), open.io(signal));
  },
  ping: () => Promise.resolve(null),
};

/** Whatever the tracker makes of it: a call that may have started the job has to be told as such (core/verdicts.ts). */
async function submit(open: OpenConnection, submission: Submission<Json>, io: TrackerIo): Promise<TrackedJob> {
  let isSaid = false;
  try {
    const ref = await open.tracker.submit?.(submission, io);
    isSaid = true;
    return trackedJob(open, refOf(open, ref ?? null, "malformed_answer"));
  } catch (error) {
    throw isSaid || io.outbound.mayHaveChanged ? undecidedly(error) : error;
  }
}

/** For a job that is there already, a mistake in this node's configuration is nothing that ends it: it will be mended. */
function openLater(connections: Connections, asked: JobAddress): OpenConnection {
  try {
    return connections.get(asked);
  } catch (error) {
    const { code, message, hint } = failureOf(error);
    throw transient(code, message, hint === undefined ? {} : { hint });
  }
}

function prepare(open: OpenConnection, asked: Asked<"prepare">): PreparedJob {
  const { tracker, settings } = open;
  if (tracker.submit === undefined || tracker.submission === undefined) throw cannotSubmit(asked);
  const parsed = parseSpec(tracker, asked.spec);
  const spec = tracker.complete?.(parsed, settings) ?? parsed;
  const submission = tracker.submission(spec);
  const ref = submission === "token" ? tracker.refOf?.({ spec, token: asked.token }) : undefined;
  return {
    submission,
    spec,
    job: ref === undefined ? null : trackedJob(open, ref),
    settleMs: tracker.settleMs ?? 0,
  };
}

/** What was prepared is complete already, and stays as it is. */
function submissionOf({ tracker, settings }: OpenConnection, { spec, token }: Asked<"submit">): Submission<Json> {
  const parsed = parseSpec(tracker, spec);
  return { spec: tracker.complete?.(parsed, settings) ?? parsed, token };
}

function parseSpec(tracker: Tracker, spec: Json): Json {
  if (tracker.spec === undefined) throw cannotSubmit(tracker);
  const parsed = tracker.spec.safeParse(spec);
  if (parsed.success) return parsed.data;
  throw permanent("invalid_spec", `A job of ${tracker.service} cannot be started like this: ${said(parsed.error)}`);
}

/** What is wrong with a value of a user's, with the place in it. */
function said({ issues }: z.ZodError): string {
  return issues.map(({ path, message }) => (path.length === 0 ? message : `${path.join(".")}: ${message}`)).join("; ");
}

function refOf({ tracker, settings }: OpenConnection, ref: Json, code = "invalid_ref"): Json {
  const parsed = tracker.ref.safeParse(ref);
  if (!parsed.success) throw permanent(code, `This names no job of ${tracker.service}: ${said(parsed.error)}`);
  return tracker.completeRef?.(parsed.data, settings) ?? parsed.data;
}

function trackedJob({ tracker, settings }: OpenConnection, ref: Json): TrackedJob {
  const { externalId, links } = tracker.describe(ref, settings);
  return { ref, externalId, links: [...links], group: tracker.pollGroup?.(ref) ?? externalId };
}

function cannotSubmit({ service }: Pick<JobAddress, "service">): Error {
  return permanent("cannot_submit", `The tracker of ${service} starts no jobs; it only watches them.`);
}

/** A ref that names nothing fails alone; what the tracker throws concerns all the others. */
async function poll(open: OpenConnection, refs: readonly Json[], signal: AbortSignal): Promise<PollResult[]> {
  const results: (PollResult | undefined)[] = [];
  const good: { readonly index: number; readonly ref: Json }[] = [];
  for (const [index, ref] of refs.entries()) {
    try {
      good.push({ index, ref: refOf(open, ref) });
    } catch (error) {
      results[index] = { failure: failureOf(error) };
    }
  }
  const found =
    good.length === 0
      ? []
      : await pollAll(
          open,
          good.map(({ ref }) => ref),
          signal,
        );
  for (const [at, { index }] of good.entries()) results[index] = found[at];
  return refs.map(
    (_, index) =>
      results[index] ?? { failure: failureOf(transient("no_result", "The tracker gave no result for it.")) },
  );
}

async function pollAll(
  open: OpenConnection,
  refs: readonly Json[],
  signal: AbortSignal,
): Promise<readonly PollResult[]> {
  try {
    const results = await open.tracker.poll(refs, open.io(signal));
    return results.map(keepable);
  } catch (error) {
    const failure = failureOf(error);
    return refs.map(() => ({ failure }));
  }
}
