// Faults to catch: Ork's 5 (a transient error ends a job), 8 (one that hangs holds up others), 14 (a job is started twice), its two
// spellings not understood, an answer that makes no sense taken for an end, a job of a real service that succeeds by pretending.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { type Json, type PollResult, TrackingError } from "@holdfast/protocol";
import { ask, type GivenAnswer, LocalService, openConnections } from "./service.fixture.ts";

const service = "http";
const address = { service, connection: null };
const local = await LocalService.start(() => "hang");
const open = openConnections({ http: { allow: ["127.0.0.1"] } });
after(async () => {
  await open.close();
  await local.close();
});

async function poll(ref: Json, connections = open): Promise<PollResult> {
  const [result] = await ask(connections, "poll", { ...address, refs: [ref] });
  assert.ok(result !== undefined);
  return result;
}

async function polled(answer: GivenAnswer, ref: Record<string, Json>): Promise<PollResult> {
  local.script = () => answer;
  return await poll({ url: `${local.url}/job`, ...ref });
}

/** The phase, or the fault and code. */
function word(result: PollResult): string {
  if ("observation" in result) return result.observation.phase;
  return `${result.failure.fault} ${result.failure.code}`;
}

/** As the Python SDK of Ork writes it (facts of Ork, 7.1). */
const python = {
  ...{ method: "GET", headers: {}, success_status_codes: [200], failure_value: "failed", service_type: "custom_http" },
  ...{ status_field: "status", success_value: "completed" },
};
/** As its Rust SDK has it. */
const rust = { completion_field: "state", completion_value: "done" };

