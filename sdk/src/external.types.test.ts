import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import {
  bigquery,
  cloudRun,
  customJob,
  dataproc,
  deferred,
  type ExternalJob,
  http,
  kubernetes,
  mock,
  own,
} from "./external.ts";
import { type TaskContext, task, workflow } from "./index.ts";

// Type tests of external jobs: `tsc` is what runs them. Faults to catch: a result of another service than was asked; a job of which
// nothing says what it is; callers that see the job where they see what came of it.

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_: Same<A, B>): void {}

export async function body(ctx: TaskContext): Promise<void> {
  const rows = await ctx.external("a", bigquery.query<{ day: string }>({ sql: "SELECT 1", rows: 10 }));
  same<(typeof rows.rows)[number], { day: string }>(true);
  const plain = await ctx.external("b", bigquery.query({ sql: "SELECT 1", params: { day: "x" } }), { timeout: "1h" });
  same<typeof plain.job_id, string>(true);
  // @ts-expect-error rows were not asked for
  void plain.rows;
  // @ts-expect-error a query has sql
  bigquery.query({ connection: "bq" });
  const run = ctx.external("c", cloudRun.job({ job: "aggregate", env: { DAY: "x" } }));
  same<Awaited<typeof run>["succeededCount"], number>(true);
  // @ts-expect-error a Job is of a container or of a manifest
  kubernetes.job({ namespace: "n" });
  const [spark, made] = await ctx.all([
    ctx.external("d", dataproc.job({ cluster: "c", job: { pysparkJob: {} } })),
    ctx.external("e", kubernetes.job({ image: "busybox" })),
  ]);
  same<typeof spark.driverOutputResourceUri, string | undefined>(true);
  same<typeof made.namespace, string>(true);
  const first = await ctx.race("f", { job: run, time: ctx.sleep("g", "1h") });
  if (first.winner === "job") first.value.taskCount.toFixed();
  const started = ctx.external(
    "h",
    own(bigquery, ({ token }) => ({ project: "p", location: "EU", jobId: token })),
  );
  same<Awaited<typeof started>["job_id"], string>(true);
  // @ts-expect-error a job of BigQuery has a jobId
  own(bigquery, ({ token }) => ({ name: token }));
  const answer = await ctx.external("i", http.existing<{ rows: number }>({ url: "/jobs/1", result: "/result" }));
  same<typeof answer, { rows: number }>(true);
  const other = await ctx.external("j", customJob({ service: "mainframe", spec: { deck: 1 } }), {
    onUnknown: "resubmit",
  });
  void other;
  // @ts-expect-error what is started is a spec, or a ref
  customJob({ service: "mainframe" });
  // @ts-expect-error only jobs can be waited for so
  void ctx.external("k", { service: "http", spec: {} });
}

test("callers of a task see what came of the jobs that it returns", () => {
  const one = task({ id: "one" }, () => mock.job("success"));
  const several = task({ id: "several" }, (_input: unknown) => {
    return { count: 2, jobs: [bigquery.existing({ jobId: "a" }), bigquery.existing({ jobId: "b" })] };
  });
  const some = task({ id: "some" }, () => deferred({ scan: mock.job("success"), n: 1 }, { enough: "any" }));
  const flow = workflow({ id: "flow" }, (w) => ({
    url: w.call(one).output.url,
    id: w.call(several).output.jobs[0]?.job_id,
  }));
  type Output<D> = D extends Parameters<TaskContext["call"]>[1] ? D : never;
  const caller = async (ctx: TaskContext) => {
    const { url } = await ctx.call("one", one);
    same<typeof url, string>(true);
    const { count, jobs } = await ctx.call("several", several);
    same<typeof count, number>(true);
    for (const { job_id } of jobs) same<typeof job_id, string>(true);
    const { scan, n } = await ctx.call("some", some);
    same<typeof scan, { readonly url: string } | null>(true);
    n.toFixed();
  };
  const declared = task({ id: "declared", output: z.object({ url: z.string() }) }, () => mock.job("success"));
  void ((output: Output<typeof declared>) => output);
  assert.deepEqual([flow.id, caller.length, declared.id], ["flow", 1, "declared"]);
});

test("a job says where it is and what it is, in JSON", () => {
  const job: ExternalJob<unknown> = bigquery.query({ connection: "bq", sql: "SELECT 1", jobTimeout: "5m" });
  const { service, connection, spec } = job;
  assert.deepEqual({ service, connection, spec }, JSON.parse(JSON.stringify(job)));
  assert.deepEqual(spec, { sql: "SELECT 1", jobTimeoutMs: 300_000 });
  assert.throws(() => http.job({ submit: { url: "/", body: new Map() as never }, poll: { url: "/" } }), {
    message: "The job of http.submit.body is a Map, which JSON cannot keep.",
  });
  assert.throws(() => bigquery.query({ connection: "", sql: "SELECT 1" }), /connection is a text/);
});
