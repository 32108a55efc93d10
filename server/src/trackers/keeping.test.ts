// Faults to catch: a result that cannot be kept is told as none, so that a run succeeds with another value (P4); a job that has ended is never
// seen to, since something that is said beside its end cannot be kept; an answer that makes no sense is taken for an end; one strange
// answer of a service that is a tracker keeps all the others from being heard.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { type Json, limits, type Observation } from "@holdfast/protocol";
import { keepable, keepableObservation } from "./keeping.ts";
import { ask, LocalService, openConnections } from "./service.fixture.ts";

const done = { phase: "succeeded", rawStatus: "DONE" } as const;

function seen(said: unknown): Observation {
  const kept = keepable({ observation: said });
  assert.ok("observation" in kept, JSON.stringify(kept));
  return kept.observation;
}

function deep(levels: number): Json {
  let value: Json = 1;
  for (let level = 0; level < levels; level++) value = [value];
  return value;
}

test("a result that cannot be kept is told as such, with why, and is never kept as another value", () => {
  for (const [result, why] of [
    [deep(limits.nestingLevels + 1), /nested deeper than 500 levels/],
    [deep(100_000), /nested deeper/],
    ["x".repeat(limits.jobResultBytes), /more than 262144/],
    ["é".repeat(limits.jobResultBytes / 2), /more than 262144/],
    ["a\u0000b", /NUL/],
    [{ rows: [{ name: "\ud800" }] }, /lone surrogate/],
    [{ "a\u0000": 1 }, /NUL/],
    [Number.NaN, /no JSON/],
    [new Map(), /no JSON/],
  ] as const) {
    const { phase, result: kept, unkept } = seen({ ...done, result });
    assert.deepEqual([phase, kept], ["succeeded", undefined]);
    assert.match(unkept ?? "", why);
  }
});

test("a result that can be kept is kept as it is", () => {
  for (const result of [null, 0, "", "😀", deep(limits.nestingLevels), "x".repeat(limits.jobResultBytes - 2)]) {
    assert.deepEqual(seen({ ...done, result }), { ...done, result });
  }
  assert.deepEqual(seen(done), done);
  assert.deepEqual(seen({ phase: "failed", rawStatus: "x", result: "a\u0000" }), { phase: "failed", rawStatus: "x" });
});

test("whatever is said beside it, where the job stands is heard", () => {
  const said = {
    ...{ ...done, rawStatus: "D\u0000".repeat(400), message: "m\ud800".repeat(90_000), code: "c".repeat(300) },
    ...{ warning: 7, progress: { done: "half" }, links: Array.from({ length: 30 }, () => ({ label: "a", url: "b" })) },
    ...{ startedAt: "now", nextPollMs: -1, result: { rows: 1 } },
  };
  const { phase, rawStatus, message, code, result, ...others } = seen(said);
  assert.deepEqual([phase, result, others], ["succeeded", { rows: 1 }, {}]);
  assert.ok(rawStatus.length <= 200 && (message ?? "").length <= 2_001 && (code ?? "").length <= 200);
  assert.ok(!`${rawStatus}${message}`.includes("\u0000") && `${message}`.isWellFormed());
  const shown = seen({ ...done, progress: { done: 1, text: "a\u0000" }, links: [{ label: "\ud800", url: "u" }] });
  assert.deepEqual([shown.progress?.text, shown.links?.[0]?.label], ["a\ufffd", "\ufffd"]);
});

test("what says of no job where it stands is no end, and may be right the next time", () => {
  for (const said of [undefined, null, 7, {}, { observation: {} }, { observation: { ...done, phase: "dancing" } }]) {
    const kept = keepable(said);
    assert.ok("failure" in kept && kept.failure.fault === "transient" && kept.failure.code === "malformed_answer");
  }
  assert.ok("failure" in keepable({ observation: { phase: "succeeded" } }));
  assert.equal(keepableObservation({ phase: "succeeded" }), undefined);
  const failure = { fault: "auth", code: "c", message: "m" };
  assert.deepEqual(keepable({ failure }), { failure });
});

test("a strange answer about one job of a service that is a tracker harms no other", async () => {
  const local = await LocalService.start(() => ({
    body: {
      results: [
        { observation: { ...done, result: deep(3_000) } },
        { observation: { phase: "dancing", rawStatus: "x" } },
        { observation: { ...done, result: 7 } },
      ],
    },
  }));
  const open = openConnections({ render: { service: "render", tracker: local.url } });
  after(async () => {
    await open.close();
    await local.close();
  });
  const results = await ask(open, "poll", { service: "render", connection: null, refs: [1, 2, 3] });
  const words = results.map((one) => ("observation" in one ? one.observation : one.failure.code));
  assert.deepEqual(words[1], "malformed_answer");
  assert.deepEqual(words[2], { ...done, result: 7 });
  assert.match(JSON.stringify(words[0]), /"unkept":"it is nested deeper/);
});
