import assert from "node:assert/strict";
import type { Chance } from "../../server/src/store/contract/chance.contract.ts";
import { Campaign } from "./campaign.ts";
import type { CampaignOptions, Strike, Victim } from "./campaign-options.ts";
import { judge, type Verdict } from "./verdict.ts";

/** At least so many in all that run in CI; the long mode sets more. */
export const allStrikes = Math.max(180, Number(process.env.HOLDFAST_STRIKES ?? 0));

/** How often each point has to be hit at least: in a long run so often that a rare failure shows. */
const leastHits = allStrikes >= 5_000 ? 20 : 1;

/** The seed of a whole run of kill tests; HOLDFAST_SEED repeats one. */
export const firstSeed = Number(process.env.HOLDFAST_SEED ?? Date.now() % 1_000_000);

/** How often each victim is struck, in sixteenths. */
const shares: readonly (readonly [Victim, number])[] = [
  ["child killed", 5],
  ["node killed", 4],
  ["child stopped", 2],
  ["node stopped", 2],
  ["database killed", 2],
  ["database stopped", 1],
];

/** Of the strikes, those that fall at points; every fifth falls at random. */
export const pointedShare = 0.8;

/** Strikes at the points in turn, and some at random. */
export function planStrikes(options: {
  readonly count: number;
  readonly points: readonly string[];
  readonly hasDatabase: boolean;
  readonly chance: Chance;
}): Strike[] {
  const { count, points, hasDatabase, chance } = options;
  const victims = shares.flatMap(([victim, share]) =>
    victim.startsWith("database") && !hasDatabase ? [] : Array.from({ length: share }, () => victim),
  );
  const strikes: Strike[] = [];
  for (let i = 0, at = 0; i < count; i++) {
    const point = i % 5 === 4 ? undefined : points[at++ % points.length];
    strikes.push({ point, victim: chance.pick(victims) });
  }
  return strikes;
}

export interface Outcome {
  readonly campaign: Campaign;
  readonly verdict: Verdict;
}

/** One campaign from its first node to its verdict. Leaves nothing behind, also when it fails. */
export async function carryOut(options: CampaignOptions, strikes: readonly Strike[]): Promise<Outcome> {
  const campaign = new Campaign(options);
  let isOrderly = false;
  try {
    await campaign.begin();
    const missed: Strike[] = [];
    for (const strike of strikes) if (!(await campaign.strike(strike))) missed.push(strike);
    // Where nobody came by in time, once more.
    for (const strike of missed) await campaign.strike(strike);
    await campaign.peace();
    const verdict = await judge(campaign);
    isOrderly = true;
    return { campaign, verdict };
  } catch (error) {
    console.error(`seed ${options.seed}, ${options.nodes} nodes\n${campaign.logs()}`);
    throw error;
  } finally {
    await campaign.end(isOrderly);
  }
}

/** What a campaign did, for whoever reads the output of the tests. */
export function summary({ seed, nodes, leaseMs }: CampaignOptions, { campaign, verdict }: Outcome): string {
  const list = (counts: ReadonlyMap<string, number>) =>
    [...counts]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, count]) => `${name} ${count}`)
      .join(", ");
  const { runs, takeovers, losses, recoveriesMs } = verdict;
  const sorted = recoveriesMs.toSorted((a, b) => a - b).map((ms) => (ms / leaseMs).toFixed(1));
  const recovery = `recovery in leases of ${leaseMs} ms: median ${sorted[sorted.length >> 1] ?? "none"}, longest ${sorted.at(-1) ?? "none"}`;
  return [
    `seed ${seed}, ${nodes} node(s): ${runs} runs, ${takeovers} taken over, ${losses} lost; ${recovery} (${sorted.length})`,
    `  victims: ${list(campaign.victims)}`,
    `  points: ${list(campaign.hits)}`,
  ].join("\n");
}

/** Strikes at these points, each after the death of a node: some points are come to only when one is gone. */
export function strikesAt(points: readonly string[]): Strike[] {
  const each = points.flatMap((point): Strike[] => [
    { point: undefined, victim: "node killed" },
    { point, victim: "node killed" },
  ]);
  return [...each, ...each];
}

/** One that was not hit, or too seldom in a long run, is a failure. */
export function checkCoverage(points: readonly string[], outcomes: readonly Outcome[]): void {
  assert.deepEqual(seldomHit(points, outcomes), [], `points that were hit less than ${leastHits} times`);
}

/** Adds up the hits of each point, and answers those with too few. */
export function seldomHit(points: readonly string[], outcomes: readonly Outcome[]): string[] {
  const hits = new Map<string, number>(points.map((point) => [point, 0]));
  for (const { campaign } of outcomes)
    for (const [point, count] of campaign.hits) hits.set(point, (hits.get(point) ?? 0) + count);
  return [...hits].filter(([, count]) => count < leastHits).map(([point]) => point);
}
