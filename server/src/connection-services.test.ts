// Faults to catch: a setting that is misspelt, or is another service's, and is found out when a job wants the connection; a service that is
// misspelt; a setting that its tracker takes and the reader refuses, or the other way round; one of the user's own trackers held to ours.
import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { defineConfig } from "./config.ts";
import { serviceNames, settingsOf } from "./connection-services.ts";
import { readConnections } from "./connection-settings.ts";
import { remoteSettingsSchema } from "./trackers/remote-tracker.ts";
import { services } from "./trackers/services.ts";

function told(connections: unknown): string[] {
  const said: string[] = [];
  const place = { root: "/", add: (key: string, what: string, hint: string) => said.push(`${key}: ${what}. ${hint}`) };
  const good = readConnections(connections, place);
  return said.length === 0 ? Object.keys(good) : said;
}

test("a setting that its service does not take is refused with its place and the nearest that is known", () => {
  assert.deepEqual(told({ bq: { service: "bigquery", projet: "shop" } }), [
    'projet: unknown key "connections.bq.projet". Did you mean "project"?',
  ]);
  assert.deepEqual(told({ kubernetes: { nameSpace: "etl" }, any: { baseurl: "http://a" } }), [
    'nameSpace: unknown key "connections.kubernetes.nameSpace". Did you mean "namespace"?',
    'baseurl: unknown key "connections.any.baseurl". Did you mean "baseUrl"?',
  ]);
  assert.match(
    told({ jobs: { service: "http", project: "shop" } })[0] ?? "",
    /^project: unknown key .*Known: .*"headers"/,
  );
  assert.match(
    told({ run: { service: "render", tracker: "http://a", setleMs: 3 } })[0] ?? "",
    /Did you mean "settleMs"/,
  );
});

test("a value that its service does not take, and a service that there is not, are refused with what to write", () => {
  assert.deepEqual(told({ bq: { service: "bigquery", credentials: "key.json" } }), [
    'credentials: "connections.bq.credentials" is "key.json". Write "ambient", "none" or { keyFile: "key.json" }.',
  ]);
  assert.deepEqual(told({ bq: { service: "bigqeury" } }), [
    'service: "connections.bq.service" is "bigqeury", which is no service. Did you mean "bigquery"? One of your own names its module or tracker.',
  ]);
  assert.match(told({ jobs: { tracker: "http://a" } })[0] ?? "", /has a tracker and no service/);
  assert.match(
    told({ http: { private: "yes", toString: 1 } }).join(),
    /"yes"\. Write true.*unknown key "connections.http.toString"/,
  );
});

test("what each service takes passes, by its name, by its second one, and where no service is said", () => {
  const good = {
    bq: { service: "bigquery", project: "shop", location: "EU", credentials: { keyFile: "k.json" }, calls: 4 },
    cloud_run: { project: "shop", baseUrl: "http://127.0.0.1:1", credentials: "none" },
    jobs: { service: "custom_http", baseUrl: "https://a", headers: { a: "b" }, private: true, allow: ["10.0.0.0/8"] },
    kubernetes: { kubeconfig: "k", context: "c", namespace: "n", server: "http://127.0.0.1:1" },
    render: { service: "render", tracker: "http://a", submission: "listed", settleMs: 5 },
    gcp: { project: "shop", location: "EU" },
  };
  assert.deepEqual(told(good), Object.keys(good));
});

test("what the reader takes is what the trackers take", () => {
  const known = services.flatMap(({ service, aliases = [] }) => [service, ...aliases]);
  assert.deepEqual(serviceNames.toSorted(), known.toSorted());
  const shapeOf = (schema: unknown) => Object.keys(z.object((schema as z.ZodObject).shape).shape).toSorted();
  for (const { service, aliases = [], settings } of services) {
    for (const name of [service, ...aliases]) {
      assert.deepEqual(["service", ...Object.keys(settingsOf(name, {}))].toSorted(), shapeOf(settings), name);
    }
  }
  assert.deepEqual(
    ["service", ...Object.keys(settingsOf("x", { tracker: "http://a" }))].toSorted(),
    shapeOf(remoteSettingsSchema),
  );
});

test("what fits compiles, and what does not is refused by TypeScript where it is written", () => {
  defineConfig({
    app: "shop",
    connections: {
      bq: { service: "bigquery", project: "shop", location: "EU", calls: 3, credentials: { keyFile: "k.json" } },
      http: { baseUrl: process.env.JOBS_URL, headers: { a: "b" }, allow: ["10.0.0.0/8"] },
      render: { service: "render", module: "trackers/render.ts", env: ["RENDER_KEY"], quality: 5 },
      far: { service: "far", tracker: "http://127.0.0.1:1", submission: "token" },
      gcp: { project: "shop" },
    },
  });
  // @ts-expect-error There is no such setting at all.
  defineConfig({ connections: { bq: { service: "bigquery", projet: "shop" } } });
  // @ts-expect-error It is another service's.
  defineConfig({ connections: { bq: { service: "bigquery", headers: { a: "b" } } } });
  // @ts-expect-error It is not of that kind.
  defineConfig({ connections: { http: { private: "yes" } } });
  // @ts-expect-error There is no such service, and neither a module nor a tracker for it.
  defineConfig({ connections: { bq: { service: "bigqeury" } } });
  // @ts-expect-error A connection without a service may say what some service takes.
  defineConfig({ connections: { gcp: { projet: "shop" } } });
  // @ts-expect-error A tracker that is a service has a name.
  defineConfig({ connections: { far: { tracker: "http://127.0.0.1:1" } } });
  // @ts-expect-error The rest of a configuration is held to its keys as before.
  defineConfig({ ap: "shop" });
});
