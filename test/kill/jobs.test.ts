import assert from "node:assert/strict";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { Chance } from "../../server/src/store/contract/chance.contract.ts";
import { openOwned } from "../owned-store.ts";
import { startPostgres } from "../postgres.ts";
import { JobCampaign, type JobCampaignOptions, type JobStrike, jobVictims } from "./job-campaign.ts";
import { cancelPoints, doubtPoints, submissionPoints } from "./job-points.ts";
import { judgeJobs } from "./job-verdict.ts";
import { type JobKind, jobKinds } from "./job-work.ts";
import { onPostgres } from "./on-postgres.ts";
import { allStrikes, firstSeed } from "./strikes.ts";

// Nodes and tracker processes that are killed or stopped between the moments of an external job, and woken when others have taken over;
// the services outside count what is started. Faults to catch: a job that is started twice, or not at all; a call that is not noted
// before it is made; a doubt that dies with the node that has it; an end that wakes nobody; an order that a takeover forgets, or that
// counts as carried out before its service says so (P1, P3, P5, P6).

const points = [...submissionPoints, ...cancelPoints, ...doubtPoints];
/** In a long run everything is struck on every kind of service; here, what takes the half minute in which a call may be on its way is left out. */
const isLong = allStrikes >= 1_000;
/** A moment that only the call of the struck job itself comes to, after which a listing shows it at once. */
const listedSoon = new Set(["service.after"]);

function kindFor(point: string, chance: Chance): JobKind {
  if (point.startsWith("find.")) return "listed";
  if (point.startsWith("unknown.")) return "blind";
  if (isLong) return chance.pick(jobKinds);
  return chance.pick(listedSoon.has(point) ? jobKinds : (["token", "token", "blind"] as const));
}

function plan(own: readonly string[], rounds: number, chance: Chance): JobStrike[] {
  return Array.from({ length: rounds }, () => own).flatMap((each) =>
    each.map((point) => ({ point, kind: kindFor(point, chance), victim: chance.pick(jobVictims) })),
  );
}

async function carryOut(options: JobCampaignOptions, strikes: readonly JobStrike[]): Promise<JobCampaign["hits"]> {
  const campaign = new JobCampaign(options);
  try {
    await campaign.begin();
    const missed: JobStrike[] = [];
    for (const strike of strikes) if (!(await campaign.strike(strike))) missed.push(strike);
    for (const strike of missed)
      await campaign.strike({ ...strike, kind: kindFor(strike.point, new Chance(options.seed)) });
    await campaign.peace();
    const { runs, made, submissions } = await judgeJobs(campaign);
    console.log(
      `seed ${options.seed}, ${options.nodes} node(s): ${runs} runs, ${submissions} submissions, ${made} jobs made`,
    );
    return campaign.hits;
  } catch (error) {
    console.error(`seed ${options.seed}, ${options.nodes} nodes\n${campaign.logs()}\n${await campaign.describeOpen()}`);
    throw error;
  } finally {
    await campaign.end();
  }
}

describe("whatever is killed or stopped between the moments of an external job, there is one, and its run ends right", {
  timeout: isLong ? 3_600_000 : 900_000,
  concurrency: 1,
}, () => {
  const hits = new Map<string, number>();
  const rounds = isLong ? Math.ceil(allStrikes / 1_000) * 3 : 1;
  const count = (found: ReadonlyMap<string, number>) => {
    for (const [point, times] of found) hits.set(point, (hits.get(point) ?? 0) + times);
  };

  // Where there is little time, each point is struck on one of the stores.
  const ofOneNode = (_: string, index: number) => index % 3 === firstSeed % 3;

  // One after the other: where nodes sign in stands in the environment, and each campaign has services of its own.
  describe("on a store", { concurrency: 1 }, () => {
    test("on SQLite, one node", async () => {
      const options: JobCampaignOptions = {
        ...{ isLong, seed: firstSeed, nodes: 1, leaseMs: 1_000 },
        address: (folder) => `sqlite:${join(folder, "store.db")}`,
        openStore: (at) => openOwned(at, { role: "client", patienceMs: 120_000 }),
      };
      const own = isLong ? points : points.filter(ofOneNode);
      count(await carryOut(options, plan(own, rounds, new Chance(firstSeed))));
    });

    describe("on PostgreSQL", { concurrency: 1 }, () => {
      const server = startPostgres();
      after(async () => (await server).stop());
      for (const nodes of isLong ? [1, 2, 3] : [2]) {
        test(`${nodes} node(s)`, async () => {
          const seed = firstSeed + nodes;
          const options: JobCampaignOptions = { isLong, seed, nodes, leaseMs: 1_000, ...onPostgres(await server) };
          const own = isLong ? points : points.filter((point, index) => !ofOneNode(point, index));
          count(await carryOut(options, plan(own, rounds, new Chance(seed))));
        });
      }
    });
  });

  test("no point was never hit", () => {
    assert.deepEqual(
      points.filter((point) => !hits.has(point)),
      [],
    );
  });
});
