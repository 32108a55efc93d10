import { after, before, describe, test } from "node:test";
import { type Clouds, openClouds } from "../clouds.ts";
import { CloudsRemote } from "../remote.ts";
import { testToken } from "../tokens.ts";
import { bigQueryJobs, cloudRunExecutions, dataprocJobs, kubernetesJobs } from "./scenarios.ts";

// The same scenarios against the fakes, always, and against the services themselves where the environment names them; what
// they cost and make is small, and is theirs who name them. `npm test` passes none of these variables on, so that CI skips them.
// Faults to catch: a fake on which something holds that its service does not do, or the other way round.

const {
  HOLDFAST_REAL_TOKEN: token,
  HOLDFAST_REAL_BIGQUERY: bigQuery,
  HOLDFAST_REAL_CLOUDRUN: cloudRun,
  HOLDFAST_REAL_DATAPROC: dataproc,
  HOLDFAST_REAL_KUBERNETES: kubernetes,
  HOLDFAST_REAL_KUBERNETES_TOKEN: kubernetesToken,
} = process.env;

function unless(given: readonly (string | undefined)[], how: string): false | string {
  return given.every((value) => value !== undefined && value !== "")
    ? false
    : `NOT CHECKED against the real service: set ${how}`;
}

describe("the fakes", () => {
  let clouds: Clouds;
  let fake: { url: string; token: string };

  before(async () => {
    clouds = await openClouds();
    fake = { url: clouds.url, token: testToken };
    const remote = new CloudsRemote(clouds.url);
    const result = { fields: [{ name: "n", type: "INTEGER" }], rows: [["1"]] };
    await remote.script({ service: "bigquery" }, { timeline: [{ afterMs: 0, phase: "succeeded" }], result });
    await remote.script(
      { text: "SELECT nope" },
      { timeline: [{ afterMs: 0, phase: "failed", message: "Unrecognized name: nope at [1:8]" }] },
    );
    const atOnce = { onCancel: { afterMs: 0 } };
    await remote.script({ service: "cloudrun" }, { timeline: [{ afterMs: 0, phase: "running" }], ...atOnce });
    await remote.script({ service: "dataproc" }, { timeline: [{ afterMs: 0, phase: "running" }], ...atOnce });
    await remote.script({ service: "kubernetes" }, { timeline: [{ afterMs: 0, phase: "succeeded" }] });
  });
  after(() => clouds.close());

  test("BigQuery's does as the scenario says", () => bigQueryJobs(fake, { project: "p", location: "US" }));
  test("Cloud Run's does as the scenario says", () => cloudRunExecutions(fake, "projects/p/locations/l/jobs/etl"));
  test("Dataproc's does as the scenario says", () =>
    dataprocJobs(fake, { place: "projects/p/regions/r", cluster: "main" }));
  test("Kubernetes' does as the scenario says", () => kubernetesJobs(fake, "default"));
});

describe("the services themselves", () => {
  test("BigQuery does as the scenario says", {
    skip: unless([token, bigQuery], "HOLDFAST_REAL_TOKEN and HOLDFAST_REAL_BIGQUERY=PROJECT/LOCATION"),
  }, () => {
    const [project = "", location = ""] = bigQuery?.split("/") ?? [];
    return bigQueryJobs({ url: "https://bigquery.googleapis.com", token: token ?? "" }, { project, location });
  });

  test("Cloud Run does as the scenario says", {
    skip: unless([token, cloudRun], "HOLDFAST_REAL_TOKEN and HOLDFAST_REAL_CLOUDRUN=PROJECT/LOCATION/JOB"),
  }, () => {
    const [project, location, job] = cloudRun?.split("/") ?? [];
    const name = `projects/${project}/locations/${location}/jobs/${job}`;
    return cloudRunExecutions({ url: "https://run.googleapis.com", token: token ?? "" }, name);
  });

  test("Dataproc does as the scenario says", {
    skip: unless([token, dataproc], "HOLDFAST_REAL_TOKEN and HOLDFAST_REAL_DATAPROC=PROJECT/REGION/CLUSTER"),
  }, () => {
    const [project, region, cluster = ""] = dataproc?.split("/") ?? [];
    const place = `projects/${project}/regions/${region}`;
    return dataprocJobs({ url: `https://${region}-dataproc.googleapis.com`, token: token ?? "" }, { place, cluster });
  });

  test("Kubernetes does as the scenario says", {
    skip: unless(
      [kubernetes, kubernetesToken],
      "HOLDFAST_REAL_KUBERNETES=https://HOST:PORT/NAMESPACE and HOLDFAST_REAL_KUBERNETES_TOKEN",
    ),
  }, () => {
    const url = new URL(kubernetes ?? "");
    return kubernetesJobs({ url: url.origin, token: kubernetesToken ?? "" }, url.pathname.slice(1));
  });
});
