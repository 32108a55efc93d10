/**
 * What is shown while a run goes on. Faults to catch: a body's line that is not shown, shown twice or after what became of its
 * run; a follower that gives up or goes on from the wrong place when the server is restarted; one that never gives up, or says
 * that the run failed when it does; output of which nobody reads the rest.
 */
import assert from "node:assert/strict";
import { appendFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Project, type Running } from "./command.ts";

const timeout = 300_000;

/** Writes a line for each number in the file `said`, ends after `last`, and fails there where it is told to. */
const counter = `import { readFileSync } from "node:fs";
import { task, workflow } from "holdfast";
import { z } from "zod";
export const count = task({ id: "count", input: z.object({ last: z.number(), fail: z.boolean().default(false) }) },
  async ({ last, fail }, ctx) => {
    ctx.log.warn("begins", { last });
    console.error("on stderr");
    let at = await ctx.step("from", () => 0);
    while (at < last) {
      const said = readFileSync("said", "utf8").trim().split("\\n").map(Number);
      for (; said.includes(at + 1); at++) console.log("number " + (at + 1));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    if (fail) throw new Error("no more numbers");
    return at;
  });
export const counts = workflow({ id: "counts" }, (w) => w.call(count, { last: 2 }).output);
`;

function counting(t: import("node:test").TestContext, said: string): { project: Project; say: (n: number) => void } {
  const project = new Project(t, { "tasks/count.ts": counter, said });
  return { project, say: (n) => appendFileSync(join(project.root, "said"), `${n}\n`) };
}

async function startServer(project: Project, port = "0"): Promise<{ server: Running; url: string; port: string }> {
  const server = project.start("server", "--port", port, "--apply");
  const [, url = "", chosen = ""] = await server.says(/(http:\/\/127\.0\.0\.1:(\d+))/);
  await server.says(/Applied/);
  return { server, url, port: chosen };
}

test("run shows what bodies write as they write it, with name and level, before what became of them", {
  timeout,
}, async (t) => {
  const { project, say } = counting(t, "1\n");
  const run = project.start("run", "tasks/count.ts", "--id", "counts");
  await run.says(/count \| number 1\n/);
  say(2);
  const { code, stderr, stdout } = await run.ended;
  assert.equal(code, 0, stderr);
  assert.equal(stdout, "2\n");
  assert.match(stderr, /count started\n[\s\S]*count \| warn begins \{"last":2\}\n/);
  assert.match(stderr, /count \| \w+ on stderr\n/);
  assert.match(stderr, /number 1\n[\s\S]*number 2\n[\s\S]*count succeeded/);
  assert.equal(stderr.match(/number \d/g)?.join(), "number 1,number 2", stderr);
  const quiet = await project.run("run", "tasks/count.ts", "--id", "counts", "--quiet");
  assert.match(quiet.stderr, /count succeeded/);
  assert.doesNotMatch(quiet.stderr, /number/);
  const json = await project.run("run", "tasks/count.ts", "--id", "counts", "--json");
  assert.equal((JSON.parse(json.stdout) as { status: string }).status, "succeeded");
  assert.equal(json.stderr, "");
});

test("on a terminal the lines stand above the tree", { timeout }, async (t) => {
  const { project } = counting(t, "1\n2\n");
  const { code, stdout } = await project.runOnTerminal("run", "tasks/count.ts", "--id", "counts");
  assert.equal(code, 0, stdout);
  assert.equal(stdout.match(/number 2/g)?.length, 1, "it is not drawn again");
  assert.ok(stdout.lastIndexOf("counts") > stdout.indexOf("number 2"));
});

test("a dev shows what bodies write that go on after another was killed, and only what they write from then on", {
  timeout,
}, async (t) => {
  const { project, say } = counting(t, "1\n");
  const first = project.start("dev", "--port", "0");
  await first.says(/2 definitions/);
  const { stdout: id } = await project.run("run", "counts", "--no-wait");
  await first.says(/count \w{12} \| number 1\n/);
  first.kill("SIGKILL");
  await first.ended;
  const second = project.start("dev", "--port", "0");
  await second.says(/count \w{12} \| number 1\n/);
  say(2);
  await second.says(new RegExp(`counts ${id.trim()} succeeded`));
  second.kill("SIGTERM");
  const { stderr } = await second.ended;
  assert.equal(stderr.match(/number \d/g)?.join(), "number 1,number 2", stderr);
});

test("dev shows what bodies write, unless it is to be quiet", { timeout }, async (t) => {
  const { project } = counting(t, "1\n2\n");
  const dev = project.start("dev", "--port", "0");
  await dev.says(/2 definitions/);
  assert.equal((await project.run("run", "counts")).stdout, "2\n");
  await dev.says(/count \w{12} \| number 2\n[\s\S]*counts \w{20} succeeded/);
  dev.kill("SIGTERM");
  await dev.ended;
  const quiet = project.start("dev", "--port", "0", "--quiet");
  await quiet.says(/2 definitions/);
  assert.equal((await project.run("run", "counts")).stdout, "2\n");
  await quiet.says(/counts \w{20} succeeded/);
  quiet.kill("SIGTERM");
  assert.doesNotMatch((await quiet.ended).stderr, /number/);
});

