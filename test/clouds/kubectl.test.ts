import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { authority, serverTls } from "./certificates/index.ts";
import { type Clouds, openClouds } from "./clouds.ts";
import { testToken } from "./tokens.ts";

// Faults to catch, seen with kubectl: discovery that it cannot read, a watch from which `wait` does not see the end, a
// refusal that it shows otherwise than a cluster's.

function findKubectl(): boolean {
  try {
    execFileSync("kubectl", ["version", "--client"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

describe("kubectl", { skip: findKubectl() ? false : "there is no kubectl" }, () => {
  let folder: string;
  let clouds: Clouds;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "hf-kubectl-"));
    // kubectl sends its token over TLS only.
    clouds = await openClouds({ tls: serverTls });
    const ca = join(folder, "ca.crt");
    writeFileSync(ca, authority);
    const config = {
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "fake", cluster: { server: clouds.url, "certificate-authority": ca } }],
      users: [{ name: "test", user: { token: testToken } }],
      contexts: [{ name: "fake", context: { cluster: "fake", user: "test", namespace: "etl" } }],
      "current-context": "fake",
    };
    writeFileSync(join(folder, "config"), JSON.stringify(config));
  });
  after(async () => {
    await clouds.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function kubectl(...args: string[]): Promise<string> {
    const own = ["--kubeconfig", join(folder, "config"), "--cache-dir", join(folder, "cache")];
    const { stdout, stderr } = await promisify(execFile)("kubectl", [...own, ...args], {
      encoding: "utf8",
      timeout: 30_000,
    });
    return stdout + stderr;
  }

  /** What kubectl makes of a command itself it sends as protobuf, which is not spoken here; what it reads from a file as JSON. */
  async function create(name: string): Promise<string> {
    const file = join(folder, `${name}.json`);
    writeFileSync(file, await kubectl("create", "job", name, "--image=busybox", "--dry-run=client", "-o", "json"));
    return kubectl("create", "-f", file);
  }

  test("makes a Job, waits for its end, reads its pod's log, and deletes it", async () => {
    assert.match(await kubectl("version"), /Server Version: v1\.32/);
    assert.match(await create("hello"), /job\.batch\/hello created/);
    assert.match(await kubectl("wait", "--for=condition=complete", "job/hello", "--timeout=20s"), /condition met/);
    assert.match(await kubectl("get", "jobs"), /hello/);
    assert.match(await kubectl("logs", "job/hello"), /succeeded/);
    assert.equal(await kubectl("get", "job", "hello", "-o", "jsonpath={.status.succeeded}"), "1");
    assert.match(await kubectl("delete", "job", "hello"), /job\.batch "hello" deleted/);
    await assert.rejects(
      kubectl("get", "job", "hello"),
      /Error from server \(NotFound\): jobs\.batch "hello" not found/,
    );
  });

  test("is refused a second Job of a name, and a field that Jobs have not", async () => {
    await create("once");
    await assert.rejects(create("once"), /\(AlreadyExists\).*jobs\.batch "once" already exists/);
    const file = join(folder, "typo.json");
    const pod = { restartPolicy: "Never", containers: [{ name: "main", image: "busybox" }] };
    const job = {
      apiVersion: "batch/v1",
      kind: "Job",
      metadata: { name: "typo" },
      spec: { backofLimit: 1, template: { spec: pod } },
    };
    writeFileSync(file, JSON.stringify(job));
    await assert.rejects(kubectl("create", "-f", file), /unknown field "spec\.backofLimit"/);
    writeFileSync(file, JSON.stringify({ ...job, spec: { template: { spec: pod } } }));
    assert.match(await kubectl("apply", "-f", file), /job\.batch\/typo created/);
  });
});
