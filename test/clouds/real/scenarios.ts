import assert from "node:assert/strict";
import { type Answer, assertFields, at, call, freshName, listAt, type Service, until } from "./service.ts";

// What a tracker relies on, said once: it must be true of a fake and of the service that it stands for.

/** A query job of a chosen id: made once, waited for, read; a wrong query; a job that is not there. */
export async function bigQueryJobs(
  service: Service,
  { project, location }: { project: string; location: string },
): Promise<void> {
  const jobs = `/bigquery/v2/projects/${project}/jobs`;
  const insert = (jobId: string, query: string, more: object = {}) =>
    call(service, "POST", jobs, {
      jobReference: { projectId: project, jobId, location },
      configuration: { query: { query, useLegacySql: false, ...more } },
    });
  const results = (jobId: string) =>
    call(service, "GET", `/bigquery/v2/projects/${project}/queries/${jobId}?location=${location}&timeoutMs=60000`);
  const get = (jobId: string) => call(service, "GET", `${jobs}/${jobId}?location=${location}`);

  const good = freshName();
  const made = await insert(good, "SELECT 1 AS n");
  assert.equal(made.status, 200);
  assertFields(made.body, [
    "kind",
    "etag",
    "id",
    "selfLink",
    "user_email",
    "configuration",
    "jobReference",
    "statistics",
    "status",
  ]);
  assert.equal(at(made.body, "id"), `${project}:${location}.${good}`);
  assert.match(String(at(made.body, "statistics.creationTime")), /^\d{13}$/);
  const again = await insert(good, "SELECT 1 AS n");
  assert.deepEqual([again.status, at(again.body, "error.errors.0.reason")], [409, "duplicate"]);
  const rows = await until(
    () => results(good),
    ({ body }) => at(body, "jobComplete") === true,
  );
  assert.deepEqual(at(rows.body, "rows"), [{ f: [{ v: "1" }] }]);
  assert.equal(at(rows.body, "totalRows"), "1");
  assert.equal(at(rows.body, "schema.fields.0.type"), "INTEGER");
  const done = await get(good);
  assert.equal(at(done.body, "status.state"), "DONE");
  assert.equal(at(done.body, "status.errorResult"), undefined);
  const cancelled = await call(service, "POST", `${jobs}/${good}/cancel?location=${location}`);
  assert.deepEqual([cancelled.status, at(cancelled.body, "kind")], [200, "bigquery#jobCancelResponse"]);

  const wrong = freshName();
  await insert(wrong, "SELECT nope FROM UNNEST([1]) AS n");
  const failed = await until(
    () => get(wrong),
    ({ body }) => at(body, "status.state") === "DONE",
  );
  assert.equal(at(failed.body, "status.errorResult.reason"), "invalidQuery");
  const refused = await results(wrong);
  assert.deepEqual([refused.status, at(refused.body, "error.errors.0.reason")], [400, "invalidQuery"]);

  const missing = await get("hf-not-there");
  assert.deepEqual([missing.status, at(missing.body, "error.status")], [404, "NOT_FOUND"]);
  const listed = await call(service, "GET", `${jobs}?projection=full&maxResults=100`);
  assert.ok(listAt(listed.body, "jobs").some((job) => at(job, "id") === at(made.body, "id")));
  assertFields(at(listed.body, "jobs.0"), [
    "id",
    "kind",
    "jobReference",
    "state",
    "statistics",
    "configuration",
    "status",
    "user_email",
  ]);
  const stranger = await call({ ...service, token: "nobody" }, "GET", jobs);
  assert.deepEqual([stranger.status, at(stranger.body, "error.status")], [401, "UNAUTHENTICATED"]);
}

/** A run of a job that is there: found by its environment, cancelled, and told from a failure. */
export async function cloudRunExecutions(service: Service, job: string): Promise<void> {
  const token = freshName();
  const overrides = { containerOverrides: [{ env: [{ name: "HOLDFAST_TOKEN", value: token }] }] };
  const run = await call(service, "POST", `/v2/${job}:run`, { overrides });
  assert.equal(run.status, 200);
  assertFields(run.body, ["name", "metadata"]);
  assert.equal(at(run.body, "done"), undefined);
  const name = at(run.body, "metadata.name");
  const get = () => call(service, "GET", `/v2/${name}`);
  const first = await get();
  assertFields(first.body, [
    "name",
    "uid",
    "generation",
    "createTime",
    "job",
    "taskCount",
    "template",
    "conditions",
    "etag",
  ]);
  const listed = await call(service, "GET", `/v2/${job}/executions`);
  const mine = listAt(listed.body, "executions").filter((execution) => JSON.stringify(execution).includes(token));
  assert.deepEqual(
    mine.map((execution) => at(execution, "name")),
    [name],
  );
  const cancel = await call(service, "POST", `/v2/${name}:cancel`, {});
  assert.equal(cancel.status, 200);
  const completed = ({ body }: Answer) =>
    listAt(body, "conditions").find((condition) => at(condition, "type") === "Completed");
  const ended = await until(get, (answer) =>
    ["CONDITION_FAILED", "CONDITION_SUCCEEDED"].includes(String(at(completed(answer), "state"))),
  );
  assert.equal(at(completed(ended), "executionReason"), "CANCELLED");
  assert.ok(Number(at(ended.body, "cancelledCount")) > 0);
  assert.equal(at(ended.body, "succeededCount"), undefined);
  const operation = await call(service, "GET", `/v2/${at(run.body, "name")}`);
  assert.equal(at(operation.body, "done"), true);
  const missing = await call(service, "GET", `/v2/${job}/executions/hf-not-there`);
  assert.deepEqual([missing.status, at(missing.body, "error.status")], [404, "NOT_FOUND"]);
}

