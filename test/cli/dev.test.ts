import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Project, type Running } from "./command.ts";

const timeout = 300_000;

function greeting(text: string): string {
  return `import { task } from "holdfast";
export const greet = task({ id: "greet" }, () => ${JSON.stringify(text)});
`;
}

async function startDev(project: Project): Promise<{ dev: Running; url: string }> {
  const dev = project.start("dev", "--port", "0");
  const [, url = ""] = await dev.says(/(http:\/\/127\.0\.0\.1:\d+)/);
  await dev.says(/1 definition /);
  return { dev, url };
}

test("dev is found by run, follows the files, and keeps what it had while they do not compile", {
  timeout,
}, async (t) => {
  const project = new Project(t, { "tasks/greet.ts": greeting("hello") });
  const { dev, url } = await startDev(project);
  const named = JSON.parse(readFileSync(join(project.root, ".holdfast", "dev.json"), "utf8")) as { url: string };
  assert.equal(named.url, url);
  const first = await project.run("run", "greet");
  assert.deepEqual([first.code, first.stdout], [0, "hello\n"], first.stderr);
  await dev.says(/greet \w{20} succeeded/);

  project.write("tasks/greet.ts", greeting("good evening").replace('"greet" }', '"greet", retry: { attempts: 2 } }'));
  await dev.says(/changed: greet/);
  assert.equal((await project.run("run", "greet")).stdout, "good evening\n");

  project.write("tasks/greet.ts", greeting("nobody").replace('"greet" }', '"greet", retries: 2 }'));
  await dev.says(/unknown option "retries"[\s\S]*stay as they were/);

  project.write("tasks/deeper/new.ts", greeting("new").replaceAll("greet", "arrive"));
  project.write("tasks/greet.ts", greeting("again"));
  await dev.says(/changed: .*arrive/);
  assert.equal((await project.run("run", "arrive")).stdout, "new\n");

  // The fault: "reloaded", and not a word of what cannot run any more.
  rmSync(join(project.root, "tasks", "deeper", "new.ts"));
  await dev.says(/gone: arrive: no file defines/);

  const second = await project.run("dev");
  assert.equal(second.code, 2);
  assert.match(second.stderr, /runs already for this project/);
  dev.kill("SIGTERM");
  const { code } = await dev.ended;
  assert.equal(code, 0);
  assert.ok(!existsSync(join(project.root, ".holdfast", "dev.json")));
});

test("the leftovers of a dev that was killed mislead nobody", { timeout }, async (t) => {
  const project = new Project(t, { "tasks/greet.ts": greeting("hello") });
  const { dev } = await startDev(project);
  const path = join(project.root, ".holdfast", "dev.json");
  const left = readFileSync(path, "utf8");
  dev.kill("SIGKILL");
  await dev.ended;
  assert.equal(readFileSync(path, "utf8"), left);
  const run = await project.run("run", "tasks/greet.ts");
  assert.deepEqual([run.code, run.stdout], [0, "hello\n"], run.stderr);

  // The dev of another project, at the address that the file names.
  const other = new Project(t, { "tasks/greet.ts": greeting("other") });
  const { dev: otherDev, url } = await startDev(other);
  const pid = (JSON.parse(readFileSync(join(other.root, ".holdfast", "dev.json"), "utf8")) as { pid: number }).pid;
  writeFileSync(path, JSON.stringify({ ...JSON.parse(left), url, pid }));
  const own = await project.run("run", "tasks/greet.ts");
  assert.equal(own.stdout, "hello\n", own.stderr);
  otherDev.kill("SIGTERM");
  await otherDev.ended;
});

test("a server answers with its token only, is drained by SIGTERM, and doctor says that it is well", {
  timeout,
}, async (t) => {
  const project = new Project(t, { "tasks/greet.ts": greeting("hello") });
  const token = "0123456789abcdef0123456789abcdef";
  const server = project.start("server", "--port", "0", "--apply", "--token", token);
  const [, url = ""] = await server.says(/(http:\/\/127\.0\.0\.1:\d+)/);
  await server.says(/Applied 1 definition/);
  const refused = await project.run("runs", "list", "--server", url, "--json");
  assert.equal((JSON.parse(refused.stdout) as { error: { code: string } }).error.code, "unauthorized");
  const run = await project.run("run", "greet", "--server", url, "--token", token);
  assert.deepEqual([run.code, run.stdout], [0, "hello\n"], run.stderr);
  const doctor = await project.run("doctor", "--server", url, "--token", token, "--json");
  assert.equal(doctor.code, 0, doctor.stdout);
  server.kill("SIGTERM");
  const { code, stderr } = await server.ended;
  assert.equal(code, 0, stderr);
  assert.match(stderr, /Draining/);
});

test("doctor and migrate say what the store is", { timeout }, async (t) => {
  const project = new Project(t);
  const migrated = await project.run("migrate", "--json");
  assert.equal((JSON.parse(migrated.stdout) as { kind: string }).kind, "sqlite");
  const doctor = await project.run("doctor");
  assert.equal(doctor.code, 0, doctor.stdout);
  assert.match(doctor.stdout, /✓ schema/);
  const gone = await project.run("doctor", "--store", "postgres://127.0.0.1:1/none");
  assert.equal(gone.code, 1, gone.stdout);
  assert.match(gone.stdout, /✗ store/);
});

// The fault: "started", and a time of start, of what has not begun.
test("dev and runs list say of a run that only waits that it waits", { timeout }, async (t) => {
  const project = new Project(t, { "tasks/greet.ts": greeting("hello") });
  const { dev, url } = await startDev(project);
  const startAfter = new Date(Date.now() + 86_400_000).toISOString();
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ definition: "greet", startAfter });
  const { run } = (await (await fetch(`${url}/v1/runs`, { method: "POST", headers, body })).json()) as {
    run: { id: string };
  };
  await dev.says(new RegExp(`greet ${run.id} enqueued`));
  assert.match((await project.run("runs", "list")).stdout, new RegExp(`${run.id} +greet +ready +not yet`));
  assert.equal((await project.run("runs", "cancel", run.id)).code, 0);
  assert.match((await project.run("runs", "list")).stdout, new RegExp(`${run.id} +greet +cancelled +never`));
  assert.equal((await project.run("run", "greet")).code, 0);
  await dev.says(/greet \w{20} started\n[\s\S]*greet \w{20} succeeded/);
  dev.kill("SIGTERM");
  const { stderr, stdout } = await dev.ended;
  assert.equal((stderr + stdout).match(/ enqueued$/gm)?.length, 1, stderr + stdout);
});
