import assert from "node:assert/strict";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { startPostgres, type TestPostgres } from "../postgres.ts";
import { Campaign } from "./campaign.ts";
import { effectLines, readEffects } from "./effects.ts";
import { onPostgres } from "./on-postgres.ts";
import { processOf, until } from "./processes.ts";
import { firstSeed } from "./strikes.ts";
import { judge } from "./verdict.ts";
import { calm } from "./workload.ts";

// Faults to catch: bodies that are not frozen when the lease is at risk; a judge that takes everybody's lease for run out
// when the store comes back; an outage that uses up an attempt.

const leaseMs = 2_000;
const bodies = 5;
const server = await startPostgres();
after(() => server.stop());

const outages: Readonly<Record<string, (server: TestPostgres, lastMs: number) => Promise<void>>> = {
  "is stopped": async (database, lastMs) => {
    database.freeze();
    await delay(lastMs);
    database.thaw();
  },
  "is killed": async (database, lastMs) => {
    await database.kill();
    await delay(lastMs);
    await database.restart();
  },
};

for (const [name, outage] of Object.entries(outages)) {
  test(`when the database ${name} for longer than the lease, bodies freeze and then go on: nothing is lost, taken over or counted`, async () => {
    const campaign = new Campaign({ seed: firstSeed, nodes: 2, leaseMs, ...onPostgres(server) });
    let isOrderly = false;
    try {
      await campaign.begin();
      for (let i = 0; i < bodies; i++) {
        campaign.start(
          "sitter",
          { status: "succeeded", outcome: "succeeded" },
          { input: { ...calm, steps: 1, workMs: 6_000 } },
        );
      }
      const pids = await until("all bodies work", () => {
        const working = readEffects(campaign.folder).filter(({ act }) => act === "working");
        const found = new Set(working.map(({ pid }) => pid));
        return found.size === bodies ? [...found] : undefined;
      });
      // A judge has to have renewed for a whole lease: two that may judge are the harder case.
      await delay(leaseMs);
      const over = outage(server, leaseMs * 2.5);
      await until(
        "all bodies are frozen",
        () => pids.every((pid) => processOf(pid)?.state === "T") || undefined,
        leaseMs * 2.5,
      );
      const frozen = effectLines(campaign.folder).length;
      await delay(leaseMs / 2);
      assert.equal(effectLines(campaign.folder).length, frozen, "a frozen body went on");
      await over;
      await campaign.peace();
      const verdict = await judge(campaign);
      assert.deepEqual([verdict.runs, verdict.takeovers, verdict.losses], [bodies, 0, 0]);
      for (const { id = "" } of campaign.roots) {
        const run = await campaign.store.findRun({ id });
        assert.deepEqual([run?.epoch, run?.attempt, run?.takeovers, run?.losses], [1, 1, 0, 0]);
      }
      isOrderly = true;
    } catch (error) {
      console.error(campaign.logs());
      throw error;
    } finally {
      await campaign.end(isOrderly);
    }
  });
}
