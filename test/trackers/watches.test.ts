// Watches against the fakes. Faults to catch: a change that is told late or never; a watch that is lost with its connection, its place in
// history or its answer, and does not begin again; one job's watch that ends another's.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import type { Json } from "@holdfast/protocol";
import { systemClock } from "../../server/src/clock.ts";
import type { Connections } from "../../server/src/trackers/connections.ts";
import { ask, openConnections } from "../../server/src/trackers/service.fixture.ts";
import { Watches } from "../../server/src/trackers/watches.ts";
import { HeldClock } from "../clouds/clock.ts";
import { type Clouds, openClouds } from "../clouds/clouds.ts";
import type { Job } from "../clouds/world.ts";
import { signInAtFakes } from "./sign-in.ts";
import { type Subject, subjects } from "./subjects.ts";

/** What is told of jobs, and a way to wait for it. */
class Told {
  readonly lines: string[] = [];
  #changed: () => void = () => undefined;

  note(line: string): void {
    this.lines.push(line);
    this.#changed();
  }

  async until(line: string): Promise<void> {
    while (!this.lines.includes(line)) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }
}

const watched = [
  { subject: named("bigquery"), operation: "jobs.getQueryResults" },
  { subject: named("kubernetes"), operation: "jobs.list" },
];

function named(service: string): Subject {
  const subject = subjects.find((one) => one.service === service);
  assert.ok(subject !== undefined);
  return subject;
}

for (const { subject, operation } of watched) {
  describe(`watching jobs of ${subject.service}`, { timeout: 60_000 }, () => {
    let clouds: Clouds;
    let open: Connections;
    let told: Told;
    let watches: Watches;
    const address = { service: subject.service, connection: null };
    before(async () => {
      clouds = await openClouds({ clock: new HeldClock() });
      signInAtFakes(clouds.url);
      open = openConnections({ [subject.service]: subject.settings(clouds.url) });
    });
    after(async () => {
      watches.close();
      await open.close();
      await clouds.close();
    });
    beforeEach(() => {
      watches?.close();
      clouds.server.world.clear();
      clouds.server.calls.clear();
      told = new Told();
      watches = new Watches({
        connections: open,
        clock: systemClock,
        listener: {
          observed: (_watch, ref, { phase }) => told.note(`${labels.get(JSON.stringify(ref))} ${phase}`),
          watched: (_watch, refs, stands) => {
            for (const ref of refs) told.note(`${labels.get(JSON.stringify(ref))} ${stands ? "stands" : "lost"}`);
          },
        },
      });
    });
    const labels = new Map<string, string>();

    async function started(label: string): Promise<{ ref: Json; job: Job }> {
      const { spec } = await ask(open, "prepare", { ...address, spec: subject.spec, token: label });
      const { ref } = await ask(open, "submit", { ...address, spec, token: label });
      labels.set(JSON.stringify(ref), label);
      const job = clouds.server.world.list(subject.fake).at(-1);
      assert.ok(job !== undefined);
      return { ref, job };
    }
    const match = { service: subject.fake, operation, ...(subject.service === "kubernetes" && { text: "watch=1" }) };
    /** So many watches have been asked for. */
    async function opened(count: number): Promise<void> {
      const gone = new AbortController().signal;
      await clouds.server.calls.until({ match, count, sinceSeq: 0, ended: false, gone });
    }

    test("tells at once what becomes of each of them", async () => {
      const a = await started("a");
      const b = await started("b");
      watches.add(1, address, [a.ref, b.ref]);
      await told.until("a stands");
      await told.until("b stands");
      await opened(subject.service === "kubernetes" ? 1 : 2);
      clouds.server.world.turn(b.job, { phase: "failed" });
      await told.until("b failed");
      assert.ok(!told.lines.some((line) => /^a (succeeded|failed)/.test(line)));
      clouds.server.world.turn(a.job, { phase: "succeeded" });
      await told.until("a succeeded");
    });

    test("tells of one that had ended before it was watched", async () => {
      const a = await started("early");
      clouds.server.world.turn(a.job, { phase: "succeeded" });
      watches.add(1, address, [a.ref]);
      await told.until("early succeeded");
    });

    test("goes on when the service fails or cuts the connection", async () => {
      const a = await started("cut");
      clouds.server.faults.add({ match, fault: { kind: "reset" }, times: 1 });
      watches.add(1, address, [a.ref]);
      await opened(2);
      await told.until("cut stands");
      clouds.server.world.turn(a.job, { phase: "succeeded" });
      await told.until("cut succeeded");
    });
  });
}

describe("watching jobs of Kubernetes whose history is forgotten", { timeout: 60_000 }, () => {
  test("lists again, and tells what happened meanwhile", async () => {
    const subject = named("kubernetes");
    await using clouds = await openClouds({ clock: new HeldClock() });
    const open = openConnections({ kubernetes: subject.settings(clouds.url) });
    const told = new Told();
    const watches = new Watches({
      connections: open,
      clock: systemClock,
      listener: {
        observed: (_watch, _ref, { phase }) => told.note(phase),
        watched: (_watch, _refs, stands) => told.note(stands ? "stands" : "lost"),
      },
    });
    const address = { service: "kubernetes", connection: null };
    const { spec } = await ask(open, "prepare", { ...address, spec: subject.spec, token: "k" });
    const { ref } = await ask(open, "submit", { ...address, spec, token: "k" });
    watches.add(1, address, [ref]);
    await told.until("stands");
    clouds.server.world.signals.dispatchEvent(new Event("kubernetes.compact"));
    await told.until("lost");
    const [job] = clouds.server.world.list("kubernetes");
    assert.ok(job !== undefined);
    clouds.server.world.turn(job, { phase: "succeeded" });
    await told.until("succeeded");
    watches.close();
    await open.close();
  });
});
