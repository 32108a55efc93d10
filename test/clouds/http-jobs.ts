import { randomUUID } from "node:crypto";
import { Refusal } from "./refusal.ts";
import type { Answer, Exchange, Route, Service } from "./routes.ts";
import { overlay, type Phase } from "./script.ts";
import { record, text } from "./values.ts";
import { endedMs, hasEnded, type Job, nowOf, startedMs } from "./world.ts";

/**
 * A job service such as a company has of its own: what the HTTP tracker is for. A job is made by POST with any body (an
 * `Idempotency-Key` or a field `token` makes it once), read by GET, ended by DELETE or a POST to its cancel, and calls back
 * when the body has a `callback_url`.
 */

const words: Readonly<Record<Phase, string>> = {
  queued: "queued",
  running: "running",
  cancelling: "stopping",
  succeeded: "completed",
  failed: "failed",
  cancelled: "cancelled",
};

function shown(job: Job): unknown {
  const { phase, state, message, reason, patch } = nowOf(job);
  const times = { started_at: startedMs(job), finished_at: endedMs(job) };
  const resource = {
    id: job.key,
    status: state ?? words[phase],
    progress: hasEnded(job) ? 1 : Math.min((job.past.length - 1) / (job.past.length + job.ahead.length), 0.99),
    created_at: new Date(job.createdMs).toISOString(),
    ...iso(times),
    ...(phase === "succeeded" && { result: { id: job.key, input: job.spec } }),
    ...(phase === "failed" && { error: { code: reason ?? "job_failed", message: message ?? "The job failed." } }),
    ...(phase !== "failed" && message !== undefined && { message }),
  };
  return patch === undefined ? resource : overlay(resource, patch);
}

function iso(times: Record<string, number | undefined>): Record<string, string> {
  const known = Object.entries(times).flatMap(([name, ms]) =>
    ms === undefined ? [] : [[name, new Date(ms).toISOString()]],
  );
  return Object.fromEntries(known);
}

function create(exchange: Exchange): Answer {
  if (exchange.body === undefined) throw new Refusal(400, "The body is no JSON.", "invalid_json");
  const spec = record(exchange.body);
  const header = exchange.headers["idempotency-key"];
  const token = (typeof header === "string" ? header : undefined) ?? text(spec.token);
  const key = text(spec.id) ?? (token === undefined ? `job-${randomUUID()}` : `job-${token}`);
  const known = exchange.world.find("http", key);
  if (known !== undefined) {
    exchange.world.askedAgain(known);
    exchange.about(key);
    if (token === undefined) throw new Refusal(409, `There is a job '${key}' already.`, "already_exists");
    return { status: 200, body: shown(known), headers: { location: `/jobs/${encodeURIComponent(key)}` } };
  }
  const url = text(spec.callback_url);
  const job = exchange.world.make({
    service: "http",
    key,
    spec,
    text: `${key}\n${exchange.text}`,
    ...(url !== undefined && { facts: { callback: { url, body: undefined } } }),
  });
  exchange.about(key, true);
  return { status: 201, body: shown(job), headers: { location: `/jobs/${encodeURIComponent(key)}` } };
}

function jobOf(exchange: Exchange): Job {
  const { job: key = "" } = exchange.params;
  exchange.about(key);
  const job = exchange.world.find("http", key);
  if (job === undefined) throw new Refusal(404, `There is no job '${key}'.`, "not_found");
  return job;
}

function get(exchange: Exchange): Answer {
  return { status: 200, body: shown(jobOf(exchange)) };
}

/** Many at once: `GET /jobs?ids=a,b`; what is not there is absent. All, newest first, without `ids`. */
function list({ world, query }: Exchange): Answer {
  const ids = query.get("ids")?.split(",");
  const jobs =
    ids === undefined
      ? world.list("http").reverse()
      : ids.flatMap((id) => {
          const job = world.find("http", id);
          return job === undefined ? [] : [job];
        });
  return { status: 200, body: { jobs: jobs.map(shown) } };
}

function cancel(exchange: Exchange): Answer {
  const job = jobOf(exchange);
  const { world } = exchange;
  if (!world.cancel(job)) throw new Refusal(409, `Job '${job.key}' has ended.`, "already_ended");
  return { status: 202, body: shown(job) };
}

/** Answers when the job has changed or after `wait_ms`: the long-poll of such a service. */
async function wait(exchange: Exchange): Promise<Answer> {
  const { world, query, gone } = exchange;
  const untilMs = world.clock.nowMs() + Math.min(Number(query.get("wait_ms") ?? 10_000), 60_000);
  const job = jobOf(exchange);
  while (!hasEnded(job) && world.clock.nowMs() < untilMs && !gone.aborted) await world.change(job, { untilMs, gone });
  return get(exchange);
}

const routes: readonly Route[] = [
  { method: "POST", path: "/jobs", operation: "jobs.create", handle: create },
  { method: "GET", path: "/jobs", operation: "jobs.list", handle: list },
  { method: "GET", path: "/jobs/{job}", operation: "jobs.get", handle: get },
  { method: "GET", path: "/jobs/{job}/wait", operation: "jobs.wait", handle: wait },
  { method: "POST", path: "/jobs/{job}/cancel", operation: "jobs.cancel", handle: cancel },
  { method: "DELETE", path: "/jobs/{job}", operation: "jobs.cancel", handle: cancel },
];

function refuse({ status, message, reason }: Refusal): Answer {
  return { status, body: { error: message, code: reason ?? "error" } };
}

export function httpJobs(): Service {
  return {
    name: "http",
    routes,
    owns: (path) => path.startsWith("/jobs"),
    refuse,
    unknown: (method, path) => refuse(new Refusal(404, `There is no ${method} ${path}.`, "not_found")),
    admit: ({ world, headers }) => {
      const sent = headers.authorization;
      const token = sent?.replace(/^Bearer /i, "");
      // Such a service asks for no token; a wrong one is refused all the same.
      if (token !== undefined && !world.tokens.isGood(token))
        throw new Refusal(401, "The token is not good.", "unauthorized");
    },
  };
}
