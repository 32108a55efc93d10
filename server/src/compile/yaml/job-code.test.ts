// Faults to catch: a job that is started where the file asks for one that is there, or the other way round; input and variables that do
// not reach the container; the name of a manifest's Job, which the submission chooses; Ork's default of 300 seconds on a job outside.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { DefinitionSpec } from "@holdfast/protocol";
import { compileProject } from "../compile.ts";

const root = mkdtempSync(join(tmpdir(), "holdfast-jobs-"));
after(() => rmSync(root, { recursive: true, force: true }));

async function specsOf(tasks: string, files: Readonly<Record<string, string>> = {}): Promise<DefinitionSpec[]> {
  mkdirSync(join(root, "flows"), { recursive: true });
  for (const [name, text] of Object.entries({ ...files, "flow.yaml": `name: flow\ntasks:\n${tasks}` }))
    writeFileSync(join(root, "flows", name), text);
  const { problems, manifests } = await compileProject({ root, files: [join(root, "flows/flow.yaml")] });
  assert.deepEqual(problems, []);
  const flow = manifests.find(({ id }) => id === "flow");
  return Object.values(flow?.manifest.definitions ?? {}).filter(({ kind }) => kind === "task");
}

const variables = {
  ORK_INPUT_JSON: "{json:input}",
  HOLDFAST_RUN_ID: "{run.id}",
  HOLDFAST_ATTEMPT: "{run.attempt}",
};

test("a Cloud Run job gets its input and its variables, and as much time as it takes", async () => {
  const [spec] = await specsOf(`
  aggregate:
    executor: cloud_run
    job: aggregate-orders
    connection: gcp
    options: { region: europe-west1, args: ["--day={input.day}"], taskCount: 2 }
    env: { MODE: full }
    retries: 2
    input_type: { day: date }
    inputs: { day: { const: 2024-01-15 } }
`);
  assert.ok(spec?.kind === "task" && spec.executor === "external");
  assert.deepEqual(spec.source, {
    service: "cloudrun",
    connection: "gcp",
    how: "submit",
    job: {
      ...{ job: "aggregate-orders", region: "europe-west1", args: ["--day={input.day}"], taskCount: 2 },
      env: { MODE: "full", ...variables },
    },
  });
  assert.deepEqual([spec.timeoutMs, spec.env, spec.retry.attempts], [undefined, undefined, 3]);
});

test("an address alone is asked how the job is, with poll it starts the job", async () => {
  const specs = await specsOf(`
  follow: { executor: http, url: "https://x/jobs/1", timeout: 1h, options: { result: /rows } }
  start:
    executor: http
    url: https://x/jobs
    options:
      headers: { idempotency-key: "{token}" }
      capture: { id: /id }
      poll: { url: "https://x/jobs/{id}", statuses: { succeeded: [ok] } }
      result: /rows
`);
  const [follow, start] = specs.map((spec) => (spec.kind === "task" ? spec : undefined));
  assert.equal(follow?.timeoutMs, 3_600_000);
  assert.deepEqual(follow?.source, {
    service: "http",
    how: "follow",
    job: {
      url: "https://x/jobs/1",
      result: "/rows",
      statuses: {
        succeeded: ["succeeded", "success", "completed", "done"],
        failed: ["failed", "failure", "error"],
        cancelled: ["cancelled", "canceled"],
      },
    },
  });
  assert.deepEqual(start?.source, {
    service: "http",
    how: "submit",
    job: {
      submit: {
        ...{ method: "POST", body: "{input}", url: "https://x/jobs" },
        headers: { "idempotency-key": "{token}" },
      },
      capture: { id: "/id" },
      poll: { url: "https://x/jobs/{id}", statuses: { succeeded: ["ok"] }, result: "/rows" },
    },
  });
});

test("a Kubernetes Job is of an image, or of a manifest beside the file", async () => {
  const manifest = `
apiVersion: batch/v1
kind: Job
metadata: { name: ignored, namespace: ml, labels: { team: a } }
spec: { backoffLimit: 0, template: { spec: { containers: [{ name: main, image: busybox }] } } }
`;
  const specs = await specsOf(
    `
  image: { executor: kubernetes, image: busybox, options: { namespace: n, command: [sh, -c, "echo {input.n}"] }, input_type: { n: int }, inputs: { n: { const: 1 } } }
  manifest: { executor: kubernetes, job: train.yaml }
`,
    { "train.yaml": manifest },
  );
  const [image, whole] = specs.map((spec) => (spec.kind === "task" && spec.executor === "external" ? spec : undefined));
  assert.deepEqual(image?.source.job, {
    ...{ image: "busybox", namespace: "n", command: ["sh", "-c", "echo {input.n}"] },
    env: variables,
  });
  assert.deepEqual(whole?.source.job, {
    namespace: "ml",
    job: {
      metadata: { labels: { team: "a" } },
      spec: { backoffLimit: 0, template: { spec: { containers: [{ name: "main", image: "busybox" }] } } },
    },
  });
});

// The fault: "no mistakes", and the run of the night fails.
test("a connection that the configuration has not is refused where it is named, unless another's configuration holds", async () => {
  const task = (connection: string) => `  a: { executor: cloudrun, job: j, connection: ${connection} }\n`;
  const told = async (connections: Readonly<Record<string, unknown>> | undefined, named: string) => {
    writeFileSync(join(root, "flows/flow.yaml"), `name: flow\ntasks:\n${task(named)}`);
    const files = [join(root, "flows/flow.yaml")];
    const { problems } = await compileProject({ root, files, ...(connections && { connections }) });
    return problems.map(({ line, column, message, hint }) => `${line}:${column} ${message} / ${hint}`);
  };
  assert.deepEqual(await told({ gcpp: { service: "cloudrun" } }, "gcp"), [
    '3:48 task "a": There is no connection "gcp". / Did you mean "gcpp"?',
  ]);
  assert.deepEqual(await told({}, "gcp"), [
    '3:48 task "a": There is no connection "gcp". / Say connections: { "gcp": { service: "cloudrun" } } in holdfast.config.ts.',
  ]);
  assert.deepEqual(await told({ gcp: {} }, "gcp"), []);
  assert.deepEqual(await told(undefined, "gcp"), []);
});
