import type { Clouds } from "../clouds.ts";
import { loadPackage, readPackageJson } from "../install.ts";

// Google's clients of Cloud Run and Dataproc as far as the tests use them, over REST ("fallback"), and the descriptions of
// the messages that their packages carry.

export interface Time {
  readonly seconds: string | number | { toNumber(): number };
  readonly nanos: number;
}

export interface LongRunning<T> {
  readonly name: string;
  readonly metadata: { readonly name?: string } | null;
  promise(): Promise<[T]>;
  cancel(): Promise<unknown>;
}

export interface Execution {
  readonly name: string;
  readonly taskCount: number;
  readonly succeededCount: number;
  readonly failedCount: number;
  readonly cancelledCount: number;
  readonly completionTime: Time | null;
  readonly template: {
    readonly containers: readonly { readonly env: readonly { readonly name: string; readonly value: string }[] }[];
  };
  readonly conditions: readonly {
    readonly type: string;
    readonly state: string;
    readonly executionReason?: string;
    readonly message: string;
  }[];
}

export interface RunJobs {
  runJob(request: object): Promise<[LongRunning<Execution>]>;
  getJob(
    request: object,
  ): Promise<
    [{ readonly executionCount: number; readonly latestCreatedExecution: { readonly completionStatus: string } }]
  >;
}

export interface RunExecutions {
  getExecution(request: object): Promise<[Execution]>;
  listExecutions(request: object): Promise<[Execution[]]>;
  cancelExecution(request: object): Promise<[LongRunning<Execution>]>;
  deleteExecution(request: object): Promise<[LongRunning<Execution>]>;
}

export interface DataprocJob {
  readonly reference: { readonly jobId: string };
  readonly jobUuid: string;
  readonly done: boolean;
  readonly status: { readonly state: string; readonly details: string };
  readonly statusHistory: readonly { readonly state: string }[];
}

export interface DataprocJobs {
  submitJob(request: object): Promise<[DataprocJob]>;
  submitJobAsOperation(request: object): Promise<[LongRunning<DataprocJob>]>;
  getJob(request: object): Promise<[DataprocJob]>;
  listJobs(request: object): Promise<[DataprocJob[]]>;
  cancelJob(request: object): Promise<[DataprocJob]>;
  deleteJob(request: object): Promise<unknown>;
}

export interface Batch {
  readonly name: string;
  readonly uuid: string;
  readonly state: string | number;
  readonly stateMessage: string;
  readonly operation: string;
}

export interface DataprocBatches {
  createBatch(request: object): Promise<[LongRunning<Batch>]>;
  getBatch(request: object): Promise<[Batch]>;
  listBatches(request: object): Promise<[Batch[]]>;
  deleteBatch(request: object): Promise<unknown>;
}

/** What a call fails with; the message holds the answer's body. */
export interface RestError extends Error {
  readonly code: number;
}

type Client<T> = new (options: object) => T;

function restOptions(clouds: Clouds): object {
  const url = new URL(clouds.url);
  return { fallback: "rest", protocol: "http", apiEndpoint: url.hostname, port: Number(url.port), projectId: "p" };
}

export async function cloudRunOf(clouds: Clouds): Promise<{ jobs: RunJobs; executions: RunExecutions }> {
  const { JobsClient, ExecutionsClient } = await loadPackage<{
    JobsClient: Client<RunJobs>;
    ExecutionsClient: Client<RunExecutions>;
  }>("vendors", "@google-cloud/run");
  const options = restOptions(clouds);
  return { jobs: new JobsClient(options), executions: new ExecutionsClient(options) };
}

export async function dataprocOf(clouds: Clouds): Promise<{ jobs: DataprocJobs; batches: DataprocBatches }> {
  const { JobControllerClient, BatchControllerClient } = await loadPackage<{
    JobControllerClient: Client<DataprocJobs>;
    BatchControllerClient: Client<DataprocBatches>;
  }>("vendors", "@google-cloud/dataproc");
  const options = restOptions(clouds);
  return { jobs: new JobControllerClient(options), batches: new BatchControllerClient(options) };
}

interface MessageType {
  readonly name: string;
}
interface Root {
  lookupType(name: string): MessageType;
  resolveAll(): unknown;
}

/** Paths of an answer that hold what JSON of protobuf leaves out: nought, false, empty texts and lists. The package's reader keeps them. */
export function defaultsIn(value: unknown, path = ""): string[] {
  if (Array.isArray(value))
    return value.length === 0 ? [path] : value.flatMap((part, at) => defaultsIn(part, `${path}[${at}]`));
  if (typeof value !== "object" || value === null)
    return value === 0 || value === false || value === "" || value === null ? [path] : [];
  return Object.entries(value).flatMap(([name, part]) => defaultsIn(part, path === "" ? name : `${path}.${name}`));
}

/**
 * Reads an answer by the vendor's own description of its message and writes it again: what comes out differs where the
 * answer has an unknown field, a number that has to be text, or a time of another form.
 */
export async function asDescribed(packageName: string): Promise<(type: string, answer: unknown) => unknown> {
  const protobuf = await loadPackage<{ default: { Root: { fromJSON(json: object): Root } } }>("vendors", "protobufjs");
  const json = await loadPackage<{
    fromProto3JSON(type: MessageType, answer: unknown): object;
    toProto3JSON(message: object): unknown;
  }>("vendors", "proto3-json-serializer");
  const described = readPackageJson<object>("vendors", `${packageName}/build/protos/protos.json`);
  const root = protobuf.default.Root.fromJSON(described);
  root.resolveAll();
  return (type, answer) => withoutEmptyMaps(json.toProto3JSON(json.fromProto3JSON(root.lookupType(type), answer)));
}

/** The library writes maps that are empty, which the services leave out. */
export function withoutEmptyMaps(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmptyMaps);
  if (typeof value !== "object" || value === null) return value;
  const parts = Object.entries(value).filter(([, part]) => JSON.stringify(part) !== "{}");
  return Object.fromEntries(parts.map(([name, part]) => [name, withoutEmptyMaps(part)]));
}
