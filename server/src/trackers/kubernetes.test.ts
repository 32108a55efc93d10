// Faults to catch: a Job of the same name taken for ours, an announcement (`FailureTarget`) for an end, a deleted Job for a success, a
// watch that ends silently when its place in history is gone (410), a name of ours that somebody else has.
import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { after, test } from "node:test";
import type { Json, Observation } from "@holdfast/protocol";
import { Cluster } from "./cluster.ts";
import { kubernetes } from "./kubernetes.ts";
import { nameOf } from "./names.ts";
import { ask, ioOf, LocalService, openConnections } from "./service.fixture.ts";

const local = await LocalService.start(() => "hang");
const open = openConnections({ kubernetes: { server: local.url, namespace: "etl" } });
after(async () => {
  await open.close();
  await local.close();
});
const address = { service: "kubernetes", connection: null };
const jobsPath = "/apis/batch/v1/namespaces/etl/jobs";
const status = (code: number, reason: string) => ({
  status: code,
  body: { kind: "Status", reason, message: reason, code },
});
const job = (name: string, more: { status?: Json; uid?: string; metadata?: object; spec?: Json } = {}) => ({
  metadata: { name, uid: more.uid ?? `uid-${name}`, resourceVersion: "5", ...more.metadata },
  spec: more.spec ?? {},
  status: more.status ?? {},
});
const condition = (type: string, more: object = {}) => ({ conditions: [{ type, status: "True", ...more }] }) as Json;

async function observed(body: Json, ref: Json = { name: "j" }): Promise<Observation> {
  local.script = () => ({ body });
  const [result] = await ask(open, "poll", { ...address, refs: [ref] });
  assert.ok(result !== undefined && "observation" in result, JSON.stringify(result));
  return result.observation as Observation;
}

test("what Kubernetes says of a Job", async () => {
  const cases: readonly [string, Json][] = [
    ["queued Pending", {}],
    ["running Active", { active: 1, startTime: "2026-01-01T00:00:00Z" }],
    ["running Active", { active: 1, ready: 1 }],
    ["queued Pending", { active: 1, ready: 0 }],
    ["running Active", { failed: 1 }],
    ["queued Suspended", condition("Suspended")],
    ["running FailureTarget", condition("FailureTarget")],
    ["running SuccessCriteriaMet", condition("SuccessCriteriaMet")],
    ["succeeded Complete", condition("Complete")],
    ["failed Failed", condition("Failed")],
    ["queued Pending", { conditions: [{ type: "Complete", status: "False" }] }],
    ["queued Pending", { conditions: null }],
  ];
  for (const [expected, status] of cases) {
    const { phase, rawStatus } = await observed(job("j", { status }) as Json);
    assert.equal(`${phase} ${rawStatus}`, expected, JSON.stringify(status));
  }
  const failed = await observed(
    job("j", { status: condition("Failed", { reason: "BackoffLimitExceeded", message: "too often" }) }) as Json,
  );
  assert.deepEqual([failed.code, failed.message], ["BackoffLimitExceeded", "too often"]);
  const parts = await observed(job("j", { spec: { completions: 4 }, status: { active: 1, succeeded: 3 } }) as Json);
  assert.deepEqual(parts.progress, { done: 3, total: 4 });
  const ending = await observed(job("j", { metadata: { deletionTimestamp: "2026-01-01T00:00:00Z" } }) as Json);
  assert.equal(ending.rawStatus, "Terminating");
});

test("a Job that is gone, or another one of its name, is gone and no success", async () => {
  local.script = () => status(404, "NotFound");
  const [gone] = await ask(open, "poll", { ...address, refs: [{ name: "j", uid: "u" }] });
  assert.ok(gone !== undefined && "observation" in gone && gone.observation.phase === "gone");
  const other = await observed(job("j", { uid: "new", status: condition("Complete") }) as Json, {
    name: "j",
    uid: "old",
  });
  assert.deepEqual([other.phase, other.rawStatus], ["gone", "Replaced"]);
});

