import { after, test } from "node:test";
import { startPostgres } from "../postgres.ts";
import { Chance } from "../simulation/chance.ts";
import type { CampaignOptions } from "./campaign.ts";
import { onPostgres } from "./on-postgres.ts";
import { bodyPoints, fleetPoints, nodePoints } from "./points.ts";
import { allStrikes, carryOut, checkCoverage, describe, firstSeed, type Outcome, planStrikes } from "./strikes.ts";

// One server of its own for all campaigns: it is killed and stopped too.

const points = [...bodyPoints, ...nodePoints, ...fleetPoints];
/** Nodes and their share of all strikes. */
const campaigns = [
  { nodes: 1, share: 0.2 },
  { nodes: 2, share: 0.3 },
  { nodes: 3, share: 0.2 },
] as const;

const server = await startPostgres();
const outcomes: Outcome[] = [];
after(() => server.stop());

for (const [index, { nodes, share }] of campaigns.entries()) {
  test(`with ${nodes} node(s) on PostgreSQL, whatever is killed or stopped at whatever point, every run ends once and right`, async (t) => {
    const seed = firstSeed + index;
    const chance = new Chance(seed);
    const options: CampaignOptions = {
      seed,
      nodes,
      leaseMs: 1_000,
      database: server,
      ...onPostgres(server),
    };
    const count = Math.round(allStrikes * share);
    // Each campaign begins with another third of the points, so that together they come to all.
    const from = Math.floor((points.length * index) / campaigns.length);
    const turned = [...points.slice(from), ...points.slice(0, from)];
    const outcome = await carryOut(options, planStrikes({ count, points: turned, hasDatabase: true, chance }));
    outcomes.push(outcome);
    t.diagnostic(describe(options, outcome));
  });
}

test("on PostgreSQL no point was never hit", () => checkCoverage(points, outcomes));
