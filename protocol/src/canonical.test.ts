import assert from "node:assert/strict";
import { test } from "node:test";
import { canonicalText } from "./canonical.ts";

test("the example of RFC 8785 comes out as the RFC prints it", () => {
  const value = {
    numbers: [Number("333333333.33333329"), 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
    string: "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"/",
    literals: [null, true, false],
  };
  const expected =
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
    '"string":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}';
  assert.equal(canonicalText(value), expected);
});

test("keys are sorted by their UTF-16 units, as in section 3.2.3 of the RFC", () => {
  const value = { "\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\u{1f600}": 5, "\u0080": 6, "\u00f6": 7 };
  const keys = [...canonicalText(value).matchAll(/:(\d)/g)].map(([, digit]) => Number(digit));
  assert.deepEqual(keys, [2, 4, 6, 7, 1, 5, 3]);
});

test("order of insertion and undefined properties change nothing", () => {
  assert.equal(canonicalText({ a: 1, b: { d: 2, c: undefined } }), canonicalText({ b: { d: 2 }, a: 1 }));
  assert.equal(canonicalText(-0), "0");
});

test("what JSON cannot say is refused with its path", () => {
  assert.throws(() => canonicalText({ a: [1, Number.NaN] }), /\$\.a\[1\] is NaN/);
  assert.throws(() => canonicalText({ a: { b: Number.POSITIVE_INFINITY } }), /\$\.a\.b is Infinity/);
  assert.throws(() => canonicalText({ f: () => 1 }), /\$\.f is a function/);
  assert.throws(() => canonicalText([1n]), /\$\[0\] is a bigint/);
  assert.throws(() => canonicalText([undefined]), /\$\[0\] is a undefined/);
});
