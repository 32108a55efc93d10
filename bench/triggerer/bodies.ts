import { type TaskContext, task } from "holdfast";
import { bigquery, http, kubernetes } from "holdfast/external";

// What waits in bench/triggerer.ts. Bodies run inline: what is measured is the way from a job's end to them.

const statuses = { running: ["running"], succeeded: ["completed"] };

/** Tells the bench that the body with this name goes on behind its job, on the machine's monotonic clock. */
function resumed(name: string): null {
  process.send?.({ resumed: name, at: process.hrtime.bigint().toString() });
  return null;
}

/** One of very many jobs that somebody else runs. */
export const bulk = task({ id: "bulk", placement: "inline" }, async (input, ctx) => {
  const { url } = input as { url: string };
  await ctx.external("job", http.existing({ connection: "bulk", url, statuses }));
  return null;
});

interface Timed {
  readonly name: string;
  readonly url: string;
}

function httpJob({ name, url }: Timed, body: Readonly<Record<string, string>>) {
  const submit = { url: `${url}/jobs`, body: { id: name, token: "{token}", ...body } };
  return http.job({ connection: "timed", submit, poll: { url: `${url}/jobs/${name}`, statuses } });
}

export const push = task({ id: "push", placement: "inline" }, async (input, ctx) => {
  const timed = input as Timed;
  await ctx.external("job", httpJob(timed, { callback: "{callback}" }));
  return resumed(timed.name);
});

export const poll = task({ id: "poll", placement: "inline" }, async (input, ctx: TaskContext) => {
  const timed = input as Timed;
  await ctx.external("job", httpJob(timed, {}));
  return resumed(timed.name);
});

export const longPoll = task({ id: "long-poll", placement: "inline" }, async (input, ctx) => {
  const { name } = input as Timed;
  await ctx.external("job", bigquery.query({ connection: "bq", sql: `SELECT '${name}'` }));
  return resumed(name);
});

export const watch = task({ id: "watch", placement: "inline" }, async (input, ctx) => {
  const { name } = input as Timed;
  await ctx.external("job", kubernetes.job({ connection: "cluster", image: name }));
  return resumed(name);
});
