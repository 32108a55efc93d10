import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Json, SubmissionClass } from "@holdfast/protocol";
import type { ServiceName } from "../clouds/services.ts";
import { testToken } from "../clouds/tokens.ts";

/** A service as the contract asks for it, and as the fakes call it. */
export interface Subject {
  readonly service: string;
  readonly fake: ServiceName;
  readonly submission: SubmissionClass;
  /** What the connection says; `url` is where the fakes are. */
  settings(url: string): Json;
  readonly spec: Json;
  /** The fakes' names of the calls that start a job, look at one, and list many. */
  readonly submits: string;
  readonly gets: string;
  readonly lists?: string;
  /** A job that nobody has started. */
  readonly unknownRef: Json;
  /** A state that the service does not have, where it says one in a word. */
  readonly strangeState?: string;
  /** What a job is once it was cancelled: Kubernetes removes it. */
  readonly cancelled: "cancelled" | "gone";
  /** Calls of one poll whose credentials are refused: one more with new ones, where there can be any. */
  readonly callsWhenRefused: number;
}

const google = (url: string) => ({ project: "shop", location: "europe-west1", baseUrl: url, credentials: "ambient" });
const folder = mkdtempSync(join(tmpdir(), "holdfast-subjects-"));
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));

function kubeconfig(url: string): string {
  const file = join(folder, `${new URL(url).port}.yaml`);
  writeFileSync(
    file,
    JSON.stringify({
      "current-context": "c",
      contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
      clusters: [{ name: "c", cluster: { server: url } }],
      users: [{ name: "u", user: { token: testToken } }],
    }),
  );
  return file;
}

export const subjects: readonly Subject[] = [
  {
    service: "bigquery",
    fake: "bigquery",
    submission: "token",
    settings: google,
    spec: { sql: "SELECT 1" },
    submits: "jobs.insert",
    gets: "jobs.get",
    lists: "jobs.list",
    unknownRef: { job_id: "nobody" },
    strangeState: "DREAMING",
    cancelled: "cancelled",
    callsWhenRefused: 2,
  },
  {
    service: "cloudrun",
    fake: "cloudrun",
    submission: "listed",
    settings: google,
    spec: { job: "load", env: { DAY: "1" } },
    submits: "jobs.run",
    gets: "executions.get",
    lists: "executions.list",
    unknownRef: { job_name: "load", execution_id: "load-nobody" },
    strangeState: "CONDITION_DREAMING",
    cancelled: "cancelled",
    callsWhenRefused: 2,
  },
  {
    service: "dataproc",
    fake: "dataproc",
    submission: "token",
    settings: google,
    spec: { cluster: "c", job: { pysparkJob: { mainPythonFileUri: "gs://b/x.py" } } },
    submits: "jobs.submit",
    gets: "jobs.get",
    lists: "jobs.list",
    unknownRef: { job_id: "nobody" },
    strangeState: "DREAMING",
    cancelled: "cancelled",
    callsWhenRefused: 2,
  },
  {
    service: "dataproc_batch",
    fake: "batches",
    submission: "token",
    settings: google,
    spec: { batch: { pysparkBatch: { mainPythonFileUri: "gs://b/x.py" } } },
    submits: "batches.create",
    gets: "batches.get",
    lists: "batches.list",
    unknownRef: { batch_id: "nobody" },
    strangeState: "DREAMING",
    cancelled: "cancelled",
    callsWhenRefused: 2,
  },
  {
    service: "kubernetes",
    fake: "kubernetes",
    submission: "token",
    settings: (url) => ({ kubeconfig: kubeconfig(url), namespace: "default" }),
    spec: { image: "busybox", command: ["true"] },
    submits: "jobs.create",
    gets: "jobs.get",
    lists: "jobs.list",
    unknownRef: { name: "nobody" },
    cancelled: "gone",
    callsWhenRefused: 2,
  },
  {
    service: "http",
    fake: "http",
    submission: "token",
    settings: (url) => ({ baseUrl: url }),
    spec: {
      submit: { url: "/jobs", headers: { "idempotency-key": "{token}" }, body: { kind: "report" } },
      capture: { id: "/id" },
      poll: {
        url: "/jobs/{id}",
        statuses: {
          ...{ queued: ["queued"], running: ["running", "stopping"] },
          ...{ succeeded: ["completed"], failed: ["failed"], cancelled: ["cancelled"] },
        },
        message: "/error/message",
        result: "/result",
        cancel: { url: "/jobs/{id}/cancel" },
      },
    },
    submits: "jobs.create",
    gets: "jobs.get",
    unknownRef: { url: "/jobs/nobody", statuses: { succeeded: ["completed"] } },
    strangeState: "dreaming",
    cancelled: "cancelled",
    callsWhenRefused: 1,
  },
];
