import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { after, afterEach, before, describe, test } from "node:test";
import { Chance } from "../contract/chance.contract.ts";
import type { Store } from "../store.ts";
import { TestDatabase } from "./database.fixture.ts";
import { InterleavedHistory } from "./interleaved-history.fixture.ts";
import { Lanes } from "./lanes.fixture.ts";

// Random calls on parallel connections, each paused before its named statements while the others go on, in an order that the
// seed decides: what they answer and leave is what some order of them, one after the other, would (P3), and P1, P2, P10 and
// P12 hold. HOLDFAST_SEED plays one history alone, HOLDFAST_HISTORIES says how many there are.
// Faults to catch: a claim of rows that are locked by somebody who ends them, or that waits for them; rows read for an end or
// a cancel without their lock (epochs, counts, edges and event numbers of a moment before); a step recorded without the run's
// lock; a claim that does not hold its member against the judge; writes after the commit of what decided them. Each was seen
// to be caught when its statement was broken; so was a restart that does not hold what it reaches. So was a claim or
// an enqueue that starts what a pause holds; jobs that two members claim; what is said of a job by who does not hold its row; an
// order that does not reach a job opened beside it.

const count = Number(process.env.HOLDFAST_HISTORIES ?? 24);
const chosen = process.env.HOLDFAST_SEED;
const drawn = [...Array.from({ length: count }, (_, index) => index + 1), randomInt(2 ** 31)];
const seeds = chosen === undefined ? drawn : [Number(chosen)];

/** Statements before which calls have to have been overtaken, or the histories prove little. */
const places = [
  ...["insertRoots", "takeNames", "claimRuns", "claimRunsOfQueues", "lockRuns", "lockRunsWithLinks", "listOpenEdges"],
  ...["updateRuns", "insertEvents", "commit", "recordFreshSteps", "endMember", "lockReach", "takePart"],
  ...["claimJobs", "findJobNames", "lockJobs"],
];

let database: TestDatabase;
let lanes: Lanes;
let reader: Store;
let calls = 0;
let outOfTurn = 0;

before(async () => {
  database = await TestDatabase.create();
  // Calls that stop each other for good are told so at once; the store repeats them.
  await database.sql.unsafe(`alter database ${new URL(database.url).pathname.slice(1)} set deadlock_timeout = '10ms'`);
  lanes = await Lanes.open(database, 4);
  reader = await database.open({ swallowRings: true });
});
afterEach(() => database.empty());
after(() => database.drop());

describe("calls beside each other", () => {
  for (const seed of seeds) {
    test(`answer and leave what they would one after the other (HOLDFAST_SEED=${seed})`, async () => {
      const history = new InterleavedHistory({ seed, chance: new Chance(seed), database, lanes, reader });
      await history.play({ alone: 12, rounds: 14 });
      calls += history.calls;
      if (history.isOutOfTurn) outOfTurn += 1;
    });
  }

  test("were overtaken before each statement that matters", async () => {
    const list = (counts: ReadonlyMap<string, number>) => [...counts].map((place) => place.join(" ")).join(", ");
    const { overtaken, waits } = lanes.counts;
    const [server] = await database.sql`select deadlocks from pg_stat_database where datname = current_database()`;
    console.log(`${seeds.length} histories, seeds 1–${count} and ${seeds.at(-1)}: ${calls} calls`);
    console.log(`overtaken before ${list(overtaken)}`);
    console.log(
      `waited for a lock in ${list(waits)}; deadlocks: ${server?.deadlocks}; inserted out of turn: ${outOfTurn}`,
    );
    if (chosen !== undefined || count < 24) return;
    assert.deepEqual(
      places.filter((place) => !overtaken.has(place)),
      [],
    );
  });
});
