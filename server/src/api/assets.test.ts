// Faults to catch: an asset that its URI does not lead to; a repeated request that tells twice; what does not fit the asset's schemas and is
// let through here; an asset that nothing declares any more and that still answers; one that is deleted though it is declared.
import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultRetry, isAppError, type Json } from "@holdfast/protocol";
import { HttpPlane } from "@holdfast/sdk/client";
import { silentLog } from "../log.ts";
import { serve } from "../main.ts";
import { openMemoryStore } from "../store/memory/memory-store.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { buildApi } from "./server.ts";

const uri = "s3://lake/sales orders";
const orders = {
  ...{ id: "sales/orders", uri },
  ...{ watermark: { type: "string" }, event: { type: "object", required: ["rows"] } },
};
const fields = {
  ...{ kind: "task", executor: "typescript", queue: "default", priority: 0, retry: defaultRetry },
  ...{ placement: "process", isolation: "pool", source: { module: "tasks/load.ts", export: "load" } },
};
const load = { ...fields, id: "load", reads: ["customers"], writes: [orders.id] };
const joined = {
  ...{ ...fields, id: "joined", reads: [orders.id], writes: [] },
  startOn: { mode: "all", assets: ["customers", orders.id] },
};
const manifestOf = (task: { id: string }, assets: object) => ({
  ...{ format: 1, root: task.id, definitions: { [task.id]: task }, assets },
});

interface Said {
  readonly status: number;
  readonly json: { readonly [key: string]: Json };
}
type Method = "GET" | "POST" | "PUT" | "DELETE";

async function open() {
  const clock = new VirtualClock();
  const services = serve(openMemoryStore({ clock }), { clock, pollMs: 50 });
  const api = buildApi(services, { host: "127.0.0.1", port: 0, version: "0.0.0", log: silentLog });
  const ask = async (method: Method, url: string, body?: unknown, key?: string): Promise<Said> => {
    const json = body === undefined ? {} : { "content-type": "application/json" };
    const once = key === undefined ? {} : { "idempotency-key": key };
    const headers = { host: "localhost", ...json, ...once };
    const payload = body === undefined ? {} : { payload: JSON.stringify(body) };
    const answer = await api.inject({ method, url, headers, ...payload });
    return { status: answer.statusCode, json: answer.json() as Said["json"] };
  };
  const apply = async (...manifests: unknown[]) => {
    const { status, json } = await ask("POST", "/v1/definitions", { manifests });
    assert.equal(status, 200, JSON.stringify(json));
  };
  await apply(manifestOf(load, { [orders.id]: orders }), manifestOf(joined, {}));
  const code = ({ json }: Said) => (json.error as { code: string } | undefined)?.code;
  return { ask, apply, code, services, api };
}

const place = (name: string) => `/v1/assets/${encodeURIComponent(name)}`;

test("name and URI are one asset: its state, watermarks and events are reached by both", async () => {
  const { ask } = await open();
  const [byId, byUri] = [place(orders.id), place(uri)];
  assert.equal((await ask("PUT", `${byId}/state/rows`, { value: 7 })).status, 200);
  assert.equal((await ask("GET", `${byUri}/state/rows`)).json.value, 7);
  const advanced = await ask("PUT", `${byUri}/watermarks/mark`, { to: "b", event: { payload: { rows: 1 }, key: "k" } });
  assert.deepEqual(advanced.json, { changed: true, value: "b", version: 1, event: 1 });
  assert.equal((await ask("GET", `${byId}/watermarks/mark`)).json.value, "b");
  const told = await ask("POST", `${byUri}/events`, { payload: { rows: 2 } });
  assert.deepEqual(told.json, { number: 2, existing: false });
  const { json } = await ask("GET", `${byId}/events?limit=1`);
  const [event] = json.events as { number: number; key: string; payload: Json; asset: string }[];
  assert.deepEqual([event?.number, event?.key, event?.payload, event?.asset], [1, "k", { rows: 1 }, orders.id]);
  assert.equal(json.cursor, 1);
  assert.equal((await ask("GET", `${byId}/events?after=1`)).json.cursor, null);
  const found = (await ask("GET", `/v1/assets?uri=${encodeURIComponent(uri)}`)).json.assets as { id: string }[];
  assert.deepEqual(
    found.map(({ id }) => id),
    [orders.id],
  );
});

