import { type Json, type Observation, type PollResult, TrackingError } from "@holdfast/protocol";
import { z } from "zod";
import { otherNames } from "../connection-settings.ts";
import { forEach } from "./batch.ts";
import { failureOf, permanent, retryAfterMs, shortText, transient } from "./failures.ts";
import { httpFailure, isGood, jsonOf } from "./http-answers.ts";
import {
  fill,
  type HttpCall,
  type HttpRef,
  type HttpSpec,
  httpRefSchema,
  httpSpecSchema,
  mentions,
} from "./http-spec.ts";
import { isMock, observeMock } from "./mock.ts";
import type { Answer, OutboundRequest } from "./outbound.ts";
import { pointed } from "./pointer.ts";
import type { Tracker, TrackerIo } from "./tracker.ts";

// Any service with an address that answers JSON. Whoever wrote a URL may not reach every address by it: each call, and each
// redirect, goes through the guard of the connection.

const settingsSchema = z
  .strictObject({
    service: z.string().optional(),
    /** What relative URLs are relative to. Its host may be called wherever it is. */
    baseUrl: z.url({ protocol: /^https?$/ }).optional(),
    /** Sent to the host of `baseUrl` and to no other. */
    headers: z.record(z.string(), z.string()).optional(),
    /** See AddressRules. */
    private: z.boolean().optional(),
    allow: z.array(z.string()).optional(),
  })
  .refine(({ baseUrl, headers }) => headers === undefined || baseUrl !== undefined, {
    error: "headers are sent to the host of baseUrl only: name it",
  });
type HttpSettings = z.infer<typeof settingsSchema>;
type HttpIo = TrackerIo<HttpSettings>;

const callsAtOnce = 16;

function requestOf(call: HttpCall, { settings }: HttpIo, more: Partial<OutboundRequest> = {}): OutboundRequest {
  const url = URL.parse(call.url, settings.baseUrl);
  if (url === null) {
    throw permanent(
      "invalid_url",
      `${shortText(call.url, 200)} is no URL.`,
      "Write it whole, or give the connection a baseUrl.",
    );
  }
  const { body } = call;
  const isText = typeof body === "string";
  return {
    url: url.href,
    method: call.method ?? "GET",
    headers: {
      accept: "application/json",
      ...(body !== undefined && !isText && { "content-type": "application/json" }),
      ...call.headers,
    },
    ...(body !== undefined && { body: isText ? body : JSON.stringify(body) }),
    guarded: true,
    ...(settings.baseUrl !== undefined && {
      secrets: { origin: new URL(settings.baseUrl).origin, headers: settings.headers ?? {} },
    }),
    ...more,
  };
}

async function look(ref: HttpRef, io: HttpIo): Promise<PollResult> {
  try {
    if (isMock(ref.url)) return { observation: observeMock(ref.url, io.mock) };
    const answer = await io.outbound.send(requestOf(ref, io, { changes: false }));
    return { observation: observe(answer, ref, io.now()) };
  } catch (error) {
    return { failure: failureOf(error) };
  }
}

function observe(answer: Answer, ref: HttpRef, now: number): Observation {
  const meaning = ref.codes?.[String(answer.status)] ?? usualMeaning(answer.status);
  if (meaning === undefined) throw new TrackingError(httpFailure(answer, now));
  const body = jsonOf(answer);
  const details = detailsOf(body, ref);
  const after = retryAfterMs(answer.headers["retry-after"], now);
  const rest = { ...details, ...(after !== undefined && { nextPollMs: after }) };
  if (meaning !== "body") return finish({ phase: meaning, rawStatus: String(answer.status), ...rest }, body, ref);
  // Other good statuses than those that were named mean that it is not done.
  if (ref.codes !== undefined && ref.codes[String(answer.status)] === undefined && namesBody(ref)) {
    return { phase: "running", rawStatus: String(answer.status), ...rest };
  }
  if (body === undefined) throw transient("malformed_answer", `The answer (${answer.status}) is no JSON.`);
  const value = pointed(body, ref.status ?? "/status");
  const phase = phaseOf(value, ref);
  const rawStatus = shortText(typeof value === "string" ? value : (JSON.stringify(value) ?? ""), 100);
  if (phase !== undefined) return finish({ phase, rawStatus, ...rest }, body, ref);
  const isMissing = value === undefined || typeof value === "object";
  const isUnknown = isMissing || ref.statuses?.running !== undefined;
  const what = isMissing ? `has no status at ${ref.status ?? "/status"}` : `says "${rawStatus}", which is not known`;
  return { phase: "running", rawStatus, ...rest, ...(isUnknown && { warning: `The answer ${what}.` }) };
}

