import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { before, test } from "node:test";
import postgres from "postgres";
import { startPostgres } from "../postgres.ts";
import { installMajors, majors, programsOf } from "./install.ts";
import { runStoreTests, storeTests } from "./store-suite.ts";

// Fault to catch: a statement or migration that one of the supported versions does not know, or understands otherwise.

before(() => {
  if (majors.length > 0) installMajors();
});

for (const major of majors) {
  test(`PostgreSQL ${major} keeps the contract of stores and makes the schema`, async (t) => {
    const { bin, copy } = programsOf(major);
    const server = await startPostgres(bin);
    try {
      const sql = postgres(server.url, { max: 1 });
      const [row] = await sql`show server_version_num`;
      await sql.end();
      assert.equal(Math.floor(Number(row?.server_version_num) / 10_000), major);
      const isBetween = major !== majors[0] && major !== majors.at(-1);
      const passed = await runStoreTests(storeTests({ isBetween }), { HOLDFAST_TEST_POSTGRES_URL: server.url });
      assert.ok(passed > (isBetween ? 20 : 100), `${passed} cases`);
      t.diagnostic(`${passed} cases`);
    } finally {
      await server.stop();
      if (copy !== undefined) rmSync(copy, { recursive: true, force: true });
    }
  });
}
