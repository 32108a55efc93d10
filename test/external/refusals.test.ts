// Faults to catch: a job that cannot be started, or that only pretends where that is not allowed, and nobody is told what to do.
import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../server/src/clock.ts";
import { Embedded } from "../../server/src/embedded.ts";
import { applyProject, serve, startNode } from "../../server/src/main.ts";
import { openStore } from "../../server/src/store/open.ts";
import { Project } from "../cli/command.ts";

const flow = `name: flow
tasks:
  named: { executor: cloudrun, job: j, connection: gcp, retries: 0 }
  pretends: { executor: http, url: "mock://success", retries: 0 }
`;

test("a job without its connection, and one that only pretends, fail with the task's name and with what to do", {
  timeout: 120_000,
}, async (t) => {
  const project = new Project(t, { "flow.yaml": flow });
  const services = serve(await openStore("memory:", { role: "either", clock: systemClock }), {});
  const node = await startNode(services, { root: project.root });
  const client = new Embedded(services, node);
  t.after(() => client.close({ graceMs: 0 }));
  await applyProject(services, { root: project.root, include: ["*.yaml"] });
  const told = async (definition: string) => {
    const run = await client.start(definition, {});
    await run.result().catch(() => undefined);
    const { error } = await run.status();
    return `${error?.message} / ${error?.hint}`;
  };
  assert.equal(
    await told("flow.named"),
    '"flow.named" cannot be started: There is no connection "gcp". / Say connections: { "gcp": { service: "cloudrun" } } in holdfast.config.ts.',
  );
  assert.match(
    await told("flow.pretends"),
    /^The job mock:..success of http failed: mock:..success is a job that only pretends, .* \/ Run it under holdfast dev, or say mockJobs: true in holdfast.config.ts.$/,
  );
});