describe("a job behind an address", { timeout: 60_000 }, () => {
  test("is read in both of Ork's spellings", async () => {
    const cases: readonly [string, Record<string, Json>, GivenAnswer][] = [
      ["succeeded", python, { body: { status: "completed" } }],
      ["failed", python, { body: { status: "failed", error: "disk full" } }],
      ["running", python, { body: { status: "working" } }],
      ["running", python, { status: 202, body: { status: "completed" } }],
      ["succeeded", rust, { body: { state: "done" } }],
      ["running", rust, { body: { state: "success" } }],
      ["succeeded", { service_type: "custom_http" }, { body: { status: "success" } }],
      ["succeeded", { status_field: "a/b", success_value: 1 }, { body: { "a/b": 1 } }],
    ];
    for (const [phase, ref, answer] of cases)
      assert.equal(word(await polled(answer, ref)), phase, JSON.stringify([ref, answer]));
    const failed = await polled({ body: { status: "failed", error: "disk full" } }, python);
    assert.ok("observation" in failed);
    assert.deepEqual([failed.observation.rawStatus, failed.observation.message], ["failed", "disk full"]);
  });

  test("of Ork's keeps its name and address when it is adopted, and is one JSON value whatever the spelling", async () => {
    const adopted = await ask(open, "adopt", {
      service: "custom_http",
      connection: null,
      ref: { url: "http://x/s", job_id: "http://x/s", ...python },
    });
    assert.equal(adopted.externalId, "http://x/s");
    assert.deepEqual(adopted.ref, {
      url: "http://x/s",
      method: "GET",
      status: "/status",
      statuses: { succeeded: ["completed"], failed: ["failed"] },
      codes: { "200": "body" },
      message: "/error",
    });
    const again = await ask(open, "adopt", { ...address, ref: adopted.ref });
    assert.deepEqual(again, adopted);
  });

  test("never ends by an error that may pass", async () => {
    const ref = { statuses: { succeeded: ["ok"] } };
    const cases: readonly [string, GivenAnswer][] = [
      ["transient http_429", { status: 429, headers: { "retry-after": "7" } }],
      ["transient http_500", { status: 500 }],
      ["transient http_503", { status: 503, text: "<html>" }],
      ["transient http_408", { status: 408 }],
      ["auth http_401", { status: 401 }],
      ["permanent http_403", { status: 403, body: { error: "no" } }],
      ["permanent http_400", { status: 400 }],
      ["gone", { status: 404 }],
      ["gone", { status: 410 }],
      ["transient malformed_answer", { text: "<html>ok</html>" }],
      ["transient malformed_answer", { text: "" }],
      ["transient http_304", { status: 304 }],
    ];
    for (const [expected, answer] of cases)
      assert.equal(word(await polled(answer, ref)), expected, JSON.stringify(answer));
    const crowded = await polled({ status: 429, headers: { "retry-after": "7" } }, ref);
    assert.ok("failure" in crowded);
    assert.equal(crowded.failure.retryAfterMs, 7_000);
    local.script = () => "cut";
    assert.match(word(await poll({ url: local.url, ...ref })), /^transient/);
    assert.equal(word(await poll({ url: "http://127.0.0.1:1/", ...ref })), "transient ECONNREFUSED");
    const denied = await polled({ status: 403, body: { error: "no" } }, ref);
    assert.ok("failure" in denied);
    assert.equal(denied.failure.message, "HTTP request failed with status 403: no");
  });

  test("whose status is missing or unknown runs on, with a warning", async () => {
    const statuses = { succeeded: ["ok"], running: ["busy"] };
    for (const body of [{}, { status: null }, { status: { a: 1 } }, { status: "paused" }, [], 7]) {
      const result = await polled({ body }, { statuses });
      assert.ok("observation" in result);
      assert.equal(result.observation.phase, "running");
      assert.match(result.observation.warning ?? "", /no status|not known/, JSON.stringify(body));
    }
    const known = await polled({ body: { status: "busy" } }, { statuses });
    assert.ok("observation" in known && known.observation.warning === undefined);
  });

  test("says by pointers what it is about, how far it is, and when it wants to be asked again", async () => {
    const ref = {
      ...{ status: "/job/state", statuses: { succeeded: [true], running: ["busy"], failed: ["bad"] } },
      ...{ result: "/job/rows/0", progress: "/done", message: "/why", link: "/page" },
    };
    const busy = await polled(
      { headers: { "retry-after": "3" }, body: { job: { state: "busy" }, done: 0.5, page: "https://x/1" } },
      ref,
    );
    assert.deepEqual(busy, {
      observation: {
        ...{ phase: "running", rawStatus: "busy", nextPollMs: 3_000 },
        ...{ progress: { done: 0.5 }, links: [{ label: "Job", url: "https://x/1" }] },
      },
    });
    const done = await polled({ body: { job: { state: true, rows: [{ n: 1 }] }, why: "fine" } }, ref);
    assert.deepEqual(done, {
      observation: { phase: "succeeded", rawStatus: "true", result: { n: 1 }, message: "fine" },
    });
    const long = await polled({ body: { job: { state: true, rows: ["x".repeat(300_000)] } } }, ref);
    assert.ok("observation" in long && long.observation.result === undefined);
    assert.match(long.observation.unkept ?? "", /more than/);
  });

  test("may say all by its HTTP status", async () => {
    const codes = { "200": "succeeded", "202": "running", "422": "failed", "404": "failed" };
    for (const [status, phase] of [
      [200, "succeeded"],
      [202, "running"],
      [422, "failed"],
      [404, "failed"],
    ] as const) {
      assert.equal(word(await polled({ status, text: "plain" }, { codes })), phase);
    }
    assert.equal(word(await polled({ status: 429 }, { codes })), "transient http_429");
  });

  test("is refused in words where it cannot be understood", async () => {
    for (const ref of [
      {},
      { url: "http://x/" },
      { url: "http://x/", statuses: { succeeded: ["a"] }, colour: 1 },
      { url: "http://x/", status: "a", statuses: { succeeded: ["a"] } },
    ]) {
      assert.match(word(await poll(ref as Json)), /^permanent invalid_ref/);
    }
    assert.match(word(await poll({ url: "/relative", statuses: { succeeded: ["a"] } })), /^permanent invalid_url/);
    assert.match(word(await poll({ url: "ftp://x/", statuses: { succeeded: ["a"] } })), /^permanent invalid_url/);
    assert.match(
      word(await poll({ url: "http://a:b@127.0.0.1/", statuses: { succeeded: ["a"] } })),
      /^permanent invalid_url/,
    );
  });

  test("that hangs holds up no other, and is given up", async () => {
    local.script = ({ path }) => (path === "/hangs" ? "hang" : { body: { status: "ok" } });
    const ref = (path: string) => ({ url: `${local.url}${path}`, statuses: { succeeded: ["ok"] } });
    const giveUp = new AbortController();
    const hanging = ask(
      open,
      "poll",
      { ...address, refs: Array.from({ length: 30 }, () => ref("/hangs")) },
      giveUp.signal,
    );
    const others = await Promise.all(Array.from({ length: 30 }, (_, n) => poll(ref(`/${n}`))));
    assert.ok(others.every((result) => word(result) === "succeeded"));
    giveUp.abort();
    assert.ok((await hanging).every((result) => word(result) === "transient aborted"));
    const impatient = openConnections({ http: { allow: ["127.0.0.1"] } }, { callMs: 100 });
    assert.equal(word(await poll(ref("/hangs"), impatient)), "transient timeout");
    await impatient.close();
  });
});

