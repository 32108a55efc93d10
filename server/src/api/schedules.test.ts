import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultRetry, errorBodySchema, type Json, type ScheduleView } from "@holdfast/protocol";
import { systemClock } from "../clock.ts";
import { silentLog } from "../log.ts";
import { serve } from "../main.ts";
import { openMemoryStore } from "../store/memory/memory-store.ts";
import { buildApi } from "./server.ts";

// Faults to catch: an id with a slash or a colon that no path leads to, a repeated start that starts twice, an action that does
// not say whether it changed anything.

const task = {
  kind: "task",
  id: "sales/load",
  executor: "typescript",
  source: { module: "tasks/load.ts", export: "load" },
  queue: "default",
  priority: 0,
  retry: defaultRetry,
  placement: "process",
  isolation: "pool",
  reads: [],
  writes: [],
};
const manifest = { format: 1, root: task.id, definitions: { [task.id]: task }, assets: {} };
const schedules = ["eu", "us"].map((name) => ({
  id: `sales/load:${name}`,
  definition: "sales/load",
  when: { cron: "0 3 * * *" },
  tz: "Europe/Berlin",
  params: { const: {} },
  catchUp: "latest",
  overlap: "skip",
  jitterMs: 0,
}));
const path = `/v1/schedules/${encodeURIComponent("sales/load:eu")}`;

function open() {
  const services = serve(openMemoryStore({ clock: systemClock }), { pollMs: 50 });
  const api = buildApi(services, { host: "127.0.0.1", port: 0, version: "0.0.0", log: silentLog });
  const headers = { host: "localhost", "content-type": "application/json" };
  const get = async (url: string) => (await api.inject({ method: "GET", url, headers })).json() as Json;
  const post = async (url: string, body: unknown = {}, more: Record<string, string> = {}) => {
    const answer = await api.inject({
      method: "POST",
      url,
      headers: { ...headers, ...more },
      payload: JSON.stringify(body),
    });
    return { status: answer.statusCode, json: answer.json() as { readonly [key: string]: Json } };
  };
  return { get, post };
}

test("schedules come with the definitions that are applied, and are listed page by page with their next ticks", async () => {
  const { get, post } = open();
  const applied = await post("/v1/definitions", { manifests: [manifest], schedules });
  assert.deepEqual(applied.json.schedules, { declared: ["sales/load:eu", "sales/load:us"], withdrawn: [] });
  const first = (await get("/v1/schedules?limit=1&next=3")) as unknown as { schedules: ScheduleView[]; cursor: string };
  assert.deepEqual([first.schedules[0]?.id, first.schedules[0]?.next.length], ["sales/load:eu", 3]);
  const rest = (await get(`/v1/schedules?cursor=${encodeURIComponent(first.cursor)}`)) as unknown as typeof first;
  assert.deepEqual([rest.schedules.map(({ id }) => id), rest.cursor], [["sales/load:us"], null]);
  assert.equal(((await get(path)) as unknown as ScheduleView).next.length, 5);
  const again = await post("/v1/definitions", { manifests: [manifest], schedules: schedules.slice(0, 1) });
  assert.deepEqual(again.json.schedules, { declared: [], withdrawn: ["sales/load:us"] });
});

test("pausing and resuming say whether they changed anything", async () => {
  const { post } = open();
  await post("/v1/definitions", { manifests: [manifest], schedules });
  const said = async (action: string) => {
    const { json } = await post(`${path}/${action}`);
    return [json.changed, (json.schedule as unknown as ScheduleView).paused];
  };
  assert.deepEqual(
    [await said("pause"), await said("pause")],
    [
      [true, true],
      [false, true],
    ],
  );
  assert.deepEqual(
    [await said("resume"), await said("resume")],
    [
      [true, false],
      [false, false],
    ],
  );
});

test("a start that is repeated with its key answers the run that it began", async () => {
  const { get, post } = open();
  await post("/v1/definitions", { manifests: [manifest], schedules });
  const start = async (key: string) => {
    const { status, json } = await post(`${path}/start`, {}, { "idempotency-key": key });
    assert.equal(status, 200);
    return json as unknown as { run: { id: string; definition: string }; existing: boolean };
  };
  const first = await start("one");
  assert.deepEqual([first.existing, first.run.definition], [false, "sales/load"]);
  assert.deepEqual([(await start("one")).run.id, (await start("one")).existing], [first.run.id, true]);
  assert.notEqual((await start("two")).run.id, first.run.id);
  assert.equal(((await get(path)) as unknown as ScheduleView).started, 2);
});

test("what there is not is told, and so is what is wrong", async () => {
  const { get, post } = open();
  const code = (json: Json) => errorBodySchema.parse(json).error.code;
  assert.equal(code(await get("/v1/schedules/nothing")), "not_found");
  assert.equal(code((await post("/v1/schedules/nothing/pause")).json), "not_found");
  assert.equal(code((await post("/v1/schedules/nothing/start")).json), "not_found");
  const wrong = [{ ...schedules[0], when: { cron: "0 3 * *" } }];
  const refused = await post("/v1/definitions", { manifests: [manifest], schedules: wrong });
  assert.deepEqual([refused.status, code(refused.json)], [422, "invalid_definition"]);
  assert.equal(
    code((await post("/v1/definitions", { manifests: [manifest], schedules: [{}] })).json),
    "invalid_request",
  );
});
