import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { startClouds } from "./remote.ts";
import { testToken } from "./tokens.ts";

// Faults to catch: a fake that forgets, when it is killed, a job whose answer a caller has seen, or who called; one that
// makes a second job for a name that it knew before; a callback that is sent to nobody, or once instead of twice.

const authorization = `Bearer ${testToken}`;

function query(jobId: string, more: object = {}): RequestInit {
  const body = JSON.stringify({ jobReference: { jobId }, configuration: { query: { query: "SELECT 1" }, ...more } });
  return { method: "POST", headers: { authorization, "content-type": "application/json" }, body };
}

test("fakes that are killed and started again know their jobs, scripts, tokens and calls", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "hf-clouds-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const flags = ["--clock", "held", "--journal", join(folder, "journal")];
  const first = await startClouds(...flags);
  t.after(() => first.kill());
  const timeline = [{ afterMs: 0, phase: "running" } as const, { afterMs: 3_600_000, phase: "succeeded" } as const];
  await first.remote.script({ text: "nightly" }, { timeline });
  const jobs = `${first.url}/bigquery/v2/projects/p/jobs`;
  assert.equal((await fetch(jobs, query("nightly"))).status, 200);
  const token = (await (
    await fetch(`${first.url}/computeMetadata/v1/instance/service-accounts/default/token`, {
      headers: { "metadata-flavor": "Google" },
    })
  ).json()) as { access_token: string };
  const heldMs = await first.remote.advance(60_000);
  await first.remote.fault({ text: "unheard" }, { kind: "lost" });
  await assert.rejects(fetch(jobs, query("unheard")));
  await first.kill();

  await using second = await startClouds(...flags);
  assert.equal(await second.remote.advance(0), heldMs);
  const again = `${second.url}/bigquery/v2/projects/p/jobs`;
  assert.equal((await fetch(again, query("nightly"))).status, 409);
  assert.equal((await fetch(again, query("unheard"))).status, 409);
  assert.equal((await fetch(again, query("other"))).status, 200);
  const known = await second.remote.jobs();
  assert.deepEqual(
    known.map(({ key, submissions }) => [key, submissions]),
    [
      ["p:US.nightly", 2],
      ["p:US.unheard", 2],
      ["p:US.other", 1],
    ],
  );
  const inserts = await second.remote.calls({ operation: "jobs.insert" });
  assert.deepEqual(
    inserts.map(({ outcome, made }) => [outcome, made ?? false]),
    [
      [200, true],
      ["lost", true],
      [409, false],
      [409, false],
      [200, true],
    ],
  );
  await second.remote.advance(3_600_000 - 60_000);
  const nightly = await fetch(`${again}/nightly`, { headers: { authorization: `Bearer ${token.access_token}` } });
  assert.equal(nightly.status, 401, "the token was good for an hour");
  const { status } = (await (await fetch(`${again}/nightly`, { headers: { authorization } })).json()) as {
    status: { state: string };
  };
  assert.equal(status.state, "DONE");
  const totals = await second.remote.totals();
  assert.equal(totals["bigquery jobs.insert"], 5);
  assert.ok(readFileSync(join(folder, "journal"), "utf8").split("\n").length < 40, "the journal was begun anew");
});

test("a callback is posted when its job ends, as often as it is asked for, whatever it is answered with", async (t) => {
  const got: { body: unknown; token: string | undefined }[] = [];
  const receiver = createServer((request, response) => {
    let text = "";
    request.setEncoding("utf8").on("data", (part: string) => {
      text += part;
    });
    request.on("end", () => {
      got.push({ body: JSON.parse(text), token: request.headers.authorization });
      response.writeHead(got.length === 1 ? 503 : 204).end();
    });
  });
  const listening = Promise.withResolvers<void>();
  receiver.listen(0, "127.0.0.1", () => listening.resolve());
  await listening.promise;
  t.after(() => receiver.close());
  const address = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/callback`;

  await using clouds = await startClouds("--clock", "held");
  const { remote, url } = clouds;
  const callback = { url: address, times: 2, headers: { authorization: "Bearer once" } };
  await remote.script({ text: "told" }, { callback });
  const headers = { "content-type": "application/json" };
  await fetch(`${url}/jobs`, { method: "POST", headers, body: JSON.stringify({ id: "told" }) });
  await fetch(`${url}/jobs`, { method: "POST", headers, body: JSON.stringify({ id: "asks", callback_url: address }) });
  await remote.turn({ service: "http", key: "told" }, { phase: "failed", message: "No disk." });
  assert.deepEqual(
    (await remote.deliveries(2)).map(({ outcome }) => outcome),
    [503, 204],
  );
  await remote.turn({ service: "http", key: "asks" }, { phase: "succeeded" });
  await remote.callBack({ url: address, body: { any: "thing" } });
  assert.equal((await remote.deliveries(4)).length, 4);
  const told = { body: { job: "told", status: "failed", message: "No disk." }, token: "Bearer once" };
  assert.deepEqual(got.slice(0, 2), [told, told]);
  const others = got
    .slice(2)
    .map(({ body }) => JSON.stringify(body))
    .toSorted();
  assert.deepEqual(others, ['{"any":"thing"}', '{"job":"asks","status":"succeeded"}']);
});

test("calls without a token are admitted where that is said, and it ends with the process that started it", async () => {
  await using strict = await startClouds();
  assert.equal((await fetch(`${strict.url}/bigquery/v2/projects/p/jobs`)).status, 401);
  const main = join(import.meta.dirname, "main.ts");
  const child = spawn(process.execPath, [main, "--port", "0", "--anonymous", "--with-parent", "--quiet"]);
  const [url] = await once(createInterface({ input: child.stdout }), "line");
  assert.equal((await fetch(`${url}/bigquery/v2/projects/p/jobs`)).status, 200);
  const exited = once(child, "exit");
  child.stdin.end();
  assert.deepEqual(await exited, [0, null]);
});

test("a port that is taken is named, with the remedy", async () => {
  await using clouds = await startClouds();
  const { port } = new URL(clouds.url);
  const main = join(import.meta.dirname, "main.ts");
  const { status, stderr } = spawnSync(process.execPath, [main, "--port", port], { encoding: "utf8" });
  assert.deepEqual(
    [status, stderr.trim()],
    [1, `Port ${port} is taken. Name another with --port, or 0 for any that is free.`],
  );
});

test("wrong flags are refused with how to use it", () => {
  const main = join(import.meta.dirname, "main.ts");
  const { status, stderr } = spawnSync(process.execPath, [main, "--clock", "slow"], { encoding: "utf8" });
  assert.equal(status, 2);
  assert.match(stderr, /wall or held, not 'slow'/);
  assert.match(stderr, /--journal FILE/);
});
