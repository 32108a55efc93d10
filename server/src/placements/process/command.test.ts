// Faults to catch: success guessed from anything but exit code 0 (P4), or said before its lines are kept; an output line
// that is half, broken or too large taken for a result; a command that outlives its end; an input that only small commands
// get; a command that was told to end is said to have succeeded, or one that broke its channel; the server's environment or other tasks' variables in a command; an input file left behind.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { AppError, type Json, limits } from "@holdfast/protocol";
import { begin, bodiesRoot, carryOut, Recorder } from "../fixtures/recording.ts";
import { ProcessPlacement } from "./process-placement.ts";

const speaker = fileURLToPath(new URL("./fixtures/raw-child.ts", import.meta.url));

function make(termGraceMs = 50): ProcessPlacement {
  return new ProcessPlacement({
    projectRoot: bodiesRoot,
    concurrency: 2,
    spareChildren: 0,
    abortGraceMs: 60_000,
    termGraceMs,
  });
}

function lives(pid: number): boolean {
  try {
    return !/\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false;
  }
}

async function becomes(holds: () => boolean, what: string): Promise<void> {
  for (const until = performance.now() + 30_000; !holds(); await pause(5)) assert.ok(performance.now() < until, what);
}

describe("a plain command", { timeout: 120_000 }, () => {
  let placement: ProcessPlacement;
  before(() => {
    placement = make();
  });
  after(() => placement.close());
  const run = (command: string, input: Json = {}, options: Parameters<typeof carryOut>[2] = {}) =>
    carryOut(placement, input, { ...options, command });

  it("succeeds on exit code 0, with null where it printed no output line, after its lines were kept", async () => {
    const { end, recorder } = await run("echo one; printf two; echo careful >&2");
    assert.equal(end.how, "settled");
    assert.deepEqual(recorder.calls, [{ method: "run.succeed", params: { output: null } }]);
    assert.deepEqual(recorder.heard.at(-1), recorder.calls[0]);
    const texts = recorder.lines.map(({ stream, level, text }) => `${stream} ${level} ${text}`).sort();
    assert.deepEqual(texts, ["stderr warn careful", "stdout info one", "stdout info two"]);
  });

  it("succeeds with the JSON of its last output line, Ork's name included, an end of the line missing or not", async () => {
    const first = await run(`echo 'ORK_OUTPUT:{"rows":1}'; echo HOLDFAST_OUTPUT:'{"rows":[2,"ä"]}'; echo done`);
    assert.deepEqual(first.last, { method: "run.succeed", params: { output: { rows: [2, "ä"] } } });
    assert.deepEqual((await run("printf 'ORK_OUTPUT:7'")).last?.params, { output: 7 });
  });

  it("fails, and says why, when its output line is no JSON, no UTF-8, or over the limit", async () => {
    const cases: readonly [string, RegExp][] = [
      ["echo HOLDFAST_OUTPUT:{rows:1}", /result_invalid.*no JSON: .*rows:1/],
      ["printf 'HOLDFAST_OUTPUT:\"\\377\"\\n'", /result_invalid.*not UTF-8/],
      [
        `head -c ${limits.outputBytes + 10} /dev/zero | tr '\\0' 1 | sed 's/^/HOLDFAST_OUTPUT:/'`,
        /the limit is 1048576/,
      ],
      ["printf 'HOLDFAST_OUTPUT:'", /no JSON/],
    ];
    for (const [command, words] of cases) {
      const { end, last } = await run(command);
      assert.deepEqual([end.how, last?.method], ["settled", "run.fail"]);
      assert.match(JSON.stringify(last?.params), words);
    }
  });

  it("turns an output that the control plane refuses into a failure with its words", async () => {
    const recorder = new Recorder((method) => {
      if (method === "run.succeed")
        throw new AppError("invalid_output", 'The output of "x" does not fit: rows must be integer.');
    });
    const { last, end } = await run("echo HOLDFAST_OUTPUT:1", {}, { recorder });
    assert.equal(end.how, "settled");
    assert.match(
      JSON.stringify(last),
      /run\.fail.*result_invalid.*"The output of \\"x\\" does not fit: rows must be integer/,
    );
  });

  it("says its success again while the store is away, and ends refused when nobody wants to hear it", async () => {
    let away = 2;
    const recorder = new Recorder(() => {
      if (away-- > 0) throw new AppError("store_unavailable", "the store is away");
    });
    const { end } = await run("true", {}, { recorder });
    assert.deepEqual([end.how, recorder.calls.length], ["settled", 3]);
    const stale = new Recorder(() => {
      throw new AppError("stale_epoch", "replaced");
    });
    assert.equal((await run("true", {}, { recorder: stale })).end.how, "refused");
  });

  it("fails with its exit code in words and its last lines on stderr", async () => {
    const { end, recorder } = await run(
      "echo HOLDFAST_OUTPUT:1; echo reading >&2; printf 'no such table\\n\\n' >&2; exit 3",
    );
    assert.ok(end.how === "exited" && !end.lost);
    assert.equal(end.message, "The command ended with exit code 3. Its last line on stderr: no such table");
    assert.deepEqual(end.details, { stderr: ["reading", "no such table"] });
    assert.deepEqual(recorder.calls, []);
    const missing = await run("holdfast-no-such-program");
    assert.match(JSON.stringify(missing.end), /"code":127.*a program was not found/);
  });

  it("is lost when someone kills it, and has failed when it crashes", async () => {
    for (const [signal, lost, words] of [
      ["KILL", true, /was killed \(SIGKILL\)/],
      ["TERM", true, /told to end from outside/],
      ["SEGV", false, /crashed.*SIGSEGV/],
    ] as const) {
      const { end } = await run(`kill -${signal} $$`);
      assert.ok(end.how === "exited", signal);
      assert.equal(end.lost, lost);
      assert.match(end.message, words);
    }
  });

  it("finds its input in a file of any size, and in a variable when it is small, with Ork's names", async () => {
    const show = `printf "HOLDFAST_OUTPUT:[%s,%s]" "$(cat "$HOLDFAST_INPUT")" "\${ORK_INPUT_JSON-null}"`;
    const small = await run(show, { day: "ä b" });
    assert.deepEqual(small.said.output, [{ day: "ä b" }, { day: "ä b" }]);
    const text = "x".repeat(limits.inputBytes - 20);
    const size = `printf "HOLDFAST_OUTPUT:[%s,%s]" "$(wc -c < "$HOLDFAST_INPUT")" "\${ORK_INPUT_JSON-null}"`;
    const large = await run(size, { text });
    assert.deepEqual(large.said.output, [JSON.stringify({ text }).length, null]);
    const names = [
      "HOLDFAST_RUN_ID",
      "HOLDFAST_ATTEMPT",
      "ORK_RUN_ID",
      "ORK_ATTEMPT",
      "ORK_TASK_NAME",
      "ORK_WORKFLOW_NAME",
    ];
    const list = names.map((name) => `$${name}`).join(" ");
    const named = await run(`echo "HOLDFAST_OUTPUT:\\"${list} $EXECUTION_ID\\""`, {}, { workflow: "nightly" });
    assert.equal(named.said.output, "run-1 1 run-1 1 acting nightly run-1-1");
  });

  it("has an environment made from nothing and what its task declares, in the project's folder", async () => {
    process.env.HOLDFAST_TEST_SECRET = "secret";
    const { recorder } = await run("env; pwd", {}, { env: { GREETING: "hello world", TZ: "Asia/Tokyo" } });
    delete process.env.HOLDFAST_TEST_SECRET;
    const lines = recorder.lines.map((line) => line.text);
    assert.ok(lines.includes("GREETING=hello world") && lines.includes("TZ=Asia/Tokyo"));
    assert.ok(lines.includes(bodiesRoot));
    const allowed =
      /^(PATH|HOME|LANG|TZ|TMPDIR|GREETING|PWD|OLDPWD|SHLVL|_|EXECUTION_ID|HOLDFAST_(RUN_ID|ATTEMPT|INPUT|CHANNEL_FD)|ORK_\w+)=/;
    assert.deepEqual(
      lines.filter((line) => line.includes("=") && !allowed.test(line)),
      [],
    );
    assert.doesNotMatch(JSON.stringify((await run("env")).recorder.lines), /GREETING/);
  });

  it("has an input file that only this user may read, and that is gone with it", async () => {
    const first = begin(placement, { secret: 1 }, { command: "echo at:$HOLDFAST_INPUT; sleep 1000" });
    await first.recorder.hearsText("at:");
    const file = first.recorder.lines[0]?.text.slice(3) ?? "";
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal(statSync(dirname(file)).mode & 0o777, 0o700);
    first.running.kill();
    await first.ended;
    assert.deepEqual(readdirSync(dirname(file)), []);
  });

  it("is never used again", async () => {
    const first = await run("echo HOLDFAST_OUTPUT:$$");
    assert.notEqual((await run("echo HOLDFAST_OUTPUT:$$")).said.output, first.said.output);
    assert.equal(placement.processes.warm, 0);
  });

  it("is told to end by TERM at once, and killed with everything that it started when it does not", async () => {
    const patient = make(60_000);
    after(() => patient.close());
    const command = "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done";
    const gentle = begin(patient, {}, { command });
    await gentle.recorder.hearsText("ready");
    gentle.running.abort("enough");
    const end = await gentle.ended;
    assert.deepEqual({ ...end, ranMs: 0 }, { how: "aborted", reason: "enough", ranMs: 0 });
    assert.deepEqual(gentle.recorder.calls, [], "exit code 0 after the order to end is no success");
    // The shell may also say that its sleep was terminated, before or after.
    assert.ok(gentle.recorder.lines.some(({ text }) => text === "bye"));
    const stubborn = begin(placement, {}, { command: "trap '' TERM; sleep 1000 & echo pid:$!; wait; wait" });
    await stubborn.recorder.hearsText("pid:");
    const sleeper = Number(stubborn.recorder.lines[0]?.text.slice(4));
    stubborn.running.abort("enough");
    assert.equal((await stubborn.ended).how, "aborted");
    await becomes(() => !lives(sleeper), "the sleeper lives");
  });

  it("runs out of its time, counted from its start, and not while it is frozen", async () => {
    const late = await run("sleep 1000", {}, { remainingMs: 100 });
    assert.equal(late.end.how, "timed_out");
    const { running, recorder, ended } = begin(
      placement,
      {},
      { command: "echo here; sleep 1000", remainingMs: 60_000 },
    );
    await recorder.hearsText("here");
    running.freeze();
    const { ranMs } = running;
    await run("true");
    assert.equal(running.ranMs, ranMs);
    running.thaw();
    running.kill();
    assert.equal((await ended).how, "aborted");
  });

  it("takes what it left running with it", async () => {
    const { said } = await run("sleep 1000 >/dev/null 2>&1 & echo HOLDFAST_OUTPUT:$!");
    await becomes(() => !lives(Number(said.output)), "the sleeper lives");
  });

  it("may print whatever it likes: a flood, NUL, broken text and no end of the line", async () => {
    const flood = await run("i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); done; echo HOLDFAST_OUTPUT:5000");
    assert.equal(flood.said.output, 5_000);
    assert.equal(flood.recorder.lines.length, 5_001);
    const odd = await run("printf 'a\\000b\\377c\\nlast'");
    assert.deepEqual(
      odd.recorder.lines.map((line) => line.text),
      ["a\ufffdb\ufffdc", "last"],
    );
  });

  it("over its memory limit is ended and told so in words", async () => {
    const command = `exec ${process.execPath} -e 'const a=[]; for(;;) a.push(Buffer.alloc(1e7,1))'`;
    const { end } = await run(command, {}, { memoryBytes: 200 * 1024 * 1024 });
    assert.ok(end.how === "exited" && !end.lost);
    assert.match(end.message, /the limit is 200 MiB/);
  });

  it("counts what left its parent but not the group, and what other threads have started", async () => {
    const alloc = "const a=[]; setInterval(() => a.length < 40 && a.push(Buffer.alloc(1e7, 1)), 1)";
    const orphan = `(${process.execPath} -e '${alloc}' &); exec sleep 100`;
    const worker = `require("child_process").spawn(process.execPath, ["-e", ${JSON.stringify(alloc)}])`;
    const thread = `exec ${process.execPath} -e 'new (require("worker_threads").Worker)(${JSON.stringify(worker)}, {eval: true}); setInterval(() => {}, 1000)'`;
    for (const command of [orphan, thread]) {
      const { end } = await run(command, {}, { memoryBytes: 250 * 1024 * 1024 });
      assert.ok(end.how === "exited" && !end.lost, command);
      assert.match(end.message, /the limit is 250 MiB/);
    }
  });

  it("may use or close the channel's descriptor as its own", async () => {
    assert.equal((await run("exec 3>&-; sleep 0.01; echo HOLDFAST_OUTPUT:1")).said.output, 1);
    assert.equal((await run("exec 3>/dev/null; echo noise >&3; echo HOLDFAST_OUTPUT:2")).said.output, 2);
  });

  it("that was told to end while its success could not be kept has not succeeded", async () => {
    let tries = 0;
    const recorder = new Recorder((method) => {
      if (method !== "run.succeed" || ++tries > 2) return undefined;
      if (tries === 2) running.abort("enough");
      throw new AppError("store_unavailable", "away");
    });
    const { running, ended } = begin(placement, {}, { recorder, command: "true" });
    assert.deepEqual([(await ended).how, tries], ["aborted", 2]);
  });

  it("that says on the channel what cannot be understood has not succeeded, though its exit code is 0", async () => {
    const { end, recorder } = await run("printf '{broken\\n' >&3; exit 0");
    assert.ok(end.how === "exited");
    assert.match(end.message, /ended for what it said on the channel/);
    assert.deepEqual(recorder.calls, []);
  });

  it("may speak on the channel: it says hello, is told what to run, and records steps", async () => {
    const say = [{ jsonrpc: "2.0", id: 1, method: "step.commit", params: { key: "k", value: 1 }, nonce: "NONCE" }];
    const done = { jsonrpc: "2.0", id: 2, method: "run.succeed", params: { output: "said" }, nonce: "NONCE" };
    const { end, recorder } = await run(`exec ${process.execPath} ${speaker}`, { say: [...say, done] });
    assert.equal(end.how, "settled");
    assert.deepEqual(
      recorder.calls.map((call) => call.method),
      ["step.commit", "run.succeed"],
    );
  });
});

it("the folder of inputs is made anew when someone has tidied it away", { timeout: 60_000 }, async () => {
  const placement = make();
  after(() => placement.close());
  const command = 'echo at:$HOLDFAST_INPUT; echo "HOLDFAST_OUTPUT:$(cat "$HOLDFAST_INPUT")"';
  const first = await carryOut(placement, { n: 1 }, { command });
  rmSync(dirname(first.recorder.lines[0]?.text.slice(3) ?? ""), { recursive: true });
  assert.deepEqual((await carryOut(placement, { n: 2 }, { command })).said.output, { n: 2 });
});

it("the folder of inputs is gone with its placement", { timeout: 60_000 }, async () => {
  const placement = make();
  const { recorder } = await carryOut(placement, {}, { command: "echo at:$HOLDFAST_INPUT" });
  const folder = dirname(recorder.lines[0]?.text.slice(3) ?? "");
  assert.ok(existsSync(folder));
  await placement.close();
  assert.equal(existsSync(folder), false);
});
