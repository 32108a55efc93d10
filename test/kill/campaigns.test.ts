import { join } from "node:path";
import { after, describe, test } from "node:test";
import { Chance } from "../../server/src/store/contract/chance.contract.ts";
import { openOwned } from "../owned-store.ts";
import { startPostgres } from "../postgres.ts";
import type { CampaignOptions } from "./campaign-options.ts";
import { onPostgres } from "./on-postgres.ts";
import { bodyPoints, fleetPoints, nodePoints } from "./points.ts";
import {
  allStrikes,
  carryOut,
  checkCoverage,
  firstSeed,
  type Outcome,
  planStrikes,
  pointedShare,
  seldomHit,
  strikesAt,
  summary,
} from "./strikes.ts";

// Faults to catch: no fencing, release in another transaction, no guard, success from an exit code, a claim that is lost with
// its answer; on files, an answer before its sync, a torn line that stops the next start; anything that waits for a ring (the
// two-node fleet hears none). The stores are struck at the same time, since much of a campaign is waiting; the campaigns on
// files and SQLite come after each other, and so do those on PostgreSQL, on one server of their own, which is killed and
// stopped too.

/** Of all strikes. */
const owned = [
  {
    store: "SQLite",
    share: 0.35,
    language: "typescript",
    address: (folder: string) => `sqlite:${join(folder, "store.db")}`,
  },
  { store: "files", share: 0.15, language: "python", address: (folder: string) => `file:${join(folder, "kept")}` },
] as const;
const fleets = [
  { nodes: 1, share: 0.1, deaf: false, language: "typescript" },
  { nodes: 2, share: 0.3, deaf: true, language: "python" },
  { nodes: 3, share: 0.25, deaf: false, language: "typescript" },
] as const;

describe("whatever is killed or stopped at whatever point, every run ends once and right", { concurrency: 2 }, () => {
  describe("on a store with one owner", { concurrency: 1 }, () => {
    const points = [...bodyPoints, ...nodePoints];
    const outcomes: Outcome[] = [];

    for (const { store, share, language, address } of owned) {
      test(`${store}, bodies in ${language}`, async (t) => {
        const options: CampaignOptions = {
          seed: firstSeed,
          nodes: 1,
          leaseMs: 1_000,
          pulse: true,
          language,
          address,
          openStore: (at) => openOwned(at, { role: "client", patienceMs: 120_000 }),
        };
        const count = Math.round(allStrikes * share);
        // From the end, where the campaign before has come to the points but once.
        const turned = outcomes.length % 2 === 0 ? points : points.toReversed();
        const outcome = await carryOut(
          options,
          planStrikes({ count, points: turned, hasDatabase: false, chance: new Chance(firstSeed) }),
        );
        outcomes.push(outcome);
        t.diagnostic(summary(options, outcome));
      });
    }

    test("no point was never hit", () => checkCoverage(points, outcomes));
  });

  describe("on PostgreSQL", { concurrency: 1 }, () => {
    const points = [...bodyPoints, ...nodePoints, ...fleetPoints];
    const outcomes: Outcome[] = [];
    const server = startPostgres();
    after(async () => (await server).stop());

    for (const [index, { nodes, share, deaf, language }] of fleets.entries()) {
      test(`${nodes} node(s), bodies in ${language}${deaf ? " that hear no rings" : ""}`, async (t) => {
        const seed = firstSeed + index + 1;
        const database = await server;
        const options: CampaignOptions = {
          seed,
          nodes,
          language,
          leaseMs: 1_000,
          pulse: true,
          deaf,
          database,
          ...onPostgres(database),
        };
        const count = Math.round(allStrikes * share);
        // Each campaign goes on where the one before it ended, so that together they come to all points.
        const before = fleets.slice(0, index).reduce((sum, fleet) => sum + fleet.share, 0);
        const from = Math.floor(allStrikes * before * pointedShare) % points.length;
        const turned = [...points.slice(from), ...points.slice(0, from)];
        const outcome = await carryOut(
          options,
          planStrikes({ count, points: turned, hasDatabase: true, chance: new Chance(seed) }),
        );
        outcomes.push(outcome);
        t.diagnostic(summary(options, outcome));
      });
    }

    test("no point was never hit", async () => {
      // Whether anybody comes to a point is a matter of chance: where nobody has, it is gone for once more.
      const database = await server;
      for (let more = 1; more <= 3; more++) {
        const missing = seldomHit(points, outcomes);
        if (missing.length === 0) break;
        const options = { seed: firstSeed + 100 + more, nodes: 3, leaseMs: 1_000, deaf: false, pulse: true, database };
        outcomes.push(await carryOut({ ...options, ...onPostgres(database) }, strikesAt(missing)));
      }
      checkCoverage(points, outcomes);
    });
  });
});
