// Faults to catch: a submission that has arrived counts as never sent, or as refused, by what its redirect led to, by an answer that is too
// large or cannot be read, or by what its tracker makes of it (P5); a plain refusal counts as one that may have happened, so that a
// blind service's job is left to a person for nothing.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { type Json, TrackingError } from "@holdfast/protocol";
import { z } from "zod";
import { permanent } from "./failures.ts";
import { exportedTrackers, tracker } from "./own-tracker.ts";
import { ask, LocalService, openConnections, type Script } from "./service.fixture.ts";
import { services } from "./services.ts";

const local = await LocalService.start(() => "hang");
const elsewhere = await LocalService.start(() => ({ status: 403 }));
/** Trackers of a user's, which judge by themselves what they were answered. */
const own = exportedTrackers(
  {
    hasty: tracker({
      ...{ service: "hasty", submission: () => "blind" as const, poll: () => Promise.resolve([]) },
      submit: async (_, io) => {
        const { status } = await io.outbound.send({ url: local.url, method: "POST", lane: "fresh" });
        throw permanent("hasty", `It was answered ${status}.`);
      },
    }),
    wrong: tracker({
      ...{ service: "wrong", submission: () => "blind" as const, poll: () => Promise.resolve([]) },
      ref: z.object({ name: z.string() }),
      submit: () => Promise.resolve({ name: 5 } as unknown as { name: string }),
    }),
    mute: tracker({
      ...{ service: "mute", submission: () => "blind" as const, poll: () => Promise.resolve([]), ref: z.json() },
      submit: () => Promise.resolve("there" as Json),
      describe: () => {
        throw permanent("mute", "It cannot be described.");
      },
    }),
  },
  "own.ts",
);
const open = openConnections(
  {
    http: { allow: ["127.0.0.1"] },
    guarded: { service: "http", baseUrl: "http://127.0.0.1:1/", allow: [] },
    bigquery: { project: "p", location: "EU", credentials: "none", baseUrl: local.url },
    cloudrun: { project: "p", location: "r", credentials: "none", baseUrl: local.url },
    dataproc: { project: "p", location: "r", credentials: "none", baseUrl: local.url },
    dataproc_batch: { project: "p", location: "r", credentials: "none", baseUrl: local.url },
    kubernetes: { server: local.url },
    remote: { service: "remote", tracker: local.url, submission: "blind" },
  },
  { trackers: [...services, ...own] },
);
after(async () => {
  await open.close();
  await local.close();
  await elsewhere.close();
});

const spec: Readonly<Record<string, Json>> = {
  http: {
    submit: { url: `${local.url}/jobs` },
    capture: { id: "/id" },
    poll: { url: `${local.url}/{id}`, statuses: { succeeded: ["ok"] } },
  },
  bigquery: { sql: "SELECT 1" },
  cloudrun: { job: "j" },
  dataproc: { cluster: "c", job: {} },
  dataproc_batch: { batch: {} },
  kubernetes: { image: "i" },
  remote: {},
  hasty: {},
  wrong: {},
  mute: {},
};

/** How a submission failed, and whether it may have happened. */
async function submitted(service: string, script: Script, what = spec[service] ?? null): Promise<string> {
  local.script = script;
  const address = { service, connection: null, token: "t" };
  const { spec: prepared } = await ask(open, "prepare", { ...address, spec: what });
  const error = await ask(open, "submit", { ...address, spec: prepared }).catch((one: unknown) => one);
  assert.ok(error instanceof TrackingError, JSON.stringify(error));
  return `${error.failure.fault} ${error.failure.undecided === true ? "undecided" : "surely not"}`;
}

const to = (location: string, status = 303): Script => {
  return ({ path }) => (path === "/jobs" ? { status, headers: { location } } : { status: 404 });
};
const large = "x".repeat(9 * 1024 * 1024);