describe("a job that only pretends", () => {
  const refs = ["mock://success/1", "mock://failed", "mock://whatever"].map((url) => ({ url, ...python }));

  test("is as Ork's examples want it, where that is allowed", async () => {
    const pretending = openConnections({}, { mock: true });
    const results = await ask(pretending, "poll", { ...address, refs });
    assert.deepEqual(results.map(word), ["succeeded", "failed", "running"]);
  });

  test("is refused everywhere else", async () => {
    const results = await ask(open, "poll", { ...address, refs });
    for (const result of results) {
      assert.ok("observation" in result);
      assert.deepEqual([result.observation.phase, result.observation.code], ["failed", "mock_refused"]);
    }
  });
});

describe("starting a job behind an address", { timeout: 60_000 }, () => {
  const spec = (url: string) => ({
    submit: { url: `${url}/jobs`, headers: { "idempotency-key": "{token}" }, body: { name: "n-{token}" } },
    capture: { id: "/id" },
    poll: {
      url: `${url}/jobs/{id}`,
      statuses: { succeeded: ["ok"] },
      cancel: { url: `${url}/jobs/{id}/cancel`, body: { url: "{id}" } },
    },
  });

  test("sends the token, and takes from the answer how to ask for it; what it takes stays in its place in the URL", async () => {
    local.script = () => ({ status: 201, body: { id: "../a b/7" } });
    const before = local.calls.length;
    const prepared = await ask(open, "prepare", { ...address, spec: spec(local.url), token: "t1" });
    assert.deepEqual([prepared.submission, prepared.job], ["token", null]);
    assert.equal(local.calls.length, before, "nothing is called to prepare");
    const job = await ask(open, "submit", { ...address, spec: prepared.spec, token: "t1" });
    const call = local.calls.at(-1);
    assert.deepEqual([call?.method, call?.headers["idempotency-key"], call?.body], ["POST", "t1", { name: "n-t1" }]);
    assert.deepEqual((job.ref as { url: string }).url, `${local.url}/jobs/..%2Fa%20b%2F7`);
    local.script = () => ({ body: {} });
    assert.equal(await ask(open, "cancel", { ...address, ref: job.ref }), "accepted");
    assert.deepEqual(
      [local.calls.at(-1)?.path, local.calls.at(-1)?.body],
      ["/jobs/..%2Fa%20b%2F7/cancel", { url: "../a b/7" }],
    );
  });

  test("under a name of one's own is known before the call, and a conflict is our own job", async () => {
    const named = {
      submit: { url: `${local.url}/jobs/{token}`, method: "PUT" },
      poll: { url: `${local.url}/jobs/{token}`, statuses: { succeeded: ["ok"] } },
    };
    const prepared = await ask(open, "prepare", { ...address, spec: named, token: "t2" });
    assert.equal((prepared.job?.ref as { url?: string } | undefined)?.url, `${local.url}/jobs/t2`);
    local.script = () => ({ status: 409, body: {} });
    const job = await ask(open, "submit", { ...address, spec: prepared.spec, token: "t2" });
    assert.deepEqual(job, prepared.job);
  });

  test("without a token anywhere is of the class that cannot be tried twice, and says when it may have happened", async () => {
    const blind = {
      submit: { url: `${local.url}/go` },
      capture: { id: "/id" },
      poll: { url: `${local.url}/{id}`, statuses: { succeeded: ["ok"] } },
    };
    const prepared = await ask(open, "prepare", { ...address, spec: blind, token: "t3" });
    assert.equal(prepared.submission, "blind");
    const submit = async () => {
      const failed = await ask(open, "submit", { ...address, spec: blind, token: "t3" }).catch(
        (error: unknown) => error,
      );
      assert.ok(failed instanceof TrackingError, String(failed));
      return failed.failure.undecided === true;
    };
    local.script = () => "cut";
    assert.equal(await submit(), true, "cut");
    local.script = () => ({ status: 502 });
    assert.equal(await submit(), true, "502");
    local.script = () => ({ status: 200, body: {} });
    assert.equal(await submit(), true, "no id");
    local.script = () => ({ status: 429 });
    assert.equal(await submit(), false, "429");
    local.script = () => ({ status: 400 });
    assert.equal(await submit(), false, "400");
    const nowhere = { ...blind, submit: { url: "http://127.0.0.1:1/" } };
    const refused = await ask(open, "submit", { ...address, spec: nowhere, token: "t3" }).catch(
      (error: unknown) => error,
    );
    assert.ok(refused instanceof TrackingError && refused.failure.undecided === undefined);
  });

  test("goes over a connection of its own, which no server can have closed before it read the request", async () => {
    const ports = new Set<number | undefined>();
    local.script = (_call, response) => {
      ports.add(response.socket?.remotePort);
      return { body: { id: "1", status: "ok" } };
    };
    const own = openConnections({ http: { allow: ["127.0.0.1"] } });
    const refs = [{ url: `${local.url}/1`, statuses: { succeeded: ["ok"] } }];
    for (let n = 0; n < 10; n++) await ask(own, "poll", { ...address, refs });
    const pool = ports.size;
    assert.ok(pool < 10, "looks use connections again");
    for (let n = 0; n < 10; n++) await ask(own, "submit", { ...address, spec: spec(local.url), token: `p${n}` });
    assert.equal(ports.size, pool + 10);
    await own.close();
  });

  test("answers what became of a cancel", async () => {
    const ref = { url: `${local.url}/1`, statuses: { succeeded: ["ok"] } };
    const cancelling = { ...ref, cancel: { url: `${local.url}/1/cancel` } };
    assert.equal(await ask(open, "cancel", { ...address, ref }), "unsupported");
    for (const [status, answer] of [
      [204, "accepted"],
      [404, "not_found"],
      [409, "already_ended"],
    ] as const) {
      local.script = () => ({ status });
      assert.equal(await ask(open, "cancel", { ...address, ref: cancelling }), answer);
    }
  });
});