/** A job on a cluster that is there: made once by its request id, cancelled, listed, deleted. */
export async function dataprocJobs(
  service: Service,
  { place, cluster }: { place: string; cluster: string },
): Promise<void> {
  const jobId = freshName();
  const pysparkJob = { mainPythonFileUri: "file:///usr/lib/spark/examples/src/main/python/pi.py", args: ["10000"] };
  const body = {
    requestId: jobId,
    job: { reference: { jobId }, placement: { clusterName: cluster }, pysparkJob, labels: { token: jobId } },
  };
  const submit = (requestId: string) => call(service, "POST", `/v1/${place}/jobs:submit`, { ...body, requestId });
  const made = await submit(jobId);
  assert.equal(made.status, 200);
  assertFields(made.body, ["reference", "placement", "status", "jobUuid"]);
  assert.equal(at((await submit(jobId)).body, "jobUuid"), at(made.body, "jobUuid"));
  const other = await submit(`${jobId}-2`);
  assert.deepEqual([other.status, at(other.body, "error.status")], [409, "ALREADY_EXISTS"]);
  const path = `/v1/${place}/jobs/${jobId}`;
  const filter = encodeURIComponent(`labels.token = ${jobId}`);
  const listed = await call(service, "GET", `/v1/${place}/jobs?filter=${filter}`);
  assert.deepEqual(
    listAt(listed.body, "jobs").map((job) => at(job, "reference.jobId")),
    [jobId],
  );
  assert.equal((await call(service, "POST", `${path}:cancel`, {})).status, 200);
  const ended = await until(
    () => call(service, "GET", path),
    ({ body }) => at(body, "done") === true,
  );
  assert.equal(at(ended.body, "status.state"), "CANCELLED");
  assert.equal((await call(service, "DELETE", path)).status, 200);
  assert.equal((await call(service, "GET", path)).status, 404);
}

/** A Job of a chosen name: made once, found by its label, run to its end, deleted with its pods. */
export async function kubernetesJobs(service: Service, namespace: string): Promise<void> {
  const jobs = `/apis/batch/v1/namespaces/${namespace}/jobs`;
  const name = freshName();
  const containers = [{ name: "main", image: "busybox", command: ["true"] }];
  const manifest = {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name, labels: { token: name } },
    spec: { template: { spec: { restartPolicy: "Never", containers } } },
  };
  const made = await call(service, "POST", jobs, manifest);
  assert.equal(made.status, 201);
  assertFields(at(made.body, "metadata"), [
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "labels",
  ]);
  const again = await call(service, "POST", jobs, manifest);
  assert.deepEqual([again.status, at(again.body, "reason")], [409, "AlreadyExists"]);
  const listed = await call(service, "GET", `${jobs}?labelSelector=token%3D${name}`);
  assert.deepEqual(
    listAt(listed.body, "items").map((item) => at(item, "metadata.uid")),
    [at(made.body, "metadata.uid")],
  );
  const isComplete = ({ body }: Answer) =>
    listAt(body, "status.conditions").some((one) => at(one, "type") === "Complete" && at(one, "status") === "True");
  const ended = await until(() => call(service, "GET", `${jobs}/${name}`), isComplete);
  assert.equal(at(ended.body, "status.succeeded"), 1);
  assertFields(at(ended.body, "status"), ["startTime", "completionTime"]);
  assert.equal((await call(service, "DELETE", `${jobs}/${name}`, { propagationPolicy: "Background" })).status, 200);
  const gone = await until(
    () => call(service, "GET", `${jobs}/${name}`),
    ({ status }) => status === 404,
  );
  assert.deepEqual([at(gone.body, "kind"), at(gone.body, "reason")], ["Status", "NotFound"]);
  const wrong = await call(service, "POST", jobs, { ...manifest, metadata: { name: "No_Name" } });
  assert.deepEqual([wrong.status, at(wrong.body, "reason")], [422, "Invalid"]);
}
