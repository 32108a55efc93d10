import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultRetry, isAppError, type Json } from "@holdfast/protocol";
import { HttpPlane } from "@holdfast/sdk/client";
import { silentLog } from "../log.ts";
import { serve } from "../main.ts";
import { openMemoryStore } from "../store/memory/memory-store.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { buildApi } from "./server.ts";

// Faults to catch: a key that no path leads to; a write into what is not there; a repeated request that writes twice; a value that is let
// through here and nowhere else; a value in an error.

const task = {
  ...{ kind: "task", id: "sales/load", executor: "typescript", source: { module: "tasks/load.ts", export: "load" } },
  ...{ queue: "default", priority: 0, retry: defaultRetry, placement: "process", isolation: "pool" },
  ...{ reads: [], writes: [] },
};
const manifest = { format: 1, root: task.id, definitions: { [task.id]: task }, assets: {} };
const base = `/v1/tasks/${encodeURIComponent("sales/load")}/state`;

interface Said {
  readonly status: number;
  readonly json: { readonly [key: string]: Json };
}

async function open() {
  const clock = new VirtualClock();
  const services = serve(openMemoryStore({ clock }), { clock, pollMs: 50 });
  const api = buildApi(services, { host: "127.0.0.1", port: 0, version: "0.0.0", log: silentLog });
  const ask = async (
    method: "GET" | "POST" | "PUT" | "DELETE",
    url: string,
    body?: unknown,
    key?: string,
  ): Promise<Said> => {
    const answer = await api.inject({
      ...{ method, url },
      headers: {
        host: "localhost",
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(key === undefined ? {} : { "idempotency-key": key }),
      },
      ...(body === undefined ? {} : { payload: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    return { status: answer.statusCode, json: answer.json() as Said["json"] };
  };
  await ask("POST", "/v1/definitions", { manifests: [manifest] });
  const started = await ask("POST", "/v1/runs", { definition: task.id, input: {} });
  const run = String((started.json.run as { id: string }).id);
  const code = ({ json }: Said) => (json.error as { code: string } | undefined)?.code;
  return { ask, run, code, clock, services, api };
}

const noObjects = { swept: 0, bytes: 0, unknown: 0 };

test("values are put, read, listed page by page and deleted under any key, of runs and of tasks", async () => {
  const { ask, run, code } = await open();
  for (const place of [base, `/v1/runs/${run}/state`]) {
    for (const key of ["a", "b/c", "ä€😀 %", "x".repeat(512), "€".repeat(512)]) {
      const path = `${place}/${encodeURIComponent(key)}`;
      assert.deepEqual((await ask("GET", path)).status, 404);
      assert.deepEqual((await ask("PUT", path, { value: null })).json, {
        version: (await ask("GET", path)).json.version ?? 0,
      });
      const { json } = await ask("GET", path);
      assert.deepEqual([json.key, json.value, json.writer, json.expiresAt], [key, null, null, null]);
    }
    const first = await ask("GET", `${place}?limit=3`);
    assert.deepEqual((first.json.use as { keys: number }).keys, 5);
    const rest = await ask("GET", `${place}?limit=3&after=${encodeURIComponent(String(first.json.cursor))}`);
    assert.deepEqual(
      [(first.json.values as Json[]).length, (rest.json.values as Json[]).length, rest.json.cursor],
      [3, 2, null],
    );
    assert.deepEqual((await ask("DELETE", `${place}/b%2Fc`)).json, { version: 0, changed: true });
    assert.deepEqual((await ask("DELETE", `${place}/b%2Fc`)).json, { version: 0, changed: false });
    assert.equal(code(await ask("GET", `${place}/b%2Fc`)), "not_found");
    assert.deepEqual((await ask("DELETE", `${place}?prefix=x`)).json, { cleared: 1 });
    assert.deepEqual((await ask("DELETE", place)).json, { cleared: 3 });
  }
});

test("nothing is written into what is not there, and no body that is not as it has to be", async () => {
  const { ask, run, code } = await open();
  for (const place of ["/v1/runs/00000000000000000000/state", "/v1/tasks/nobody/state"]) {
    assert.equal(code(await ask("PUT", `${place}/a`, { value: 1 })), "not_found");
    assert.equal(code(await ask("GET", `${place}/a`)), "not_found");
    assert.equal(code(await ask("GET", place)), "not_found");
    assert.equal(code(await ask("POST", place, { ops: [{ op: "clear" }] })), "not_found");
  }
  const path = `/v1/runs/${run}/state/a`;
  for (const body of [
    {},
    { value: 1, more: 2 },
    { value: 1, retentionMs: 0 },
    { value: 1, retentionMs: "7d" },
    { value: 1, retentionMs: 1e15 },
  ]) {
    assert.equal(code(await ask("PUT", path, body)), "invalid_request", JSON.stringify(body));
  }
  for (const text of [
    '{"value":NaN}',
    '{"value":Infinity}',
    '{"value":[1e999]}',
    '{"value":"a\\u0000"}',
    '{"value":"\\ud800"}',
  ]) {
    assert.equal(code(await ask("PUT", path, text)), "invalid_request", text);
  }
  assert.equal(code(await ask("PUT", `/v1/runs/${run}/state/${"x".repeat(513)}`, { value: 1 })), "invalid_request");
  assert.equal(code(await ask("PUT", path, { value: "x".repeat(65_536) })), "limit_exceeded");
  const ops = [{ op: "set", scope: { kind: "watermark", id: "orders" }, key: "a", value: 1 }];
  assert.equal(code(await ask("POST", `/v1/runs/${run}/state`, { ops })), "invalid_request");
  assert.deepEqual((await ask("GET", `/v1/runs/${run}/state`)).json.values, []);
});

test("changes of several scopes are made together or not at all, and an error names the key and not the value", async () => {
  const { ask, run, code } = await open();
  const place = `/v1/runs/${run}/state`;
  const increment = { op: "increment", key: "n", by: 2, scope: { kind: "task", id: "sales/load" } };
  const done = await ask("POST", place, {
    ops: [{ op: "set", key: "a", value: "hunter2" }, increment, { op: "append", key: "l", value: 1 }],
  });
  assert.deepEqual(
    (done.json.results as { version: number }[]).map(({ version }) => version),
    [1, 1, 1],
  );
  const refused = await ask("POST", place, { ops: [increment, { op: "increment", key: "a", by: 1 }] });
  assert.equal(code(refused), "state_mismatch");
  const conflict = await ask("PUT", `${place}/a`, { value: 1, ifVersion: 7 });
  assert.deepEqual([conflict.status, code(conflict)], [409, "state_conflict"]);
  for (const { json } of [refused, conflict]) {
    assert.match(JSON.stringify(json), /\\"a\\" of run /);
    assert.ok(!JSON.stringify(json).includes("hunter2"));
  }
  assert.equal((await ask("GET", `${base}/n`)).json.value, 2);
});

test("a request with an Idempotency-Key is carried out once and answered alike; the same key for something else is refused", async () => {
  const { ask, code } = await open();
  const increment = { ops: [{ op: "increment", key: "n", by: 1 }] };
  const first = await ask("POST", base, increment, "k");
  assert.deepEqual(await ask("POST", base, increment, "k"), first);
  assert.equal((await ask("GET", `${base}/n`)).json.value, 1);
  assert.equal(code(await ask("POST", base, { ops: [{ op: "increment", key: "n", by: 2 }] }, "k")), "request_conflict");
  await ask("PUT", `${base}/a`, { value: 1 }, "put");
  await ask("PUT", `${base}/a`, { value: 1 }, "put");
  assert.equal((await ask("GET", `${base}/a`)).json.version, 1);
  assert.deepEqual((await ask("DELETE", `${base}?prefix=a`, undefined, "clear")).json, { cleared: 1 });
  assert.deepEqual((await ask("DELETE", `${base}?prefix=a`, undefined, "clear")).json, { cleared: 1 });
  assert.equal(code(await ask("DELETE", `${base}?prefix=n`, undefined, "clear")), "request_conflict");
});

test("what has expired is not there for anybody, a sweep shows it and deletes it in batches, and the rest stays", async () => {
  const { ask, code, clock, services } = await open();
  for (const key of ["1", "2", "3", "4", "5"]) await ask("PUT", `${base}/${key}`, { value: 1, retentionMs: 60_000 });
  await ask("PUT", `${base}/fresh`, { value: 1, retentionMs: 600_000 });
  await clock.advanceMs(61_000, async () => undefined);
  assert.equal(code(await ask("GET", `${base}/1`)), "not_found");
  const preview = await ask("POST", "/v1/state/sweep", { preview: true });
  assert.deepEqual([preview.json.swept, (preview.json.expired as Json[]).length], [0, 5]);
  const swept: Json[] = [];
  for (let batch = 0; batch < 3; batch++) {
    const { json } = await ask("POST", "/v1/state/sweep", { limit: 2 });
    swept.push([json.swept ?? null, json.more ?? null]);
  }
  assert.deepEqual(swept, [
    [2, true],
    [2, true],
    [1, false],
  ]);
  assert.deepEqual(
    (await services.state.list({ kind: "task", id: "sales/load" }, {})).values.map(({ key }) => key),
    ["fresh"],
  );
});

test("a person's clear leaves the version of the schema that what is written next is of", async () => {
  const { services } = await open();
  const target = { kind: "task", id: "sales/load" } as const;
  await services.state.change(target, [
    { op: "set", key: "holdfast.version", value: 3 },
    { op: "set", key: "a", value: 1 },
  ]);
  assert.deepEqual(await services.state.clear(target, undefined), { cleared: 1 });
  assert.deepEqual(
    (await services.state.list(target, {})).values.map(({ key, value }) => [key, value]),
    [["holdfast.version", 3]],
  );
});

test("a client over a socket sees and changes the same, under keys that a path cannot say as they are", async () => {
  const { api, run } = await open();
  const { state } = new HttpPlane({ server: await api.listen() });
  const target = { kind: "run", id: run.slice(0, 12) } as const;
  for (const key of [".", "..", "a/../b", "%2F", "?x=1#y", "ä€😀"]) {
    await assert.rejects(state.get(target, key), (error) => isAppError(error, "not_found"));
    const { results } = await state.change(target, [{ op: "set", key, value: [key], ifVersion: 0 }]);
    assert.deepEqual(results, [{ version: 1 }]);
    assert.deepEqual((await state.get(target, key)).value, [key]);
  }
  const again = state.change(target, [{ op: "set", key: ".", value: 1, ifVersion: 0 }]);
  await assert.rejects(again, (error) => isAppError(error, "state_conflict"));
  const { values, cursor } = await state.list(target, { limit: 5 });
  assert.deepEqual([values.length, cursor], [5, values.at(-1)?.key]);
  assert.deepEqual(await state.clear(target, "."), { cleared: 2 });
  assert.deepEqual(await state.clear(target), { cleared: 4 });
  assert.deepEqual(await state.sweep({ preview: true }), { swept: 0, more: false, objects: noObjects, expired: [] });
  await api.close();
});

test("a value's tag is its version: conditions on it hold for changes, and who has what there is gets no more", async () => {
  const { api, ask, services } = await open();
  const path = `${base}/a`;
  const send = async (method: "GET" | "PUT" | "DELETE", headers: Record<string, string>, body?: object) => {
    const json = body === undefined ? {} : { "content-type": "application/json" };
    const payload = body === undefined ? {} : { payload: JSON.stringify(body) };
    const answer = await api.inject({
      method,
      url: path,
      headers: { host: "localhost", ...json, ...headers },
      ...payload,
    });
    return [answer.statusCode, answer.headers.etag ?? null];
  };
  const put = (headers: Record<string, string>, value: Json = 1) => send("PUT", headers, { value });
  for (const header of ['"1"', "*", '"1", "2"'])
    assert.deepEqual(await put({ "if-match": header }), [412, null], header);
  assert.deepEqual(await put({ "if-none-match": "*" }), [200, '"1"']);
  assert.deepEqual(await put({ "if-none-match": "*" }), [412, null]);
  assert.deepEqual(await put({ "if-match": '"1"' }, 2), [200, '"2"']);
  assert.deepEqual(await put({ "if-match": '"1"' }, 3), [412, null]);
  assert.deepEqual(await put({ "if-match": 'W/"2"' }, 3), [412, null]);
  assert.deepEqual(await put({ "if-match": '"1", "2"' }, 3), [200, '"3"']);
  assert.deepEqual(await put({ "if-match": "*" }, 4), [200, '"4"']);
  assert.deepEqual(await send("GET", {}), [200, '"4"']);
  assert.deepEqual(await send("GET", { "if-none-match": '"3", W/"4"' }), [304, '"4"']);
  assert.deepEqual(await send("GET", { "if-none-match": '"3"' }), [200, '"4"']);
  for (const headers of [
    { "if-match": "4" },
    { "if-none-match": '"4"' },
    { "if-match": '"4"', "if-none-match": "*" },
  ] as Record<string, string>[]) {
    assert.deepEqual(await put(headers), [400, null], JSON.stringify(headers));
  }
  assert.deepEqual(await send("PUT", { "if-match": '"4"' }, { value: 1, ifVersion: 4 }), [400, null]);
  assert.deepEqual(await send("DELETE", { "if-match": '"3"' }), [412, null]);
  // What a key has done is done once, under its condition.
  const once = { "idempotency-key": "k", "if-match": '"4"' };
  assert.deepEqual(await put(once, 5), [200, '"5"']);
  assert.deepEqual(await put(once, 5), [200, '"5"']);
  assert.deepEqual(await put({ ...once, "if-match": '"5"' }, 5), [409, null]);
  assert.deepEqual(await send("DELETE", { "if-match": '"5"' }), [200, null]);
  assert.equal((await ask("GET", path)).status, 404);
  await api.close();
  await services.close();
});

test("what people set has to fit what the task declares of its state, and the place of the mistake is named", async () => {
  const { api, services, ask, code } = await open();
  const of = (properties: Json, rest: Json = false): Json => ({
    ...{ type: "object", properties, required: Object.keys(properties as object), additionalProperties: rest },
  });
  const typed = {
    ...{
      ...task,
      id: "typed",
      state: { version: 1, schema: of({ cursor: { type: "object", properties: { at: { type: "integer" } } } }) },
    },
    taskState: {
      version: 2,
      schema: of({
        total: { $ref: "#/$defs/n" },
        name: { type: "string" },
        log: { type: "array", items: { type: "string" } },
      }),
    },
  };
  (typed.taskState.schema as { $defs?: Json }).$defs = { n: { type: "number", maximum: 10 } };
  await ask("POST", "/v1/definitions", { manifests: [{ ...manifest, root: "typed", definitions: { typed } }] });
  const run = String(
    ((await ask("POST", "/v1/runs", { definition: "typed", input: {} })).json.run as { id: string }).id,
  );
  const put = async (place: string, key: string, value: Json) => {
    const said = await ask("PUT", `${place}/state/${key}`, { value });
    return said.status === 200 ? "kept" : `${code(said)}: ${(said.json.error as { message: string }).message}`;
  };
  assert.equal(await put("/v1/tasks/typed", "total", 10), "kept");
  assert.match(await put("/v1/tasks/typed", "total", 11), /^invalid_input: .*task typed: .*total/);
  assert.match(await put("/v1/tasks/typed", "totals", 1), /^invalid_input: .*totals/);
  assert.equal(await put(`/v1/runs/${run}`, "cursor", { at: 1 }), "kept");
  assert.match(await put(`/v1/runs/${run}`, "cursor", { at: "now" }), /^invalid_input: .*cursor.*at/);
  assert.match(await put(`/v1/runs/${run}`, "total", 1), /^invalid_input: /);
  const both = { ops: [{ op: "set", key: "total", value: 1 }, { op: "set", key: "name", value: 5 }] }; // biome-ignore format: short
  assert.equal(code(await ask("POST", "/v1/tasks/typed/state", both)), "invalid_input");
  const total = await ask("GET", "/v1/tasks/typed/state/total");
  assert.equal(total.json.value, 10, "nothing of a refused change is kept");
  assert.equal(await put("/v1/tasks/typed", "holdfast.version", 2), "kept");
  const post = async (...ops: Json[]) => {
    const said = await ask("POST", "/v1/tasks/typed/state", { ops });
    return said.status === 200 ? "kept" : `${code(said)}: ${(said.json.error as { message: string }).message}`;
  };
  const by = (n: number): Json => ({ op: "increment", key: "total", by: n });
  assert.match(await post(by(1)), /^invalid_input: .*task typed: total/, "the sum is looked at");
  assert.match(await post(by(-1), by(1), by(1)), /^invalid_input: .*total/, "each sees what those before it did");
  assert.equal(await post(by(-1), by(1), { op: "delete", key: "total" }, by(10)), "kept");
  assert.equal(await post({ op: "clear" }, by(10)), "kept");
  assert.match(await post({ op: "increment", key: "totals", by: 1 }), /^invalid_input: .*totals/);
  assert.match(await post({ op: "setIfMax", key: "total", value: 11 }), /^invalid_input: .*total/);
  assert.equal(await put("/v1/tasks/typed", "log", ["a", "b"]), "kept");
  assert.match(await post({ op: "append", key: "log", value: 1 }), /^invalid_input: .*log\.2/);
  assert.equal(await post({ op: "append", key: "log", value: "c" }), "kept");
  assert.match(await post(by(-1), { op: "append", key: "name", value: "a" }), /^state_mismatch: |^invalid_input: /);
  await api.close();
  await services.close();
});

// The fault: a schema that is made anew for each change, so that each has as much time as the first.
test("a schema of state for which one value never ended has less time for the next", async () => {
  const { ask, services } = await open();
  const schema = { type: "object", properties: { name: { type: "string", pattern: "^(a+)+$" } } };
  const slow = { ...task, id: "slow", taskState: { version: 1, schema } };
  await ask("POST", "/v1/definitions", { manifests: [{ ...manifest, root: "slow", definitions: { slow } }] });
  const put = async () => (await ask("PUT", "/v1/tasks/slow/state/name", { value: `${"a".repeat(44)}!` })).json.error;
  const said = (error: Json | undefined) => (error as { message: string }).message;
  assert.match(said(await put()), /^Checking the state of "slow" took longer than 1000 ms/);
  assert.match(said(await put()), /^Checking the state of "slow" took longer than 500 ms/);
  await services.definitions.evaluator.close();
});
