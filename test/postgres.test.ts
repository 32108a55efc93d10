import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { test } from "node:test";
import postgres from "postgres";
import { createDatabase, dropDatabase, startPostgres } from "./postgres.ts";

test("a test database is empty, its own, and can be dropped while a connection is open on it", async () => {
  const url = await createDatabase();
  const sql = postgres(url, { max: 1 });
  await sql`CREATE TABLE kept (n int)`;
  const other = await createDatabase();
  const otherSql = postgres(other, { max: 1 });
  assert.equal((await otherSql`SELECT 1 FROM pg_tables WHERE tablename = 'kept'`).length, 0);
  await otherSql.end();
  await dropDatabase(url);
  await assert.rejects(async () => await sql`SELECT 1`);
  await sql.end({ timeout: 0 });
  await dropDatabase(other);
});

test("a killed server comes back with what it acknowledged, and stopping removes everything", async () => {
  const server = await startPostgres();
  const url = await server.createDatabase();
  const before = postgres(url, { max: 1, onnotice: () => {} });
  await before`CREATE TABLE kept (n int)`;
  await before`INSERT INTO kept VALUES (42)`;
  const firstPid = server.pid;
  await server.kill();
  await assert.rejects(async () => await before`SELECT 1`);
  await before.end({ timeout: 0 });
  await server.restart();
  assert.notEqual(server.pid, firstPid);
  const after = postgres(url, { max: 1 });
  assert.deepEqual([...(await after`SELECT n FROM kept`)], [{ n: 42 }]);
  await after.end();
  server.freeze();
  await server.stop();
  assert.equal(existsSync(server.dataDir), false);
  assert.throws(() => process.kill(server.pid, 0), /ESRCH/);
});

test("a server ends with the process that started it, even when that one is killed", async () => {
  const program = `
    import { startPostgres } from ${JSON.stringify(new URL("./postgres.ts", import.meta.url).href)};
    const server = await startPostgres();
    console.log(JSON.stringify({ pid: server.pid, dataDir: server.dataDir }));
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const { pid, dataDir } = JSON.parse(line.toString("utf8")) as { pid: number; dataDir: string };
  child.kill("SIGKILL");
  await once(child, "exit");
  const deadline = performance.now() + 60_000;
  while (existsSync(dataDir) && performance.now() < deadline) await new Promise((done) => setImmediate(done));
  assert.equal(existsSync(dataDir), false);
  assert.throws(() => process.kill(pid, 0), /ESRCH/);
});
