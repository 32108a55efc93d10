// Faults to catch: an end without a word taken for success; a body that waits and hears of it; exit codes and signals of Python
// explained as Node's; a process with a thread, a child, a descriptor, a handler or a variable left given another body; what was
// printed lost at a kill.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { Json } from "@holdfast/protocol";
import { begin, bodiesRoot, carryOut, type JobOptions, Recorder } from "../fixtures/recording.ts";
import { ProcessPlacement, type ProcessPlacementOptions } from "./process-placement.ts";

function make(options: Partial<ProcessPlacementOptions> = {}): ProcessPlacement {
  return new ProcessPlacement({
    projectRoot: bodiesRoot,
    concurrency: 2,
    spareChildren: 0,
    abortGraceMs: 50,
    termGraceMs: 50,
    ...options,
  });
}

function lives(pid: number): boolean {
  try {
    return !/\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false;
  }
}

async function ended(pid: number): Promise<void> {
  for (const until = performance.now() + 30_000; lives(pid); await pause(5)) assert.ok(performance.now() < until);
}

describe("a supervised Python child", { timeout: 240_000 }, () => {
  let placement: ProcessPlacement;
  before(() => {
    // Itself, not a script that chooses one and sets variables of its own.
    const python = execFileSync("python3", ["-c", "import sys; print(sys.executable)"], { encoding: "utf8" }).trim();
    placement = make({ python });
  });
  after(() => placement.close());
  const act = (input: Json, options: Parameters<typeof carryOut>[2] = {}, where = placement) =>
    carryOut(where, input, { ...options, executor: "python" });
  const start = (input: Json, options: JobOptions & { recorder?: Recorder } = {}) =>
    begin(placement, input, { ...options, executor: "python" });

  const ends: readonly [string, string, { readonly lost: boolean; readonly words: RegExp }][] = [
    ["exit", "0", { lost: false, words: /exit code 0 before its body had returned/ }],
    ["exit", "1", { lost: false, words: /exit code 1 before its body/ }],
    ["exit", "137", { lost: false, words: /exit code 137, as a shell does when signal 9/ }],
    ["signal", "SIGKILL", { lost: true, words: /was killed \(SIGKILL\).*out of memory/ }],
    ["signal", "SIGTERM", { lost: true, words: /told to end from outside/ }],
    ["signal", "SIGHUP", { lost: true, words: /SIGHUP/ }],
    ["signal", "SIGSEGV", { lost: false, words: /crashed.*SIGSEGV/ }],
    ["signal", "SIGABRT", { lost: false, words: /gave up.*native code/ }],
  ];
  for (const [what, value, { lost, words }] of ends) {
    it(`that ends by ${what} ${value} is ${lost ? "lost" : "a failure"}, in words, and never a success`, async () => {
      const { end, recorder } = await act({ do: what, value });
      assert.ok(end.how === "exited");
      assert.equal(end.lost, lost);
      assert.match(end.message, words);
      assert.doesNotMatch(JSON.stringify(end), /JavaScript|V8|process\.exit/);
      assert.deepEqual(recorder.calls, []);
    });
  }

  it("fails when its body calls sys.exit, with whatever code, or is interrupted", async () => {
    for (const [input, words] of [
      [{ do: "sysExit", value: 0 }, /run\.fail.*sys\.exit\(0\)\. Success is what it returns/],
      [{ do: "sysExit", value: 2 }, /run\.fail.*sys\.exit\(2\)/],
      [{ do: "interrupt" }, /run\.fail.*KeyboardInterrupt/],
    ] as const) {
      assert.match(JSON.stringify((await act(input)).last), words);
    }
  });

  it("is given an environment made from nothing, what its task declares, and its run", async () => {
    process.env.HOLDFAST_TEST_SECRET = "secret";
    const { said } = await act({ do: "environment" }, { env: { DECLARED: "yes" }, workflow: "nightly" });
    delete process.env.HOLDFAST_TEST_SECRET;
    const allowed =
      /^(PATH|HOME|LANG|LC_CTYPE|TZ|TMPDIR|DECLARED|HOLDFAST_(RUN_ID|ATTEMPT|INPUT)|ORK_\w+|EXECUTION_ID)$/;
    assert.deepEqual(
      Object.keys(said.output).filter((name) => !allowed.test(name) && !name.startsWith("__")),
      [],
    );
    const { DECLARED, ORK_ATTEMPT, ORK_WORKFLOW_NAME, ORK_INPUT_JSON, HOLDFAST_INPUT } = said.output;
    assert.deepEqual([DECLARED, ORK_ATTEMPT, ORK_WORKFLOW_NAME], ["yes", "1", "nightly"]);
    assert.deepEqual(JSON.parse(String(ORK_INPUT_JSON)), { do: "environment" });
    assert.match(String(HOLDFAST_INPUT), /input-\d+\.json$/);
  });

  it("is used again for the same task, grants, code and variables when its body left nothing", async () => {
    const pidOf = async (options: Parameters<typeof carryOut>[2] = {}, what = "pid") =>
      (await act({ do: what }, options)).said.output as unknown;
    const first = await pidOf();
    assert.equal(await pidOf(), first);
    assert.equal(await pidOf({}, "leaveGarbage"), first, "what the collector closes is nothing that is left");
    assert.equal(await pidOf(), first);
    const declared = await pidOf({ env: { A: "1" } });
    assert.notEqual(declared, first);
    assert.notEqual(await pidOf({ env: { A: "2" } }), declared);
    assert.notEqual(await pidOf({ grants: ["lifecycle"] }), first);
    assert.notEqual(await pidOf({ definition: "other" }), first);
    for (const left of ["leaveThread", "leaveDescriptor", "changeFolder", "leaveVariable", "leaveHandler"]) {
      const leaver = await pidOf({}, left);
      assert.notEqual(await pidOf(), leaver, left);
    }
    const { said } = await act({ do: "leaveCommand" });
    assert.notEqual(await pidOf(), said.output.child);
    await Promise.all([ended(Number(said.output.child)), ended(Number(said.output.sleeper))]);
  });

  it("has a spare of its own kind from its first use on, and both are gone with the placement", async () => {
    const own = make({ spareChildren: 1, concurrency: 1 });
    after(() => own.close());
    const { said } = await act({ do: "pid" }, {}, own);
    await act({ do: "pid" }, {}, own);
    assert.deepEqual([own.processes.spare, own.processes.warm], [2, 1]);
    await own.close();
    assert.ok(!lives(Number(said.output)));
  });

  it("whose body closed every descriptor has failed, and does not wait for ever", async () => {
    const { end } = await act({ do: "closeChannel" });
    assert.ok(end.how === "exited" && !end.lost);
    assert.match(end.message, /closed its end of the channel|exit code 1/);
  });

  it("that ignores its signal and TERM is killed with its group", async () => {
    const { running, recorder, ended: end } = start({ do: "stubborn" });
    await recorder.hearsText("stubborn");
    running.abort("enough");
    assert.equal((await end).how, "aborted");
    assert.deepEqual(
      recorder.lines.map((line) => line.text),
      ["told to end; no"],
    );
    const other = start({ do: "command" });
    await other.recorder.hearsText("started");
    const { pid, sleeper } = other.recorder.loggedFields;
    other.running.kill();
    await other.ended;
    await Promise.all([ended(pid), ended(sleeper)]);
  });

  it("in a busy loop is ended by its timeout, and by abort", async () => {
    assert.equal((await act({ do: "loop" }, { remainingMs: 200 })).end.how, "timed_out");
    const { running, recorder, ended: end } = start({ do: "loop" });
    await recorder.hearsText("looping");
    running.abort("enough");
    assert.equal((await end).how, "aborted");
  });

  it("over its memory limit is ended and told so in words", async () => {
    const { end } = await act({ do: "memory" }, { memoryBytes: 300 * 1024 * 1024 });
    assert.match(JSON.stringify(end), /"lost":false.*the limit is 300 MiB/);
  });

  it("that dies after it said its success has succeeded, once that is acknowledged", async () => {
    const acknowledge = Promise.withResolvers<void>();
    const recorder = new Recorder((method) => (method === "run.succeed" ? acknowledge.promise : undefined));
    const own = make();
    after(() => own.close());
    const { ended: end } = begin(own, { do: "pid" }, { recorder, executor: "python" });
    await recorder.hears((heard) => "method" in heard && heard.method === "run.succeed");
    const { output } = (recorder.calls[0]?.params ?? {}) as unknown as { readonly output: number };
    process.kill(output, "SIGKILL");
    await ended(output);
    acknowledge.resolve();
    assert.equal((await end).how, "settled");
  });

  it("prints lines that are kept before its success, whatever is in them, and when it is killed", async () => {
    const text = (input: Json) => act(input).then(({ recorder }) => recorder.lines.map((line) => line.text));
    assert.deepEqual(await text({ do: "print", value: "one\r\ntwo ä\n\nthree" }), ["one", "two ä", "", "three"]);
    assert.deepEqual(await text({ do: "printBytes", value: "6100ff62" }), ["a\ufffd\ufffdb"]);
    assert.match((await text({ do: "printLong", value: 5_000_000 }))[0] ?? "", /x… \(cut: 5000000 characters\)$/);
    assert.equal((await text({ do: "flood", value: 5_000 })).length, 5_000);
    const { running, recorder, ended: end } = start({ do: "printThenHang", value: "last words" });
    await recorder.hearsText("printed");
    running.kill();
    await end;
    assert.equal(recorder.lines[0]?.text, "last words");
  });

  it("logs a flood within the activation's budget, and what is over is counted", async () => {
    const logLimits = { lines: 100, bytes: 1_000_000, burstLines: 1_000_000, linesPerSecond: 1_000_000 };
    const strict = make({ logLimits });
    after(() => strict.close());
    const { end, recorder } = await act({ do: "logFlood", value: 5_000 }, {}, strict);
    assert.deepEqual([end.how, recorder.logged.length], ["settled", 100]);
    assert.match(recorder.lines.at(-1)?.text ?? "", /^4900 log lines \(\d+ bytes\) were dropped/);
  });

  it("takes what goes to Python's logging into the log with its level and logger, at each activation", async () => {
    for (let i = 0; i < 2; i++) {
      const { recorder } = await act({ do: "logging" });
      const writes = recorder.calls.filter((call) => call.method === "log.write").map((call) => call.params);
      const lines = writes.flatMap((params) => (params as unknown as { readonly lines: readonly unknown[] }).lines);
      assert.deepEqual(lines, [
        { level: "info", text: "from the root", fields: { logger: "root" } },
        { level: "error", text: "low on bolts", fields: { logger: "shop.orders" } },
      ]);
      assert.deepEqual(recorder.lines, []);
    }
  });

  it("runs an async body with awaited steps, and waits for those that it left", async () => {
    const asynchronous = (input: Json) => act(input, { definition: "asynchronous" });
    const steps = await asynchronous({ do: "steps" });
    assert.deepEqual(steps.said.output, [1, 2, 1]);
    assert.match(JSON.stringify((await asynchronous({ do: "twice" })).last), /run\.fail.*under way already/);
    const left = await asynchronous({ do: "unawaited" });
    assert.deepEqual(
      left.recorder.calls.map((call) => call.method),
      ["step.commit", "run.succeed"],
    );
    const suspended = { suspended: true, records: [], refused: [] };
    const waiting = new Recorder((method) => (method === "run.suspend" ? suspended : undefined));
    const slept = await act({ do: "sleep" }, { definition: "asynchronous", recorder: waiting });
    assert.deepEqual([slept.end.how, slept.last?.method], ["settled", "run.suspend"]);
    await ended(waiting.loggedFields.pid);
    assert.deepEqual(waiting.lines, []);
    const plain = new Recorder((method) => (method === "run.suspend" ? suspended : undefined));
    await act({ do: "sleep" }, { recorder: plain });
    const printed = plain.heard.findIndex((heard) => "text" in heard && heard.text === "printed before the wait");
    assert.ok(
      printed >= 0 && printed < plain.heard.findIndex((heard) => "method" in heard && heard.method === "run.suspend"),
    );
    const { running, recorder, ended: end } = start({ do: "wait" }, { definition: "asynchronous" });
    await recorder.hearsText("waiting");
    running.abort("told to");
    assert.equal((await end).how, "settled");
    assert.match(JSON.stringify(recorder.calls.at(-1)), /run\.fail.*told to/);
  });
});

