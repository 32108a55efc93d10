// Real tracker processes against the fakes. Faults to catch: a submission that makes two jobs, or none, when the process that made it is
// killed or stopped between the call and its answer (P5); a certificate that nobody looks at; an address inside that a task's URL reaches.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { type Json, TrackingError } from "@holdfast/protocol";
import { TrackerProcesses } from "../../server/src/trackers/client.ts";
import { authority, serverTls } from "../clouds/certificates/index.ts";
import { HeldClock } from "../clouds/clock.ts";
import { type Clouds, openClouds } from "../clouds/clouds.ts";
import { testToken } from "../clouds/tokens.ts";
import { signInAtFakes } from "./sign-in.ts";
import { type Subject, subjects } from "./subjects.ts";

const folder = mkdtempSync(join(tmpdir(), "holdfast-processes-"));
after(() => rmSync(folder, { recursive: true }));

function start(connections: Readonly<Record<string, Json>>, callMs = 30_000): TrackerProcesses {
  const trackers = new TrackerProcesses({ projectRoot: folder, connections: connections as never, callMs });
  after(() => trackers.close());
  return trackers;
}

async function failed(asked: Promise<unknown>): Promise<TrackingError["failure"]> {
  const error = await asked.then(
    () => undefined,
    (one: unknown) => one,
  );
  assert.ok(error instanceof TrackingError, String(error));
  return error.failure;
}

/** What a triggerer does after a crash, as the class of the service has it. */
async function recover(trackers: TrackerProcesses, subject: Subject, spec: Json, token: string): Promise<Json> {
  const asked = { service: subject.service, connection: null, spec, token };
  const found = subject.submission === "listed" ? await trackers.find(asked) : null;
  return (found ?? (await trackers.submit(asked))).ref;
}

describe("a submission whose process dies", { timeout: 180_000 }, () => {
  const clock = new HeldClock();
  const opening = openClouds({ clock });
  after(async () => (await opening).close());

  for (const subject of subjects) {
    for (const when of ["before", "after"] as const) {
      test(`of ${subject.service} ${when} the service has done it is one job in the end`, async () => {
        const clouds: Clouds = await opening;
        signInAtFakes(clouds.url);
        clouds.server.world.clear();
        const trackers = start({ [subject.service]: subject.settings(clouds.url) });
        const token = `${subject.service}-${when}`;
        const prepared = await trackers.prepare({
          service: subject.service,
          connection: null,
          spec: subject.spec,
          token,
        });
        const match = { service: subject.fake, operation: subject.submits };
        const held = clouds.server.faults.add({ match, fault: { kind: "hold", when }, times: 1 });
        const { seq: since = 0 } = clouds.server.calls.list({}).at(-1) ?? {};
        const submitting = failed(
          trackers.submit({ service: subject.service, connection: null, spec: prepared.spec, token }),
        );
        const gone = new AbortController().signal;
        await clouds.server.calls.until({ match, count: 1, sinceSeq: since, ended: false, gone });
        for (const pid of trackers.pids) process.kill(pid, "SIGKILL");
        const failure = await submitting;
        assert.deepEqual([failure.fault, failure.undecided], ["transient", true]);
        clouds.server.faults.remove(held.id);
        const ref = await recover(trackers, subject, prepared.spec, token);
        assert.equal(clouds.server.world.list(subject.fake).length, 1);
        if (prepared.job !== null && subject.service !== "kubernetes") assert.deepEqual(ref, prepared.job.ref);
        await trackers.close();
      });
    }
  }
});

