import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { begin, bodiesRoot, carryOut, Recorder } from "../fixtures/recording.ts";
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

/** One that ends with the test that opens it. */
function open(options: Partial<ProcessPlacementOptions> = {}): ProcessPlacement {
  const placement = make(options);
  after(() => placement.close());
  return placement;
}

function lives(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return !["Z", "X"].includes(stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3));
  } catch {
    return false;
  }
}

/** What the only call said: the result. */
function outputOf(recorder: Recorder): number {
  assert.deepEqual(
    recorder.calls.map((call) => call.method),
    ["run.succeed"],
  );
  const params = recorder.calls[0]?.params as unknown as { readonly output: number } | undefined;
  return params?.output ?? 0;
}

async function ended(pid: number): Promise<void> {
  for (const until = performance.now() + 30_000; lives(pid); await pause(5)) assert.ok(performance.now() < until);
}

describe("a supervised child", { timeout: 120_000 }, () => {
  let shared: ProcessPlacement;
  before(() => {
    shared = make();
  });
  after(() => shared.close());

  describe("that ends without a word", () => {
    let placement: ProcessPlacement;
    before(() => {
      placement = make();
    });
    after(() => placement.close());
    const cases: readonly [string, string, { readonly lost: boolean; readonly words: RegExp }][] = [
      ["exit", "0", { lost: false, words: /exit code 0 before its body had returned/ }],
      ["exit", "1", { lost: false, words: /exit code 1: an error that nobody caught/ }],
      ["exit", "7", { lost: false, words: /exit code 7/ }],
      ["exit", "42", { lost: false, words: /exit code 42 before its body/ }],
      ["exit", "137", { lost: false, words: /exit code 137, as a shell does when signal 9/ }],
      ["signal", "SIGKILL", { lost: true, words: /was killed \(SIGKILL\).*out of memory/ }],
      ["signal", "SIGTERM", { lost: true, words: /told to end from outside/ }],
      ["signal", "SIGINT", { lost: true, words: /interrupted from outside/ }],
      ["signal", "SIGHUP", { lost: true, words: /SIGHUP/ }],
      ["signal", "SIGSEGV", { lost: false, words: /crashed.*SIGSEGV/ }],
      ["signal", "SIGABRT", { lost: false, words: /ran out of heap/ }],
      ["signal", "SIGBUS", { lost: false, words: /SIGBUS/ }],
    ];
    for (const [act, value, { lost, words }] of cases) {
      it(`by ${act} ${value} is ${lost ? "lost" : "a failure"}, in words, and never a success`, async () => {
        const { end, recorder } = await carryOut(placement, { do: act, value });
        assert.ok(end.how === "exited");
        assert.equal(end.lost, lost);
        assert.match(end.message, words);
        assert.deepEqual(recorder.calls, []);
        assert.equal(recorder.lines.at(-1)?.stream, "supervisor");
        assert.match(recorder.lines.at(-1)?.text ?? "", words);
      });
    }
  });

  it("is given an environment made from nothing", async () => {
    const placement = open({ environment: { DECLARED: "yes" } });
    process.env.HOLDFAST_TEST_SECRET = "secret";
    const { said } = await carryOut(placement, { do: "environment" });
    delete process.env.HOLDFAST_TEST_SECRET;
    const allowed = ["PATH", "HOME", "LANG", "TZ", "TMPDIR", "DECLARED", "HOLDFAST_CHANNEL_FD"];
    assert.deepEqual(
      Object.keys(said.output).filter((name) => !allowed.includes(name)),
      [],
    );
    assert.equal(said.output.DECLARED, "yes");
    assert.equal(said.output.PATH, process.env.PATH);
  });

  describe("in the pool", () => {
    const pidOf = async (placement: ProcessPlacement, options: Parameters<typeof carryOut>[2] = {}, act = "pid") => {
      const { said } = await carryOut(placement, { do: act }, options);
      return said.output as unknown;
    };

    it("is used again for the same definition, grants and code, and only for these", async () => {
      const placement = open({ concurrency: 4 });
      const first = await pidOf(placement);
      assert.equal(await pidOf(placement), first);
      assert.notEqual(await pidOf(placement, { grants: ["logging"] }), first);
      assert.notEqual(await pidOf(placement, { definition: "other" }), first);
      assert.equal(await pidOf(placement), first);
      placement.forgetCode();
      assert.notEqual(await pidOf(placement), first);
    });

    it("is never used twice under isolation fresh", async () => {
      const placement = open();
      const first = await pidOf(placement);
      const fresh = await pidOf(placement, { isolation: "fresh" });
      assert.notEqual(await pidOf(placement, { isolation: "fresh" }), fresh);
      assert.notEqual(await pidOf(placement), fresh);
      void first;
    });

    it("is not used again when its body left a timer, a process, a listener, a variable or another working folder", async () => {
      const placement = open();
      for (const act of ["leaveTimer", "changeFolder", "leaveVariable", "leaveListener"]) {
        const left = await pidOf(placement, {}, act);
        assert.notEqual(await pidOf(placement), left, act);
      }
      const { said } = await carryOut(placement, { do: "leaveCommand" });
      assert.notEqual(await pidOf(placement), said.output.child);
      await Promise.all([ended(Number(said.output.child)), ended(Number(said.output.sleeper))]);
    });

    it("fails nobody for what an earlier body left behind unseen: the process is lost, which uses up no attempt", async () => {
      const placement = open();
      for (const bomb of ["throw", "reject", "exit"]) {
        const left = (await carryOut(placement, { do: "leaveBomb", value: bomb })).said.output;
        const { end, said } = await carryOut(placement, { do: "setOff" });
        assert.deepEqual([end.how, end.how === "exited" && end.lost], ["exited", true], bomb);
        assert.equal(said.output, undefined);
        await ended(Number(left));
      }
      // What it does itself is its own.
      const own = await carryOut(placement, { do: "setOff", value: "throw" });
      assert.match(JSON.stringify(own.said), /late/);
    });

    it("keeps no more processes than it has slots, and a spare", async () => {
      const placement = open({ concurrency: 1, spareChildren: 1 });
      for (const definition of ["acting", "other", "acting", "other"]) await pidOf(placement, { definition });
      const { warm, spare } = placement.processes;
      assert.deepEqual([warm, spare], [1, 1]);
    });

    it("is replaced without notice when it dies while it waits", async () => {
      const placement = open();
      const first = Number(await pidOf(placement));
      process.kill(first, "SIGKILL");
      await ended(first);
      const { end } = await carryOut(placement, { do: "pid" });
      assert.equal(end.how === "settled" || (end.how === "exited" && end.lost), true);
      assert.notEqual(await pidOf(placement), first);
    });

    it("goes on with its next body when someone has stopped it while it waited", async () => {
      const placement = open();
      const first = Number(await pidOf(placement));
      process.kill(-first, "SIGSTOP");
      assert.equal(await pidOf(placement), first);
    });

    it("that was frozen while its success was acknowledged goes on when it is given the next body", async () => {
      const placement = open();
      const acknowledge = Promise.withResolvers<void>();
      const recorder = new Recorder(async (method) => {
        if (method === "run.succeed") await acknowledge.promise;
      });
      const { running, ended } = begin(placement, { do: "pid" }, { recorder });
      await recorder.hears((heard) => "method" in heard && heard.method === "run.succeed");
      running.freeze();
      acknowledge.resolve();
      assert.equal((await ended).how, "settled");
      assert.equal(await pidOf(placement), outputOf(recorder));
    });
  });

  it("fails when something that the body left to itself throws or rejects", async () => {
    const placement = shared;
    const rejected = await carryOut(placement, { do: "leaveRejection" });
    assert.match(JSON.stringify(rejected.last), /run\.fail.*nobody caught this/);
    const thrown = await carryOut(placement, { do: "throwLater" });
    assert.match(JSON.stringify(thrown.last), /run\.fail.*thrown outside the body.*RangeError/);
  });

  it("says its result although its body replaced timers and turns of the loop", async () => {
    const { said } = await carryOut(shared, { do: "fakeTimers" });
    assert.equal(said.output, "returned");
  });

  it("whose body closed the channel's descriptor has failed, and does not wait for ever", async () => {
    for (const act of ["closeChannel", "replaceChannel"]) {
      const { end } = await carryOut(shared, { do: act });
      assert.ok(end.how === "exited" && !end.lost, act);
      // The child may notice it first.
      assert.match(end.message, /closed its end of the channel|exit code 1/);
    }
  });

  it("that ignores its signal and TERM is killed with its group", async () => {
    const placement = shared;
    const { running, recorder, ended: end } = begin(placement, { do: "stubborn" });
    await recorder.hearsText("stubborn");
    running.abort("enough");
    assert.deepEqual({ ...(await end), ranMs: 0 }, { how: "aborted", reason: "enough", ranMs: 0 });
    assert.deepEqual(
      recorder.lines.map((line) => line.text),
      ["told to end; no"],
    );
  });

  it("in a busy loop is ended by its timeout, and by abort", async () => {
    const placement = shared;
    const late = await carryOut(placement, { do: "loop" }, { remainingMs: 200 });
    assert.equal(late.end.how, "timed_out", JSON.stringify(late.recorder.heard));
    const { running, recorder, ended: end } = begin(placement, { do: "loop" });
    await recorder.hearsText("looping");
    running.abort("enough");
    assert.equal((await end).how, "aborted");
  });

  it("takes plain commands of its group with it", async () => {
    const placement = shared;
    const { running, recorder, ended: end } = begin(placement, { do: "command" });
    await recorder.hearsText("started");
    const { pid, sleeper } = recorder.loggedFields;
    assert.ok(lives(sleeper));
    running.kill();
    assert.equal((await end).how, "aborted");
    assert.deepEqual([lives(pid), lives(sleeper)], [false, false]);
  });

  it("is killed at once when it is frozen and no longer wanted", async () => {
    const placement = open({ abortGraceMs: 60_000, termGraceMs: 60_000 });
    const { running, recorder, ended: end } = begin(placement, { do: "hang" });
    await recorder.hearsText("hanging");
    placement.freezeAll();
    running.abort("not any more");
    assert.equal((await end).how, "aborted");
    placement.thawAll();
    assert.equal((await carryOut(placement, { do: "ok" })).end.how, "settled");
  });

  it("does not run out of its time while it is frozen", async () => {
    const placement = shared;
    const { running, recorder, ended: end } = begin(placement, { do: "hang" }, { remainingMs: 2_000 });
    await recorder.hearsText("hanging");
    placement.freezeAll();
    const race = await Promise.race([end, pause(2_500, "frozen")]);
    assert.equal(race, "frozen");
    placement.thawAll();
    const { how, ranMs } = await end;
    assert.equal(how, "timed_out");
    assert.ok(ranMs >= 2_000 && ranMs <= running.ranMs);
  });

  it("over its memory limit is ended and told so in words", async () => {
    const placement = shared;
    const { end } = await carryOut(placement, { do: "memory" }, { memoryBytes: 300 * 1024 * 1024 });
    assert.ok(end.how === "exited" && !end.lost);
    assert.match(end.message, /held \d{3,} MiB of memory; the limit is 300 MiB/);
    assert.equal((await carryOut(placement, { do: "ok" })).end.how, "settled");
  });

  it("that dies after it said its success has succeeded, once that is acknowledged", async () => {
    const placement = shared;
    const acknowledge = Promise.withResolvers<void>();
    const recorder = new Recorder((method) => (method === "run.succeed" ? acknowledge.promise : undefined));
    const { ended: end } = begin(placement, { do: "pid" }, { recorder });
    await recorder.hears((heard) => "method" in heard && heard.method === "run.succeed");
    process.kill(outputOf(recorder), "SIGKILL");
    await ended(outputOf(recorder));
    acknowledge.resolve();
    assert.equal((await end).how, "settled");
  });
});

