import assert from "node:assert/strict";
import { test } from "node:test";
import { isAppError } from "@holdfast/protocol";
import { postgresFailure } from "./failures.ts";

function failure(code: string): unknown {
  return postgresFailure(Object.assign(new Error("write failed"), { code }));
}

test("a connection that breaks at any moment is an unavailable store, whatever the socket calls it", () => {
  for (const code of ["EPIPE", "ECONNRESET", "ECONNREFUSED", "ETIMEDOUT", "CONNECTION_CLOSED", "CONNECT_TIMEOUT"]) {
    assert.ok(isAppError(failure(code), "store_unavailable"), code);
  }
});

test("a state that a caller cannot act on is handed back as it is", () => {
  const cause = Object.assign(new Error("syntax error"), { code: "42601" });
  assert.equal(postgresFailure(cause), cause);
});