describe("a submission that has arrived", { timeout: 60_000 }, () => {
  for (const [what, script, verdict] of [
    ["leads to an address that refuses connections", to("http://127.0.0.1:1/"), "transient undecided"],
    ["leads to a name that there is not", to("http://no.such.host.invalid/"), "transient undecided"],
    ["leads to an address that is not allowed", to("http://169.254.169.254/"), "permanent undecided"],
    ["leads to a page that there is not", to("/elsewhere"), "permanent undecided"],
    ["leads to a page that is refused", to(elsewhere.url), "permanent undecided"],
    ["leads, whole, to a page that is refused", to(elsewhere.url, 307), "permanent undecided"],
    ["leads to itself", to("/jobs"), "permanent undecided"],
    ["leads to no URL", to("http://"), "permanent undecided"],
    ["leads nowhere", () => ({ status: 303 }), "transient undecided"],
    ["is answered with too much", () => ({ text: large }), "permanent undecided"],
    ["is answered with nonsense", () => ({ text: "<html>" }), "transient undecided"],
    ["is answered without a name", () => ({ body: {} }), "permanent undecided"],
    ["is not answered", () => "cut", "transient undecided"],
    ["is answered too late (408)", () => ({ status: 408 }), "transient undecided"],
    ["is answered in no way that was asked for (406)", () => ({ status: 406 }), "permanent undecided"],
    ["is answered by a number that nobody knows", () => ({ status: 499 }), "permanent undecided"],
    ["breaks its service", () => ({ status: 500 }), "transient undecided"],
  ] as const satisfies readonly (readonly [string, Script, string])[]) {
    test(`may have begun where it ${what}`, async () => {
      assert.equal(await submitted("http", script), verdict);
    });
  }
});

describe("a submission that was refused plainly", { timeout: 60_000 }, () => {
  for (const [status, verdict] of [
    [400, "permanent surely not"],
    [401, "auth surely not"],
    [403, "permanent surely not"],
    [404, "permanent surely not"],
    [409, "permanent surely not"],
    [422, "permanent surely not"],
    [429, "transient surely not"],
  ] as const) {
    test(`surely has not begun (${status})`, async () => {
      assert.equal(await submitted("http", () => ({ status })), verdict);
    });
  }

  test("is so however much is said about it", async () => {
    assert.equal(await submitted("http", () => ({ status: 403, text: large })), "permanent surely not");
  });

  test("is so where nothing could be sent", async () => {
    const nowhere = { ...(spec.http as object), submit: { url: "http://127.0.0.1:1/jobs" } };
    assert.equal(await submitted("http", () => "hang", nowhere), "transient surely not");
    const guarded = { ...(spec.http as object), submit: { url: "http://169.254.169.254/" } };
    assert.equal(await submitted("http", () => "hang", guarded), "permanent surely not");
  });
});

describe("every tracker judges so", { timeout: 60_000 }, () => {
  for (const service of ["http", "bigquery", "cloudrun", "dataproc", "dataproc_batch", "kubernetes", "remote"]) {
    test(`that of ${service}`, async () => {
      const word = async (script: Script) => (await submitted(service, script)).split(" ").slice(1).join(" ");
      for (const status of [303, 307, 406, 408, 499, 500, 503])
        assert.equal(await word(() => ({ status })), "undecided", `${status}`);
      assert.equal(await word(() => "cut"), "undecided");
      assert.equal(await word(() => ({ text: large })), "undecided");
      for (const status of [400, 401, 403, 404, 413, 429])
        assert.equal(await word(() => ({ status })), "surely not", `${status}`);
    });
  }

  test("one of a user's cannot say of what was sent that it surely was not done, unless it was refused", async () => {
    for (const status of [200, 303, 408, 500])
      assert.equal(await submitted("hasty", () => ({ status })), "permanent undecided", `${status}`);
    for (const status of [400, 403, 429])
      assert.equal(await submitted("hasty", () => ({ status })), "permanent surely not", `${status}`);
    assert.equal(await submitted("hasty", () => "cut"), "transient undecided");
  });

  test("what has begun and cannot be described, or has a name that its tracker does not take, may have begun", async () => {
    assert.equal(await submitted("mute", () => "hang"), "permanent undecided");
    assert.equal(await submitted("wrong", () => "hang"), "permanent undecided");
  });

  test("a service that is a tracker says itself what became of the call that it made", async () => {
    const failure = { fault: "permanent", code: "c", message: "m" };
    for (const status of [200, 422, 500])
      assert.equal(await submitted("remote", () => ({ status, body: { failure } })), "permanent surely not");
    const undecided = { ...failure, undecided: true };
    for (const status of [200, 422, 500])
      assert.equal(await submitted("remote", () => ({ status, body: { failure: undecided } })), "permanent undecided");
  });

  test("a Job of Kubernetes that is there, and cannot be read, may be ours", async () => {
    const taken: Script = ({ method }) =>
      method === "POST" ? { status: 409, body: { reason: "AlreadyExists" } } : { status: 403 };
    assert.equal(await submitted("kubernetes", taken), "permanent undecided");
  });
});
