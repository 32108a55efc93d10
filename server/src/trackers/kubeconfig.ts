import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { parse } from "yaml";
import { z } from "zod";
import type { TlsSettings } from "./dialer.ts";
import { permanent, unauthorized } from "./failures.ts";

// kubectl's own file: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1. What is read of it: clusters with their certificates,
// users by token, token file, client certificate, name and password, and credential plugins (`exec`).

const execSchema = z.object({
  apiVersion: z.string(),
  command: z.string(),
  args: z.array(z.string()).nullish(),
  env: z.array(z.object({ name: z.string(), value: z.string() })).nullish(),
});
const userSchema = z.object({
  token: z.string().optional(),
  tokenFile: z.string().optional(),
  "client-certificate": z.string().optional(),
  "client-certificate-data": z.string().optional(),
  "client-key": z.string().optional(),
  "client-key-data": z.string().optional(),
  username: z.string().optional(),
  password: z.string().optional(),
  exec: execSchema.nullish(),
  "auth-provider": z.unknown().optional(),
});
const clusterSchema = z.object({
  server: z.url(),
  "certificate-authority": z.string().optional(),
  "certificate-authority-data": z.string().optional(),
  "tls-server-name": z.string().optional(),
  "insecure-skip-tls-verify": z.boolean().optional(),
});
const fileSchema = z.object({
  "current-context": z.string().optional(),
  contexts: z
    .array(
      z.object({
        name: z.string(),
        context: z.object({ cluster: z.string(), user: z.string().optional(), namespace: z.string().optional() }),
      }),
    )
    .nullish(),
  clusters: z.array(z.object({ name: z.string(), cluster: clusterSchema })).nullish(),
  users: z.array(z.object({ name: z.string(), user: userSchema.nullish() })).nullish(),
});
type User = z.infer<typeof userSchema>;

/** Where a cluster is and how to prove oneself to it. */
export interface ClusterLogin {
  readonly server: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly tls?: TlsSettings;
  readonly namespace?: string;
  /** Milliseconds since 1970 after which it has to be read again. */
  readonly until?: number;
}

/** The file that kubectl would read. */
export function defaultKubeconfig(env: Readonly<Record<string, string | undefined>>): string {
  const [first = ""] = (env.KUBECONFIG ?? "").split(":");
  return first === "" ? join(homedir(), ".kube", "config") : first;
}

/** Reads one context of a kubeconfig. Throws TrackingError. */
export async function readKubeconfig(file: string, context: string | undefined): Promise<ClusterLogin> {
  const parsed = await parseFile(file);
  const name = context ?? parsed["current-context"] ?? "";
  const found = parsed.contexts?.find((one) => one.name === name)?.context;
  if (found === undefined)
    throw permanent("kubeconfig", `${file} has no context "${name}".`, "Name one in the connection: context.");
  const cluster = parsed.clusters?.find((one) => one.name === found.cluster)?.cluster;
  if (cluster === undefined) throw permanent("kubeconfig", `${file} has no cluster "${found.cluster}".`);
  const user = parsed.users?.find((one) => one.name === found.user)?.user ?? {};
  const folder = dirname(resolve(file));
  const { headers, cert, key, until } = await login(user, folder);
  const ca = await pem(cluster["certificate-authority-data"], cluster["certificate-authority"], folder);
  return {
    server: cluster.server,
    headers,
    tls: {
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
      ...(cluster["tls-server-name"] !== undefined && { servername: cluster["tls-server-name"] }),
      ...(cluster["insecure-skip-tls-verify"] === true && { insecure: true }),
    },
    ...(found.namespace !== undefined && { namespace: found.namespace }),
    ...(until !== undefined && { until }),
  };
}

async function parseFile(file: string): Promise<z.infer<typeof fileSchema>> {
  try {
    return fileSchema.parse(parse(await readFile(file, "utf8")));
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error) : String(error);
    throw unauthorized(
      "kubeconfig",
      `${file} cannot be read as a kubeconfig: ${why}`,
      "Name another in the connection: kubeconfig.",
    );
  }
}

interface Login {
  readonly headers: Readonly<Record<string, string>>;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly until?: number | undefined;
}

async function login(user: User, folder: string): Promise<Login> {
  if (user["auth-provider"] !== undefined) {
    throw permanent(
      "kubeconfig",
      "The user has an auth-provider, which Kubernetes has given up.",
      "Use a credential plugin (exec).",
    );
  }
  if (user.exec !== undefined && user.exec !== null) return await askPlugin(user.exec, folder);
  const cert = await pem(user["client-certificate-data"], user["client-certificate"], folder);
  const key = await pem(user["client-key-data"], user["client-key"], folder);
  const token = user.tokenFile === undefined ? user.token : (await readText(resolve(folder, user.tokenFile))).trim();
  if (token !== undefined) return { headers: { authorization: `Bearer ${token}` }, cert, key };
  if (user.username === undefined) return { headers: {}, cert, key };
  const basic = Buffer.from(`${user.username}:${user.password ?? ""}`).toString("base64");
  return { headers: { authorization: `Basic ${basic}` }, cert, key };
}

const credentialSchema = z.object({
  status: z.object({
    token: z.string().optional(),
    clientCertificateData: z.string().optional(),
    clientKeyData: z.string().optional(),
    expirationTimestamp: z.string().optional(),
  }),
});
const pluginMs = 30_000;

async function askPlugin(exec: z.infer<typeof execSchema>, folder: string): Promise<Login> {
  const info = { apiVersion: exec.apiVersion, kind: "ExecCredential", spec: { interactive: false } };
  const own = Object.fromEntries((exec.env ?? []).map(({ name, value }) => [name, value]));
  try {
    const command = exec.command.includes("/") ? resolve(folder, exec.command) : exec.command;
    const { stdout } = await promisify(execFile)(command, exec.args ?? [], {
      env: { ...process.env, ...own, KUBERNETES_EXEC_INFO: JSON.stringify(info) },
      timeout: pluginMs,
      maxBuffer: 1_048_576,
    });
    const { status } = credentialSchema.parse(JSON.parse(stdout));
    const until = status.expirationTimestamp === undefined ? undefined : Date.parse(status.expirationTimestamp);
    return {
      headers: status.token === undefined ? {} : { authorization: `Bearer ${status.token}` },
      cert: status.clientCertificateData,
      key: status.clientKeyData,
      until,
    };
  } catch (error) {
    throw unauthorized(
      "credential_plugin",
      `The credential plugin ${exec.command} gave no credentials: ${String(error)}`,
    );
  }
}

async function pem(data: string | undefined, file: string | undefined, folder: string): Promise<string | undefined> {
  if (data !== undefined) return Buffer.from(data, "base64").toString("utf8");
  return file === undefined ? undefined : await readText(resolve(folder, file));
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw unauthorized("kubeconfig", `${file} cannot be read: ${String(error)}`);
  }
}
