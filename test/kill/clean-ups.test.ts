import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { defaultCleanUp, defaultRetry, type Manifest, type TaskSpec } from "@holdfast/protocol";
import { serve } from "../../server/src/main.ts";
import { openOwned } from "../owned-store.ts";
import { startPostgres } from "../postgres.ts";
import { Campaign } from "./campaign.ts";
import type { CampaignOptions } from "./campaign-options.ts";
import { readEffects } from "./effects.ts";
import { onPostgres } from "./on-postgres.ts";
import { processesWithin, signal, until } from "./processes.ts";
import { firstSeed } from "./strikes.ts";

// Faults to catch: a clean-up that dies with its process or its node, or whose run ends without it; one that two carry out to its end.

const tidy: TaskSpec = {
  ...{ kind: "task", id: "tidy", executor: "typescript", source: { module: "test/kill/bodies.ts", export: "tidy" } },
  ...{ queue: "default", priority: 0, retry: defaultRetry, onCancel: defaultCleanUp, placement: "process" },
  ...{ isolation: "pool", reads: [], writes: [] },
};
const manifest: Manifest = { format: 1, root: "tidy", definitions: { tidy }, assets: {} };

async function cleanedThrough(options: Pick<CampaignOptions, "nodes" | "address" | "openStore">): Promise<void> {
  const campaign = new Campaign({ seed: firstSeed, leaseMs: 1_000, ...options });
  let isOrderly = false;
  try {
    await campaign.begin();
    const { runs, definitions } = serve(campaign.store, {});
    await definitions.apply([manifest]);
    const { run } = await runs.start({ definition: "tidy", input: {} });
    const acts = (act: string) =>
      readEffects(campaign.folder).filter((each) => each.runId === run.id && each.act === act);
    await until(
      "the run waits",
      async () => (await campaign.store.findRun({ id: run.id }))?.status === "waiting" || undefined,
    );
    await runs.cancel(run.id, {});
    const first = await until("it is cleaned up", () => acts("cleaning")[0]);
    signal(first.pid, "SIGKILL");
    const second = await until("it is cleaned up by another process", () => acts("cleaning")[1]);
    const holder = campaign.nodes.find(({ folder }) => processesWithin(folder).some(({ pid }) => pid === second.pid));
    assert.ok(holder);
    await campaign.kill(holder);
    campaign.boot();
    await until("it is cleaned up by another node", () => acts("cleaning")[2]);
    assert.equal((await campaign.store.findRun({ id: run.id }))?.status, "cancelling");
    writeFileSync(join(campaign.folder, "go"), "");
    await until(
      "it is cancelled",
      async () => (await campaign.store.findRun({ id: run.id }))?.status === "cancelled" || undefined,
    );
    assert.deepEqual([acts("begun").length, acts("cleaning").length, acts("cleaned").length], [1, 3, 1]);
    const events = await campaign.store.listEvents({ runId: run.id, after: 0, limitRows: 100 });
    assert.deepEqual(
      events.map(({ number }) => number),
      events.map((_, index) => index + 1),
    );
    assert.equal(events.filter(({ type }) => type === "run.cleaned_up").length, 1);
    assert.deepEqual(await campaign.store.listObligations({ namespace: "default", limitRows: 5 }), []);
    isOrderly = true;
  } catch (error) {
    console.error(campaign.logs());
    throw error;
  } finally {
    await campaign.end(isOrderly);
  }
}

describe("a clean-up outlives its process and its node", { timeout: 240_000, concurrency: 1 }, () => {
  test("on SQLite", async () => {
    await cleanedThrough({
      nodes: 1,
      address: (folder) => `sqlite:${join(folder, "store.db")}`,
      openStore: (at) => openOwned(at, { role: "client", patienceMs: 120_000 }),
    });
  });

  describe("on PostgreSQL", () => {
    const server = startPostgres();
    after(async () => (await server).stop());
    test("with two nodes", async () => cleanedThrough({ nodes: 2, ...onPostgres(await server) }));
  });
});