test("a request that is repeated under its key tells once, and an event's own key is known whoever asks", async () => {
  const { ask, code } = await open();
  const body = { payload: { rows: 1 } };
  const first = await ask("POST", `${place(orders.id)}/events`, body, "request");
  assert.deepEqual((await ask("POST", `${place(orders.id)}/events`, body, "request")).json, first.json);
  assert.equal(
    code(await ask("POST", `${place(orders.id)}/events`, { payload: { rows: 2 } }, "request")),
    "request_conflict",
  );
  const keyed = { ...body, key: "day 1" };
  assert.deepEqual((await ask("POST", `${place(orders.id)}/events`, keyed)).json, { number: 2, existing: false });
  assert.deepEqual((await ask("POST", `${place(orders.id)}/events`, keyed)).json, { number: 2, existing: true });
});

test("a watermark moves up alone, and back when told so; what tells nothing new tells no event", async () => {
  const { ask, code } = await open();
  const mark = `${place("customers")}/watermarks/seen`;
  assert.equal(code(await ask("GET", mark)), "not_found");
  const events = async () => ((await ask("GET", `${place("customers")}/events`)).json.events as Json[]).length;
  for (const [to, changed] of [
    [[1, "b"], true],
    [[1, "a"], false],
    [[1, "b"], false],
    [[2, "a"], true],
  ] as const) {
    assert.equal((await ask("PUT", mark, { to, event: { payload: null } })).json.changed, changed);
  }
  assert.equal(await events(), 2);
  assert.equal(code(await ask("PUT", mark, { to: 7 })), "state_mismatch");
  assert.equal((await ask("PUT", mark, { to: [0, "z"], backwards: true })).json.changed, true);
  assert.deepEqual((await ask("GET", mark)).json.value, [0, "z"]);
});

test("what does not fit the asset, or is none of it, is refused and changes nothing", async () => {
  const { ask, code } = await open();
  const own = place(orders.id);
  for (const [method, url, body, refused] of [
    ["POST", `${own}/events`, { payload: { row: 1 } }, "invalid_input"],
    ["POST", `${own}/events`, {}, "invalid_request"],
    ["POST", `${own}/events`, { payload: { rows: 1 }, keys: "x" }, "invalid_request"],
    ["POST", `${own}/events`, { payload: { rows: "x".repeat(70_000) } }, "invalid_request"],
    ["PUT", `${own}/watermarks/mark`, { to: 7 }, "invalid_input"],
    ["PUT", `${own}/watermarks/mark`, { to: "a", event: { payload: 1 } }, "invalid_input"],
    ["PUT", `${own}/watermarks/mark`, { to: null }, "invalid_request"],
    ["GET", `${own}/watermarks/mark`, undefined, "not_found"],
    ["POST", `${place("nobody")}/events`, { payload: 1 }, "not_found"],
    ["GET", place("s3://nowhere"), undefined, "not_found"],
    ["PUT", `${place("nobody")}/state/a`, { value: 1 }, "not_found"],
    ["DELETE", place("nobody"), undefined, "not_found"],
    ["DELETE", own, undefined, "invalid_request"],
    ["GET", "/v1/consumers/load", undefined, "not_found"],
  ] as const) {
    assert.equal(code(await ask(method, url, body)), refused, `${method} ${url} ${JSON.stringify(body)}`);
  }
  assert.equal((await ask("GET", own)).json.lastEvent, 0);
});

