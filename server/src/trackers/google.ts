import {
  type CancelAnswer,
  isFinalPhase,
  type Json,
  type Observation,
  type PollResult,
  TrackingError,
  type TrackingFailure,
} from "@holdfast/protocol";
import { z } from "zod";
import {
  failureOf,
  isTransientStatus,
  permanent,
  retryAfterMs,
  shortText,
  transient,
  unauthorized,
} from "./failures.ts";
import { googleCredentialsSchema } from "./google-tokens.ts";
import type { Answer } from "./outbound.ts";
import type { TokenProvider } from "./token-provider.ts";
import type { TrackerIo } from "./tracker.ts";

// What all of Google's REST services have in common: settings, tokens, errors, operations.
// Source: googleapis/googleapis, google/rpc and each service's discovery document.

export const googleSettingsSchema = z.strictObject({
  service: z.string().optional(),
  project: z.string().optional(),
  /** BigQuery's location, the region of the others. */
  location: z.string().optional(),
  credentials: googleCredentialsSchema,
  /** In place of https://SERVICE.googleapis.com: an emulator, a private endpoint. */
  baseUrl: z.url({ protocol: /^https?$/ }).optional(),
});
export type GoogleSettings = z.infer<typeof googleSettingsSchema>;
export type GoogleIo = TrackerIo<GoogleSettings, TokenProvider>;

/** Names become parts of paths and of host names that are sent a token: nothing else may be said in them. */
export const projectSchema = z.string().regex(/^[a-z0-9][a-z0-9.:_-]{0,99}$/i, "is no id of a project");
export const regionSchema = z.string().regex(/^[a-z0-9][a-z0-9-]{0,59}$/i, "is no location");
export const nameSchema = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,1023}$/, "is no name of a resource");

/** What the connection adds, or a permanent failure that says where to write it. */
export function named(value: string | undefined, fallback: string | undefined, what: "project" | "location"): string {
  const found = value ?? fallback;
  if (found !== undefined) return found;
  throw permanent("invalid_spec", `No ${what} is named.`, `Write ${what} beside the job, or into the connection.`);
}

interface GoogleCall {
  readonly method?: "GET" | "POST" | "DELETE";
  /** The service's own host, where the connection names no other. */
  readonly host: string;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body?: Json;
  readonly lane?: "call" | "fresh" | "wait";
  readonly timeoutMs?: number;
}

/** One call, with one new token where the first is refused. Throws TrackingError for everything but a good answer. */
export async function callGoogle(io: GoogleIo, call: GoogleCall): Promise<unknown> {
  const first = await io.access.token();
  let answer = await send(io, call, first);
  if (answer.status === 401 && first !== null) {
    io.access.refused(first);
    answer = await send(io, call, await io.access.token());
  }
  if (answer.status < 200 || answer.status > 299) throw new TrackingError(refusal(answer, io.now()));
  try {
    return JSON.parse(answer.text);
  } catch {
    const undecided = answer.undecided ? { undecided: true } : {};
    throw transient("malformed_answer", `${call.path} was answered ${answer.status} with what is no JSON.`, undecided);
  }
}

/** The same, with the answer parsed. What does not fit the schema is no answer of the service: it may be right the next time. */
export async function askGoogle<T>(io: GoogleIo, schema: z.ZodType<T>, call: GoogleCall): Promise<T> {
  return readGoogle(schema, await callGoogle(io, call), call);
}

export function readGoogle<T>(schema: z.ZodType<T>, value: unknown, call: Pick<GoogleCall, "path" | "method">): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const undecided = call.method === "POST" ? { undecided: true } : {};
  throw transient(
    "malformed_answer",
    `${call.path} was answered with: ${shortText(z.prettifyError(parsed.error), 500)}`,
    undecided,
  );
}

