import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type JobCode, type Json, type JsonObject, nameHint } from "@holdfast/protocol";
import { missingConnection } from "../../connection-settings.ts";
import type { CodeFields, CodeReading } from "./code-reading.ts";
import { jsonOf, parseYaml } from "./document.ts";
import { shown } from "./fields.ts";
import type { YamlExecutor } from "./form.ts";
import { localFile } from "./local-file.ts";

// Tasks that are one external job: what their service is to be told, as a template that operations/job-input.ts fills. The fields are
// those of the services' trackers; whether their values are right, the tracker says when the job is prepared.

export type JobExecutor = Extract<YamlExecutor, "cloudrun" | "http" | "kubernetes">;

const optionsOf: Readonly<Record<JobExecutor, readonly string[]>> = {
  cloudrun: ["project", "region", "container", "args", "env", "taskCount", "timeout"],
  kubernetes: ["namespace", "command", "args", "env", "serviceAccount"],
  http: [
    "method", "headers", "body", "capture", "poll", "status", "statuses", "codes", "message", "result", "progress", "link", "cancel",
  ], // biome-ignore format: one list
};

/** What other systems' containers find in their environment, as commands here do. */
const containerVariables = {
  ORK_INPUT_JSON: "{json:input}",
  HOLDFAST_RUN_ID: "{run.id}",
  HOLDFAST_ATTEMPT: "{run.attempt}",
};

/** Words of common services, for a file that does not say what its service's words mean. */
const usualStatuses = {
  succeeded: ["succeeded", "success", "completed", "done"],
  failed: ["failed", "failure", "error"],
  cancelled: ["cancelled", "canceled"],
};

/** Undefined for a mistake. */
export function readJob(executor: JobExecutor, fields: CodeFields, reading: CodeReading): JobCode | undefined {
  const options = readOptions(executor, fields, reading);
  const isThere = checkConnection(executor, fields.connection, reading);
  if (options === undefined || !isThere) return undefined;
  const place = { service: executor, ...(fields.connection === undefined ? {} : { connection: fields.connection }) };
  if (executor === "http") return { executor: "external", source: { ...place, ...httpJob(fields.url ?? "", options) } };
  const told = executor === "cloudrun" ? cloudRunJob(fields, options) : kubernetesJob(fields, options, reading);
  return told && { executor: "external", source: { ...place, how: "submit", job: told } };
}

/** Else it would show when the task runs, which may be at night. */
function checkConnection(executor: JobExecutor, name: string | undefined, reading: CodeReading): boolean {
  const { connections, entries, at, what, problems } = reading;
  const missing =
    name === undefined || connections === undefined ? undefined : missingConnection(connections, name, executor);
  if (missing === undefined) return true;
  problems.add(entries.get("connection")?.node ?? at, `${what}: ${missing.message.replace(/\.$/, "")}`, missing.hint);
  return false;
}

/** The job with variables for its container; a job behind an address has none. */
export function withVariables(code: JobCode, env: Readonly<Record<string, string>>): JobCode {
  const { source } = code;
  const job = source.job as JsonObject;
  return { ...code, source: { ...source, job: { ...job, env: { ...env, ...(job.env as JsonObject | undefined) } } } };
}

function readOptions(executor: JobExecutor, fields: CodeFields, reading: CodeReading): JsonObject | undefined {
  const options = fields.options ?? {};
  const known = optionsOf[executor];
  const node = reading.entries.get("options")?.node;
  let isSound = true;
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    const at = (node?.kind === "map" ? node.entries.get(name)?.at : undefined) ?? reading.at;
    reading.problems.add(at, `${reading.what}: unknown option "${name}"`, nameHint(name, known));
    isSound = false;
  }
  return isSound ? options : undefined;
}

/** With `poll` the address is called once, to start the job; without, it is asked again and again how the job is. */
function httpJob(url: string, options: JsonObject): Pick<JobCode["source"], "how" | "job"> {
  const { method, headers, body, capture, poll, ...rest } = options;
  const call = present({ url, method, headers, body });
  if (poll === undefined) return { how: "follow", job: decided({ ...call, ...rest }) };
  const submit = { method: "POST", body: "{input}", ...call };
  return { how: "submit", job: present({ submit, capture, poll: decided({ ...(poll as JsonObject), ...rest }) }) };
}

function decided(poll: JsonObject): JsonObject {
  return poll.statuses === undefined && poll.codes === undefined ? { ...poll, statuses: usualStatuses } : poll;
}

function cloudRunJob({ job = "" }: CodeFields, { env, ...options }: JsonObject): JsonObject {
  return { job, ...options, env: { ...containerVariables, ...(env as JsonObject | undefined) } };
}

/** Of an image, or a whole Job from a file beside the workflow's. */
function kubernetesJob(
  { job, image }: CodeFields,
  { env, ...options }: JsonObject,
  reading: CodeReading,
): JsonObject | undefined {
  if (job === undefined) {
    return { image: image ?? "", ...options, env: { ...containerVariables, ...(env as JsonObject | undefined) } };
  }
  const at = reading.entries.get("job")?.node ?? reading.at;
  const refuse = (why: string, hint: string): undefined =>
    void reading.problems.add(at, `${reading.what}: the Job "${job}" ${why}`, hint);
  const others = Object.keys(options).filter((name) => name !== "namespace");
  if (env !== undefined || others.length > 0) {
    return refuse("says itself what it runs", "Keep only namespace in options, or name an image instead of job.");
  }
  const name = localFile("job", job, reading);
  if (name === undefined) return undefined;
  const { tree } = parseYaml(readFileSync(join(reading.root, name), "utf8"), name);
  const manifest = tree?.kind === "map" ? (jsonOf(tree) as JsonObject) : undefined;
  const spec = manifest?.spec;
  if (manifest === undefined || manifest.kind !== "Job" || typeof spec !== "object" || spec === null) {
    const found = tree === undefined ? "no YAML" : shown(tree);
    return refuse(
      `is no manifest of one: ${found}`,
      "It needs kind: Job and spec. Of metadata, labels and annotations are used.",
    );
  }
  const { namespace, labels, annotations } = (manifest.metadata ?? {}) as JsonObject;
  const metadata = present({ labels, annotations });
  return { ...present({ namespace }), ...options, job: { metadata, spec } };
}

function present(fields: Readonly<Record<string, Json | undefined>>): JsonObject {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as JsonObject;
}