test("headers of a connection are sent to its own host, and only there", async () => {
  const connections = openConnections({
    shop: { service: "http", baseUrl: local.url, headers: { authorization: "Bearer s" }, private: true },
  });
  const other = await LocalService.start(() => ({ body: { status: "ok" } }));
  after(async () => {
    await connections.close();
    await other.close();
  });
  local.script = () => ({ body: { status: "ok" } });
  const refs = ["/status", `${other.url}/status`].map((url) => ({ url, statuses: { succeeded: ["ok"] } }));
  const results = await ask(connections, "poll", { service, connection: "shop", refs });
  assert.deepEqual(results.map(word), ["succeeded", "succeeded"]);
  assert.equal(local.calls.at(-1)?.headers.authorization, "Bearer s");
  assert.equal(other.calls.at(-1)?.headers.authorization, undefined);
  const lost = openConnections({ http: { headers: { a: "b" } } });
  await assert.rejects(ask(lost, "poll", { ...address, refs }), /name it/);
});

test("the place that a connection names is called wherever it is, and no other port or name of its host is", async () => {
  const other = await LocalService.start(() => ({ body: { status: "ok" } }));
  const connections = openConnections({ shop: { service: "http", baseUrl: local.url } });
  after(async () => {
    await connections.close();
    await other.close();
  });
  local.script = ({ path }) =>
    path === "/away" ? { status: 307, headers: { location: other.url } } : { body: { status: "ok" } };
  const words = async (...urls: string[]) => {
    const refs = urls.map((url) => ({ url, statuses: { succeeded: ["ok"] } }));
    return (await ask(connections, "poll", { service, connection: "shop", refs })).map(word);
  };
  const decimal = `http://2130706433:${local.port}/job`;
  assert.deepEqual(await words("/job", `${local.url}/job`, decimal), ["succeeded", "succeeded", "succeeded"]);
  const elsewhere = [other.url, `http://2130706433:${other.port}/`, `http://localhost:${local.port}/`, "/away"];
  assert.deepEqual(
    await words(...elsewhere),
    elsewhere.map(() => "permanent refused_address"),
  );
  assert.equal(other.calls.length, 0);
});

test("credentials of a call stay at the address that it was written for, whatever that redirects to", async () => {
  const other = await LocalService.start(() => ({ body: { status: "ok" } }));
  after(() => other.close());
  local.script = ({ path }) => ({ status: 307, headers: { location: path === "/a" ? "/b" : other.url } });
  const headers = { authorization: "Bearer s", Cookie: "c", "proxy-authorization": "p", accept: "text/x" };
  assert.equal(word(await poll({ url: `${local.url}/a`, statuses: { succeeded: ["ok"] }, headers })), "succeeded");
  assert.deepEqual([local.calls.at(-1)?.path, local.calls.at(-1)?.headers.authorization], ["/b", "Bearer s"]);
  const { authorization, cookie, accept, ...others } = other.calls.at(-1)?.headers ?? {};
  assert.deepEqual(
    [authorization, cookie, others["proxy-authorization"], accept],
    [undefined, undefined, undefined, "text/x"],
  );
});
