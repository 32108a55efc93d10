import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { listCursorsOf, listDeclarations, listDeclaredBy, listFirstEvents } from "./asset-declarations.ts";
import * as events from "./asset-events.ts";
import { deleteAsset } from "./asset-pruning.ts";
import { dueConsumers, findAsset, findConsumer, listAssets } from "./asset-rows.ts";
import { lockConsumers, noteConsumer } from "./consuming.ts";
import { TestDatabase } from "./database.fixture.ts";
import { announceObjects, condemnObjects, forgetObjects, knownObjects, lockObjects, markObjects } from "./objects.ts";
import { type PlanProbe, type Visits, visitsBeside } from "./plans.fixture.ts";

// The fault that this must catch: a statement of assets, of their consumers or of state's objects that reads history: events that came
// before, consumers that are no more, objects that somebody names. Each is carried out beside little and beside 40,000 rows of these,
// right after they were written and after a vacuum, planned with and without its values; the rows that it visits must be the same.

const namespace = "shop";
const many = 20_000;
const few = 300;

let database: TestDatabase;
before(async () => {
  database = await TestDatabase.create();
  await database.open();
  await database.sql.unsafe(`
    insert into holdfast.assets (namespace, id, uri, spec, active, created_at, declared_at, last_event)
    select 'shop', id, 'file:' || id, '{}', true, 1, 1, ${few} from unnest(array['orders', 'other']) id;
    ${eventsFrom("1", few)}
    insert into holdfast.asset_declarations (namespace, asset, root, spec, uses, declared_at)
    values ('shop', 'orders', 'report', '{}', '{}', 1);
    insert into holdfast.consumers (namespace, definition, mode, start_on, active, version, started)
    values ('shop', 'report', 'all', '{"mode":"all","assets":["orders"]}', true, 1, 0);
    insert into holdfast.asset_cursors (namespace, asset, definition, position, active) values ('shop', 'orders', 'report', 20, true);
    ${objectsFrom("1", few)}`);
});
after(() => database.drop());

function eventsFrom(first: string, to: number): string {
  return `
    insert into holdfast.asset_events (namespace, asset, number, key, payload, at, writer_run, writer_epoch, writer_generation)
    select 'shop', asset, n, 'k' || n, '1', n, 'run-' || n % 3, 1, 1
    from unnest(array['orders', 'other']) asset cross join generate_series(${first}, ${to}) n;`;
}

/** Some are loose and old, some loose and young; the most are named. */
function objectsFrom(first: string, to: number): string {
  return `
    insert into holdfast.state_objects (name, ref, bytes, loose_since, condemned)
    select 'n' || n, 'r' || n, 1, case when n <= 20 then n when n % 10 = 0 then holdfast.clock_ms() end, false
    from generate_series(${first}, ${to}) n;`;
}

async function carryOut(probe: PlanProbe): Promise<Map<string, Visits>> {
  const asset = { namespace, id: "orders" };
  const event = { namespace, asset: "orders", number: 1_000_000, key: "new", payload: 1, at: 1, writer: null };
  await listAssets(probe, { namespace, limitRows: 5 });
  await findAsset(probe, asset);
  await findAsset(probe, { namespace, uri: "file:orders" });
  await findConsumer(probe, { namespace, definition: "report" });
  await dueConsumers(probe, { namespace, limitRows: 5 });
  await noteConsumer(probe, { namespace, definition: "report", version: 1, problem: "p" });
  await lockConsumers(probe, [{ namespace, definition: "report", version: 1 } as never]);
  await listDeclaredBy(probe, namespace, ["report"]);
  await listDeclarations(probe, namespace, ["orders"]);
  await listFirstEvents(probe, namespace, ["orders"]);
  await listCursorsOf(probe, namespace, ["report"]);
  await events.lockAssets(probe, [asset]);
  await events.findEventKeys(probe, [{ namespace, asset: "orders", key: "k7" } as never]);
  await events.insertAssetEvents(probe, [event]);
  await events.listAssetEvents(probe, { ...asset, after: 10, limitRows: 5 });
  await events.listOldAssets(probe, { eventsMs: 3_600_000, after: { namespace: "", id: "" }, limitRows: 5 });
  await events.deleteOldEvents(probe, [asset], { eventsMs: 1, limitRows: 5 });
  await events.deleteFirstEvents(probe, asset, 5);
  await deleteAsset(probe, { namespace, id: "nobody" });
  await announceObjects(probe, [
    { ref: "r1", name: "x1", bytes: 1 },
    { ref: "new", name: "x2", bytes: 1 },
  ]);
  await lockObjects(probe, ["n1", "n2"]);
  await markObjects(probe, { named: ["n1"], loosened: ["n2"] });
  await knownObjects(probe, ["n1", "x"]);
  await forgetObjects(probe, ["n1"]);
  const work = { transaction: (act: (db: PlanProbe) => Promise<unknown>) => act(probe) } as never;
  await condemnObjects(work, { graceMs: 60_000, limitRows: 5 });
  return new Map(probe.names.map((name) => [name, probe.of(name)]));
}

async function fill(): Promise<void> {
  await database.sql.unsafe(`
    ${eventsFrom(`${few + 1}`, many)}
    ${objectsFrom(`${few + 1}`, many)}
    update holdfast.assets set last_event = ${many};
    insert into holdfast.asset_declarations (namespace, asset, root, spec, uses, declared_at)
    select 'shop', 'other', 'old' || n, '{}', '{}', 1 from generate_series(1, ${many}) n;
    insert into holdfast.asset_cursors (namespace, asset, definition, position, active)
    select 'shop', 'orders', 'old' || n, 0, false from generate_series(1, ${many}) n;`);
}

test("statements of assets, consumers and objects visit the same rows beside little and beside 40,000 of history", async () => {
  const { alone, crowded, vacuumed } = await visitsBeside(database.sql, {
    carryOut,
    crowd: fill,
    tables: ["assets", "asset_events", "asset_declarations", "asset_cursors", "consumers", "state_objects"],
  });
  for (const [name, { rows }] of alone) {
    for (const [when, later] of Object.entries({ crowded, vacuumed })) {
      const visits = later.get(name);
      assert.ok(visits !== undefined);
      const scans = [...visits.scans].join(", ");
      // Of tables of a few rows some are read whole.
      assert.ok(visits.rows <= rows + 10, `${name} visits ${visits.rows} rows, alone ${rows}; ${when}; ${scans}`);
      assert.doesNotMatch(scans, /Seq Scan of (asset_events|asset_cursors|state_objects|values)/, `${name} ${when}`);
    }
  }
});
