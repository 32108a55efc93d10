// What a connection of each service that is known may say: as types for whoever writes a configuration, and as checks for whoever reads one.
// The trackers' own schemas (trackers/*.ts) are what counts in the end; connection-services.test.ts holds the two together.

/** Of every connection. */
interface EveryConnection {
  /** Calls to the service at a time, of each node; default 32. */
  readonly calls?: number | undefined;
}

/** BigQuery, Cloud Run jobs, Dataproc jobs and batches. */
interface GoogleConnection extends EveryConnection {
  readonly project?: string | undefined;
  /** BigQuery's location, the region of the others. */
  readonly location?: string | undefined;
  /** Default `ambient`: who the machine is. `none`: an emulator. */
  readonly credentials?: "ambient" | "none" | { readonly keyFile: string } | undefined;
  /** In place of https://SERVICE.googleapis.com: an emulator, a private endpoint. */
  readonly baseUrl?: string | undefined;
}

interface HttpConnection extends EveryConnection {
  /** What relative URLs are relative to. It may be called wherever it is. */
  readonly baseUrl?: string | undefined;
  /** Sent to `baseUrl` and to nothing else. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Whether addresses of private networks may be called. */
  readonly private?: boolean | undefined;
  /** Host names, addresses and ranges that may be called although they are private. */
  readonly allow?: readonly string[] | undefined;
}

interface KubernetesConnection extends EveryConnection {
  /** A kubeconfig and one of its contexts; default: the pod's own account, else what kubectl would use. */
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  readonly namespace?: string | undefined;
  /** An API server that asks for no credentials: an emulator, `kubectl proxy`. */
  readonly server?: string | undefined;
}

/** A tracker of one's own that is a service. */
interface RemoteConnection extends EveryConnection {
  readonly service: string;
  /** Where it listens. */
  readonly tracker: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly submission?: "token" | "listed" | "blind" | undefined;
  readonly settleMs?: number | undefined;
}

/** What connections may say, by the names that services have. */
interface ServiceConnections {
  readonly bigquery: GoogleConnection;
  readonly cloudrun: GoogleConnection;
  readonly cloud_run: GoogleConnection;
  readonly dataproc: GoogleConnection;
  readonly dataproc_batch: GoogleConnection;
  readonly http: HttpConnection;
  readonly custom_http: HttpConnection;
  readonly kubernetes: KubernetesConnection;
}
type ServiceName = keyof ServiceConnections;

/** The same connections, where each may say only what its service takes: what does not fit says why. */
export type CheckedConnections<Connections> = {
  readonly [Name in keyof Connections]: CheckedConnection<Name, Connections[Name]>;
};

type CheckedConnection<Name, Given> = string extends keyof Given
  ? Given
  : Given extends { readonly module: string }
    ? Given
    : Given extends { readonly tracker: string }
      ? Only<RemoteConnection, Given, "a tracker that is a service"> & { readonly service: string }
      : Given extends { readonly service: infer Service }
        ? ForService<Service, Given>
        : Name extends ServiceName
          ? Only<ServiceConnections[Name], Given, Name>
          : Only<GoogleConnection & HttpConnection & KubernetesConnection, Given, "any service">;

type ForService<Service, Given> = Service extends ServiceName
  ? Only<ServiceConnections[Service] & { readonly service: Service }, Given, Service>
  : string extends Service
    ? Given
    : { readonly service: ServiceName };

type Only<Settings, Given, What extends string> = {
  readonly [Key in keyof Given]: Key extends keyof Settings
    ? Settings[Key]
    : `${What} has no setting "${Key & string}"`;
};

/** Whether a value fits, and what to write where it does not. */
export type SettingCheck = readonly [fits: (value: unknown) => boolean, hint: string];
type Checks<Settings> = Readonly<Record<Exclude<keyof Settings, "service" | "calls">, SettingCheck>>;

const isText = (value: unknown): boolean => typeof value === "string" && value !== "";
const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const text: SettingCheck = [isText, "Write a text."];
const address: SettingCheck = [
  (value) => /^https?:$/.test((typeof value === "string" ? URL.parse(value)?.protocol : "") ?? ""),
  'Write an address: "https://jobs.example.com".',
];
const headers: SettingCheck = [
  (value) => isRecord(value) && Object.values(value).every((one) => typeof one === "string"),
  'Write names and texts: { authorization: "Bearer …" }.',
];

const google: Checks<GoogleConnection> = {
  project: text,
  location: text,
  credentials: [
    (value) =>
      value === "ambient" ||
      value === "none" ||
      (isRecord(value) && isText(value.keyFile) && Object.keys(value).length === 1),
    'Write "ambient", "none" or { keyFile: "key.json" }.',
  ],
  baseUrl: address,
};
const http: Checks<HttpConnection> = {
  baseUrl: address,
  headers,
  private: [(value) => typeof value === "boolean", "Write true or false."],
  allow: [(value) => Array.isArray(value) && value.every(isText), 'Write a list: ["10.0.0.0/8", "jobs.internal"].'],
};
const kubernetes: Checks<KubernetesConnection> = { kubeconfig: text, context: text, namespace: text, server: address };
const remote: Checks<RemoteConnection> = {
  tracker: address,
  headers,
  submission: [
    (value) => value === "token" || value === "listed" || value === "blind",
    'Write "token", "listed" or "blind".',
  ],
  settleMs: [(value) => typeof value === "number" && value >= 0, "Write milliseconds."],
};

const services: Readonly<Record<ServiceName, Readonly<Record<string, SettingCheck>>>> = {
  ...{ bigquery: google, cloudrun: google, cloud_run: google, dataproc: google, dataproc_batch: google },
  ...{ http, custom_http: http, kubernetes },
};
export const serviceNames = Object.keys(services);

/** What a connection may say beside `service` and `calls`. "module": anything. "unknown": there is no such service. */
export function settingsOf(
  name: string,
  { module, tracker, service }: Readonly<Record<string, unknown>>,
): Readonly<Record<string, SettingCheck>> | "module" | "unknown" {
  if (module !== undefined) return "module";
  if (tracker !== undefined) return remote;
  const asked = typeof service === "string" ? service : name;
  if (Object.hasOwn(services, asked)) return services[asked as ServiceName];
  // Without a service it is for those of all jobs that name it.
  return service === undefined ? { ...google, ...http, ...kubernetes } : "unknown";
}
