import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { TrackingError, type TrackingFailure } from "@holdfast/protocol";
import { z } from "zod";
import { isTransientStatus, retryAfterMs, shortText, transient, unauthorized } from "./failures.ts";
import { type ClusterLogin, defaultKubeconfig, readKubeconfig } from "./kubeconfig.ts";
import { type Answer, type OutboundRequest, StreamRefused } from "./outbound.ts";
import type { TrackerIo } from "./tracker.ts";

// How a Kubernetes API server is called: who one is, what its errors mean. Source: kubernetes/kubernetes, apimachinery `Status`;
// https://kubernetes.io/docs/reference/using-api/api-concepts.

export const clusterSettingsSchema = z.strictObject({
  service: z.string().optional(),
  /** A kubeconfig and one of its contexts; default: the pod's own account, else what kubectl would use. */
  kubeconfig: z.string().optional(),
  context: z.string().optional(),
  namespace: z.string().optional(),
  /** An API server that asks for no credentials: an emulator, `kubectl proxy`. */
  server: z.url({ protocol: /^https?$/ }).optional(),
});
export type ClusterSettings = z.infer<typeof clusterSettingsSchema>;
export type ClusterIo = TrackerIo<ClusterSettings, Cluster>;

const accountFolder = "/var/run/secrets/kubernetes.io/serviceaccount";
/** Tokens in files are renewed by the kubelet long before they end. */
const rereadMs = 60_000;

/** One cluster, and who one is there. Read when first needed, and again when it gets old or was refused. */
export class Cluster {
  readonly #settings: ClusterSettings;
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #accountFolder: string;
  #login: Promise<ClusterLogin> | undefined;
  #readAt = 0;
  #until = 0;

  constructor(settings: ClusterSettings, env: Cluster["env"] = process.env, folder: string = accountFolder) {
    this.#settings = settings;
    this.#env = env;
    this.#accountFolder = folder;
  }

  get env(): Readonly<Record<string, string | undefined>> {
    return this.#env;
  }

  async login(now: number): Promise<ClusterLogin> {
    if (this.#login !== undefined && now < this.#until) return await this.#login;
    this.#readAt = now;
    this.#until = now + rereadMs;
    const reading = this.#read();
    this.#login = reading;
    try {
      const login = await reading;
      if (login.until !== undefined && this.#login === reading) this.#until = login.until - 30_000;
      return login;
    } catch (error) {
      if (this.#login === reading) this.#login = undefined;
      throw error;
    }
  }

  /** The credentials were refused: read again, unless somebody has meanwhile. */
  refused(now: number): void {
    if (now > this.#readAt) this.#login = undefined;
  }

  async #read(): Promise<ClusterLogin> {
    const { server, kubeconfig, context } = this.#settings;
    if (server !== undefined) return { server, headers: {} };
    const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = "443" } = this.#env;
    if (kubeconfig === undefined && context === undefined && host !== undefined) return await this.#account(host, port);
    return await readKubeconfig(kubeconfig ?? defaultKubeconfig(this.#env), context);
  }

  async #account(host: string, port: string): Promise<ClusterLogin> {
    const read = (name: string) => readFile(join(this.#accountFolder, name), "utf8");
    try {
      const [token, ca, namespace] = await Promise.all([read("token"), read("ca.crt"), read("namespace")]);
      const address = host.includes(":") ? `[${host}]` : host;
      return {
        server: `https://${address}:${port}`,
        headers: { authorization: `Bearer ${token.trim()}` },
        tls: { ca },
        namespace: namespace.trim(),
      };
    } catch (error) {
      throw unauthorized(
        "no_account",
        `The pod's account cannot be read: ${String(error)}`,
        "Give the pod a service account.",
      );
    }
  }
}

interface ClusterCall {
  readonly method?: "GET" | "POST" | "DELETE";
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: unknown;
}

/** One call, with credentials read again where they are refused. Throws TrackingError for everything but a good answer. */
export async function callCluster<T>(io: ClusterIo, schema: z.ZodType<T>, call: ClusterCall): Promise<T> {
  const send = async () => await io.outbound.send(requestOf(call, await io.access.login(io.now())));
  let answer = await send();
  if (answer.status === 401) {
    io.access.refused(io.now() + 1);
    answer = await send();
  }
  if (answer.status < 200 || answer.status > 299) {
    throw new TrackingError(refusal(answer, retryAfterMs(answer.headers["retry-after"], io.now())));
  }
  const parsed = schema.safeParse(parseJson(answer.text));
  if (parsed.success) return parsed.data;
  const undecided = answer.undecided ? { undecided: true } : {};
  throw transient(
    "malformed_answer",
    `${call.path} was answered with: ${shortText(z.prettifyError(parsed.error), 500)}`,
    undecided,
  );
}

/** The lines of a watch. Throws TrackingError; `silenceMs` without a line is one. */
export async function* watchCluster(
  io: ClusterIo,
  call: ClusterCall & { readonly silenceMs: number; readonly opened: () => void },
): AsyncGenerator<unknown, void, undefined> {
  const { silenceMs, opened } = call;
  const request = requestOf(call, await io.access.login(io.now()));
  try {
    for await (const line of io.outbound.lines({ ...request, silenceMs, opened })) yield parseJson(line);
  } catch (error) {
    if (!(error instanceof StreamRefused)) throw error;
    if (error.status === 401) io.access.refused(io.now() + 1);
    const { status, text } = error;
    throw new TrackingError(refusal({ status, text, undecided: false }, undefined));
  }
}

function requestOf(call: ClusterCall, login: ClusterLogin): OutboundRequest {
  const url = new URL(`${login.server.replace(/\/$/, "")}${call.path}`);
  for (const [name, value] of Object.entries(call.query ?? {}))
    if (value !== undefined) url.searchParams.set(name, value);
  return {
    method: call.method ?? "GET",
    url: url.href,
    headers: {
      accept: "application/json",
      ...login.headers,
      ...(call.body !== undefined && { "content-type": "application/json" }),
    },
    ...(call.body !== undefined && { body: JSON.stringify(call.body) }),
    tls: login.tls,
  };
}

const statusSchema = z.object({
  reason: z.string().optional(),
  message: z.string().optional(),
  details: z.object({ retryAfterSeconds: z.number().optional() }).optional(),
});

function refusal(
  { status, text, undecided: isUndecided }: Pick<Answer, "status" | "text" | "undecided">,
  after: number | undefined,
): TrackingFailure {
  const undecided = isUndecided ? { undecided: true } : {};
  const said = statusSchema.safeParse(parseJson(text)).data;
  const code = said?.reason ?? `http_${status}`;
  const message = shortText(said?.message ?? `The API server answered ${status}: ${text.slice(0, 300)}`);
  if (status === 401) {
    const hint = "The credentials were refused, also when read again.";
    return { ...unauthorized(code, message, hint).failure, ...undecided };
  }
  const seconds = said?.details?.retryAfterSeconds;
  const retry = after ?? (seconds === undefined ? undefined : seconds * 1_000);
  const failure = { code, message, ...(retry !== undefined && { retryAfterMs: retry }), ...undecided };
  if (!isTransientStatus(status) && status !== 410) return { fault: "permanent", ...failure };
  return { fault: "transient", ...failure };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
