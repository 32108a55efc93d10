// Fault to catch: what a node was started with (its store's address, its token, options of Node) reaches user code (P8).
import assert from "node:assert/strict";
import { test } from "node:test";
import { childEnvironment } from "./child-environment.ts";

test("a child gets five names of the node's own, what is declared, and nothing else", () => {
  const passedOn = { PATH: "/bin", HOME: "/home/anna", LANG: "C.UTF-8", TZ: "UTC", TMPDIR: "/tmp" };
  const secrets = {
    ...{ HOLDFAST_STORE: "postgres://anna:secret@db/shop", HOLDFAST_TOKEN: "secret", DATABASE_URL: "postgres://db" },
    ...{ NODE_OPTIONS: "--require ./spy.js", NODE_EXTRA_CA_CERTS: "/ca", LD_PRELOAD: "/spy.so", PYTHONPATH: "/spy" },
    ...{ PGPASSWORD: "secret", AWS_SECRET_ACCESS_KEY: "secret", OTEL_EXPORTER_OTLP_HEADERS: "key=secret" },
  };
  const declared = { SHOP: "eu", TZ: "Europe/Berlin" };
  assert.deepEqual(childEnvironment({ ...passedOn, ...secrets }, declared), { ...passedOn, ...declared });
  assert.deepEqual(childEnvironment({ PATH: "/bin", HOME: undefined, ...secrets }, {}), { PATH: "/bin" });
});
