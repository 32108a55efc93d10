// Faults to catch: credentials of a kubeconfig that are read wrong or once and for ever; a pod's token that was renewed and is not read
// again; certificates that are not looked at.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { z } from "zod";
import { Cluster, callCluster, watchCluster } from "./cluster.ts";
import { readKubeconfig } from "./kubeconfig.ts";
import { ioOf, LocalService } from "./service.fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "holdfast-kube-"));
const local = await LocalService.start(() => ({ body: {} }));
after(async () => {
  rmSync(folder, { recursive: true });
  await local.close();
});

function write(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text, { mode: 0o700 });
  return file;
}

const base64 = (text: string) => Buffer.from(text).toString("base64");

function kubeconfig(users: string): string {
  return write(
    "config",
    `apiVersion: v1
kind: Config
current-context: first
contexts:
  - { name: first, context: { cluster: c, user: token, namespace: etl } }
  - { name: second, context: { cluster: c, user: certificate } }
  - { name: third, context: { cluster: c, user: plugin } }
  - { name: fourth, context: { cluster: c, user: basic } }
  - { name: fifth, context: { cluster: c, user: file } }
  - { name: nowhere, context: { cluster: missing, user: token } }
clusters:
  - name: c
    cluster: { server: "${local.url}", certificate-authority-data: ${base64("CA")}, tls-server-name: kube.internal }
users:
${users}`,
  );
}

const users = () => `  - { name: token, user: { token: t1 } }
  - { name: certificate, user: { client-certificate-data: ${base64("CERT")}, client-key: key.pem } }
  - { name: plugin, user: { exec: { apiVersion: client.authentication.k8s.io/v1, command: ./plugin.sh, args: [login], env: [{ name: WHO, value: me }] } } }
  - { name: basic, user: { username: anna, password: p } }
  - { name: file, user: { tokenFile: token.txt } }
`;

test("each way to prove oneself that a kubeconfig knows is read", async () => {
  write("key.pem", "KEY");
  write("token.txt", "t2\n");
  write(
    "plugin.sh",
    `#!/bin/sh
echo '{"kind":"ExecCredential","status":{"token":"'$1-$WHO'","expirationTimestamp":"2030-01-01T00:00:00Z"}}'`,
  );
  const file = kubeconfig(users());
  const tls = { ca: "CA", servername: "kube.internal" };
  assert.deepEqual(await readKubeconfig(file, undefined), {
    server: local.url,
    headers: { authorization: "Bearer t1" },
    tls,
    namespace: "etl",
  });
  assert.deepEqual(await readKubeconfig(file, "second"), {
    server: local.url,
    headers: {},
    tls: { ...tls, cert: "CERT", key: "KEY" },
  });
  assert.deepEqual(await readKubeconfig(file, "third"), {
    ...{ server: local.url, headers: { authorization: "Bearer login-me" }, tls },
    until: Date.parse("2030-01-01T00:00:00Z"),
  });
  assert.deepEqual((await readKubeconfig(file, "fourth")).headers, { authorization: `Basic ${base64("anna:p")}` });
  assert.deepEqual((await readKubeconfig(file, "fifth")).headers, { authorization: "Bearer t2" });
});

test("what cannot be used is said, and which of it somebody can mend outside", async () => {
  const file = kubeconfig(users());
  const fault = (context: string, at = file) =>
    readKubeconfig(at, context).then(
      () => "none",
      (error) => error.failure.fault,
    );
  assert.equal(await fault("missing"), "permanent");
  assert.equal(await fault("nowhere"), "permanent");
  assert.equal(await fault("first", join(folder, "absent")), "auth");
  write("plugin.sh", "#!/bin/sh\nexit 3");
  assert.equal(await fault("third"), "auth");
  assert.equal(await fault("first", write("broken", "clusters: [")), "auth");
});

test("a pod's own account is used in a cluster, and its token is read again when it is refused or a minute old", async () => {
  write("token", "p1\n");
  write("ca.crt", "CA");
  write("namespace", "etl");
  const cluster = new Cluster({}, { KUBERNETES_SERVICE_HOST: "10.0.0.1", KUBERNETES_SERVICE_PORT: "6443" }, folder);
  const first = await cluster.login(1_000);
  assert.deepEqual(first, {
    server: "https://10.0.0.1:6443",
    headers: { authorization: "Bearer p1" },
    tls: { ca: "CA" },
    namespace: "etl",
  });
  write("token", "p2\n");
  assert.equal((await cluster.login(2_000)).headers.authorization, "Bearer p1");
  assert.equal((await cluster.login(62_000)).headers.authorization, "Bearer p2");
  write("token", "p3\n");
  cluster.refused(63_000);
  assert.equal((await cluster.login(63_000)).headers.authorization, "Bearer p3");
});

test("a refused token is read again once within the call", async () => {
  const file = kubeconfig(users());
  local.script = ({ headers }) => {
    if (headers.authorization === "Bearer t9") return { body: { ok: 1 } };
    kubeconfig(users().replace("token: t1", "token: t9"));
    return { status: 401, body: { reason: "Unauthorized" } };
  };
  const io = ioOf({}, new Cluster({ kubeconfig: file }, {}));
  assert.deepEqual(await callCluster(io, z.unknown(), { path: "/apis" }), { ok: 1 });
});

test("a watch in which nothing is heard for too long has ended, whatever the connection says", async () => {
  local.script = (_call, response) => {
    response.writeHead(200);
    response.write('{"type":"BOOKMARK"}\n{"type":');
    return "mine";
  };
  const io = ioOf({ server: local.url }, new Cluster({ server: local.url }));
  const heard: unknown[] = [];
  const watching = async () => {
    for await (const line of watchCluster(io, { path: "/jobs", silenceMs: 100, opened: () => heard.push("open") }))
      heard.push(line);
  };
  await assert.rejects(watching, (error: { failure?: { code?: string } }) => error.failure?.code === "timeout");
  assert.deepEqual(heard, ["open", { type: "BOOKMARK" }]);
});
