import assert from "node:assert/strict";
import { test } from "node:test";
import { canonicalHash } from "./canonical.ts";

test("a hash is SHA-256 of the RFC 8785 text, whatever the order of the keys", () => {
  // From `printf '%s' '{"a":[1,1e+30,"é"],"b":null}' | sha256sum`.
  const expected = "fcda72738411763556aebeb3d496b6a84cfc93df255201fbf2eaae1941aac8dd";
  assert.equal(canonicalHash({ b: null, a: [1.0, 1e30, "é"] }), expected);
  assert.equal(canonicalHash({ a: [1, 1e30, "é"], b: null, c: undefined }), expected);
  assert.throws(() => canonicalHash({ a: Number.NaN }), /\$\.a is NaN/);
});