function usualMeaning(status: number): "body" | "gone" | undefined {
  if (isGood(status)) return "body";
  return status === 404 || status === 410 ? "gone" : undefined;
}

function namesBody(ref: HttpRef): boolean {
  return Object.values(ref.codes ?? {}).includes("body");
}

function phaseOf(value: Json | undefined, ref: HttpRef): Observation["phase"] | undefined {
  if (value === undefined || (typeof value === "object" && value !== null)) return undefined;
  for (const phase of ["succeeded", "failed", "cancelled", "queued", "running"] as const) {
    if (ref.statuses?.[phase]?.some((one) => String(one) === String(value)) === true) return phase;
  }
  return undefined;
}

function finish(observation: Observation, body: Json | undefined, ref: HttpRef): Observation {
  const { phase, rawStatus } = observation;
  if (phase === "failed" && observation.message === undefined)
    return { ...observation, message: `Job failed with status: ${rawStatus}` };
  if (phase !== "succeeded" || ref.result === undefined) return observation;
  const result = pointed(body, ref.result);
  if (result === undefined) return { ...observation, warning: `The answer has no result at ${ref.result}.` };
  return { ...observation, result };
}

function detailsOf(body: Json | undefined, ref: HttpRef): Pick<Observation, "message" | "progress" | "links"> {
  const text = (pointer: string | undefined) => {
    const value = pointer === undefined ? undefined : pointed(body, pointer);
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const message = text(ref.message);
  const link = text(ref.link);
  const progress = ref.progress === undefined ? undefined : Number(pointed(body, ref.progress));
  return {
    ...(message !== undefined && { message: shortText(message) }),
    ...(link !== undefined && link.length <= 4_000 && { links: [{ label: "Job", url: link }] }),
    ...(progress !== undefined && Number.isFinite(progress) && { progress: { done: progress } }),
  };
}

/** What the answer to a submission gives for the names that the polls need; undefined where one is missing. */
function captured(body: Json | undefined, spec: HttpSpec): Record<string, string> | undefined {
  const values: Record<string, string> = {};
  for (const [name, pointer] of Object.entries(spec.capture ?? {})) {
    const value = pointed(body, pointer);
    if (typeof value !== "string" && typeof value !== "number") return undefined;
    values[name] = String(value);
  }
  return values;
}

async function submit(spec: HttpSpec, token: string, io: HttpIo): Promise<HttpRef> {
  const call = fill({ method: "POST" as const, ...spec.submit }, { token });
  const answer = await io.outbound.send(requestOf(call, io, { lane: "fresh", changes: true }));
  // Taken: by this token, where the service knows tokens.
  const isAdopted = answer.status === 409 && mentions(spec.submit, "token");
  if (!isGood(answer.status) && !isAdopted) throw new TrackingError(httpFailure(answer, io.now()));
  const body = jsonOf(answer);
  const values = captured(body, spec);
  if (values === undefined && body === undefined) {
    throw transient("malformed_answer", `The submission was answered ${answer.status} with what is no JSON.`, {
      undecided: true,
    });
  }
  if (values === undefined) {
    const names = Object.values(spec.capture ?? {}).join(", ");
    throw new TrackingError({
      fault: "permanent",
      code: "malformed_answer",
      message: `The submission was answered ${answer.status}, without what stands at ${names}.`,
      hint: "Mend capture, and look whether the job runs.",
      undecided: true,
    });
  }
  return fill(spec.poll, { token, ...values });
}

export const http: Tracker<HttpSpec, HttpRef, HttpSettings> = {
  service: "http",
  aliases: [otherNames.http],
  settings: settingsSchema,
  spec: httpSpecSchema as z.ZodType<HttpSpec>,
  ref: httpRefSchema,
  submission: (spec) => (mentions(spec.submit, "token") ? "token" : "blind"),
  refOf: ({ spec, token }) => {
    const isKnown = Object.keys(spec.capture ?? {}).every((name) => !mentions(spec.poll, name));
    return isKnown ? fill(spec.poll, { token }) : undefined;
  },
  describe: (ref) => ({ externalId: ref.job_id ?? ref.url, links: [] }),
  submit: ({ spec, token }, io) => submit(spec, token, io),
  poll: (refs, io) => forEach(refs, callsAtOnce, (ref) => look(ref, io)),
  cancel: async (ref, io) => {
    if (isMock(ref.url) || ref.cancel === undefined) return "unsupported";
    const call = { method: "POST" as const, ...ref.cancel };
    const answer = await io.outbound.send(requestOf(call, io, { changes: true }));
    if (isGood(answer.status)) return "accepted";
    if (answer.status === 404 || answer.status === 410) return "not_found";
    if (answer.status === 409) return "already_ended";
    throw new TrackingError(httpFailure(answer, io.now()));
  },
};