describe("what a child prints", { timeout: 120_000 }, () => {
  let placement: ProcessPlacement;
  before(() => {
    placement = make();
  });
  after(() => placement.close());

  it("becomes log lines before its success, a last line without an end included", async () => {
    const { recorder } = await carryOut(placement, { do: "print", value: "one\r\ntwo ä\n\nthree" });
    assert.deepEqual(recorder.heard.slice(0, -1), [
      { stream: "stdout", level: "info", text: "one" },
      { stream: "stdout", level: "info", text: "two ä" },
      { stream: "stdout", level: "info", text: "" },
      { stream: "stdout", level: "info", text: "three" },
    ]);
    assert.equal(recorder.calls.length, 1);
    const error = await carryOut(placement, { do: "printError", value: "careful" });
    assert.deepEqual(error.recorder.lines, [{ stream: "stderr", level: "warn", text: "careful" }]);
  });

  it("keeps the fields of JSON lines", async () => {
    const line = JSON.stringify({ level: "error", msg: "no", table: "orders", n: 3 });
    const { recorder } = await carryOut(placement, { do: "print", value: `${line}\n` });
    assert.deepEqual(recorder.lines, [
      { stream: "stdout", level: "error", text: "no", fields: { table: "orders", n: 3 } },
    ]);
  });

  it("is taken before the end is reported also when the process is killed", async () => {
    const { running, recorder, ended: end } = begin(placement, { do: "printThenHang", value: "last words" });
    await recorder.hearsText("printed");
    running.kill();
    await end;
    assert.deepEqual(
      recorder.lines.map((line) => line.text),
      ["last words"],
    );
  });

  it("is dropped over the limit and counted in one line, from stdout and from ctx.log alike", async () => {
    const logLimits = { lines: 100, bytes: 1_000_000, burstLines: 1_000_000, linesPerSecond: 1_000_000 };
    const strict = open({ logLimits });
    for (const act of ["flood", "logFlood"]) {
      const { end, recorder } = await carryOut(strict, { do: act, value: 5_000 });
      assert.equal(end.how, "settled");
      const kept = recorder.logged.length + recorder.lines.filter((line) => line.stream === "stdout").length;
      assert.equal(kept, 100);
      const said = recorder.lines.filter((line) => line.stream === "supervisor").map((line) => line.text);
      assert.equal(said.length, 1);
      assert.match(said[0] ?? "", /^4900 log lines \(\d+ bytes\) were dropped/);
    }
  });

  it("is cut where a line is too long, and holds up nobody however much it is", async () => {
    const { end, recorder } = await carryOut(placement, { do: "printLong", value: 20 * 1024 * 1024 });
    assert.equal(end.how, "settled");
    assert.equal(recorder.lines.length, 1);
    const text = recorder.lines[0]?.text ?? "";
    assert.ok(text.startsWith("xxx") && text.endsWith("x… (cut: 20971520 characters)"), text.slice(-100));
  });
});
