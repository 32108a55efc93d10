// Faults to catch: a result lost where the pipe happens to cut it; an earlier line taken for the last; a line that only
// contains the prefix taken for a result; a result of any size kept in memory; broken text passed on as if it were whole.
import assert from "node:assert/strict";
import { test } from "node:test";
import { limits } from "@holdfast/protocol";
import { ResultLine } from "./result-line.ts";

function read(text: string | Buffer, step = Number.POSITIVE_INFINITY) {
  const bytes = Buffer.from(text as string);
  const result = new ResultLine();
  for (let at = 0; at < bytes.length; at += step) result.push(bytes.subarray(at, at + step));
  return result.finish();
}

test("the last line that begins with either prefix is the result, however the bytes are cut", () => {
  const text = 'ORK_OUTPUT:1\nbetween\n\nHOLDFAST_OUTPUT: {"a":"ä€😀"} \r\nsay HOLDFAST_OUTPUT:2\nORK_OUT\n';
  for (const step of [1, 2, 3, 7, 1_000]) assert.deepEqual(read(text, step), { text: '{"a":"ä€😀"}' });
  assert.deepEqual(read("HOLDFAST_OUTPUT:1\nORK_OUTPUT:2"), { text: "2" });
});

test("there is no result where no line begins with a prefix", () => {
  for (const text of ["", "\n", "HOLDFAST_OUTPUT\n", " HOLDFAST_OUTPUT:1\n", "ORK_OUT", "x\nHOLDFAST_"]) {
    assert.equal(read(text, 3), undefined);
  }
});

test("a result at the limit is taken, one over it and one that is no UTF-8 are refused in words", () => {
  const full = "x".repeat(limits.outputBytes);
  assert.deepEqual(read(`HOLDFAST_OUTPUT:${full}\r\n`), { text: full });
  assert.match(
    JSON.stringify(read(`ORK_OUTPUT:${full}xxxxx\nrest\n`, 60_000)),
    /has 1048581 bytes; the limit is 1048576/,
  );
  const broken = Buffer.concat([Buffer.from('ORK_OUTPUT:"'), Buffer.of(0xff), Buffer.from('"\n')]);
  assert.deepEqual(read(broken), { problem: "It is not UTF-8." });
});
