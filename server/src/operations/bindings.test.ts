import assert from "node:assert/strict";
import { test } from "node:test";
import type { Binding, Json } from "@holdfast/protocol";
import { evaluateBinding, isConstant, judgeCondition } from "./bindings.ts";

const params: Binding = { ref: { from: "params", path: ["day"] } };

test("a binding is constant when no part of it reads anything, and then its value needs no scope", () => {
  const constant: Binding = { object: { a: { const: 1 }, b: { list: [{ const: null }, { object: {} }] } } };
  assert.equal(isConstant(constant), true);
  assert.deepEqual(evaluateBinding(constant, { params: {}, outputs: new Map() }, "it"), { a: 1, b: [null, {}] });
  for (const reading of [params, { cel: "params.day" }]) {
    assert.equal(isConstant(reading), false);
    assert.equal(isConstant({ list: [{ const: 1 }, reading] }), false);
    assert.equal(isConstant({ object: { a: { list: [reading] } } }), false);
  }
});

test("a condition lets in, leaves out and says why; what is neither true, false nor null is a mistake", () => {
  const judge = (value: Json) => judgeCondition(value, "its when");
  assert.equal(judge(true), undefined);
  assert.deepEqual(judge(false), { code: "condition_false", message: "Its condition did not hold." });
  assert.deepEqual(judge(null), {
    code: "condition_false",
    message: "Its condition gave null, which is not true.",
  });
  for (const value of [3, 0, "true", "", [], {}]) {
    assert.throws(() => judge(value), {
      code: "invalid_input",
      message: `its when gave ${JSON.stringify(value)}, which is neither true nor false.`,
    });
  }
});
