// Real tracker processes. Faults to catch: the node's secrets in a tracker process (P8), or one user's in another's; a tracker in a loop,
// dead, or talking nonsense that harms another service's jobs; a hung endpoint that holds up another; a tracker process that outlives its
// node; a watch that is forgotten when the process dies.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Json, type PollResult, TrackingError } from "@holdfast/protocol";
import { TrackerProcesses, type TrackerProcessesOptions } from "./client.ts";
import { LocalService } from "./service.fixture.ts";

const fixtures = fileURLToPath(new URL("./fixtures", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "holdfast-trackers-"));
after(() => rmSync(folder, { recursive: true }));

function start(options: Partial<TrackerProcessesOptions> = {}): TrackerProcesses {
  const connections = {
    farm: { service: "render", module: "render.ts", folder, env: ["RENDER_KEY"] },
    ...options.connections,
  };
  const trackers = new TrackerProcesses({ projectRoot: fixtures, mock: true, ...options, connections });
  after(() => trackers.close());
  return trackers;
}

const farm = { service: "render", connection: "farm" };
const http = { service: "http", connection: null };
const mock = (name: string) => ({ url: `mock://${name}`, statuses: { succeeded: ["x"] } });

function word(result: PollResult | undefined): string {
  if (result === undefined) return "nothing";
  return "observation" in result ? result.observation.phase : `${result.failure.fault} ${result.failure.code}`;
}

async function failure(asked: Promise<unknown>): Promise<string> {
  const error = await asked.then(
    () => undefined,
    (one: unknown) => one,
  );
  assert.ok(error instanceof TrackingError, String(error));
  return `${error.failure.fault} ${error.failure.code}${error.failure.undecided === true ? " undecided" : ""}`;
}

async function becomes(holds: () => boolean): Promise<void> {
  while (!holds()) await pause(10);
}

