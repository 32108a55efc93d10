import assert from "node:assert/strict";
import { after, test } from "node:test";
import postgres from "postgres";
import { serve } from "../../server/src/main.ts";
import { Chance } from "../../server/src/store/contract/chance.contract.ts";
import { startPostgres } from "../postgres.ts";
import { Campaign } from "./campaign.ts";
import { onPostgres } from "./on-postgres.ts";
import { until } from "./processes.ts";
import { firstSeed } from "./strikes.ts";
import { judge } from "./verdict.ts";
import { calm, expectTask } from "./workload.ts";

// Fault to catch: a topic whose cursor is a serial number of insertion: it loses what commits late, or stands still meanwhile.

const holdMs = Number(process.env.HOLDFAST_HOLD_MS ?? 8_000);
const others = 200;
const lock = 4242;
const server = await startPostgres();
after(() => server.stop());

/** Whoever inserts the run with the key `held` waits at its commit until the test lets go of the lock. */
async function holdCommits(url: string): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  await sql.unsafe(`
    create function hold() returns trigger language plpgsql as $$
      begin
        if new.key = 'held' then perform pg_advisory_xact_lock(${lock}); end if;
        return null;
      end $$;
    create constraint trigger hold after insert on holdfast.runs deferrable initially deferred
      for each row execute function hold();`);
  await sql.end();
}

for (const nodes of [2, 3]) {
  test(`while a transaction with a run and its events is held open, ${nodes} nodes go on under strikes, and the topic misses nothing`, async (t) => {
    let url = "";
    const place = onPostgres(server, async (made) => {
      url = made;
      await holdCommits(made);
    });
    const campaign = new Campaign({ seed: firstSeed + nodes, nodes, leaseMs: 1_000, ...place });
    let isOrderly = false;
    let sql: postgres.Sql | undefined;
    try {
      await campaign.begin();
      // The limit of their key is there before: whoever makes one and holds its commit is waited for by the others of that key.
      campaign.start("unit", expectTask(calm), { input: { ...calm } });
      await campaign.peace();
      sql = postgres(url, { max: 1, onnotice: () => undefined });
      await sql`select pg_advisory_lock(${lock})`;
      const { runs } = serve(campaign.store, {});
      let isCommitted = false;
      const held = runs.start({ definition: "unit", key: "held", input: { ...calm, steps: 1 } }).then(({ run }) => {
        isCommitted = true;
        campaign.roots.push({ key: "held", definition: "unit", expected: expectTask(calm), id: run.id, restarts: 0 });
      });
      const holder = sql;
      await until("the transaction is held", async () => {
        const waiting = await holder`select 1 from pg_locks where locktype = 'advisory' and not granted`;
        return waiting.length > 0 ? true : undefined;
      });
      const since = performance.now();
      for (let i = 0; i < others; i++) campaign.start("unit", expectTask(calm), { input: { ...calm } });
      const chance = new Chance(firstSeed + nodes);
      const victims = ["child killed", "node killed", "node stopped", "child stopped"] as const;
      do await campaign.strike({ point: undefined, victim: chance.pick(victims) });
      while (performance.now() - since < holdMs);
      await campaign.peace();
      assert.equal(isCommitted, false, "the transaction was not held");
      const told = campaign.topic.filter(({ type }) => type === "run.succeeded").length;
      assert.ok(told >= others, `the topic told of ${told} ends while the transaction was held`);
      const heldMs = Math.round(performance.now() - since);
      await sql`select pg_advisory_unlock(${lock})`;
      await held;
      await campaign.peace();
      const { runs: total } = await judge(campaign);
      t.diagnostic(`seed ${firstSeed + nodes}: held for ${heldMs} ms; ${told} ends told meanwhile; ${total} runs`);
      isOrderly = true;
    } catch (error) {
      console.error(campaign.logs());
      throw error;
    } finally {
      await sql?.end({ timeout: 1 });
      await campaign.end(isOrderly);
    }
  });
}
