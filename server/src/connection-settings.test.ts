// Faults to catch: a job of Ork's `custom_http` that does not go through `connections.http`, or is not counted there; a name that every object
// has, taken for a connection.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connectionOf, missingConnection } from "./connection-settings.ts";

const connections = { http: {}, cloud_run: {}, bq: { service: "bigquery" } };
const meant = (service: string, connection: string | null = null) => connectionOf(connections, { service, connection });

test("a job that names no connection goes through the one that is called like its service, by either name", () => {
  assert.deepEqual(["http", "custom_http", "cloudrun", "cloud_run"].map((name) => meant(name)), ["http", "http", "cloud_run", "cloud_run"]); // biome-ignore format: one line
  assert.deepEqual([meant("bigquery"), meant("bigquery", "bq"), meant("toString")], [null, "bq", null]);
  assert.equal(
    connectionOf({ custom_http: {}, http: {} }, { service: "custom_http", connection: null }),
    "custom_http",
  );
});

test("a connection that is not there is told with the nearest, or with what to write where there is none", () => {
  assert.equal(missingConnection(["gcpp"], "gcp", "cloudrun")?.hint, 'Did you mean "gcpp"?');
  const hint = 'Say connections: { "bq": { service: "bigquery" } } in holdfast.config.ts.';
  assert.equal(missingConnection([], "bq", "bigquery")?.hint, hint);
  assert.equal(missingConnection(["bq"], "bq", "bigquery"), undefined);
});
