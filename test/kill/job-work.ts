import { defaultRetry, type Json, type Manifest } from "@holdfast/protocol";

// Tasks that are one job outside: of a service that knows a token, of one that can only be listed, and of one that does neither (P5).

export const jobKinds = ["token", "listed", "blind"] as const;
export type JobKind = (typeof jobKinds)[number];

/** `quick`: it ends by itself. `endless`: it runs until it is cancelled. */
export type JobPace = "quick" | "endless";

const said = { run: "{run.id}", pace: "{input.pace}" };
const poll = {
  url: "/jobs/{id}",
  statuses: {
    queued: ["queued"],
    running: ["running", "stopping"],
    succeeded: ["completed"],
    failed: ["failed"],
    cancelled: ["cancelled"],
  },
  result: "/result",
  cancel: { url: "/jobs/{id}/cancel" },
};
const submit = { url: "/jobs", body: said };
const sources: Readonly<Record<JobKind, { readonly service: string; readonly job: Json }>> = {
  token: {
    service: "http",
    job: { submit: { ...submit, headers: { "idempotency-key": "{token}" } }, capture: { id: "/id" }, poll },
  },
  listed: { service: "cloudrun", job: { job: "etl", env: { RUN: said.run, PACE: said.pace } } },
  blind: { service: "http", job: { submit, capture: { id: "/id" }, poll } },
};

export function jobManifest(kind: JobKind): Manifest {
  const id = `job-${kind}`;
  const task = {
    ...{
      kind: "task",
      id,
      executor: "external",
      source: { ...sources[kind], how: "submit" },
      queue: "default",
      priority: 0,
    },
    // Whoever gives one up as lost fails its attempt.
    ...{ retry: { ...defaultRetry, attempts: 20, delayMs: 40, factor: 1 }, placement: "process", isolation: "pool" },
    ...{ reads: [], writes: [] },
  };
  return { format: 1, root: id, definitions: { [id]: task }, assets: {} } as unknown as Manifest;
}

/** Where a service of the test is called to start a job of this kind. */
export const submitCalls = {
  token: { service: "http", operation: "jobs.create" },
  blind: { service: "http", operation: "jobs.create" },
  listed: { service: "cloudrun", operation: "jobs.run" },
} as const;
