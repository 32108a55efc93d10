import type { Json } from "@holdfast/protocol";
import { type ExternalJob, given, type JobOptions, makeJob } from "./external-job.ts";

export interface HttpCall {
  /** Absolute, or relative to the connection's `baseUrl`. */
  readonly url: string;
  readonly method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON; a text is sent as it is. */
  readonly body?: Json;
}

type Values = readonly (string | number | boolean)[];

/** How a job behind an address is asked for. Pointers are JSON pointers (RFC 6901) into the answer: `/job/status`. */
export interface HttpPoll extends HttpCall {
  /** Where the status stands; default `/status`. */
  readonly status?: string;
  /** Which values mean what. */
  readonly statuses?: {
    readonly queued?: Values;
    readonly running?: Values;
    readonly succeeded?: Values;
    readonly failed?: Values;
    readonly cancelled?: Values;
  };
  /** What a status of HTTP means, where it is not the usual; `body`: look there. */
  readonly codes?: Readonly<
    Record<string, "body" | "queued" | "running" | "succeeded" | "failed" | "cancelled" | "gone">
  >;
  readonly message?: string;
  /** Where the result stands; without it the result is null. */
  readonly result?: string;
  readonly progress?: string;
  readonly link?: string;
  /** How the job is ended; without it, it cannot be. */
  readonly cancel?: HttpCall;
}

export interface HttpJobOptions extends JobOptions {
  /** How it is started; by POST unless said otherwise. `{token}` stands for the submission's token. */
  readonly submit: HttpCall;
  /** What is taken from the answer: `{ id: "/id" }`; `{id}` stands for it in `poll`. */
  readonly capture?: Readonly<Record<string, string>>;
  readonly poll: HttpPoll;
}

/** Any service that answers JSON. */
export const http = {
  service: "http",
  /** Starts a job by one call and asks for it by another. Where `{token}` is part of the submission, it is started once (P5). */
  job: <R = Json>({ connection, submit, capture, poll }: HttpJobOptions): ExternalJob<R> =>
    makeJob<R>({ service: "http", connection }, { spec: given({ submit, capture, poll }) }),
  /** A job that has been started by somebody else. */
  existing: <R = Json>({ connection, ...poll }: HttpPoll & JobOptions): ExternalJob<R> =>
    makeJob<R>({ service: "http", connection }, { ref: given(poll) }),
} as const;

/** Jobs that only pretend: under `holdfast dev`, in tests, and where the configuration allows them. */
export const mock = {
  /** Has succeeded at once, has failed at once, or runs until it is cancelled. */
  job: (outcome: "success" | "failed" | "running", { name = "job" }: { readonly name?: string } = {}) =>
    makeJob<{ readonly url: string }>(
      { service: "http" },
      { ref: { url: `mock://${outcome}/${name}`, statuses: { succeeded: ["success"] } } },
    ),
} as const;