test("errors of the API server pass or stay", async () => {
  const fault = async (answer: ReturnType<typeof status>) => {
    local.script = () => answer;
    const [result] = await ask(open, "poll", { ...address, refs: [{ name: "j" }] });
    assert.ok(result !== undefined && "failure" in result);
    return `${result.failure.fault} ${result.failure.code}`;
  };
  assert.equal(await fault(status(429, "TooManyRequests")), "transient TooManyRequests");
  assert.equal(await fault(status(500, "InternalError")), "transient InternalError");
  assert.equal(await fault(status(401, "Unauthorized")), "auth Unauthorized");
  assert.equal(await fault(status(403, "Forbidden")), "permanent Forbidden");
  assert.equal(await fault(status(422, "Invalid")), "permanent Invalid");
});

test("a Job is created under the name of its token, marked, and found to be ours when it is there already", async () => {
  const spec = { image: "busybox", command: ["sh"], args: ["-c", "true"], env: { A: "1" } };
  const prepared = await ask(open, "prepare", { ...address, spec, token: "t" });
  const name = nameOf("t");
  assert.deepEqual(prepared.job?.ref, { namespace: "etl", name });
  local.script = () => ({ status: 201, body: job(name) });
  const made = await ask(open, "submit", { ...address, spec: prepared.spec, token: "t" });
  assert.deepEqual(made.ref, { namespace: "etl", name, uid: `uid-${name}` });
  assert.deepEqual(
    [local.calls.at(-1)?.path, local.calls.at(-1)?.body],
    [
      jobsPath,
      {
        apiVersion: "batch/v1",
        kind: "Job",
        metadata: {
          name,
          labels: { "app.kubernetes.io/managed-by": "holdfast" },
          annotations: { "holdfast.dev/token": "t" },
        },
        spec: {
          ttlSecondsAfterFinished: 86_400,
          backoffLimit: 0,
          template: {
            spec: {
              restartPolicy: "Never",
              containers: [
                {
                  name: "main",
                  image: "busybox",
                  env: [{ name: "A", value: "1" }],
                  command: ["sh"],
                  args: ["-c", "true"],
                },
              ],
            },
          },
        },
      },
    ],
  );
  const there = (token: string) => {
    local.script = ({ method }) =>
      method === "POST"
        ? status(409, "AlreadyExists")
        : { body: job(name, { metadata: { annotations: { "holdfast.dev/token": token } } }) };
  };
  there("t");
  assert.deepEqual(await ask(open, "submit", { ...address, spec: prepared.spec, token: "t" }), made);
  there("another");
  await assert.rejects(
    ask(open, "submit", { ...address, spec: prepared.spec, token: "t" }),
    /not made for this submission/,
  );
  const short = { job: { spec: { ttlSecondsAfterFinished: 5, template: {} } } };
  await assert.rejects(
    ask(open, "prepare", { ...address, spec: short, token: "t" }),
    /may be removed before its end was seen/,
  );
});

test("a cancel deletes the very Job that was meant", async () => {
  const ref = { namespace: "etl", name: "j", uid: "uid-j" };
  local.script = ({ method }) => ({
    body: method === "GET" ? job("j", { status: { active: 1 } }) : { status: "Success" },
  });
  assert.equal(await ask(open, "cancel", { ...address, ref }), "accepted");
  assert.deepEqual(
    [local.calls.at(-1)?.method, local.calls.at(-1)?.body],
    ["DELETE", { propagationPolicy: "Background", preconditions: { uid: "uid-j" } }],
  );
  local.script = () => ({ body: job("j", { status: condition("Complete") }) });
  assert.equal(await ask(open, "cancel", { ...address, ref }), "already_ended");
  assert.equal(await ask(open, "cancel", { ...address, ref: { ...ref, uid: "other" } }), "not_found");
  local.script = () => status(404, "NotFound");
  assert.equal(await ask(open, "cancel", { ...address, ref }), "not_found");
});