describe("a tracker process", { timeout: 120_000 }, () => {
  test("is asked for jobs of known services, and has none of the node's secrets", async () => {
    Object.assign(process.env, {
      HOLDFAST_STORE: "postgres://secret",
      RENDER_KEY: "render",
      OTHER_KEY: "other",
      KUBECONFIG: "/none",
    });
    const trackers = start();
    const results = await trackers.poll({ ...http, refs: [mock("success"), mock("failed")] });
    assert.deepEqual(results.map(word), ["succeeded", "failed"]);
    const [pid] = trackers.pids;
    const [result] = await trackers.poll({ ...farm, refs: [{ name: "environment" }] });
    assert.ok(result !== undefined && "observation" in result);
    const environment = result.observation.result as Readonly<Record<string, string>>;
    assert.equal(environment.RENDER_KEY, "render");
    for (const name of ["HOLDFAST_STORE", "OTHER_KEY", "KUBECONFIG"]) assert.equal(environment[name], undefined, name);
    assert.equal(trackers.pids.length, 2, "the user's tracker has a process of its own");
    const own = await import("node:fs").then(({ readFileSync }) => readFileSync(`/proc/${pid}/environ`, "utf8"));
    assert.match(own, /KUBECONFIG=/);
    assert.doesNotMatch(own, /HOLDFAST_STORE|RENDER_KEY|OTHER_KEY/);
  });

  test("runs a tracker of the user's own: it submits, polls, and what it does not know is said", async () => {
    const trackers = start();
    const prepared = await trackers.prepare({ ...farm, spec: { name: "mine" }, token: "r1" });
    assert.deepEqual(prepared, {
      ...{ submission: "token", spec: { name: "mine" }, settleMs: 0 },
      job: { ref: { name: "r1" }, externalId: '{"name":"r1"}', links: [], group: '{"name":"r1"}' },
    });
    const job = await trackers.submit({ ...farm, spec: prepared.spec, token: "r1" });
    assert.deepEqual(job, prepared.job);
    assert.deepEqual((await trackers.poll({ ...farm, refs: [job.ref] })).map(word), ["running"]);
    writeFileSync(join(folder, "r1"), "succeeded");
    assert.deepEqual((await trackers.poll({ ...farm, refs: [job.ref] })).map(word), ["succeeded"]);
    assert.equal(await trackers.cancel({ ...farm, ref: job.ref }), "unsupported");
    assert.equal(await failure(trackers.find({ ...farm, spec: {}, token: "r1" })), "permanent invalid_spec");
    assert.equal(
      await failure(trackers.prepare({ ...farm, spec: { name: 7 }, token: "r2" })),
      "permanent invalid_spec",
    );
    assert.deepEqual((await trackers.poll({ ...farm, refs: [{ nom: 1 }] })).map(word), ["permanent invalid_ref"]);
  });

  // The fault: the process that is asked knows its own connections alone.
  test("is not asked through a connection that is not there: the error says which ones are", async () => {
    const trackers = start({ connections: { bq: { service: "bigquery" } } });
    const told = async (asked: { service: string; connection: string | null }) => {
      const error = await trackers.adopt({ ...asked, ref: {} }).catch((one: unknown) => one);
      assert.ok(error instanceof TrackingError, String(error));
      return `${error.failure.code}: ${error.message} ${error.failure.hint}`;
    };
    assert.equal(
      await told({ service: "render", connection: "frm" }),
      'unknown_connection: There is no connection "frm". Did you mean "farm"?',
    );
    assert.equal(
      await told({ service: "render", connection: null }),
      'unknown_connection: Jobs of render go through a connection that has to be named. Say connection: "farm", or call the connection "render".',
    );
  });

  // The fault: a job that runs ends by a mistake in one node's configuration.
  test("of a connection that is not there any more, a job that runs waits for it to be mended", async () => {
    const trackers = start();
    for (const connection of ["frm", "gone"]) {
      const asked = { service: "http", connection };
      assert.equal(await failure(trackers.poll({ ...asked, refs: [mock("success")] })), "transient unknown_connection");
      assert.equal(await failure(trackers.cancel({ ...asked, ref: {} })), "transient unknown_connection");
    }
  });

  // The fault: one message would have to carry them, no process becomes ready any more, and no job of any service is looked at.
  test("is told what to watch, and answers, in as many messages as it takes", async () => {
    const trackers = start();
    const body = "x".repeat(250 * 1024);
    const refs = Array.from({ length: 140 }, (_, n) => ({ ...mock(`success${n}`), body, method: "POST" as const }));
    trackers.watch({ ...http, onObservation: () => undefined, onWatched: () => undefined }).add(refs);
    const results = await trackers.poll({ ...http, refs: refs.slice(0, 2) });
    assert.deepEqual(results.map(word), ["succeeded", "succeeded"]);
    const large = Array.from({ length: 140 }, () => ({ name: "large" }));
    const answers = await trackers.poll({ ...farm, refs: large });
    assert.deepEqual([answers.length, new Set(answers.map(word))], [140, new Set(["running"])]);
  });

  test("survives what a tracker throws, leaves behind and answers in nonsense", async () => {
    const trackers = start();
    writeFileSync(join(folder, "steady"), "running");
    writeFileSync(join(folder, "stray"), "running");
    const poll = async (name: string) => word((await trackers.poll({ ...farm, refs: [{ name }] }))[0]);
    assert.equal(await poll("throw"), "transient tracker_fault");
    assert.equal(await poll("nonsense"), "transient malformed_answer");
    assert.equal(await poll("stray"), "running");
    assert.equal(await poll("steady"), "running");
    const [pid] = trackers.pids;
    assert.equal(await poll("stray"), "running");
    assert.deepEqual(trackers.pids, [pid]);
  });

  test("that dies fails what was under way as something that passes, and is started again", async () => {
    const trackers = start();
    writeFileSync(join(folder, "steady"), "running");
    assert.equal(await failure(trackers.poll({ ...farm, refs: [{ name: "exit" }] })), "transient tracker_process");
    assert.deepEqual((await trackers.poll({ ...farm, refs: [{ name: "steady" }] })).map(word), ["running"]);
    const looping = failure(trackers.poll({ ...farm, refs: [{ name: "loop" }] }));
    for (const pid of trackers.pids) process.kill(pid, "SIGKILL");
    assert.equal(await looping, "transient tracker_process");
    // Dying again and again it is given more and more time.
    const error = await trackers.poll({ ...farm, refs: [{ name: "steady" }] }).catch((one: unknown) => one);
    assert.ok(error instanceof TrackingError && (error.failure.retryAfterMs ?? 0) > 0, String(error));
  });

  test("in a loop is ended, while other services go on being asked", async () => {
    const warnings: string[] = [];
    const trackers = start({ silenceMs: 5_000, log: (_level, text) => warnings.push(text) });
    writeFileSync(join(folder, "steady"), "running");
    await trackers.poll({ ...farm, refs: [{ name: "steady" }] });
    const [pid] = trackers.pids;
    await trackers.adopt({ ...http, ref: mock("success") });
    const looping = failure(trackers.poll({ ...farm, refs: [{ name: "loop" }] }));
    assert.deepEqual((await trackers.poll({ ...http, refs: [mock("success")] })).map(word), ["succeeded"]);
    assert.equal(await looping, "transient tracker_process");
    await becomes(() => !existsSync(`/proc/${pid}`));
    assert.ok(warnings.some((text) => /does not answer any more/.test(text)));
    assert.deepEqual((await trackers.poll({ ...farm, refs: [{ name: "steady" }] })).map(word), ["running"]);
  });

  test("with an endpoint that hangs answers for all others meanwhile", async () => {
    const local = await LocalService.start(({ path }) => (path === "/hangs" ? "hang" : { body: { status: "ok" } }));
    after(() => local.close());
    const trackers = start({ connections: { http: { private: true } } });
    const ref = (path: string) => ({ url: `${local.url}${path}`, statuses: { succeeded: ["ok"] } });
    const hanging = failure(trackers.poll({ ...http, refs: [ref("/hangs")] }));
    const others = Array.from({ length: 100 }, (_, n) => trackers.poll({ ...http, refs: [ref(`/${n}`)] }));
    const results = await Promise.all(others);
    assert.ok(results.every(([one]) => word(one) === "succeeded"));
    await trackers.close();
    assert.match(await hanging, /^transient/);
  });

  test("says of a module that cannot be loaded what is wrong, and no job fails by it", async () => {
    const warnings: string[] = [];
    const connections = { late: { service: "late", module: "broken.ts" } };
    const trackers = start({ connections, log: (_level, text) => warnings.push(text) });
    const asked = { service: "late", connection: "late" };
    const error = await trackers.poll({ ...asked, refs: [{}] }).catch((one: unknown) => one);
    assert.ok(error instanceof TrackingError);
    assert.deepEqual([error.failure.fault, error.failure.code], ["transient", "tracker_broken"]);
    assert.match(error.failure.message, /it was not finished/);
    assert.ok(warnings.some((text) => /cannot be loaded/.test(text)));
  });

  test("ends with its node, however that ends", async () => {
    const supervisor = join(fixtures, "supervisor.ts");
    const node = spawn(process.execPath, ["--conditions=@holdfast/source", supervisor], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [said] = await new Promise<Buffer[]>((resolve) =>
      node.stdout.once("data", (bytes: Buffer) => resolve([bytes])),
    );
    const pid = Number(said?.toString());
    after(() => node.kill("SIGKILL"));
    assert.ok(existsSync(`/proc/${pid}`));
    process.kill(pid, "SIGSTOP"); // so that it does not hear that its channel is closed
    node.kill("SIGKILL");
    await becomes(() => !existsSync(`/proc/${pid}`));
  });
});

test("a watch goes on over the death of its process, and says when it does not stand", {
  timeout: 60_000,
}, async () => {
  const trackers = start();
  const heard: string[] = [];
  let changed: () => void = () => undefined;
  const hears = async (count: number) => {
    while (heard.length < count) {
      await new Promise<void>((resolve) => {
        changed = resolve;
      });
    }
  };
  const note = (text: string) => {
    heard.push(text);
    changed();
  };
  const nameOf = (ref: Json) => (ref as { name: string }).name;
  const watch = trackers.watch({
    ...farm,
    onObservation: (ref, { rawStatus }) => note(`${nameOf(ref)} ${rawStatus}`),
    onWatched: (ref, watched) => note(`${nameOf(ref)} ${watched ? "stands" : "lost"}`),
  });
  watch.add([{ name: "w1" }]);
  await hears(2);
  assert.deepEqual(heard.splice(0), ["w1 stands", "w1 watched"]);
  for (const pid of trackers.pids) process.kill(pid, "SIGKILL");
  await hears(1);
  assert.deepEqual(heard.splice(0), ["w1 lost"]);
  watch.add([{ name: "w2" }]);
  await hears(4);
  assert.deepEqual(heard.splice(0).sort(), ["w1 stands", "w1 watched", "w2 stands", "w2 watched"]);
  watch.close();
  watch.remove([{ name: "w1" }]);
});
