import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../clock.ts";
import { silentLog } from "../log.ts";
import { serve } from "../main.ts";
import { callbackHash } from "../operations/job-names.ts";
import { external, jobOf, newJob, suspendOn } from "../store/contract/jobs.fixture.ts";
import { namespace, World } from "../store/contract/world.contract.ts";
import { openMemoryStore } from "../store/memory/memory-store.ts";
import { buildApi } from "./server.ts";

// Faults to catch: a one-time address that wants a token, that any secret opens, that ends a job twice, or whose secret is logged.

test("a one-time address ends its job without a token, once, and no other secret does", async () => {
  const store = openMemoryStore({ clock: systemClock });
  const lines: unknown[] = [];
  const log = { ...silentLog, error: (...said: unknown[]) => lines.push(said) } as typeof silentLog;
  const services = serve(store, { namespace });
  const api = buildApi(services, { host: "0.0.0.0", port: 0, version: "0", log, token: "0123456789abcdef0123" });
  const world = new World({ store, close: async () => {} });
  const run = await world.running();
  await suspendOn(world, run, [external(run, "scan", { callbackHash: callbackHash("s3cret") })]);
  const { id } = newJob(run, "scan");
  const call = (secret: string) =>
    api.inject({
      method: "POST",
      url: `/v1/callbacks/${id}/${secret}`,
      headers: { host: "10.0.0.1", "content-type": "application/json" },
      payload: JSON.stringify({ status: "succeeded", result: { rows: 2 } }),
    });
  assert.equal((await call("guess")).json().error.code, "not_found");
  assert.equal((await jobOf(world, id)).endedAt, null);
  const answer = await call("s3cret");
  assert.deepEqual([answer.statusCode, answer.json()], [200, { status: "succeeded" }]);
  const { status, result } = await jobOf(world, id);
  assert.deepEqual([status, result, await world.status(run.id)], ["succeeded", { rows: 2 }, "ready"]);
  assert.equal((await call("s3cret")).json().error.code, "run_ended");
  assert.equal((await api.inject({ url: "/v1/external-jobs", headers: { host: "10.0.0.1" } })).statusCode, 401);
  Object.assign(store, { findJob: () => Promise.reject(new Error("out of order")) });
  assert.equal((await call("s3cret")).statusCode, 500);
  assert.equal(lines.length, 1);
  assert.ok(!JSON.stringify(lines).includes("s3cret"), JSON.stringify(lines));
});
