import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { HeldClock } from "../clock.ts";
import { testToken } from "../tokens.ts";
import { type ClusterError, clusterOf, type OpenFakes, openFakes } from "./clients.ts";

// Faults to catch, seen with @kubernetes/client-node: a name that makes two Jobs; a watch that misses, doubles or reorders
// events, goes on after its version is too old, or is not told of a deletion; an end that is there before it is announced;
// a deletion that takes pods with it, or leaves them, against its policy.

const clock = new HeldClock();
let fakes: OpenFakes;
let cluster: Awaited<ReturnType<typeof clusterOf>>;

before(async () => {
  fakes = await openFakes({ clock });
  cluster = await clusterOf(fakes.clouds, testToken);
});
after(() => fakes[Symbol.asyncDispose]());
beforeEach(() => fakes.remote.reset());

const namespace = "etl";

function manifest(name: string, spec: object = {}, labels: Record<string, string> = {}): object {
  const pod = { restartPolicy: "Never", containers: [{ name: "main", image: "busybox" }] };
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name, labels },
    spec: { ...spec, template: { spec: pod } },
  };
}

async function create(name: string, spec?: object, labels?: Record<string, string>) {
  return cluster.batch.createNamespacedJob({ namespace, body: manifest(name, spec, labels) });
}

const path = `/apis/batch/v1/namespaces/${namespace}/jobs`;

/** Follows Jobs; what comes is kept as `TYPE name condition,condition`. */
async function follow(query: Record<string, unknown>) {
  const seen: string[] = [];
  const waiting = new Set<() => void>();
  const over = Promise.withResolvers<void>();
  const controller = await cluster.watch.watch(
    path,
    query,
    (type, { metadata, status }) => {
      const conditions = (status?.conditions ?? []).map((condition) => condition.type).join(",");
      seen.push([type, metadata?.name, conditions].filter(Boolean).join(" "));
      for (const wake of waiting) wake();
    },
    () => over.resolve(),
  );
  const until = async (count: number) => {
    while (seen.length < count) {
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.add(resolve);
      await promise;
      waiting.delete(resolve);
    }
    return seen;
  };
  return { seen, until, over: over.promise, stop: () => controller.abort() };
}

test("a chosen name makes one Job; a second creation is refused as AlreadyExists", async () => {
  const made = await create("once");
  assert.match(made.metadata.uid, /^[0-9a-f-]{36}$/);
  await assert.rejects(create("once"), (error: ClusterError) => {
    assert.equal(error.code, 409);
    const { reason, message } = JSON.parse(error.body) as { reason: string; message: string };
    assert.deepEqual([reason, message], ["AlreadyExists", 'jobs.batch "once" already exists']);
    return true;
  });
});

test("a Job that succeeds has its counts, its time of completion and both conditions; its pod its exit code", async () => {
  await create("good");
  await fakes.remote.turn({ service: "kubernetes", key: "etl/good" }, { phase: "running" });
  const running = await cluster.batch.readNamespacedJob({ namespace, name: "good" });
  assert.deepEqual([running.status.active, running.status.succeeded], [1, undefined]);
  await fakes.remote.turn({ service: "kubernetes", key: "etl/good" }, { phase: "succeeded" });
  const { status } = await cluster.batch.readNamespacedJob({ namespace, name: "good" });
  assert.equal(status.succeeded, 1);
  assert.equal(status.failed, undefined);
  assert.ok(status.completionTime instanceof Date);
  assert.deepEqual(
    status.conditions?.map(({ type }) => type),
    ["SuccessCriteriaMet", "Complete"],
  );
  const { items } = await cluster.core.listNamespacedPod({ namespace, labelSelector: "job-name=good" });
  assert.equal(items[0]?.status.containerStatuses[0]?.state.terminated?.exitCode, 0);
});

test("a Job that fails has no time of completion, and the reason in its condition", async () => {
  await create("bad", { activeDeadlineSeconds: 60 });
  clock.advance(500);
  await fakes.remote.turn({ service: "kubernetes", key: "etl/bad" }, { phase: "failed", reason: "PodFailurePolicy" });
  const { status } = await cluster.batch.readNamespacedJob({ namespace, name: "bad" });
  const last = status.conditions?.at(-1);
  assert.deepEqual([last?.type, last?.status, last?.reason], ["Failed", "True", "PodFailurePolicy"]);
  assert.equal(status.completionTime, undefined);
  await fakes.remote.script({}, { timeline: [{ afterMs: 0, phase: "running" }] });
  await create("slow", { activeDeadlineSeconds: 60 });
  clock.advance(60_000);
  const slow = await cluster.batch.readNamespacedJob({ namespace, name: "slow" });
  assert.equal(slow.status.conditions?.at(-1)?.reason, "DeadlineExceeded");
});

