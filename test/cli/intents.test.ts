/**
 * From a promise in SQL to its end, as people go about it. Faults to catch: a server that never looks for intents; a rejection that
 * no command shows, or whose remedy does not help; a store that cannot keep intents and says that there are none.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import postgres from "postgres";
import { createDatabase, dropDatabase } from "../postgres.ts";
import { Project } from "./command.ts";

const timeout = 300_000;
const task = (id: string) => `import { task } from "holdfast";
export const ${id} = task({ id: "${id}", placement: "inline" }, async ({ n }) => n * 2);
`;

test("a promised run is carried out by a server, and a rejected one is listed, dropped, or tried again and succeeds", {
  timeout,
}, async (t) => {
  const url = await createDatabase();
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  t.after(async () => {
    await sql.end();
    await dropDatabase(url);
  });
  const role = `shop_${process.pid}`;
  await sql.unsafe(`create role ${role}`);
  const project = new Project(t, { "tasks/double.ts": task("double") });
  const stored = ["--store", url] as const;
  const migrated = await project.run("migrate", ...stored, "--grant-enqueue-to", role);
  assert.equal(migrated.code, 0, migrated.stderr);
  assert.match(migrated.stderr, new RegExp(`role ${role} may call holdfast.enqueue, signal and cancel`));
  const unknown = await project.run("migrate", ...stored, "--grant-enqueue-to", "nobody at all");
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /no role "nobody at all"/);

  const server = project.start("server", ...stored, "--apply", "--port", "0");
  const [address] = await server.says(/http:\/\/127\.0\.0\.1:\d+/);
  await sql.unsafe(`set role ${role}`);
  const enqueue = async (definition: string, n: number) => {
    const [row] = await sql<{ id: string }[]>`select holdfast.enqueue(${definition}, ${sql.json({ n })}) as id`;
    return row?.id ?? "";
  };
  const [good, early, dropped] = [await enqueue("double", 21), await enqueue("treble", 1), await enqueue("treble", 2)];
  await sql`reset role`;
  const asked = ["--server", address] as const;
  const logs = await project.run("runs", "logs", good, "--follow", ...asked);
  assert.equal(logs.code, 0, logs.stderr);
  const shown = await project.run("runs", "show", good, "--json", ...asked);
  assert.equal((JSON.parse(shown.stdout) as { run: { output: number } }).run.output, 42);

  const refused = await project.run("runs", "show", early, ...asked);
  assert.match(refused.stderr, /was promised and could not be made: There is no definition "treble"/);
  const missing = await project.run("runs", "show", dropped, ...asked);
  assert.match(missing.stderr, /could not be made/);
  const listed = await project.run("intents", "list", ...asked);
  assert.match(listed.stdout, new RegExp(`enqueue +${early} +treble`));
  const json = await project.run("intents", "list", "--json", ...asked);
  const { intents } = JSON.parse(json.stdout) as { intents: { id: number; runId: string; state: string }[] };
  assert.deepEqual(
    intents.map(({ runId, state }) => [runId, state]),
    [
      [early, "rejected"],
      [dropped, "rejected"],
    ],
  );
  assert.equal((await project.run("intents", "retry", ...asked)).code, 2);
  assert.equal((await project.run("intents", "drop", "seventeen", ...asked)).code, 2);
  const last = String(intents[1]?.id);
  assert.match((await project.run("intents", "drop", last, ...asked)).stderr, /1 rejected intent dropped/);

  project.write("tasks/treble.ts", task("treble"));
  await project.run("apply", "tasks/treble.ts", ...asked);
  const retried = await project.run("intents", "retry", "--all", ...asked);
  assert.equal(retried.code, 0, retried.stderr);
  await project.run("runs", "logs", early, "--follow", ...asked);
  const done = await project.run("runs", "show", early, "--json", ...asked);
  assert.equal((JSON.parse(done.stdout) as { run: { output: number } }).run.output, 2);
  assert.match((await project.run("intents", "list", ...asked)).stderr, /No intent was rejected/);
  assert.match((await project.run("intents", "list", "--open", ...stored)).stderr, /No intent waits/);
  await sql.unsafe(`drop owned by ${role}; drop role ${role}`);
});

test("a store that cannot keep intents says so", { timeout }, async (t) => {
  const project = new Project(t);
  const { code, stderr } = await project.run("intents", "list", "--store", "memory:");
  assert.equal(code, 2);
  assert.match(stderr, /This store keeps no intents: only PostgreSQL does/);
});