describe("the Python of a task", { timeout: 120_000 }, () => {
  let root = "";
  before(() => {
    root = mkdtempSync(join(tmpdir(), "hf-python-"));
    mkdirSync(join(root, "shop/jobs"), { recursive: true });
    mkdirSync(join(root, "bin"));
    writeFileSync(
      join(root, "shop/jobs/which.py"),
      "import os\ndef main():\n    return os.environ.get('WHICH', 'plain')\n",
    );
  });
  after(() => rmSync(root, { recursive: true, force: true }));

  /** A Python that says which one it is. */
  function python(file: string, name: string): void {
    mkdirSync(join(file, ".."), { recursive: true });
    writeFileSync(file, `#!/bin/sh\nWHICH=${name} exec python3 "$@"\n`);
    chmodSync(file, 0o755);
  }

  async function which(options: Partial<ProcessPlacementOptions> = {}, env: Record<string, string> = {}) {
    const placement = make({ projectRoot: root, ...options });
    after(() => placement.close());
    const job = { executor: "python", module: "shop/jobs/which.py", export: "main", env } as const;
    const { end, said } = await carryOut(placement, {}, job);
    await placement.close();
    return end.how === "settled" ? (said.output as unknown) : end;
  }

  it("is the configured one, else the nearest .venv's, else uv's, else python3, and an error says what to do without one", async () => {
    assert.equal(await which(), "plain");
    writeFileSync(join(root, "pyproject.toml"), "");
    python(join(root, "made-by-uv"), "uv");
    const uv = `#!/bin/sh\n[ "$*" = "run --quiet --project ${root} python -c import sys; print(sys.executable)" ] && echo ${root}/made-by-uv\n`;
    writeFileSync(join(root, "bin/uv"), uv);
    chmodSync(join(root, "bin/uv"), 0o755);
    const environment = { PATH: `${join(root, "bin")}:${process.env.PATH}` };
    assert.equal(await which({ environment }), "uv");
    python(join(root, ".venv/bin/python"), "outer");
    assert.equal(await which({ environment }), "outer");
    python(join(root, "shop/.venv/bin/python"), "nearest");
    assert.equal(await which({ environment }), "nearest");
    python(join(root, "bin/my-python"), "configured");
    assert.equal(await which({ python: "bin/my-python" }), "configured");
    assert.equal(await which({ environment, python: "my-python" }), "configured");
    assert.match(JSON.stringify(await which({ python: "no/such" })), /"lost":false.*configured is not there.*Correct/);
    for (const venv of [".venv", "shop/.venv"]) rmSync(join(root, venv), { recursive: true });
    const none = await which({ environment: { PATH: "/nowhere" } });
    assert.match(JSON.stringify(none), /"lost":false.*There is no Python for this task.*Install Python 3\.9/);
  });

  it("finds what the task's file imports beside it, in its project and in the root, and modules by dotted names", async () => {
    writeFileSync(join(root, "at_root.py"), "A = 1\n");
    mkdirSync(join(root, "flow/src"), { recursive: true });
    writeFileSync(join(root, "flow/pyproject.toml"), "");
    writeFileSync(join(root, "flow/src/inner.py"), "B = 2\n");
    mkdirSync(join(root, "flow/tasks"));
    writeFileSync(join(root, "flow/tasks/beside.py"), "C = 3\n");
    const body =
      "from at_root import A\nfrom src.inner import B\nfrom beside import C\ndef main():\n    return [A, B, C, __name__]\n";
    writeFileSync(join(root, "flow/tasks/json.py"), body);
    writeFileSync(join(root, "flow/tasks/all.py"), body);
    symlinkSync(join(root, "flow"), join(root, "linked"));
    const placement = make({ projectRoot: root });
    after(() => placement.close());
    const run = (module: string, name = "main") =>
      carryOut(placement, {}, { executor: "python", module, export: name, definition: module });
    assert.deepEqual((await run("flow/tasks/all.py")).said.output, [1, 2, 3, "tasks.all"]);
    assert.deepEqual((await run("flow/tasks/json.py")).said.output, [1, 2, 3, "tasks.json"]);
    assert.equal((await run("shop.jobs.which")).said.output, "plain");
    assert.match(
      JSON.stringify((await run("shop.jobs.gone")).last),
      /definition_missing.*shop\.jobs\.gone is not there/,
    );
    writeFileSync(join(root, "needs.py"), "import no_such_package\ndef main():\n    pass\n");
    const needs = await run("needs.py");
    assert.match(
      JSON.stringify(needs.last),
      /No module named 'no_such_package'.*Install what provides no_such_package/,
    );
    assert.doesNotMatch(JSON.stringify(needs.last), /"fatal"/);
    writeFileSync(join(root, "broken.py"), "def main(:\n");
    assert.match(JSON.stringify((await run("broken.py")).last), /SyntaxError.*broken\.py/);
    await placement.close();
  });

  it("runs what an edited file says at its next start, one that it imports included, and else goes on warm", async () => {
    const placement = make({ projectRoot: root });
    after(() => placement.close());
    const run = () => carryOut(placement, {}, { executor: "python", module: "outer.py", export: "main" });
    writeFileSync(join(root, "inner_part.py"), "VALUE = 1\n");
    writeFileSync(
      join(root, "outer.py"),
      "import os\nfrom inner_part import VALUE\ndef main():\n    return [VALUE, os.getpid()]\n",
    );
    const [first, again] = [(await run()).said.output, (await run()).said.output];
    assert.deepEqual(again, first, "nothing was edited: the same process");
    writeFileSync(join(root, "inner_part.py"), "VALUE = 'another'\n");
    assert.equal((await run()).said.output[0], "another");
  });

  it("runs an edited file at its next start", async () => {
    const placement = make({ projectRoot: root });
    after(() => placement.close());
    const run = () => carryOut(placement, {}, { executor: "python", module: "edited.py", export: "main" });
    writeFileSync(join(root, "edited.py"), "def main():\n    return 1\n");
    assert.equal((await run()).said.output, 1);
    writeFileSync(join(root, "edited.py"), "def main():\n    return 'another'\n");
    assert.equal((await run()).said.output, "another");
    await placement.close();
  });
});
