import type { ErrorCode } from "@holdfast/protocol";
import type { z } from "zod";
import type { Control } from "../operations/requests.ts";

/** What a handler is given. Query and body have been parsed by the route's schemas. */
export interface Call<Query, Body> {
  readonly params: Readonly<Record<string, string>>;
  readonly query: Query;
  readonly body: Body;
  /** The caller's Idempotency-Key. */
  readonly requestKey: string | undefined;
  /** What changes runs and schedules; under a key, once (`keeps`). */
  readonly control: Control | undefined;
  /** The caller's `traceparent`, as it was sent. */
  readonly traceparent: string | undefined;
  /** The caller's `If-Match` and `If-None-Match`, where the route is `tagged`. */
  readonly ifMatch: string | undefined;
  readonly ifNoneMatch: string | undefined;
  /** Fires when the caller has gone or the server stops: waits end with what there is. */
  readonly signal: AbortSignal;
}

interface RouteDescription {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** As OpenAPI writes it: `/v1/runs/{id}`. */
  readonly path: string;
  readonly summary: string;
  /** Errors of its own, besides those that any route may answer. */
  readonly errors: readonly ErrorCode[];
  readonly maxBodyBytes?: number;
  /** True where its address is the permission: it wants no token. */
  readonly isOpen?: boolean;
  /** True where an Idempotency-Key is heeded. */
  readonly idempotent?: boolean;
  /** True where the answer has a version, which is its entity tag, and conditions on that are heeded. */
  readonly tagged?: boolean;
  /** True where the answer is kept under an Idempotency-Key, and `control` makes of it what happens. */
  readonly keeps?: boolean;
}

/** One line of the HTTP interface: what validates it, what describes it and what answers it. */
export interface Route extends RouteDescription {
  readonly query: z.ZodType | undefined;
  readonly body: z.ZodType | undefined;
  /** True when a request without a body is one with an empty object. */
  readonly bodyOptional: boolean;
  readonly answer: z.ZodType;
  readonly answerCall: (call: Call<unknown, unknown>) => Promise<unknown>;
}

/** A route with a typed handler. */
export function route<A extends z.ZodType, Q extends z.ZodType = z.ZodType, B extends z.ZodType = z.ZodType>(
  spec: RouteDescription & {
    readonly query?: Q;
    readonly body?: B;
    readonly bodyOptional?: boolean;
    readonly answer: A;
    readonly handle: (call: Call<z.output<Q>, z.output<B>>) => Promise<z.input<A>>;
  },
): Route {
  const { handle, query, body, bodyOptional = false, ...description } = spec;
  return {
    ...description,
    query,
    body,
    bodyOptional,
    // What the schemas of this very route have parsed.
    answerCall: (call) => handle(call as Call<z.output<Q>, z.output<B>>),
  };
}