test("followers outlast a killed server: they say so, and go on without gap or double", { timeout }, async (t) => {
  const { project, say } = counting(t, "1\n");
  const first = await startServer(project);
  const run = project.start("run", "counts", "--server", first.url);
  const id = (await run.says(/run (\w{20})/))[1] ?? "";
  await run.says(/number 1\n/);
  const logs = project.start("runs", "logs", id, "-f", "--json", "--server", first.url);
  const events = project.start("runs", "events", id, "-f", "--json", "--server", first.url);
  await logs.says(/number 1/);
  await events.says(/run\.waiting/);
  first.server.kill("SIGKILL");
  await first.server.ended;
  await run.says(/does not answer[\s\S]*Still asking, for 10m/);
  const { server } = await startServer(project, first.port);
  await run.says(/There is an answer again/);
  say(2);
  const ended = await run.ended;
  assert.equal(ended.code, 0, ended.stderr);
  assert.equal(ended.stdout, "2\n");
  // The second activation says its first number again; nothing else is doubled.
  assert.equal(ended.stderr.match(/number \d/g)?.join(), "number 1,number 1,number 2", ended.stderr);
  assert.equal(ended.stderr.match(/count starts again/g)?.length, 1, ended.stderr);
  const lines = valuesOf<Place>((await logs.ended).stdout);
  const all = JSON.parse((await project.run("runs", "logs", id, "--json", "--server", first.url)).stdout) as {
    lines: Place[];
  };
  // Lines of one moment may be written in another order than they were made in.
  assert.deepEqual(inOrder(lines), inOrder(all.lines));
  assert.ok(new Set(lines.map(({ epoch }) => epoch)).size === 2, "both activations wrote");
  const numbers = valuesOf<{ number: number }>((await events.ended).stdout).map(({ number }) => number);
  assert.deepEqual(
    numbers,
    numbers.map((_, index) => index + 1),
  );
  server.kill("SIGTERM");
  await server.ended;
});

test("who follows gives up after --patience, and says that the run goes on and how to look at it", {
  timeout,
}, async (t) => {
  const { project } = counting(t, "1\n");
  const { server, url } = await startServer(project);
  const run = project.start("run", "counts", "--server", url, "--patience", "100ms");
  const id = (await run.says(/run (\w{20})/))[1] ?? "";
  await run.says(/number 1\n/);
  const events = project.start("runs", "events", id, "-f", "--json", "--server", url, "--patience", "100ms");
  await events.says(/run\.waiting/);
  server.kill("SIGKILL");
  const followed = await events.ended;
  assert.equal(followed.code, 1);
  const last = valuesOf<{ error?: { code: string } }>(followed.stdout).at(-1);
  assert.equal(last?.error?.code, "store_unavailable", "the error is a line as well");
  const { code, stderr } = await run.ended;
  assert.equal(code, 1);
  assert.match(stderr, new RegExp(`Run ${id} has not ended by that: it goes on`));
  assert.match(stderr, new RegExp(`holdfast\\.js runs show --server ${url} ${id}`));
});

test("a reader that leaves ends what is followed at the next line, without a word about it", { timeout }, async (t) => {
  const { project, say } = counting(t, "1\n");
  const { server, url } = await startServer(project);
  const input = '{"last":1000000}';
  const started = await project.run("run", "count", "--input", input, "--no-wait", "--server", url);
  const words = `'${process.execPath}' '${project.command}' runs logs ${started.stdout.trim()} -f --server ${url}`;
  const piped = project.startProgram("bash", ["-c", `${words} | head -1`]);
  await piped.says(/ warn /);
  let number = 1;
  const writing = setInterval(() => say(++number), 20);
  t.after(() => clearInterval(writing));
  const { code, stderr, stdout } = await piped.ended;
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(stdout, /^\S+ warn [^\n]+\n$/);
  server.kill("SIGKILL");
});

interface Place {
  readonly epoch: number;
  readonly seq: number;
}

function inOrder(lines: readonly Place[]): Place[] {
  return lines.toSorted((a, b) => a.epoch - b.epoch || a.seq - b.seq);
}

function valuesOf<T>(text: string): T[] {
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as T);
}

test("dev says why a run failed", { timeout }, async (t) => {
  const failing =
    'import { task } from "holdfast";\nexport const act = task({ id: "act" }, () => { throw new Error("no more"); });\n';
  const project = new Project(t, { "tasks/act.ts": failing });
  const dev = project.start("dev", "--port", "0");
  await dev.says(/1 definition/);
  await project.run("run", "act");
  await dev.says(/act \w{20} failed: no more/);
  dev.kill("SIGTERM");
  await dev.ended;
});

// The fault: ten minutes of asking for what cannot come back by itself.
test("a run whose store is removed ends at once, and says what was removed", { timeout }, async (t) => {
  const { project } = counting(t, "1\n");
  const run = project.start("run", "tasks/count.ts", "--id", "counts", "--patience", "2h");
  await run.says(/count \| number 1\n/);
  rmSync(join(project.root, ".holdfast"), { recursive: true });
  const { code, stderr } = await run.ended;
  assert.equal(code, 1);
  assert.match(stderr, /error The store .+holdfast\.db is not there any more as it was: .+ was removed or replaced/);
  assert.match(stderr, /Put it back, or stop this process/);
  assert.doesNotMatch(stderr, /Still asking/);
});
