// Faults to catch: a tracker that is a service of the user's own ends a job by being away, by nonsense or by fewer answers than it was asked
// for; a failure that it explains is told otherwise; it is asked for what it has said it cannot do.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { type PollResult, TrackingError } from "@holdfast/protocol";
import { ask, type GivenAnswer, LocalService, openConnections } from "./service.fixture.ts";

const local = await LocalService.start(() => "hang");
const open = openConnections({
  farm: {
    service: "render",
    tracker: `${local.url}/tracker`,
    headers: { authorization: "Bearer s" },
    submission: "listed",
    settleMs: 5_000,
  },
  looker: { service: "look", tracker: local.url },
});
after(async () => {
  await open.close();
  await local.close();
});
const farm = { service: "render", connection: "farm" };
const asked = { ...farm, spec: { scene: 1 }, token: "t" };

function word(result: PollResult | undefined): string {
  if (result === undefined) return "nothing";
  return "observation" in result ? result.observation.phase : `${result.failure.fault} ${result.failure.code}`;
}

async function failed(answer: GivenAnswer, call: () => Promise<unknown>): Promise<string> {
  local.script = () => answer;
  const error = await call().catch((one: unknown) => one);
  assert.ok(error instanceof TrackingError, String(error));
  return `${error.failure.fault} ${error.failure.code}${error.failure.undecided === true ? " undecided" : ""}`;
}

test("it starts, finds, polls and cancels by JSON", async () => {
  const prepared = await ask(open, "prepare", asked);
  assert.deepEqual(prepared, { submission: "listed", spec: { scene: 1 }, job: null, settleMs: 5_000 });
  local.script = ({ path }) => ({ body: path.endsWith("/find") ? { ref: null } : { ref: { id: 7 } } });
  const job = await ask(open, "submit", asked);
  assert.deepEqual(job, { ref: { id: 7 }, externalId: '{"id":7}', links: [], group: `${local.url}/tracker` });
  const { method, path, headers, body } = local.calls.at(-1) ?? {};
  assert.deepEqual(
    [method, path, headers?.authorization, body],
    ["POST", "/tracker/submit", "Bearer s", { spec: { scene: 1 }, token: "t" }],
  );
  assert.equal(await ask(open, "find", asked), null);
  local.script = ({ path }) =>
    path.endsWith("/cancel")
      ? { body: { answer: "accepted" } }
      : {
          body: {
            results: [
              { observation: { phase: "running", rawStatus: "frame 3" } },
              { failure: { fault: "transient", code: "busy", message: "later" } },
            ],
          },
        };
  const results = await ask(open, "poll", { ...farm, refs: [{ id: 7 }, { id: 8 }] });
  assert.deepEqual(results.map(word), ["running", "transient busy"]);
  assert.deepEqual(local.calls.at(-1)?.body, { refs: [{ id: 7 }, { id: 8 }] });
  assert.equal(await ask(open, "cancel", { ...farm, ref: { id: 7 } }), "accepted");
});

test("what it answers in nonsense, or not at all, ends no job", async () => {
  const poll = async (answer: GivenAnswer) => {
    local.script = () => answer;
    return (await ask(open, "poll", { ...farm, refs: [{ id: 1 }, { id: 2 }] })).map(word);
  };
  const fine = { observation: { phase: "running", rawStatus: "x" } };
  for (const body of [{}, { results: [fine] }, "fine"]) {
    assert.deepEqual(
      await poll({ body }),
      ["transient malformed_answer", "transient malformed_answer"],
      JSON.stringify(body),
    );
  }
  assert.deepEqual(await poll({ status: 503 }), ["transient http_503", "transient http_503"]);
  assert.deepEqual(await poll({ status: 401 }), ["auth http_401", "auth http_401"]);
});

test("a failure that it explains is told as it says, and a lost answer of a submission as undecided", async () => {
  const submit = () => ask(open, "submit", asked);
  const failure = { fault: "permanent", code: "no_such_scene", message: "There is no scene 1." };
  assert.equal(await failed({ status: 422, body: { failure } }, submit), "permanent no_such_scene");
  assert.equal(await failed({ body: { failure } }, submit), "permanent no_such_scene");
  assert.equal(await failed({ status: 502 }, submit), "transient http_502 undecided");
  assert.equal(await failed({ text: "<" }, submit), "transient malformed_answer undecided");
  assert.equal(await failed({ status: 429 }, submit), "transient http_429");
});

test("what it cannot do is known, or said", async () => {
  assert.equal(
    await failed({}, () => ask(open, "prepare", { ...asked, service: "look", connection: "looker" })),
    "permanent cannot_submit",
  );
  local.script = () => ({ status: 501 });
  assert.equal(await ask(open, "cancel", { ...farm, ref: { id: 7 } }), "unsupported");
  assert.equal(
    await failed({}, () => ask(open, "prepare", { ...asked, service: "other" })),
    "permanent wrong_connection",
  );
});