async function send(io: GoogleIo, call: GoogleCall, token: string | null): Promise<Answer> {
  const url = new URL(`${(io.settings.baseUrl ?? `https://${call.host}`).replace(/\/$/, "")}${call.path}`);
  for (const [name, value] of Object.entries(call.query ?? {})) {
    for (const one of value === undefined ? [] : [value].flat()) url.searchParams.append(name, one);
  }
  return await io.outbound.send({
    url: url.href,
    method: call.method ?? "GET",
    headers: {
      accept: "application/json",
      ...(call.body !== undefined && { "content-type": "application/json" }),
      ...(token !== null && { authorization: `Bearer ${token}` }),
    },
    ...(call.body !== undefined && { body: JSON.stringify(call.body) }),
    ...(call.lane !== undefined && { lane: call.lane }),
    ...(call.timeoutMs !== undefined && { timeoutMs: call.timeoutMs }),
  });
}

const errorSchema = z.object({
  error: z.object({
    message: z.string().optional(),
    status: z.string().optional(),
    errors: z.array(z.object({ reason: z.string().optional() })).optional(),
  }),
});

/** Reasons by which a 403 is about too many calls and not about rights. */
const crowded = new Set(["rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "jobRateLimitExceeded"]);

/** What an answer that is no good one says of itself. */
function refusal(answer: Answer, now: number): TrackingFailure {
  const { status } = answer;
  const said = parseError(answer.text);
  const code = said?.errors?.[0]?.reason ?? said?.status ?? `http_${status}`;
  const message = shortText(said?.message ?? `The service answered ${status}: ${answer.text.slice(0, 300)}`);
  const after = retryAfterMs(answer.headers["retry-after"], now);
  const undecided = answer.undecided ? { undecided: true } : {};
  const failure = { code, message, ...(after !== undefined && { retryAfterMs: after }), ...undecided };
  if (status === 401) {
    const hint = "The credentials were refused, also new ones: look at the connection.";
    return { ...unauthorized(code, message, hint).failure, ...undecided };
  }
  if (isTransientStatus(status) || (status === 403 && crowded.has(code))) return { fault: "transient", ...failure };
  if (status >= 300 && status < 400) return { fault: "transient", ...failure, code: "unexpected_redirect" };
  return { fault: "permanent", ...failure };
}

function parseError(text: string): z.infer<typeof errorSchema>["error"] | undefined {
  try {
    return errorSchema.safeParse(JSON.parse(text)).data?.error;
  } catch {
    return undefined;
  }
}

/** Whether an error says that there is no such thing. */
export function isGoogleNotFound(error: unknown): boolean {
  return (
    error instanceof TrackingError &&
    error.failure.fault === "permanent" &&
    /^(notFound|NOT_FOUND|http_404)$/.test(error.failure.code)
  );
}

/** Makes what has a name made of the token: that the name is taken says that we have made it before, and it is adopted (P5). */
export async function createNamed(io: GoogleIo, call: GoogleCall): Promise<void> {
  try {
    await callGoogle(io, call);
  } catch (error) {
    if (!isGoogleDuplicate(error)) throw error;
  }
}

function isGoogleDuplicate(error: unknown): boolean {
  return (
    error instanceof TrackingError &&
    error.failure.fault === "permanent" &&
    /^(duplicate|alreadyExists|ALREADY_EXISTS|http_409)$/.test(error.failure.code)
  );
}

/** What a poll says about one job whose call failed: that it is not there is an observation, all else a failure. */
export function googlePollFailure(error: unknown): PollResult {
  if (!isGoogleNotFound(error)) return { failure: failureOf(error) };
  return { observation: { phase: "gone", rawStatus: "NOT_FOUND", message: failureOf(error).message } };
}

/** Orders a job's end, where it is there and has not ended. */
export async function cancelGoogle<T>(
  look: () => Promise<T>,
  observe: (job: T) => Observation,
  cancel: (job: T) => Promise<unknown>,
): Promise<CancelAnswer> {
  try {
    const job = await look();
    if (isFinalPhase(observe(job).phase)) return "already_ended";
    await cancel(job);
    return "accepted";
  } catch (error) {
    if (isGoogleNotFound(error)) return "not_found";
    // It ended between the two calls.
    if (error instanceof TrackingError && /^(failedPrecondition|FAILED_PRECONDITION)$/.test(error.failure.code))
      return "already_ended";
    throw error;
  }
}
