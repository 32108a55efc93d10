import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { cpSync, existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import postgres from "postgres";
import { requirePython } from "../../scripts/test-python.ts";
import { openServices, type Services } from "../../server/src/main.ts";
import { redeemAll, taskManifest } from "../../server/src/store/postgres/intents.fixture.ts";
import { createDatabase, dropDatabase } from "../postgres.ts";

// Faults to catch: arguments whose types another language's driver says otherwise (a text for jsonb, unknown for text), so that no
// function is found; what the guide shows for Python and psycopg 3 refuses; a promise that outlives its transaction.

const run = promisify(execFile);
const wanted = join(import.meta.dirname, "requirements.txt");
const packages = join(import.meta.dirname, "../../temp/python-libraries");

let url = "";
let sql: postgres.Sql;
let node: Services;

before(async () => {
  installPsycopg();
  url = await createDatabase();
  node = await openServices({ address: url, migrate: true });
  await node.definitions.apply([taskManifest("ship")]);
  sql = postgres(url, { max: 1, onnotice: () => undefined });
  await sql`create table orders (id int primary key)`;
});
after(async () => {
  await sql.end();
  await node.close();
  await dropDatabase(url);
});

/** From PyPI, once, and again when another version is wanted. */
function installPsycopg(): void {
  requirePython();
  const installed = join(packages, "requirements.txt");
  if (existsSync(installed) && readFileSync(installed, "utf8") === readFileSync(wanted, "utf8")) return;
  console.log("Installing psycopg (pip)…");
  rmSync(packages, { recursive: true, force: true });
  const quiet = ["--quiet", "--disable-pip-version-check", "--root-user-action=ignore"];
  const args = ["-m", "pip", "install", ...quiet, "--only-binary=:all:", "--target", packages, "--requirement", wanted];
  execFileSync("python3", args, { stdio: "inherit" });
  cpSync(wanted, installed);
}

test("a transaction of psycopg promises runs, signals and cancels as the guide shows, and none when it is rolled back", async () => {
  const script = join(import.meta.dirname, "psycopg_orders.py");
  const { stdout } = await run("python3", [script, url], { env: { ...process.env, PYTHONPATH: packages } });
  const told = JSON.parse(stdout) as {
    readonly kept: string;
    readonly lost: string;
    readonly cancelled: string;
    readonly awkward: string;
    readonly refused: readonly { readonly message: string; readonly hint: string }[];
  };
  await redeemAll(node);
  assert.deepEqual(
    (await sql`select id from orders order by id`).map(({ id }) => id),
    [1, 3],
  );
  const kept = await node.runs.get(told.kept);
  assert.deepEqual([kept.status, kept.key, kept.input], ["ready", "order-1", { order: told.awkward }]);
  const signals = await sql`select name, payload from holdfast.signals where run_id = ${told.kept} order by number`;
  assert.deepEqual(
    signals.map(({ name, payload }) => [name, JSON.parse(payload)]),
    [
      ["approved", { by: told.awkward }],
      ["paid", null],
    ],
  );
  const cancelled = await node.runs.get(told.cancelled);
  assert.deepEqual([cancelled.status, cancelled.error?.message], ["cancelled", `It was cancelled: ${told.awkward}`]);
  await assert.rejects(node.runs.get(told.lost), { code: "not_found" });
  assert.deepEqual(
    told.refused.map(({ message }) => message),
    ["holdfast.signal: '17' is no id of a run.", "holdfast.enqueue: the key has 0 characters; 1 to 512 are allowed."],
  );
  for (const { hint } of told.refused) assert.match(hint, /^(Give the whole id|A key names the run)/);
});
