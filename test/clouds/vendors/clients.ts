import { type Clouds, type OpenCloudsOptions, openClouds } from "../clouds.ts";
import { installPackages, loadPackage } from "../install.ts";
import { CloudsRemote } from "../remote.ts";

// The vendors' clients as far as the tests use them: the tree is checked without the packages.

export interface OpenFakes extends AsyncDisposable {
  readonly clouds: Clouds;
  readonly remote: CloudsRemote;
}

/** Fakes in this process, where Google's clients find the metadata server, and so their tokens. */
export async function openFakes(options: OpenCloudsOptions = {}): Promise<OpenFakes> {
  installPackages("vendors");
  const clouds = await openClouds(options);
  process.env.GCE_METADATA_HOST = new URL(clouds.url).host;
  return { clouds, remote: new CloudsRemote(clouds.url), [Symbol.asyncDispose]: () => clouds.close() };
}

/** What a call of Google's clients fails with. */
export interface ApiError extends Error {
  readonly code: number;
  readonly errors?: readonly { readonly reason: string; readonly message: string }[];
}

export interface BigQueryJob {
  readonly id: string;
  readonly metadata: {
    readonly status: { readonly state: string; readonly errorResult?: { readonly reason: string } };
  };
  getMetadata(): Promise<[BigQueryJob["metadata"]]>;
  cancel(): Promise<unknown>;
  promise(): Promise<unknown>;
  getQueryResults(options?: object): Promise<[Record<string, unknown>[], object | null, Record<string, unknown>]>;
}

export interface BigQuery {
  createQueryJob(options: object | string): Promise<[BigQueryJob]>;
  query(options: object | string): Promise<[Record<string, unknown>[]]>;
  job(id: string, options?: object): BigQueryJob;
  getJobs(options?: object): Promise<[BigQueryJob[], object]>;
  getDatasets(): Promise<[{ readonly id: string }[]]>;
  dataset(id: string): {
    table(id: string): {
      getRows(): Promise<[Record<string, unknown>[]]>;
      getMetadata(): Promise<[{ readonly numRows: string; readonly schema: { readonly fields: object[] } }]>;
    };
  };
}

export async function bigQueryOf(clouds: Clouds): Promise<BigQuery> {
  const { BigQuery } = await loadPackage<{ BigQuery: new (options: object) => BigQuery }>(
    "vendors",
    "@google-cloud/bigquery",
  );
  // Its own retries would hide what a single call is answered with.
  return new BigQuery({ projectId: "p", apiEndpoint: clouds.url, autoRetry: false, maxRetries: 0 });
}

export interface ClusterJob {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly labels?: Record<string, string>;
  };
  readonly status: {
    readonly active?: number;
    readonly succeeded?: number;
    readonly failed?: number;
    readonly completionTime?: Date;
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly reason?: string }[];
  };
}

interface JobList {
  readonly metadata: {
    readonly resourceVersion: string;
    readonly _continue?: string;
    readonly remainingItemCount?: number;
  };
  readonly items: readonly ClusterJob[];
}

/** What the client throws: the answer's status and its text. */
export interface ClusterError extends Error {
  readonly code: number;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface BatchApi {
  createNamespacedJob(args: object): Promise<ClusterJob>;
  readNamespacedJob(args: object): Promise<ClusterJob>;
  listNamespacedJob(args: object): Promise<JobList>;
  listJobForAllNamespaces(args?: object): Promise<JobList>;
  deleteNamespacedJob(args: object): Promise<{ readonly status?: string }>;
  patchNamespacedJob(args: object, options?: object): Promise<ClusterJob>;
}

export interface CoreApi {
  listNamespacedPod(args: object): Promise<{
    readonly items: readonly {
      readonly metadata: { readonly name: string };
      readonly status: {
        readonly phase: string;
        readonly containerStatuses: readonly {
          readonly state: { readonly terminated?: { readonly exitCode: number } };
        }[];
      };
    }[];
  }>;
  readNamespacedPodLog(args: object): Promise<string>;
}

export interface Watch {
  watch(
    path: string,
    query: object,
    each: (type: string, object: ClusterJob) => void,
    done: (error: unknown) => void,
  ): Promise<AbortController>;
}

interface KubeConfig {
  loadFromClusterAndUser(cluster: object, user: object): void;
  makeApiClient<T>(api: new () => T): T;
  exportConfig(): string;
}

export interface ClusterPackage {
  readonly KubeConfig: new () => KubeConfig;
  readonly Watch: new (config: KubeConfig) => Watch;
  readonly BatchV1Api: new () => BatchApi;
  readonly CoreV1Api: new () => CoreApi;
  readonly setHeaderOptions: (name: string, value: string) => object;
  readonly makeInformer: (config: KubeConfig, path: string, list: () => Promise<JobList>) => Informer;
}

export interface Informer {
  on(event: "add" | "update" | "delete" | "error" | "connect", act: (job: ClusterJob) => void): void;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export async function clusterOf(clouds: Clouds, token: string, ca?: string) {
  const client = await loadPackage<ClusterPackage>("vendors", "@kubernetes/client-node");
  const config = new client.KubeConfig();
  const trust = ca === undefined ? { skipTLSVerify: true } : { caData: Buffer.from(ca).toString("base64") };
  config.loadFromClusterAndUser({ name: "fake", server: clouds.url, ...trust }, { name: "test", token });
  return {
    client,
    config,
    batch: config.makeApiClient(client.BatchV1Api),
    core: config.makeApiClient(client.CoreV1Api),
    watch: new client.Watch(config),
  };
}
