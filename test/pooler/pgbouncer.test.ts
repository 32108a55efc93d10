import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { isAppError } from "@holdfast/protocol";
import postgres from "postgres";
import { readAddress } from "../../server/src/store/postgres/address.ts";
import { openPostgresStore } from "../../server/src/store/postgres/postgres-store.ts";
import { letsGoOfStopped } from "../../server/src/store/postgres/stopped.fixture.ts";
import type { RingTopic, Store } from "../../server/src/store/store.ts";
import { createDatabase, dropDatabase, sharedPostgresUrl } from "../postgres.ts";
import { runStoreTests, storeTests } from "../postgres-majors/store-suite.ts";
import { PgBouncer } from "./pgbouncer.ts";

// Faults to catch: what is said to one connection and meant for the next statement too (a setting, a prepared statement, LISTEN),
// which through a pooler in transaction mode reaches another one, or stays behind for somebody else; a startup parameter that
// poolers refuse; a store that waits for rings that it cannot hear.

let pooler: PgBouncer;
let server: URL;

before(async () => {
  server = new URL(await sharedPostgresUrl());
  pooler = await PgBouncer.start(server.href);
});
after(() => pooler.stop());

/** A database's address through the pooler. */
function through(url: string, direct = false): string {
  const address = new URL(url);
  address.port = String(pooler.port);
  address.searchParams.set("pooler", "transaction");
  if (direct) address.searchParams.set("direct", server.host);
  return address.href;
}

// Beside the server's own address only rings and leases differ, which the last test has; with HOLDFAST_MAJORS=all the contract too.
for (const direct of process.env.HOLDFAST_MAJORS === "all" ? [false, true] : [false]) {
  const how = direct ? "with the server's own address beside it" : "alone";
  test(`through PgBouncer in transaction mode, ${how}, the store keeps its contract`, async (t) => {
    const environment = { HOLDFAST_TEST_POSTGRES_URL: server.href, HOLDFAST_TEST_POOLER: through(server.href, direct) };
    const unheard = direct ? undefined : "a ring reaches other processes on the store";
    const passed = await runStoreTests(storeTests(), environment, unheard);
    assert.ok(passed > 100, `${passed} cases`);
    t.diagnostic(`${passed} cases`);
  });
}

test("a store is made through the pooler, leaves no setting behind, and its schema is used by many connections at once", async () => {
  const url = await createDatabase();
  const store = await openPostgresStore({ url: through(url), migrate: true, maxSessions: 20 });
  const work = Array.from({ length: 200 }, () => store.listDefinitions({ namespace: "default" }));
  assert.ok((await Promise.all(work)).every((list) => list.length === 0));
  const other = new URL(url);
  other.port = String(pooler.port);
  const sql = postgres(other.href, { max: 10, prepare: false });
  const paths = await Promise.all(Array.from({ length: 50 }, () => sql`show search_path`));
  assert.deepEqual([...new Set(paths.map(([row]) => row?.search_path))], ['"$user", public']);
  await sql.end();
  await store.close();
  await dropDatabase(url);
});

test("what a process holds that was stopped in the midst of a transaction is free again through the pooler too", async () => {
  const url = await createDatabase();
  const store = await openPostgresStore({ url: through(url), migrate: true });
  await letsGoOfStopped(store, (options) => openPostgresStore({ url: through(url), ...options }));
  await store.close();
  await dropDatabase(url);
});

/** What one store hears of another one's rings until it has heard this. */
async function hears(listener: Store, ringer: Store, topic: RingTopic): Promise<boolean> {
  const heard = Promise.withResolvers<boolean>();
  const stop = listener.onRing((topics) => heard.resolve(topics.includes(topic)));
  // Before it listens it may be deaf; a ring may be lost anyway.
  const again = setInterval(() => ringer.ring([topic]), 50);
  const bound = setTimeout(() => heard.reject(new Error("not heard within 60 s")), 60_000);
  try {
    return await heard.promise;
  } finally {
    clearInterval(again);
    clearTimeout(bound);
    stop();
  }
}

test("rings are heard where the server's own address is said, and reach the others from where it is not", async () => {
  const url = await createDatabase();
  const deaf = await openPostgresStore({ url: through(url), migrate: true });
  const hearing = await openPostgresStore({ url: through(url, true) });
  assert.equal(await hears(hearing, deaf, "ready"), true);
  await Promise.all([deaf.close(), hearing.close()]);
  await dropDatabase(url);
});

test("an address that says something else of a pooler is refused with what can be said", () => {
  const refused = (address: string, hint: RegExp) =>
    assert.throws(
      () => readAddress(address),
      (error) => isAppError(error, "invalid_request") && hint.test(error.hint ?? ""),
    );
  refused("postgres://h/d?pooler=session", /pooler=transaction/);
  refused("postgres://h/d?direct=db:5432", /pooler=transaction/);
  refused("postgres://h/d?pooler=transaction&direct=postgres://db", /db.internal:5432/);
  assert.deepEqual(readAddress("postgres://u:p@h:6432/d?pooler=transaction&direct=db.internal&sslmode=require"), {
    url: "postgres://u:p@h:6432/d?sslmode=require",
    directUrl: "postgres://u:p@db.internal:5432/d?sslmode=require",
    isPooled: true,
  });
});
