import { randomBytes, randomUUID } from "node:crypto";
import { Refusal } from "../refusal.ts";
import type { Answer, Exchange, Route, Service } from "../routes.ts";
import { overlay } from "../script.ts";
import { record, text, whole } from "../values.ts";
import { hasEnded, type Job, nowOf, phaseOf, type World } from "../world.ts";
import { discoveryRoutes } from "./discovery.ts";
import { podRoutes } from "./pods.ts";
import { withJobDefaults } from "./resources.ts";
import { fieldSelector, labelSelector } from "./selectors.ts";
import { alreadyExists, conflict, json, notFound, refuse } from "./statuses.ts";
import { checkJob, unknownFields } from "./validation.ts";
import { JobHistory } from "./watch.ts";

// Kubernetes batch/v1 Jobs: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/job-v1/; how lists and
// watches go together: https://kubernetes.io/docs/reference/using-api/api-concepts/.

const orphanWarning =
  '299 - "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning"';
/** How long the collector takes over the pods of a Job that is deleted in the foreground. */
const foregroundMs = 200;

/** What the role system:public-info-viewer shows to everybody. */
const publicPaths: ReadonlySet<string> = new Set(["/version", "/healthz", "/livez", "/readyz"]);

export function kubernetes(world: World): Service {
  const jobs = new ClusterJobs(world);
  const all = "/apis/batch/v1/jobs";
  const own = "/apis/batch/v1/namespaces/{namespace}/jobs";
  const routes: readonly Route[] = [
    { method: "POST", path: own, operation: "jobs.create", handle: (exchange) => jobs.create(exchange) },
    { method: "GET", path: own, operation: "jobs.list", handle: (exchange) => jobs.list(exchange) },
    { method: "GET", path: all, operation: "jobs.list", handle: (exchange) => jobs.list(exchange) },
    { method: "GET", path: `${own}/{job}`, operation: "jobs.get", handle: (exchange) => jobs.get(exchange) },
    { method: "GET", path: `${own}/{job}/status`, operation: "jobs.get", handle: (exchange) => jobs.get(exchange) },
    { method: "PATCH", path: `${own}/{job}`, operation: "jobs.patch", handle: (exchange) => jobs.patch(exchange) },
    { method: "DELETE", path: `${own}/{job}`, operation: "jobs.delete", handle: (exchange) => jobs.delete(exchange) },
    ...podRoutes(jobs.history),
    ...discoveryRoutes,
  ];
  return {
    name: "kubernetes",
    routes,
    owns: (path) => path.startsWith("/api/") || path.startsWith("/apis/") || path.startsWith("/openapi/"),
    refuse,
    unknown: () => ({
      status: 404,
      text: "404 page not found\n",
      headers: { "content-type": "text/plain; charset=utf-8" },
    }),
    admit: ({ world: known, headers, path }) => {
      if (publicPaths.has(path)) return;
      const token = /^Bearer (.+)$/i.exec(headers.authorization ?? "")?.[1];
      if (token === undefined || !known.tokens.isGood(token)) throw new Refusal(401, "Unauthorized");
    },
  };
}

