// Fault to catch: a service is given an address at which it finds itself, and the secret of its job with it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { reachable } from "./hosting.ts";

test("the address that a server listens on is given to services, but where it is every one of the machine", () => {
  const hosts = ["127.0.0.1", "localhost", "10.0.0.7", "0.0.0.0", "::", "[::]"];
  const given = hosts.filter((host) => reachable(host, "http://x:1") !== undefined);
  assert.deepEqual(given, ["127.0.0.1", "localhost", "10.0.0.7"]);
});
