// Faults to catch: a value that leaves its place in a URL; a number that becomes a text where it stands alone; a placeholder of the
// tracker's taken for one of ours; a missing field sent as an empty text.
import assert from "node:assert/strict";
import { test } from "node:test";
import { isAppError, type Json } from "@holdfast/protocol";
import { filledJob } from "./job-input.ts";

const values = { input: { day: "2024-01-15", n: 3, odd: "a/b?c", deep: { list: [1] } }, run: { id: "r", attempt: 2 } };
const filled = (template: Json) => filledJob(template, values);

test("what stands alone keeps its kind, what stands in a text becomes text", () => {
  assert.deepEqual(
    filled({ args: ["--day={input.day}", "{input.n}"], all: "{input}", n: "{input.n} of {run.attempt}" }),
    {
      args: ["--day=2024-01-15", 3],
      all: values.input,
      n: "3 of 2",
    },
  );
  assert.equal(filled("{json:input.deep}"), '{"list":[1]}');
  assert.deepEqual(filled({ env: { A: "{json:input.n}", ID: "{run.id}" }, flag: true, none: null }), {
    env: { A: "3", ID: "r" },
    flag: true,
    none: null,
  });
});

test("in a URL a value stays in its place", () => {
  assert.deepEqual(filled({ url: "https://x/{input.odd}?n={input.n}" }), { url: "https://x/a%2Fb%3Fc?n=3" });
  assert.deepEqual(filled({ submit: { url: "{input.odd}" } }), { submit: { url: "a%2Fb%3Fc" } });
});

test("placeholders of the tracker's and other braces are left alone", () => {
  const template = { url: "https://x/{token}/{id}", text: "{ input }", code: "{inputs.day}" };
  assert.deepEqual(filled(template), template);
});

test("a field that is not there is told by its name", () => {
  for (const [template, path] of [
    ["{input.hour}", "input.hour"],
    ["x {input.deep.no} y", "input.deep.no"],
    ["{run.secret}", "run.secret"],
  ] as const) {
    assert.throws(
      () => filled(template),
      (error) => isAppError(error, "invalid_input") && error.message.includes(`{${path}}`),
    );
  }
});
