import { Refusal } from "../refusal.ts";
import type { Answer, Exchange, Route } from "../routes.ts";
import { record } from "../values.ts";
import type { Job } from "../world.ts";
import { podName, showPod } from "./resources.ts";
import { fieldSelector, labelSelector } from "./selectors.ts";
import { json } from "./statuses.ts";
import type { JobHistory } from "./watch.ts";

/** Pods of Jobs, to read: with what a container ended, and its log. */
export function podRoutes(history: JobHistory): readonly Route[] {
  const pods = "/api/v1/namespaces/{namespace}/pods";

  /** Suspended Jobs and those that are being deleted have none. */
  const jobsIn = ({ world, params }: Exchange): Job[] =>
    [...world.list("kubernetes"), ...history.orphans].filter(
      ({ spec, facts, past }) =>
        record(spec.metadata).namespace === params.namespace &&
        facts.deletingMs === undefined &&
        past.at(-1)?.state !== "Suspended",
    );

  const list = (exchange: Exchange): Answer => {
    const byLabels = labelSelector(exchange.query.get("labelSelector") ?? "");
    const byFields = fieldSelector(exchange.query.get("fieldSelector") ?? "", [
      "metadata.name",
      "metadata.namespace",
      "status.phase",
    ]);
    const items = jobsIn(exchange)
      .map((job) => showPod(job, history.versionOf(job)))
      .filter(({ metadata, status }) => {
        const { labels, name, namespace } = record(metadata);
        const fields = {
          "metadata.name": String(name),
          "metadata.namespace": String(namespace),
          "status.phase": String(record(status).phase),
        };
        return byLabels(record(labels) as Record<string, string>) && byFields(fields);
      })
      .map(({ kind: _, apiVersion: __, ...pod }) => pod);
    return json({ kind: "PodList", apiVersion: "v1", metadata: { resourceVersion: String(history.version) }, items });
  };

  const find = (exchange: Exchange): Job => {
    const name = exchange.params.pod ?? "";
    const job = jobsIn(exchange).find((known) => podName(known) === name);
    if (job === undefined) throw new Refusal(404, `pods "${name}" not found`, "NotFound", { name, kind: "pods" });
    return job;
  };

  const get = (exchange: Exchange): Answer => {
    const job = find(exchange);
    return json(showPod(job, history.versionOf(job)));
  };

  const log = (exchange: Exchange): Answer => ({
    status: 200,
    text: find(exchange)
      .past.map(({ phase, message }) => `${phase}${message === undefined ? "" : `: ${message}`}\n`)
      .join(""),
  });

  return [
    { method: "GET", path: pods, operation: "pods.list", handle: list },
    { method: "GET", path: `${pods}/{pod}`, operation: "pods.get", handle: get },
    { method: "GET", path: `${pods}/{pod}/log`, operation: "pods.log", handle: log },
  ];
}
