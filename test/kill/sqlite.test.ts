import { join } from "node:path";
import { test } from "node:test";
import { openSqliteStore } from "../../server/src/store/sqlite/open.ts";
import { Chance } from "../simulation/chance.ts";
import type { CampaignOptions } from "./campaign.ts";
import { bodyPoints, nodePoints } from "./points.ts";
import { allStrikes, carryOut, checkCoverage, describe, firstSeed, planStrikes } from "./strikes.ts";

const points = [...bodyPoints, ...nodePoints];

test("on SQLite, whatever is killed or stopped at whatever point, every run ends once and right", async (t) => {
  const options: CampaignOptions = {
    seed: firstSeed,
    nodes: 1,
    leaseMs: 1_000,
    address: (folder) => `sqlite:${join(folder, "store.db")}`,
    openStore: (address) =>
      openSqliteStore({ path: address.slice("sqlite:".length), role: "client", patienceMs: 120_000 }),
  };
  const count = Math.max(Math.ceil(points.length * 1.25), Math.round(allStrikes * 0.3));
  const strikes = planStrikes({ count, points, hasDatabase: false, chance: new Chance(firstSeed) });
  const outcome = await carryOut(options, strikes);
  t.diagnostic(describe(options, outcome));
  checkCoverage(points, [outcome]);
});
