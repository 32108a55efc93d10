// Faults to catch: a repeat that acts again, or is answered otherwise; another body that is answered under a key that was used; a key
// that is heeded on some paths only; a request that was cut off and forgets what it had done.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "@holdfast/protocol";
import { systemClock } from "../clock.ts";
import { silentLog } from "../log.ts";
import { type Services, serve } from "../main.ts";
import { waitingFor } from "../store/contract/jobs.fixture.ts";
import { next, World } from "../store/contract/world.contract.ts";
import { openMemoryStore } from "../store/memory/memory-store.ts";
import type { Store } from "../store/store.ts";
import { type Api, buildApi } from "./server.ts";

class Scene extends World {
  readonly services: Services;
  readonly api: Api;

  constructor(through: (store: Store) => Store = (store) => store) {
    const store = openMemoryStore({ clock: systemClock });
    super({ store, close: () => store.close() });
    this.services = serve(through(store), { namespace: "shop" });
    this.api = buildApi(this.services, { host: "127.0.0.1", port: 0, version: "0.0.0", log: silentLog });
  }

  async post(url: string, body: Json, key?: string) {
    const headers = { host: "localhost", "content-type": "application/json" };
    const answer = await this.api.inject({
      method: "POST",
      url,
      headers: key === undefined ? headers : { ...headers, "idempotency-key": key },
      payload: JSON.stringify(body),
    });
    return { status: answer.statusCode, text: answer.body, json: answer.json() };
  }

  async failed() {
    const run = await this.running();
    await this.finish(run, next.failure());
    return run;
  }
}

test("every path of control answers a repeat as it answered first, does it once, and refuses another body", async () => {
  const scene = new Scene();
  const run = (id: string) => `/v1/runs/${id}`;
  const [live, retried, cleared, marked, paused] = [
    await scene.running(),
    await scene.failed(),
    await scene.failed(),
    await scene.running(),
    await scene.enqueue({}),
  ];
  const waiting = await waitingFor(scene, ["resolved", "repeated"], { submission: "blind" });
  const [resolved, repeated] = waiting.jobs;
  const paths: readonly (readonly [path: string, body: Json, other: Json])[] = [
    [`${run(live.id)}/cancel`, { reason: "not needed", force: true }, { reason: "another" }],
    [`${run(retried.id)}/retry`, {}, { reason: "another" }],
    [`${run(cleared.id)}/clear`, { mode: "fresh" }, { mode: "resume" }],
    [`${run(marked.id)}/mark`, { status: "skipped" }, { status: "failed" }],
    [`${run(paused.id)}/pause`, { reason: "a repair" }, {}],
    [`${run(paused.id)}/resume`, {}, {}],
    ["/v1/queues/etl/pause", {}, { reason: "another" }],
    ["/v1/queues/etl/resume", {}, {}],
    ["/v1/definitions/load/pause", {}, { reason: "another" }],
    ["/v1/runs/bulk", { action: "pause", statuses: ["ready"] }, { action: "resume", statuses: ["ready"] }],
    [`/v1/external-jobs/${resolved?.id}/resolve`, { as: "lost" }, { as: "failed" }],
    [`/v1/external-jobs/${repeated?.id}/resolve`, { as: "resubmit" }, { as: "lost" }],
  ];
  const history = async () => {
    const ids = [live, retried, cleared, marked, paused, waiting.run].map(({ id }) => id);
    return Promise.all(ids.map((id) => scene.events(id)));
  };
  for (const [path, body, other] of paths) {
    const first = await scene.post(path, body, `key of ${path}`);
    assert.equal(first.status, 200, `${path}: ${first.text}`);
    const before = await history();
    const again = await scene.post(path, body, `key of ${path}`);
    assert.deepEqual([again.status, again.text], [200, first.text], path);
    assert.deepEqual(await history(), before, path);
    if (JSON.stringify(body) === JSON.stringify(other)) continue;
    const conflict = await scene.post(path, other, `key of ${path}`);
    assert.deepEqual([conflict.status, conflict.json.error.code], [409, "request_conflict"], path);
    assert.deepEqual(await history(), before, path);
  }
  const elsewhere = await scene.post(`${run(paused.id)}/pause`, {}, "key of /v1/queues/etl/pause");
  assert.equal(elsewhere.json.error.code, "request_conflict", "a path is a part of what is asked");
  const bare = await scene.post(`${run(paused.id)}/resume`, {});
  assert.equal(bare.json.changed, true, "without a key nothing is kept");
});

test("a request whose answer was lost goes on where it was, and says what all of it did", async () => {
  // The list, the plan for the first of it, its effect.
  let left = 3;
  const scene = new Scene((store) => {
    const cutOff = new Proxy(store, {
      get(target, name) {
        const verb: unknown = Reflect.get(target, name, target);
        if (typeof verb !== "function") return verb;
        if (name !== "carryOutOnce") return verb.bind(target);
        return async (args: unknown) => {
          const answer: unknown = await verb.call(target, args);
          left -= 1;
          if (left === 0) throw new Error("the node dies here");
          return answer;
        };
      },
    });
    return cutOff;
  });
  const failed = [await scene.failed(), await scene.failed(), await scene.failed()];
  const body = { action: "retry", statuses: ["failed"] };
  assert.equal((await scene.post("/v1/runs/bulk", body, "k")).status, 500);
  const done = await Promise.all(failed.map(({ id }) => scene.status(id)));
  assert.deepEqual(done.filter((status) => status === "ready").length, 1, "one of three was done");
  // That one fails once more before the request is repeated: it is not this request's to try again.
  const again = failed[done.indexOf("ready")];
  await scene.finish(await scene.activate(again?.id ?? ""), next.failure());
  const answer = await scene.post("/v1/runs/bulk", body, "k");
  assert.deepEqual(
    answer.json.runs.map(({ outcome }: { outcome: string }) => outcome),
    ["changed", "changed", "changed"],
  );
  assert.equal(await scene.status(again?.id), "failed");
});

test("a path that is nearly one names it, and a queue that nobody knows is said to be unknown", async () => {
  const scene = new Scene();
  const run = await scene.running();
  const wrong = await scene.post(`/v1/runs/${run.id}/cancle`, {});
  assert.equal(wrong.status, 404);
  assert.match(wrong.json.error.hint, new RegExp(`Did you mean /v1/runs/${run.id}/cancel\\? `));
  await scene.enqueue({ queue: "etl" });
  const typed = await scene.post("/v1/queues/elt/pause", {});
  assert.deepEqual(
    [typed.json.changed, typed.json.note],
    [true, "No definition, limit or run here has the queue elt. Did you mean etl?"],
  );
  assert.equal((await scene.post("/v1/queues/etl/pause", {})).json.note, undefined);
});
