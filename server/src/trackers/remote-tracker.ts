import {
  cancelAnswers,
  type Json,
  jsonSchema,
  type PollResult,
  submissionClasses,
  TrackingError,
  trackingFailureSchema,
} from "@holdfast/protocol";
import { z } from "zod";
import { shortText, transient } from "./failures.ts";
import { httpFailure, isGood, jsonOf } from "./http-answers.ts";
import { type Tracker, type TrackerIo, untyped } from "./tracker.ts";

// A tracker that is a service of the user's own, in any language. It is asked by POST, with the JSON of protocol/tracking.ts:
//   /submit {spec, token} → {ref}        /find {spec, token} → {ref: … | null}
//   /poll {refs} → {results: [{observation} | {failure}]}        /cancel {ref} → {answer}
// What it cannot do it answers 501. A failure is {failure}, with whatever status.

export const remoteSettingsSchema = z.strictObject({
  /** The name by which jobs ask for it. */
  service: z.string().regex(/^[a-z][a-z0-9_-]{0,62}$/),
  /** Where it listens. The operator has written it: it may be anywhere. */
  tracker: z.url({ protocol: /^https?$/ }),
  headers: z.record(z.string(), z.string()).optional(),
  submission: z.enum(submissionClasses).optional(),
  settleMs: z.number().nonnegative().optional(),
});
type RemoteSettings = z.infer<typeof remoteSettingsSchema>;
type RemoteIo = TrackerIo<RemoteSettings>;

const refAnswerSchema = z.object({ ref: jsonSchema });
/** Each is looked at by itself (keeping.ts): one that makes no sense harms no other. */
const pollAnswerSchema = z.object({ results: z.array(z.unknown()) });
const cancelAnswerSchema = z.object({ answer: z.enum(cancelAnswers) });
const failureAnswerSchema = z.object({ failure: trackingFailureSchema });

async function ask<T>(
  io: RemoteIo,
  schema: z.ZodType<T>,
  verb: "submit" | "find" | "poll" | "cancel",
  body: Json,
): Promise<T> {
  const { tracker, headers } = io.settings;
  const changes = verb === "submit" || verb === "cancel";
  const answer = await io.outbound.send({
    url: `${tracker.replace(/\/$/, "")}/${verb}`,
    method: "POST",
    headers: { accept: "application/json", "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
    changes,
    lane: verb === "submit" ? "fresh" : "call",
    // It asks another service, and says itself what became of that.
    refuses: (answer) => {
      const told = failureAnswerSchema.safeParse(jsonOf(answer)).data?.failure;
      return told !== undefined && told.undecided !== true;
    },
  });
  const said = jsonOf(answer);
  const failure = failureAnswerSchema.safeParse(said).data?.failure;
  if (failure !== undefined) throw new TrackingError(failure);
  if (!isGood(answer.status)) throw new TrackingError(httpFailure(answer, io.now()));
  const parsed = schema.safeParse(said);
  if (parsed.success) return parsed.data;
  const why = shortText(z.prettifyError(parsed.error), 500);
  throw transient(
    "malformed_answer",
    `${tracker}/${verb} was answered with: ${why}`,
    answer.undecided ? { undecided: true } : {},
  );
}

/** The tracker that a connection with `tracker: URL` makes. */
export function remoteTracker(settings: RemoteSettings): Tracker {
  const { submission, settleMs } = settings;
  const remote: Tracker<Json, Json, RemoteSettings> = {
    service: settings.service,
    settings: remoteSettingsSchema,
    ref: jsonSchema,
    describe: (ref) => ({ externalId: typeof ref === "string" ? ref : JSON.stringify(ref).slice(0, 2_000), links: [] }),
    ...(submission !== undefined && {
      spec: jsonSchema,
      submission: () => submission,
      submit: async ({ spec, token }, io) => (await ask(io, refAnswerSchema, "submit", { spec, token })).ref,
      find: async ({ spec, token }, io) => (await ask(io, refAnswerSchema, "find", { spec, token })).ref,
    }),
    ...(settleMs !== undefined && { settleMs }),
    pollGroup: () => settings.tracker,
    poll: async (refs, io) => {
      const { results } = await ask(io, pollAnswerSchema, "poll", { refs: [...refs] });
      if (results.length === refs.length) return results as PollResult[];
      throw transient(
        "malformed_answer",
        `${io.settings.tracker}/poll gave ${results.length} results for ${refs.length} jobs.`,
      );
    },
    cancel: async (ref, io) => {
      try {
        return (await ask(io, cancelAnswerSchema, "cancel", { ref })).answer;
      } catch (error) {
        if (error instanceof TrackingError && error.failure.code === "http_501") return "unsupported";
        throw error;
      }
    },
  };
  return untyped(remote);
}
