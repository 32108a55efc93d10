// Faults to catch: Ork's 5 and 11 for Google's services: an error that passes ends a job, refused credentials end it or are asked with
// for ever; a name from outside leads a token to another host; a malformed answer is taken for one.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { type Json, TrackingError } from "@holdfast/protocol";
import { bigQuery } from "./bigquery.ts";
import { ask, type GivenAnswer, ioOf, LocalService, openConnections } from "./service.fixture.ts";
import type { TokenProvider } from "./token-provider.ts";

const local = await LocalService.start(() => "hang");
after(() => local.close());
const settings = { baseUrl: local.url, project: "shop", location: "EU", credentials: "none" as const };
const ref = { project: "shop", location: "EU", job_id: "j" };

async function outcome(answer: GivenAnswer): Promise<string> {
  local.script = () => answer;
  const connections = openConnections({ bigquery: settings });
  const [result] = await ask(connections, "poll", { service: "bigquery", connection: null, refs: [ref] });
  await connections.close();
  if (result === undefined) return "nothing";
  if ("observation" in result) return result.observation.phase;
  const { fault, code, retryAfterMs } = result.failure;
  return [fault, code, ...(retryAfterMs === undefined ? [] : [retryAfterMs])].join(" ");
}

function refusal(status: number, reason?: string, statusName?: string): GivenAnswer {
  const errors = reason === undefined ? [] : [{ reason, domain: "global", message: "m" }];
  return {
    status,
    body: { error: { code: status, message: "m", errors, ...(statusName !== undefined && { status: statusName }) } },
  };
}

describe("an error of Google's", { timeout: 60_000 }, () => {
  test("is one that passes, one of credentials, or one that stays", async () => {
    const cases: readonly [string, GivenAnswer][] = [
      ["transient rateLimitExceeded", refusal(403, "rateLimitExceeded")],
      ["transient quotaExceeded", refusal(403, "quotaExceeded")],
      ["permanent accessDenied", refusal(403, "accessDenied")],
      ["permanent PERMISSION_DENIED", refusal(403, undefined, "PERMISSION_DENIED")],
      [
        "transient RESOURCE_EXHAUSTED 2000",
        { ...refusal(429, undefined, "RESOURCE_EXHAUSTED"), headers: { "retry-after": "2" } },
      ],
      ["transient backendError", refusal(503, "backendError")],
      ["transient http_500", { status: 500, text: "oops" }],
      ["transient http_502", { status: 502, text: "<html>" }],
      ["transient http_408", refusal(408)],
      ["permanent invalid", refusal(400, "invalid")],
      ["gone", refusal(404, "notFound")],
      ["gone", refusal(404, undefined, "NOT_FOUND")],
      ["transient unexpected_redirect", { status: 302, headers: { location: "http://127.0.0.1:1/login" } }],
      ["transient malformed_answer", { text: "<html>sign in</html>" }],
      ["transient malformed_answer", { body: { hello: 1 } }],
      ["transient malformed_answer", { text: "" }],
    ];
    for (const [expected, answer] of cases) assert.equal(await outcome(answer), expected);
  });

  test("that refuses the token is answered with one new token, and only then told", async () => {
    const given: string[] = [];
    const tokens = (names: string[]): TokenProvider & { refusals: string[] } => {
      const refusals: string[] = [];
      return {
        refusals,
        token: () => Promise.resolve(names[Math.min(refusals.length, names.length - 1)] ?? ""),
        refused: (token) => refusals.push(token),
      };
    };
    local.script = ({ headers }) => {
      given.push(headers.authorization ?? "");
      const isGood = headers.authorization === "Bearer new";
      return isGood
        ? { body: { jobReference: { projectId: "shop", jobId: "j" }, status: { state: "RUNNING" } } }
        : refusal(401, "authError");
    };
    const renewing = tokens(["old", "new"]);
    const [good] = await bigQuery.poll([ref], ioOf(settings, renewing));
    assert.ok(good !== undefined && "observation" in good);
    assert.deepEqual([given, renewing.refusals], [["Bearer old", "Bearer new"], ["old"]]);
    given.length = 0;
    const [bad] = await bigQuery.poll([ref], ioOf(settings, tokens(["old", "older"])));
    assert.ok(bad !== undefined && "failure" in bad);
    assert.deepEqual([bad.failure.fault, given.length], ["auth", 2]);
  });
});

test("a name that would lead elsewhere is refused before anything is sent", async () => {
  const connections = openConnections({ dataproc: { project: "p", credentials: "none", baseUrl: local.url } });
  const before = local.calls.length;
  const bad: Json[] = [
    { project: "p", region: "evil.example/", job_id: "j" },
    { project: "p", region: "evil.example#", job_id: "j" },
    { project: "p/../../other", region: "r", job_id: "j" },
    { project: "p", region: "r", job_id: "../jobs" },
    { project: "p", region: "r", job_id: "a/b" },
    { project: "p", region: "", job_id: "j" },
  ];
  const results = await ask(connections, "poll", { service: "dataproc", connection: null, refs: bad });
  for (const result of results) assert.equal("failure" in result && result.failure.code, "invalid_ref");
  assert.equal(local.calls.length, before);
});

test("what is missing is named with its remedy", async () => {
  const connections = openConnections({});
  const asked = { service: "bigquery", connection: null, spec: { sql: "SELECT 1" }, token: "t" };
  const failed = await ask(connections, "prepare", asked).catch((error: unknown) => error);
  assert.ok(failed instanceof TrackingError);
  assert.equal(failed.failure.fault, "permanent");
  assert.match(`${failed.failure.message} ${failed.failure.hint}`, /No project is named. Write project/);
});

test("a mistake in the configuration refuses what is to be started, and ends nothing that runs", async () => {
  const connections = openConnections({ bq: { service: "bigquery", projekt: "p" }, run: { service: "cloudrun" } });
  const faults: string[] = [];
  for (const connection of ["bq", "run", "nowhere"]) {
    const start = ask(connections, "prepare", {
      service: "bigquery",
      connection,
      spec: { sql: "SELECT 1" },
      token: "t",
    });
    const look = ask(connections, "poll", { service: "bigquery", connection, refs: [ref] });
    for (const [asked] of [[start], [look]]) {
      const failed = await asked?.catch((error: unknown) => error);
      assert.ok(failed instanceof TrackingError);
      faults.push(`${failed.failure.fault} ${failed.failure.code}`);
    }
  }
  assert.deepEqual(faults, [
    ...[
      "permanent invalid_settings",
      "transient invalid_settings",
      "permanent wrong_connection",
      "transient wrong_connection",
    ],
    ...["permanent unknown_connection", "transient unknown_connection"],
  ]);
});