test("a submitter that is stopped after it has sent, and wakes when another has taken over, makes no second job", {
  timeout: 60_000,
}, async () => {
  const subject = subjects[0];
  assert.ok(subject !== undefined);
  await using clouds = await openClouds({ clock: new HeldClock() });
  signInAtFakes(clouds.url);
  const settings = { [subject.service]: subject.settings(clouds.url) };
  const [first, second] = [start(settings), start(settings)];
  const asked = { service: subject.service, connection: null };
  const { spec } = await first.prepare({ ...asked, spec: subject.spec, token: "stopped" });
  const match = { service: subject.fake, operation: subject.submits };
  const held = clouds.server.faults.add({ match, fault: { kind: "hold", when: "before" }, times: 1 });
  const late = first.submit({ ...asked, spec, token: "stopped" });
  await clouds.server.calls.until({ match, count: 1, sinceSeq: 0, ended: false, gone: new AbortController().signal });
  const [pid = 0] = first.pids;
  process.kill(pid, "SIGSTOP");
  const { ref } = await second.submit({ ...asked, spec, token: "stopped" });
  clouds.server.faults.release(held.id);
  process.kill(pid, "SIGCONT");
  assert.deepEqual((await late).ref, ref, "the late one finds the job of the other");
  assert.equal(clouds.server.world.list(subject.fake).length, 1);
  await Promise.all([first.close(), second.close()]);
});

test("a cluster is believed by the authority of its kubeconfig, and by nothing else", { timeout: 60_000 }, async () => {
  await using clouds = await openClouds({ tls: serverTls });
  const write = (name: string, cluster: object) => {
    const file = join(folder, name);
    const content = {
      "current-context": "c",
      contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
      clusters: [{ name: "c", cluster: { server: clouds.url, ...cluster } }],
      users: [{ name: "u", user: { token: testToken } }],
    };
    writeFileSync(file, JSON.stringify(content));
    return { service: "kubernetes", kubeconfig: file };
  };
  const trackers = start({
    good: write("good", { "certificate-authority-data": Buffer.from(authority).toString("base64") }),
    none: write("none", {}),
    careless: write("careless", { "insecure-skip-tls-verify": true }),
  });
  const look = async (connection: string) => {
    const [result] = await trackers.poll({ service: "kubernetes", connection, refs: [{ name: "nobody" }] });
    assert.ok(result !== undefined);
    return "observation" in result ? result.observation.phase : result.failure.fault;
  };
  assert.deepEqual([await look("good"), await look("none"), await look("careless")], ["gone", "transient", "gone"]);
  await trackers.close();
});

test("a URL of a task's reaches nothing inside where that is not allowed", { timeout: 60_000 }, async () => {
  await using clouds = await openClouds();
  const trackers = start({ open: { service: "http", private: true } });
  const refs = [{ url: `${clouds.url}/jobs/x`, statuses: { succeeded: ["completed"] } }];
  const [refused] = await trackers.poll({ service: "http", connection: null, refs });
  assert.ok(refused !== undefined && "failure" in refused);
  assert.equal(refused.failure.code, "refused_address");
  assert.equal(clouds.server.calls.list({}).length, 0);
  const [allowed] = await trackers.poll({ service: "http", connection: "open", refs });
  assert.ok(allowed !== undefined && "observation" in allowed);
  await trackers.close();
});

test("a query's first rows are in its result", { timeout: 60_000 }, async () => {
  await using clouds = await openClouds({ clock: new HeldClock() });
  signInAtFakes(clouds.url);
  const trackers = start({ bigquery: { project: "shop", location: "EU", baseUrl: clouds.url } });
  const fields = [
    { name: "day", type: "DATE" },
    { name: "flights", type: "INTEGER" },
  ];
  const script = {
    timeline: [{ afterMs: 0, phase: "succeeded" as const }],
    result: { fields, rows: [["2026-01-01", "12"]] },
  };
  clouds.server.world.addRule({ id: "r", match: { service: "bigquery" }, script });
  const asked = {
    service: "bigquery",
    connection: null,
    spec: { sql: "SELECT day, flights FROM f", rows: 10 },
    token: "rows",
  };
  const { ref } = await trackers.submit({ ...asked, spec: (await trackers.prepare(asked)).spec });
  const [result] = await trackers.poll({ service: "bigquery", connection: null, refs: [ref] });
  assert.ok(result !== undefined && "observation" in result);
  const { rows } = result.observation.result as { rows: Json };
  assert.deepEqual(rows, [{ day: "2026-01-01", flights: 12 }]);
  await trackers.close();
});