test("many of ours are read by one listing of their namespace", async () => {
  const names = Array.from({ length: 6 }, (_, n) => nameOf(`m${n}`));
  local.calls.length = 0;
  local.script = ({ path, query }) => {
    if (path !== jobsPath) return status(404, "NotFound");
    const first = query.get("continue") === null;
    const items = (first ? names.slice(0, 3) : names.slice(3, 5)).map((name) =>
      job(name, { status: condition("Complete") }),
    );
    return { body: { metadata: { resourceVersion: "9", ...(first && { continue: "next" }) }, items } };
  };
  const results = await ask(open, "poll", { ...address, refs: names.map((name) => ({ name })) });
  assert.deepEqual(
    results.map((result) => "observation" in result && result.observation.phase),
    ["succeeded", "succeeded", "succeeded", "succeeded", "succeeded", "gone"],
  );
  assert.equal(local.calls.length, 3);
});

test("a watch tells what it finds, what changes and what is deleted, until nothing is left or its place is gone", async () => {
  const [a, b, c] = ["wa", "wb", "wc"].map((token) => nameOf(token)) as [string, string, string];
  const line = (response: ServerResponse, type: string, object: object) =>
    response.write(`${JSON.stringify({ type, object })}\n`);
  const live = Promise.withResolvers<ServerResponse>();
  local.script = ({ query }, response) => {
    if (query.get("watch") === null) {
      return {
        body: { metadata: { resourceVersion: "7" }, items: [job(a, { status: condition("Complete") }), job(b)] },
      };
    }
    response.writeHead(200);
    response.flushHeaders();
    live.resolve(response);
    return "mine";
  };
  local.calls.length = 0;
  const open = new Set([a, b, c]);
  const told: string[] = [];
  let standing = 0;
  const watching = kubernetes.watch?.(
    {
      group: "etl",
      refs: () => [...open].map((name) => ({ namespace: "etl", name })),
      standing: () => standing++,
      tell: ({ name }, { phase }) => {
        told.push(`${name === a ? "a" : name === b ? "b" : "c"} ${phase}`);
        if (phase !== "queued" && phase !== "running") open.delete(name);
      },
    },
    ioOf({ server: local.url }, new Cluster({ server: local.url })),
  );
  const response = await live.promise;
  assert.deepEqual(told, ["a succeeded", "b queued"]);
  line(response, "MODIFIED", job("foreign", { status: condition("Failed") }));
  line(response, "BOOKMARK", { metadata: { resourceVersion: "8" } });
  line(response, "MODIFIED", job(b, { status: { active: 1 } }));
  // A Job that had ended when it was deleted has ended; one that had not is gone.
  line(response, "DELETED", job(b, { status: condition("Complete") }));
  line(response, "DELETED", job(c, { status: { active: 1 } }));
  line(response, "BOOKMARK", { metadata: { resourceVersion: "9" } });
  await watching;
  assert.deepEqual(told.slice(2), ["b running", "b succeeded", "c gone"]);
  assert.equal(standing, 1);
  assert.equal(local.calls[1]?.query.get("resourceVersion"), "7");

  local.script = ({ query }, response) => {
    if (query.get("watch") === null) return { body: { metadata: { resourceVersion: "7" }, items: [] } };
    line(response, "ERROR", { kind: "Status", code: 410, reason: "Expired" });
    return "mine";
  };
  open.add(a);
  const group = {
    group: "etl",
    refs: () => [{ namespace: "etl", name: a }],
    standing: () => undefined,
    tell: () => undefined,
  };
  const io = ioOf({ server: local.url }, new Cluster({ server: local.url }));
  await kubernetes.watch?.(group, io);
  local.script = ({ query }) =>
    query.get("watch") === null ? { body: { metadata: { resourceVersion: "7" }, items: [] } } : status(410, "Expired");
  await assert.rejects(async () => kubernetes.watch?.(group, io), {
    failure: { fault: "transient", code: "Expired", message: "Expired" },
  });
});
