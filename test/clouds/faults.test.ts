import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { HeldClock } from "./clock.ts";
import { type Clouds, openClouds } from "./clouds.ts";
import { CloudsRemote } from "./remote.ts";

// Faults to catch: a fault before the effect that has one all the same, or one after it that has none; a job that two
// submissions make twice; a call that is not recorded; a clock that runs though it is held; a misspelt fault that is taken.

let clock: HeldClock;
let clouds: Clouds;
let remote: CloudsRemote;

beforeEach(async () => {
  clock = new HeldClock();
  clouds = await openClouds({ clock });
  remote = new CloudsRemote(clouds.url);
});
afterEach(() => clouds.close());

async function submit(token: string, init: RequestInit = {}): Promise<Response> {
  const headers = { "idempotency-key": token, "content-type": "application/json" };
  return fetch(`${clouds.url}/jobs`, { method: "POST", headers, body: JSON.stringify({ work: token }), ...init });
}

async function read(path: string): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${clouds.url}${path}`);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

describe("faults", () => {
  test("a refused call, a reset and a proxy's page leave the service as it was", async () => {
    await remote.fault({ operation: "jobs.create" }, { kind: "status", status: 429, retryAfter: 7 }, { times: 1 });
    const refused = await submit("a");
    assert.equal(refused.status, 429);
    assert.equal(refused.headers.get("retry-after"), "7");
    await remote.fault({ operation: "jobs.create" }, { kind: "reset" }, { times: 1 });
    await assert.rejects(submit("a"), /fetch failed/);
    await remote.fault({ operation: "jobs.create" }, { kind: "page", status: 502 }, { times: 1 });
    const page = await submit("a");
    assert.equal(page.status, 502);
    assert.match(page.headers.get("content-type") ?? "", /text\/html/);
    assert.deepEqual(await remote.jobs(), []);
    const outcomes = (await remote.calls()).map(({ outcome }) => outcome);
    assert.deepEqual(outcomes, [429, "reset", 502]);
  });

  test("a lost answer leaves a job behind, which the same token finds", async () => {
    await remote.fault({ operation: "jobs.create" }, { kind: "lost" }, { times: 1 });
    await assert.rejects(submit("a"), /fetch failed/);
    assert.equal((await remote.jobs()).length, 1);
    assert.equal((await submit("a")).status, 200);
    const [job, ...others] = await remote.jobs();
    assert.deepEqual([others.length, job?.submissions], [0, 2]);
    const made = (await remote.calls({ operation: "jobs.create" })).map((call) => call.made ?? false);
    assert.deepEqual(made, [true, false]);
  });

  test("an answer that hangs ends with the client, and the call is seen meanwhile", async () => {
    await remote.fault({ text: "held" }, { kind: "hang" });
    const client = new AbortController();
    const hung = submit("held", { signal: client.signal });
    const [call] = await remote.calls({ text: "held" }, { count: 1 });
    assert.equal(call?.outcome, undefined);
    client.abort();
    await assert.rejects(hung, /abort/);
    assert.deepEqual(await remote.jobs(), []);
  });

  test("a call that is held goes on when it is released: before its effect, or after", async () => {
    const before = await remote.fault({ text: "first" }, { kind: "hold", when: "before" });
    const first = submit("first");
    await remote.calls({ text: "first" }, { count: 1 });
    assert.deepEqual(await remote.jobs(), []);
    await remote.release(before);
    assert.equal((await first).status, 201);
    const after = await remote.fault({ text: "second" }, { kind: "hold", when: "after" });
    const second = submit("second");
    while ((await remote.jobs({ text: "second" })).length === 0) await remote.calls({ text: "second" }, { count: 1 });
    await remote.release(after);
    assert.equal((await second).status, 201);
  });

  test("what is no JSON, what is cut off, and what says something else", async () => {
    await submit("a");
    await remote.fault({ operation: "jobs.get" }, { kind: "malformed" }, { times: 1 });
    const malformed = await fetch(`${clouds.url}/jobs/job-a`);
    assert.equal(malformed.status, 200);
    await assert.rejects(malformed.json(), SyntaxError);
    await remote.fault({ operation: "jobs.get" }, { kind: "truncated" }, { times: 1 });
    await assert.rejects(
      fetch(`${clouds.url}/jobs/job-a`).then((response) => response.text()),
      /terminated/,
    );
    await remote.fault({ operation: "jobs.get" }, { kind: "patch", patch: { status: "completed" } }, { times: 1 });
    assert.equal((await read("/jobs/job-a")).body.status, "completed");
    assert.equal((await read("/jobs/job-a")).body.status, "queued");
  });

  test("a fault lets the first ones through, meets so many, and can be taken away", async () => {
    const id = await remote.fault({ operation: "jobs.*" }, { kind: "status", status: 503 }, { skip: 1, times: 2 });
    const statuses = [];
    for (let at = 0; at < 4; at++) statuses.push((await fetch(`${clouds.url}/jobs`)).status);
    assert.deepEqual(statuses, [200, 503, 503, 200]);
    await remote.heal(id);
    await assert.rejects(remote.heal(id), /There is no fault/);
  });

  test("a delay is one of the clock that the test holds", async () => {
    await remote.fault({ operation: "jobs.list" }, { kind: "slow" }, { delayMs: 60_000 });
    let isAnswered = false;
    const answer = fetch(`${clouds.url}/jobs`).then(() => {
      isAnswered = true;
    });
    await remote.calls({ operation: "jobs.list" }, { count: 1 });
    await remote.advance(59_999);
    assert.equal(isAnswered, false);
    await remote.advance(1);
    await answer;
  });

  test("a fault, a script or a service that is misspelt is refused with its place", async () => {
    const misspelt = { kind: "status", stauts: 500 } as unknown as { kind: "reset" };
    await assert.rejects(remote.fault({}, misspelt), /stauts/);
    const wrong = { timeline: [{ afterMs: 0, phase: "done" }] } as unknown as { timeline: [] };
    await assert.rejects(remote.script({}, wrong), /timeline\[0\]\.phase/);
    await assert.rejects(remote.jobs({ service: "bigtable" as "bigquery" }), /There is no service 'bigtable'/);
    await assert.rejects(remote.turn({ service: "http", key: "none" }, { phase: "failed" }), /has no job 'none'/);
  });

  test("paths that nobody knows are answered as each service does, and recorded", async () => {
    const google = await fetch(`${clouds.url}/bigquery/v3/projects`);
    assert.equal(google.status, 404);
    assert.match(await google.text(), /That’s all we know/);
    const cluster = await fetch(`${clouds.url}/apis/batch/v2/jobs`);
    assert.equal(await cluster.text(), "404 page not found\n");
    const own = await read("/jobs/a/b/c");
    assert.deepEqual([own.status, own.body.code], [404, "not_found"]);
    const paths = (await remote.unexpected()).map(({ path }) => path);
    assert.deepEqual(paths, ["/bigquery/v3/projects", "/apis/batch/v2/jobs", "/jobs/a/b/c"]);
  });
});

describe("scripts", () => {
  test("a job goes through its states at their times, and says when it did", async () => {
    const timeline = [
      { afterMs: 0, phase: "queued" },
      { afterMs: 1_000, phase: "running" },
      { afterMs: 5_000, phase: "failed", reason: "out_of_memory", message: "3 GB were too little." },
    ] as const;
    await remote.script({ text: "etl" }, { timeline });
    await submit("etl");
    assert.equal((await read("/jobs/job-etl")).body.status, "queued");
    clock.advance(1_000);
    assert.equal((await read("/jobs/job-etl")).body.status, "running");
    clock.advance(60_000);
    const { body } = await read("/jobs/job-etl");
    assert.deepEqual(body.error, { code: "out_of_memory", message: "3 GB were too little." });
    assert.equal(body.finished_at, new Date(Date.UTC(2026, 0, 1) + 5_000).toISOString());
  });

  test("a job may be said to have succeeded and run again, and may be forgotten", async () => {
    const timeline = [
      { afterMs: 0, phase: "running" },
      { afterMs: 10, phase: "succeeded" },
      { afterMs: 20, phase: "running" },
      { afterMs: 30, phase: "failed" },
    ] as const;
    await remote.script({}, { timeline, goneAfterEndMs: 100 });
    await submit("a");
    const seen = [];
    for (const step of [5, 10, 10, 10]) {
      clock.advance(step);
      seen.push((await read("/jobs/job-a")).body.status);
    }
    assert.deepEqual(seen, ["running", "completed", "running", "failed"]);
    clock.advance(100);
    assert.equal((await read("/jobs/job-a")).status, 404);
  });

  test("a cancel takes its time, is ignored, or loses against a success, as its script says", async () => {
    await remote.script({ text: "deaf" }, { onCancel: "ignored" });
    await remote.script({ text: "late" }, { onCancel: { afterMs: 50, phase: "succeeded" } });
    for (const token of ["usual", "deaf", "late"]) {
      await submit(token);
      assert.equal((await fetch(`${clouds.url}/jobs/job-${token}`, { method: "DELETE" })).status, 202);
    }
    assert.equal((await read("/jobs/job-usual")).body.status, "stopping");
    clock.advance(2_000);
    const states = [];
    for (const token of ["usual", "deaf", "late"]) states.push((await read(`/jobs/job-${token}`)).body.status);
    assert.deepEqual(states, ["cancelled", "completed", "completed"]);
    assert.equal((await fetch(`${clouds.url}/jobs/job-usual`, { method: "DELETE" })).status, 409);
  });

  test("a long-poll answers at the moment of the end", async () => {
    await submit("a");
    const answer = read("/jobs/job-a/wait?wait_ms=60000");
    await remote.calls({ operation: "jobs.wait" }, { count: 1 });
    await remote.turn({ service: "http", key: "job-a" }, { phase: "succeeded" });
    assert.equal((await answer).body.status, "completed");
  });

  test("many jobs are read at once; those that are not there are absent", async () => {
    for (const token of ["a", "b", "c"]) await submit(token);
    const { body } = await read("/jobs?ids=job-a,job-x,job-c");
    const ids = (body.jobs as { id: string }[]).map(({ id }) => id);
    assert.deepEqual(ids, ["job-a", "job-c"]);
  });
});