class ClusterJobs {
  readonly history: JobHistory;
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
    this.history = new JobHistory(world);
    world.listen((job, change) => {
      if (job.service === "kubernetes" && change !== "gone") this.#forgetInTime(job);
    });
  }

  create(exchange: Exchange): Answer {
    const sent = record(exchange.body);
    const type = (exchange.headers["content-type"] ?? "application/json").split(";")[0] ?? "";
    if (type !== "application/json") {
      const known = "the body of the request was in an unknown format - accepted media types include: application/json";
      throw new Refusal(415, known, "UnsupportedMediaType");
    }
    if (exchange.body === undefined || sent.kind === undefined) {
      throw new Refusal(
        400,
        "the object provided is unrecognized (must be of type Job): couldn't get version/kind",
        "BadRequest",
      );
    }
    if (sent.kind !== "Job" || sent.apiVersion !== "batch/v1") {
      throw new Refusal(
        400,
        `the API version in the data (${text(sent.apiVersion)}) does not match the expected API version (batch/v1)`,
        "BadRequest",
      );
    }
    const { namespace = "" } = exchange.params;
    const metadata = record(sent.metadata);
    if (metadata.namespace !== undefined && metadata.namespace !== namespace) {
      throw new Refusal(
        400,
        "the namespace of the provided object does not match the namespace sent on the request",
        "BadRequest",
      );
    }
    const prefix = text(metadata.generateName);
    const name =
      text(metadata.name) ?? (prefix === undefined ? "" : `${prefix}${randomBytes(4).toString("hex").slice(0, 5)}`);
    const unknown = unknownFields(sent).map((field) => `unknown field "${field}"`);
    const validation = exchange.query.get("fieldValidation") ?? "Warn";
    if (unknown.length > 0 && validation === "Strict") {
      throw new Refusal(
        400,
        `Job in version "v1" cannot be handled as a Job: strict decoding error: ${unknown.join(", ")}`,
        "BadRequest",
      );
    }
    checkJob({ ...sent, metadata: { ...metadata, name } });
    const key = `${namespace}/${name}`;
    const known = this.#world.find("kubernetes", key);
    exchange.about(key, known === undefined);
    if (known !== undefined) {
      this.#world.askedAgain(known);
      throw alreadyExists(name);
    }
    const uid = randomUUID();
    const spec = withJobDefaults(sent, { name, namespace, uid });
    if (exchange.query.getAll("dryRun").includes("All")) {
      return json({ kind: "Job", apiVersion: "batch/v1", ...spec, status: {} }, 201);
    }
    const job = this.#world.make({ service: "kubernetes", key, uid, spec, text: `${key}\n${exchange.text}` });
    const deadlineS = whole(record(spec.spec).activeDeadlineSeconds);
    if (deadlineS !== undefined) {
      const message = "Job was active longer than specified deadline";
      this.#world.limit(job, {
        atMs: job.createdMs + deadlineS * 1000,
        phase: "failed",
        reason: "DeadlineExceeded",
        message,
      });
    }
    if (record(spec.spec).suspend === true) this.#suspend(job);
    const warning = unknown.map((said) => `299 - ${JSON.stringify(said)}`).join(", ");
    const isWarned = warning !== "" && validation === "Warn";
    return json({ ...this.history.show(job), status: {} }, 201, isWarned ? { warning } : {});
  }

  get(exchange: Exchange): Answer {
    return json(this.history.show(this.#find(exchange)));
  }

  list(exchange: Exchange): Answer {
    const { query, params } = exchange;
    const fits = this.#selector(exchange);
    if (query.get("watch") === "true" || query.get("watch") === "1") {
      const headers = { "content-type": "application/json", "cache-control": "no-cache, private" };
      return { status: 200, headers, stream: (response) => this.history.watch(exchange, { fits, response }) };
    }
    const found = this.#world
      .list("kubernetes")
      .filter(fits)
      .toSorted((a, b) => (a.key < b.key ? -1 : 1));
    const { start, version } = this.#continued(query.get("continue"));
    const limit = Number(query.get("limit") ?? 0) || found.length;
    const items = found.slice(start, start + limit).map((job) => this.history.show(job));
    const left = found.length - start - items.length;
    const token = Buffer.from(
      JSON.stringify({ v: "meta.k8s.io/v1", rv: version, start: start + items.length }),
    ).toString("base64url");
    exchange.about(params.namespace ?? "");
    return json({
      kind: "JobList",
      apiVersion: "batch/v1",
      metadata: { resourceVersion: String(version), ...(left > 0 && { continue: token, remainingItemCount: left }) },
      // In a list the items carry neither kind nor version.
      items: items.map(({ kind: _, apiVersion: __, ...item }) => item),
    });
  }

  /** Merge patches of labels, annotations and the few fields of a Job that may change. */
  patch(exchange: Exchange): Answer {
    const job = this.#find(exchange);
    const type = (exchange.headers["content-type"] ?? "").split(";")[0];
    if (type !== "application/merge-patch+json" && type !== "application/strategic-merge-patch+json") {
      throw new Refusal(
        415,
        `the body of the request was in an unknown format - accepted media types include: application/merge-patch+json, application/strategic-merge-patch+json`,
        "UnsupportedMediaType",
      );
    }
    const { metadata = {}, spec = {} } = record(exchange.body);
    const wasSuspended = record(job.spec.spec).suspend === true;
    job.spec.metadata = overlay(job.spec.metadata, metadata);
    job.spec.spec = overlay(job.spec.spec, spec);
    job.facts.generation = (whole(job.facts.generation) ?? 1) + 1;
    const isSuspended = record(job.spec.spec).suspend === true;
    if (isSuspended && !wasSuspended) this.#suspend(job);
    else if (wasSuspended && !isSuspended) this.#resume(job);
    else this.history.touched(job);
    return json(this.history.show(job));
  }

  delete(exchange: Exchange): Answer {
    const { query } = exchange;
    const job = this.#find(exchange);
    const { name } = record(job.spec.metadata);
    const options = record(exchange.body);
    const { uid, resourceVersion } = record(options.preconditions);
    if (uid !== undefined && uid !== job.uid) {
      throw conflict(String(name), `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${job.uid}`);
    }
    if (resourceVersion !== undefined && resourceVersion !== String(this.history.versionOf(job))) {
      throw conflict(String(name), "Precondition failed: ResourceVersion in precondition does not match");
    }
    const policy = text(options.propagationPolicy) ?? query.get("propagationPolicy") ?? undefined;
    if (policy === "Foreground") {
      job.facts.deletingMs = this.#world.clock.nowMs();
      this.history.touched(job);
      this.#world.forget(job, foregroundMs);
      return json(this.history.show(job));
    }
    if (policy !== "Background") this.history.orphan(job);
    this.#world.remove(job);
    const details = { name, group: "batch", kind: "jobs", uid: job.uid };
    const done = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", details };
    return json(done, 200, policy === undefined ? { warning: orphanWarning } : {});
  }

  #find(exchange: Exchange): Job {
    const { namespace, job: name = "" } = exchange.params;
    const key = `${namespace}/${name}`;
    exchange.about(key);
    const job = this.#world.find("kubernetes", key);
    if (job === undefined) throw notFound(name);
    return job;
  }

  #selector({ query, params }: Exchange): (job: Job) => boolean {
    const byLabels = labelSelector(query.get("labelSelector") ?? "");
    const byFields = fieldSelector(query.get("fieldSelector") ?? "", [
      "metadata.name",
      "metadata.namespace",
      "status.successful",
    ]);
    return (job) => {
      const { name, namespace, labels } = record(job.spec.metadata);
      if (job.service !== "kubernetes" || (params.namespace !== undefined && namespace !== params.namespace))
        return false;
      const successful = phaseOf(job) === "succeeded" ? String(record(job.spec.spec).completions ?? 1) : "0";
      const fields = {
        "metadata.name": String(name),
        "metadata.namespace": String(namespace),
        "status.successful": successful,
      };
      return byLabels(record(labels) as Record<string, string>) && byFields(fields);
    };
  }

  #continued(token: string | null): { start: number; version: number } {
    if (token === null || token === "") return { start: 0, version: this.history.version };
    const { rv, start } = record(JSON.parse(Buffer.from(token, "base64url").toString("utf8")));
    const version = whole(rv) ?? 0;
    if (version < this.history.oldest) {
      const said =
        "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results.";
      throw new Refusal(410, said, "Expired");
    }
    return { start: whole(start) ?? 0, version };
  }

  /** The pods are ended; what the script had in store comes, as late, after the Job is resumed. */
  #suspend(job: Job): void {
    const nowMs = this.#world.clock.nowMs();
    if (hasEnded(job)) return;
    job.facts.later = job.ahead.map(({ atMs, ...turn }) => ({ ...turn, atMs: atMs - nowMs }));
    this.#world.turn(job, { phase: "queued", state: "Suspended" });
  }

  #resume(job: Job): void {
    const nowMs = this.#world.clock.nowMs();
    const later = (job.facts.later ?? []) as Job["ahead"];
    delete job.facts.later;
    this.#world.turn(
      job,
      { phase: "queued" },
      later.map((moment) => ({ ...moment, atMs: nowMs + moment.atMs })),
    );
  }

  #forgetInTime(job: Job): void {
    const ttlS = whole(record(job.spec.spec).ttlSecondsAfterFinished);
    if (ttlS === undefined || !hasEnded(job) || job.goneAtMs !== undefined) return;
    this.#world.forget(job, nowOf(job).atMs + ttlS * 1000 - this.#world.clock.nowMs());
  }
}