test("a watch from a list's version tells all that comes, in order, each end after its announcement", async () => {
  await create("before");
  const { metadata } = await cluster.batch.listNamespacedJob({ namespace });
  const watch = await follow({ resourceVersion: metadata.resourceVersion });
  await fakes.remote.script(
    {},
    {
      timeline: [
        { afterMs: 0, phase: "running" },
        { afterMs: 10, phase: "failed" },
      ],
    },
  );
  await create("a");
  clock.advance(10);
  await cluster.batch.deleteNamespacedJob({ namespace, name: "a", body: { propagationPolicy: "Background" } });
  assert.deepEqual(await watch.until(4), [
    "ADDED a",
    "MODIFIED a FailureTarget",
    "MODIFIED a FailureTarget,Failed",
    "DELETED a FailureTarget,Failed",
  ]);
  watch.stop();
});

test("a watch goes on from a version in the past; without one it begins with what is there", async () => {
  const first = await create("first");
  await create("second");
  const past = await follow({ resourceVersion: first.metadata.resourceVersion });
  assert.deepEqual(await past.until(1), ["ADDED second"]);
  past.stop();
  const whole = await follow({ fieldSelector: "metadata.name=first" });
  assert.deepEqual(await whole.until(1), ["ADDED first"]);
  whole.stop();
});

test("a version that is too old ends the watch with 410, an open one too; a new list mends it", async () => {
  await create("a");
  const { metadata } = await cluster.batch.listNamespacedJob({ namespace });
  const open = await follow({ resourceVersion: metadata.resourceVersion });
  await fakes.remote.compact();
  await open.over;
  assert.deepEqual(open.seen, ["ERROR"]);
  const late = await follow({ resourceVersion: metadata.resourceVersion });
  await late.over;
  assert.deepEqual(late.seen, ["ERROR"]);
  const again = await cluster.batch.listNamespacedJob({ namespace });
  const mended = await follow({ resourceVersion: again.metadata.resourceVersion });
  await create("b");
  assert.deepEqual(await mended.until(1), ["ADDED b"]);
  mended.stop();
});

test("a watch may be cut amid an event, or say something that is no event, and goes on at the next try", async () => {
  const { metadata } = await cluster.batch.listNamespacedJob({ namespace });
  const query = { resourceVersion: metadata.resourceVersion };
  await fakes.remote.fault({ operation: "jobs.list", text: "watch=" }, { kind: "truncated" }, { times: 1 });
  const cut = await follow(query);
  await cut.over;
  assert.deepEqual(cut.seen, []);
  await create("a");
  const again = await follow(query);
  assert.deepEqual(await again.until(1), ["ADDED a"]);
  again.stop();
});

test("a watch is bookmarked when it asks for that, and ends after its time or when the server closes it", async () => {
  const watch = await follow({ allowWatchBookmarks: true, timeoutSeconds: 90 });
  await fakes.remote.calls({ text: "timeoutSeconds=90" }, { count: 1 });
  clock.advance(60_000);
  assert.deepEqual(await watch.until(1), ["BOOKMARK"]);
  clock.advance(30_000);
  await watch.over;
  const closed = await follow({});
  await fakes.remote.closeWatches();
  await closed.over;
});

test("the client's informer keeps up over a cut and a version that is too old", async () => {
  const list = () => cluster.batch.listNamespacedJob({ namespace });
  const informer = cluster.client.makeInformer(cluster.config, path, list);
  const seen: string[] = [];
  let wake = () => {};
  for (const event of ["add", "update", "delete"] as const) {
    informer.on(event, ({ metadata }) => {
      seen.push(`${event} ${metadata.name}`);
      wake();
    });
  }
  let isWanted = true;
  informer.on("error", () => {
    if (isWanted) void informer.start();
  });
  const until = async (wanted: string) => {
    while (!seen.includes(wanted)) {
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      await promise;
    }
  };
  await informer.start();
  await create("a");
  await until("add a");
  await fakes.remote.closeWatches();
  await create("b");
  await until("add b");
  await fakes.remote.compact();
  await create("c");
  await until("add c");
  isWanted = false;
  await informer.stop();
});

test("a deletion leaves the pods, takes them along, or waits for them, as its policy says", async () => {
  const pods = async (name: string) =>
    (await cluster.core.listNamespacedPod({ namespace, labelSelector: `batch.kubernetes.io/job-name=${name}` })).items
      .length;
  for (const name of ["left", "taken", "waited"]) await create(name);
  await cluster.batch.deleteNamespacedJob({ namespace, name: "left" });
  assert.equal(await pods("left"), 1);
  await cluster.batch.deleteNamespacedJob({ namespace, name: "taken", propagationPolicy: "Background" });
  assert.equal(await pods("taken"), 0);
  await cluster.batch.deleteNamespacedJob({ namespace, name: "waited", body: { propagationPolicy: "Foreground" } });
  assert.equal(await pods("waited"), 0);
  await cluster.batch.readNamespacedJob({ namespace, name: "waited" });
  clock.advance(1_000);
  const gone = cluster.batch.readNamespacedJob({ namespace, name: "waited" });
  await assert.rejects(gone, (error: ClusterError) => error.code === 404 && /"reason":"NotFound"/.test(error.body));
});

