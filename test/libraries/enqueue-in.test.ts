import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { isAppError } from "@holdfast/protocol";
import { Holdfast, task } from "@holdfast/sdk";
import postgres from "postgres";
import { type Embedded, openEmbedded } from "../../server/src/embedded.ts";
import { openServices, type Services } from "../../server/src/main.ts";
import { redeemAll, taskManifest } from "../../server/src/store/postgres/intents.fixture.ts";
import { openPostgresStore } from "../../server/src/store/postgres/postgres-store.ts";
import { createDatabase, dropDatabase } from "../postgres.ts";
import { installLibraries } from "./install.ts";
import { libraries, type OpenLibrary } from "./library.ts";

// Faults to catch: a promise outside of the caller's transaction (sent over another connection of the same pool), which is kept
// though the caller's writes were rolled back; values that a library turns into others (JSON within JSON, a quote that ends the
// text); an error of the database that a library hides.

const ship = task({ id: "ship" }, async ({ order }: { order: string }) => ({ shipped: order }));
const awkward = 'a "quoted" \\ back\\slash, it\'s $1 ? :name \n 漢字 🚢';

let url = "";
let sql: postgres.Sql;
let holdfast: Embedded;
let node: Services;
const remote = new Holdfast({ server: "http://127.0.0.1:9" });

before(async () => {
  installLibraries();
  url = await createDatabase();
  const store = await openPostgresStore({ url, migrate: true });
  await store.applyManifests({
    namespace: "default",
    manifests: [{ id: "ship", kind: "task", hash: "5f2a", manifest: taskManifest("ship") }],
  });
  await store.close();
  sql = postgres(url, { max: 1, onnotice: () => undefined });
  await sql`create table orders (id int primary key, paid boolean not null default false)`;
  holdfast = await openEmbedded({ store: url, run: false });
  node = await openServices({ address: url });
});
after(async () => {
  await holdfast.close();
  await node.close();
  await sql.end();
  await dropDatabase(url);
});

async function orders(id: number): Promise<number> {
  return (await sql`select from orders where id = ${id}`).length;
}

async function intents(): Promise<number> {
  return (await sql`select from holdfast.intents`).length;
}

const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
let lastOrder = 0;

