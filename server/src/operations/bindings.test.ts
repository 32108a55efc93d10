import assert from "node:assert/strict";
import { test } from "node:test";
import type { Binding } from "@holdfast/protocol";
import { evaluateBinding, isConstant } from "./bindings.ts";

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