test("a Job is deleted by its uid only when it is that one", async () => {
  const { metadata } = await create("a");
  const other = { preconditions: { uid: "00000000-0000-0000-0000-000000000000" } };
  const wrong = cluster.batch.deleteNamespacedJob({ namespace, name: "a", body: other });
  await assert.rejects(wrong, (error: ClusterError) => error.code === 409);
  const right = { preconditions: { uid: metadata.uid }, propagationPolicy: "Background" };
  await cluster.batch.deleteNamespacedJob({ namespace, name: "a", body: right });
});

test("a Job that has ended is forgotten after its time to live", async () => {
  await create("brief", { ttlSecondsAfterFinished: 30 });
  await fakes.remote.turn({ service: "kubernetes", key: "etl/brief" }, { phase: "succeeded" });
  clock.advance(29_000);
  await cluster.batch.readNamespacedJob({ namespace, name: "brief" });
  clock.advance(1_000);
  await assert.rejects(
    cluster.batch.readNamespacedJob({ namespace, name: "brief" }),
    (error: ClusterError) => error.code === 404,
  );
});

test("a Job is suspended and resumed by a patch, and its script goes on where it stood", async () => {
  await fakes.remote.script(
    {},
    {
      timeline: [
        { afterMs: 0, phase: "running" },
        { afterMs: 10_000, phase: "succeeded" },
      ],
    },
  );
  await create("pausing");
  clock.advance(4_000);
  const patch = (suspend: boolean) =>
    cluster.batch.patchNamespacedJob(
      { namespace, name: "pausing", body: { spec: { suspend } } },
      cluster.client.setHeaderOptions("Content-Type", "application/merge-patch+json"),
    );
  await patch(true);
  clock.advance(60_000);
  const suspended = await cluster.batch.readNamespacedJob({ namespace, name: "pausing" });
  assert.equal(suspended.status.conditions?.[0]?.type, "Suspended");
  await patch(false);
  clock.advance(6_000);
  const done = await cluster.batch.readNamespacedJob({ namespace, name: "pausing" });
  assert.equal(done.status.conditions?.at(-1)?.type, "Complete");
});

test("lists are selected by labels and come in pages", async () => {
  for (const [name, team] of [
    ["a", "x"],
    ["b", "y"],
    ["c", "x"],
  ] as const)
    await create(name, {}, { team });
  const names = async (labelSelector: string) =>
    (await cluster.batch.listJobForAllNamespaces({ labelSelector })).items.map(({ metadata }) => metadata.name);
  assert.deepEqual(await names("team=x"), ["a", "c"]);
  assert.deepEqual(await names("team in (y,z)"), ["b"]);
  assert.deepEqual(await names("team!=x,team"), ["b"]);
  const page = await cluster.batch.listNamespacedJob({ namespace, limit: 2 });
  assert.deepEqual([page.items.length, page.metadata.remainingItemCount], [2, 1]);
  const rest = await cluster.batch.listNamespacedJob({ namespace, limit: 2, _continue: page.metadata._continue });
  assert.deepEqual(
    rest.items.map(({ metadata }) => metadata.name),
    ["c"],
  );
});

test("what a cluster would not take is refused by field", async () => {
  const refused = (body: object) => (error: ClusterError) => {
    assert.equal(error.code, 422, error.body);
    for (const part of Object.values(body)) assert.ok(error.body.includes(String(part)), error.body);
    return true;
  };
  await assert.rejects(create("Upper_case"), refused({ field: "metadata.name" }));
  await assert.rejects(create("a", {}, { token: "x".repeat(64) }), refused({ field: "metadata.labels" }));
  await assert.rejects(create("a".repeat(64)), refused({ field: "must be no more than 63 characters" }));
  const body = {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name: "a" },
    spec: { template: { spec: { containers: [] } } },
  };
  await assert.rejects(
    cluster.batch.createNamespacedJob({ namespace, body }),
    refused({ field: "spec.template.spec.restartPolicy", other: "spec.template.spec.containers" }),
  );
  const strict = { ...manifest("typo", { backofLimit: 1 }) };
  const raw = await fetch(`${fakes.clouds.url}${path}?fieldValidation=Strict`, {
    method: "POST",
    headers: { authorization: `Bearer ${testToken}`, "content-type": "application/json" },
    body: JSON.stringify(strict),
  });
  assert.equal(raw.status, 400);
  assert.match(await raw.text(), /unknown field \\"spec.backofLimit\\"/);
});

test("a wrong token is refused as the API server does, and a full one says when to come again", async () => {
  const stranger = await clusterOf(fakes.clouds, "wrong");
  const refused = stranger.batch.listNamespacedJob({ namespace });
  await assert.rejects(refused, (error: ClusterError) => error.code === 401);
  await fakes.remote.fault({ service: "kubernetes" }, { kind: "status", status: 429, retryAfter: 1 }, { times: 1 });
  await assert.rejects(cluster.batch.listNamespacedJob({ namespace }), (error: ClusterError) => {
    return error.code === 429 && error.headers["retry-after"] === "1" && /TooManyRequests/.test(error.body);
  });
});

test("nothing that the client called was unknown", async () => {
  assert.deepEqual(await fakes.remote.unexpected(), []);
});