test("an asset that nothing declares any more is not found, keeps what it has, and can be deleted", async () => {
  const { ask, apply, code } = await open();
  const own = place(orders.id);
  await ask("PUT", `${own}/state/rows`, { value: 7 });
  await ask("POST", `${own}/events`, { payload: { rows: 1 } });
  const bare = { ...fields, reads: [], writes: [] };
  await apply(manifestOf({ ...bare, id: "load" } as never, {}), manifestOf({ ...bare, id: "joined" } as never, {}));
  const asked = [
    ["GET", own],
    ["GET", `${own}/state/rows`],
    ["PUT", `${own}/state/rows`, { value: 8 }],
    ["POST", `${own}/events`, { payload: { rows: 1 } }],
    ["PUT", `${own}/watermarks/mark`, { to: "b" }],
  ] as const;
  for (const [method, url, body] of asked) assert.equal(code(await ask(method, url, body)), "not_found", url);
  const ids = async (query: string) =>
    ((await ask("GET", `/v1/assets${query}`)).json.assets as { id: string }[]).map(({ id }) => id);
  assert.deepEqual(await ids(""), []);
  assert.ok((await ids("?all=true")).includes(orders.id));
  await apply(manifestOf(load, { [orders.id]: orders }));
  assert.equal((await ask("GET", `${own}/state/rows`)).json.value, 7);
  await apply(manifestOf({ ...bare, id: "load" } as never, {}));
  assert.deepEqual((await ask("DELETE", own)).json, { deleted: true });
  await apply(manifestOf(load, { [orders.id]: orders }));
  assert.equal(code(await ask("GET", `${own}/state/rows`)), "not_found");
  assert.equal((await ask("GET", own)).json.lastEvent, 0);
});

test("an asset's lineage is what definitions say; who waits for it is told for what", async () => {
  const { ask } = await open();
  await ask("POST", `${place(orders.id)}/events`, { payload: { rows: 1 } });
  const { json } = await ask("GET", place(orders.id));
  assert.deepEqual([json.reads, json.writes, json.firstEvent, json.lastEvent], [["joined"], ["load"], 1, 1]);
  const [starts] = json.starts as { definition: string; waitsFor: string; started: number }[];
  assert.deepEqual(
    [starts?.definition, starts?.waitsFor, starts?.started],
    ["joined", `an event of customers (${orders.id} has 1 more)`, 0],
  );
  const { run } = (await ask("POST", "/v1/runs", { definition: "load", input: {} })).json as { run: { id: string } };
  const ofRun = (await ask("GET", `/v1/runs/${run.id}/assets`)).json.assets as { id: string; uses: string[] }[];
  assert.deepEqual(
    ofRun.map(({ id, uses }) => [id, uses]),
    [
      ["customers", ["reads"]],
      [orders.id, ["writes"]],
    ],
  );
});

test("a client asks the same over HTTP", async () => {
  const { api, apply } = await open();
  const server = await api.listen();
  try {
    const { assets } = new HttpPlane({ server });
    assert.deepEqual(await assets.emit(uri, { payload: { rows: 1 } }), { number: 1, existing: false });
    assert.equal((await assets.advance(uri, "a/b", { to: "x" })).changed, true);
    assert.equal((await assets.get(orders.id)).watermarks[0]?.key, "a/b");
    assert.equal((await assets.events(uri, {})).events.length, 1);
    assert.equal((await assets.consumer("joined")).mode, "all");
    assert.equal((await assets.list({ all: true, limit: 1 })).cursor, "customers");
    await assert.rejects(assets.delete(uri), (error) => isAppError(error, "invalid_request"));
    await apply(manifestOf({ ...fields, reads: [], writes: [], id: "load" } as never, {}));
    await apply(manifestOf({ ...fields, reads: [], writes: [], id: "joined" } as never, {}));
    assert.deepEqual(await assets.delete(orders.id), { deleted: true });
  } finally {
    await api.close();
  }
});