for (const library of libraries) {
  describe(`in a transaction of ${library.name}`, () => {
    let open: OpenLibrary;
    before(async () => {
      open = await library.open(url);
    });
    after(() => open.close());

    test("a commit makes exactly one run, with the input as it was given, and the handle follows it", async () => {
      const order = ++lastOrder;
      const handle = await open.transaction(async (transaction, write) => {
        await write(order);
        return remote.enqueueIn(
          transaction,
          ship,
          { order: awkward },
          { key: `${awkward} ${order}`, priority: 7, traceparent },
        );
      });
      assert.equal(await orders(order), 1);
      const run = await holdfast.run(handle.id).status();
      assert.deepEqual([run.id, run.input, run.priority], [handle.id, { order: awkward }, 7]);
      assert.equal(run.key, `${awkward} ${order}`);
      const [row] = await sql`select trace from holdfast.runs where id = ${handle.id}`;
      assert.equal(row?.trace, traceparent);
      assert.equal(await intents(), 0);
      const again = await open.transaction((transaction) =>
        holdfast.enqueueIn(transaction, ship, { order: awkward }, { key: `${awkward} ${order}` }),
      );
      assert.equal((await again.status()).id, handle.id);
      await redeemAll(node);
      assert.equal(await intents(), 0);
      assert.equal((await holdfast.list({ definition: "ship" })).runs.length, order);
    });

    test("a rollback makes none", async () => {
      const order = 1_000 + lastOrder;
      const promised: string[] = [];
      await assert.rejects(
        open.transaction(async (transaction, write) => {
          await write(order);
          const startAfter = new Date(Date.now() + 60_000);
          const options = { startAfter, expiresAfter: "2h", key: "k", keyRetention: "1d" } as const;
          promised.push((await holdfast.enqueueIn(transaction, ship, { order: "lost" }, options)).id);
          await holdfast.signalIn(transaction, { definition: ship, key: "k" }, "approved");
          await holdfast.cancelIn(transaction, { definition: ship, key: "k" });
          throw new Error("never mind");
        }),
        /never mind/,
      );
      assert.equal(await orders(order), 0);
      assert.equal(await intents(), 0);
      await assert.rejects(holdfast.run(promised[0] ?? "").status(), (error) => isAppError(error, "not_found"));
    });

    test("a signal is part of the transaction too, by handle and by key, with the payload as it was given, in order", async () => {
      const { id } = await holdfast.start("ship", { order: "signalled" }, { key: `signalled ${lastOrder}` });
      await assert.rejects(
        open.transaction(async (transaction) => {
          await remote.signalIn(transaction, id, "lost");
          throw new Error("never mind");
        }),
        /never mind/,
      );
      await open.transaction(async (transaction) => {
        await remote.signalIn(transaction, { id }, awkward, { said: awkward, at: new Date(0), no: undefined });
        await remote.signalIn(transaction, { definition: ship, key: `signalled ${lastOrder}` }, "paid");
      });
      await redeemAll(node);
      const kept = await sql`select name, payload from holdfast.signals where run_id = ${id} order by number`;
      assert.deepEqual(
        kept.map(({ name, payload }) => [name, JSON.parse(payload)]),
        [
          [awkward, { at: "1970-01-01T00:00:00.000Z", said: awkward }],
          ["paid", null],
        ],
      );
      await assert.rejects(
        open.transaction((transaction) => holdfast.signalIn(transaction, id, "")),
        (error) =>
          isAppError(error, "invalid_request") &&
          /the name has 0 characters/.test(error.message) &&
          /body waits/.test(error.hint ?? ""),
      );
      await holdfast.run(id).cancel();
      await sql`delete from holdfast.runs where id = ${id}`;
      await sql`delete from holdfast.names where run_id = ${id}`;
    });

    test("a cancel is part of the transaction too", async () => {
      const { id } = await holdfast.start("ship", { order: "late" });
      await open.transaction((transaction) => holdfast.cancelIn(transaction, { id }, { reason: awkward }));
      assert.equal(await intents(), 1);
      await assert.rejects(
        open.transaction((transaction) => holdfast.cancelIn(transaction, "17")),
        (error) => {
          return (
            isAppError(error, "invalid_request") &&
            /'17' is no id/.test(error.message) &&
            /whole id/.test(error.hint ?? "")
          );
        },
      );
      await sql`delete from holdfast.intents`;
      await holdfast.run(id).cancel();
      await sql`delete from holdfast.runs where id = ${id}`;
    });

    test("what makes its transactions is none, and is refused with how to come by one", async () => {
      await assert.rejects(holdfast.enqueueIn(open.root, ship, { order: "17" }), (error) => {
        return (
          isAppError(error, "invalid_request") &&
          /no open transaction/.test(error.message) &&
          /Pass/.test(error.hint ?? "")
        );
      });
    });

    test("a text that PostgreSQL cannot keep is refused before it fails the transaction", async () => {
      const order = 2_000 + lastOrder;
      await open.transaction(async (transaction, write) => {
        await assert.rejects(holdfast.enqueueIn(transaction, ship, { order: "\u0000" }), (error) => {
          return isAppError(error, "invalid_request") && /NUL/.test(error.message);
        });
        await write(order);
      });
      assert.equal(await orders(order), 1);
    });

    test("a database without Holdfast is told apart, with the remedy", async () => {
      const bare = await createDatabase();
      const elsewhere = await library.open(bare);
      await assert.rejects(
        elsewhere.transaction((transaction) => remote.enqueueIn(transaction, ship, { order: "17" })),
        (error) => isAppError(error, "unsupported") && /holdfast migrate/.test(error.hint ?? ""),
      );
      await elsewhere.close();
      await dropDatabase(bare);
    });
  });
}

test("what is no transaction of any library is refused, with those that are known", async () => {
  await assert.rejects(holdfast.enqueueIn({}, ship, { order: "17" }), (error) => {
    return isAppError(error, "invalid_request") && /Kysely, Knex/.test(error.hint ?? "");
  });
});

test("a store that is not PostgreSQL refuses by name", async () => {
  await using other = await openEmbedded({ store: "memory:", run: false });
  await assert.rejects(other.enqueueIn({ query: async () => [] }, ship, { order: "17" }), (error) => {
    return (
      isAppError(error, "unsupported") && /only PostgreSQL/.test(error.message) && /start\(\)/.test(error.hint ?? "")
    );
  });
});
