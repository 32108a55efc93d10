// Scenarios of supervisors and channels as people know them from Apache Airflow, by the ids of scenarios/channel.md, for
// TypeScript and Python bodies alike. Where DESIGN differs, DESIGN's behaviour is shown. Each test names what it must catch.
//
// Elsewhere: CM-01, CM-04 and CM-09 (protocol/src/fixtures.test.ts, python/tests/test_framing.py, test_channel.py); CM-02,
// CM-03, CM-05, CM-08, CM-10 (channel.test.ts, test_channel.py); SV-06, SV-09's lease and SV-14 (engine, simulation: a member's lease
// stands for heartbeats); SV-13 (waits: placement.contract.ts, test/python-waits.test.ts); SV-15 (test/executors-python.test.ts).
// Not there by design: SV-02's start request (a claim comes before the start), CM-07 (a call waits; abort and timeout end it).
// Waits for another issue: CM-11 (secrets and connections).
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { AppError, type Json } from "@holdfast/protocol";
import { begin, bodiesRoot, carryOut, type JobOptions, Recorder } from "../fixtures/recording.ts";
import { ProcessPlacement, type ProcessPlacementOptions } from "./process-placement.ts";

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

/** A module that leaves a mark when it is loaded, in each language. */
const marking = {
  typescript: (mark: string) =>
    `import { writeFileSync } from "node:fs";\nimport { task } from "holdfast";\nwriteFileSync(${JSON.stringify(mark)}, "");\nexport const acting = task({ id: "acting" }, () => 1);\n`,
  python: (mark: string) => `open(${JSON.stringify(mark)}, "w").close()\ndef acting():\n    return 1\n`,
};

for (const executor of ["typescript", "python"] as const) {
  describe(`scenarios of the channel, ${executor}`, { timeout: 240_000 }, () => {
    let placement: ProcessPlacement;
    const make = (options: Partial<ProcessPlacementOptions> = {}) =>
      new ProcessPlacement({
        ...{ projectRoot: bodiesRoot, concurrency: 2, spareChildren: 0, abortGraceMs: 50, termGraceMs: 50 },
        ...options,
      });
    before(() => {
      placement = make();
    });
    after(() => placement.close());
    const act = (input: Json, options: JobOptions & { recorder?: Recorder } = {}, where = placement) =>
      carryOut(where, input, { ...options, executor });
    const start = (input: Json, options: JobOptions & { recorder?: Recorder } = {}, where = placement) =>
      begin(where, input, { ...options, executor });

    it("SV-01: no user code is loaded before the start frame", async () => {
      const root = mkdtempSync(join(tmpdir(), "hf-sv-"));
      const module = executor === "python" ? "marking.py" : "marking.ts";
      writeFileSync(join(root, module), marking[executor](join(root, "mark")));
      const own = make({ projectRoot: root, spareChildren: 1 });
      after(() => own.close().then(() => rmSync(root, { recursive: true })));
      const { running, ended: end, recorder } = start({}, { module }, own);
      assert.equal(existsSync(join(root, "mark")), false, "nothing yet in the turn of the start");
      await end;
      assert.deepEqual([running.ranMs >= 0, recorder.calls.at(-1)?.method], [true, "run.succeed"]);
      assert.ok(existsSync(join(root, "mark")));
    });

    it("SV-03, CM-06: what is printed becomes lines with stream and level, a partial last line and JSON's fields too", async () => {
      const json = JSON.stringify({ level: "error", msg: "no", table: "orders" });
      const { recorder } = await act({ do: "print", value: `plain\n${json}\npartial` });
      assert.deepEqual(recorder.lines, [
        { stream: "stdout", level: "info", text: "plain" },
        { stream: "stdout", level: "error", text: "no", fields: { table: "orders" } },
        { stream: "stdout", level: "info", text: "partial" },
      ]);
      const { recorder: errors } = await act({ do: "printError", value: "careful" });
      assert.deepEqual(errors.lines, [{ stream: "stderr", level: "warn", text: "careful" }]);
    });

    it("SV-04: the ends by KILL, TERM and SEGV differ in words, and KILL names memory", async () => {
      const words = [];
      for (const value of ["SIGKILL", "SIGTERM", "SIGSEGV"]) {
        const { end, recorder } = await act({ do: "signal", value });
        assert.ok(end.how === "exited" && end.signal === value);
        assert.equal(recorder.lines.at(-1)?.text, end.message, "the log says it too");
        words.push(end.message);
      }
      assert.match(words[0] ?? "", /ran out of memory/);
      assert.equal(new Set(words).size, 3);
    });

    it("SV-05: what fails before the body is told with its place", async () => {
      const root = mkdtempSync(join(tmpdir(), "hf-sv-"));
      const module = executor === "python" ? "broken.py" : "broken.ts";
      writeFileSync(
        join(root, module),
        executor === "python" ? 'raise ValueError("on loading")\n' : 'throw new TypeError("on loading");\n',
      );
      const own = make({ projectRoot: root });
      after(() => own.close().then(() => rmSync(root, { recursive: true })));
      const { last, said } = await act({}, { module }, own);
      assert.equal(last?.method, "run.fail");
      assert.match(JSON.stringify(said.error), /on loading.*broken\./);
    });

    it("SV-07, SV-18: a refused activation is killed, and nothing is said for it any more", async () => {
      for (const code of ["stale_epoch", "run_ended"] as const) {
        const recorder = new Recorder(() => {
          throw new AppError(code, "replaced");
        });
        const { end } = await act({ do: "pidThenHang" }, { recorder });
        assert.equal(end.how, "refused");
        assert.deepEqual(
          recorder.calls.map((call) => call.method),
          ["log.write"],
        );
        await ended(recorder.loggedFields.pid);
      }
    });

    it("SV-08, SV-11: the signal comes first, TERM and KILL only when it is not obeyed, and to end twice is no error", async () => {
      const patient = make({ abortGraceMs: 60_000 });
      after(() => patient.close());
      const obedient = start({ do: "obedient" }, {}, patient);
      await obedient.recorder.hearsText("waiting");
      obedient.running.abort("enough");
      obedient.running.abort("again");
      assert.equal((await obedient.ended).how, "settled");
      obedient.running.abort("it is gone");
      obedient.running.kill();
      // Long enough for a busy machine to bring the signal.
      const slow = make({ termGraceMs: 1_500 });
      after(() => slow.close());
      const stubborn = start({ do: "stubborn" }, {}, slow);
      await stubborn.recorder.hearsText("stubborn");
      stubborn.running.abort("enough");
      assert.equal((await stubborn.ended).how, "aborted");
      assert.equal(stubborn.recorder.lines.at(-1)?.text, "told to end; no", "TERM was heard before KILL");
    });

    it("SV-09: at lease risk a body is frozen and goes on where it was, as often as the store is away", async () => {
      const { running, recorder, ended: end } = start({ do: "obedient" });
      await recorder.hearsText("waiting");
      for (let i = 0; i < 3; i++) {
        placement.freezeAll();
        const { ranMs } = running;
        await pause(20);
        assert.equal(running.ranMs, ranMs);
        placement.thawAll();
      }
      running.abort("enough");
      assert.equal((await end).how, "settled");
    });

    it("SV-10: after its end was acknowledged nothing of an activation is heard, and its time is over", async () => {
      const { running, ended: end, recorder } = start({ do: "ok" }, { remainingMs: 60_000 });
      const { ranMs } = await end;
      assert.equal(running.ranMs, ranMs);
      assert.equal(recorder.calls.at(-1)?.method, "run.succeed");
    });

    it("SV-12: a pipe that something which left the group holds open does not hold up the end", async () => {
      const own = make();
      const { said, end } = await act({ do: "leak" }, {}, own);
      assert.equal(end.how, "settled");
      await own.close();
      assert.ok(lives(Number(said.output.leaked)), "it left the group");
      process.kill(Number(said.output.leaked), "SIGKILL");
      await ended(Number(said.output.leaked));
    });

    it("SV-16: an ending message that the control plane cannot take never becomes a success", async () => {
      for (const what of ["fail", "skip", "retry"]) {
        const recorder = new Recorder(() => {
          throw new AppError("internal", "a fault");
        });
        const { end } = await act({ do: what }, { recorder });
        assert.ok(end.how === "exited" && !end.lost);
        assert.match(JSON.stringify(recorder.lines), /end of the body could not be said/);
        assert.ok(!recorder.calls.some((call) => call.method === "run.succeed"));
      }
    });

    it("SV-17: an ending message is said again while the store is away", async () => {
      for (const [what, method] of [
        ["ok", "run.succeed"],
        ["retry", "run.retry"],
        ["skip", "run.skip"],
      ] as const) {
        let away = 2;
        const recorder = new Recorder(() => {
          if (away-- > 0) throw new AppError("store_unavailable", "away");
        });
        const { end } = await act({ do: what }, { recorder });
        assert.equal(end.how, "settled");
        assert.deepEqual(
          recorder.calls.map((call) => call.method),
          [method, method, method],
        );
      }
    });

    it("CM-02: steps of several threads or promises get each its own answer", async () => {
      const recorder = new Recorder((method, params) => {
        const { value } = params as { readonly value: number };
        return method === "step.commit" ? { recorded: true, value: value * 2 } : undefined;
      });
      const { said } = await act({ do: "manySteps", value: 20 }, { recorder });
      assert.deepEqual(
        said.output,
        Array.from({ length: 20 }, (_, i) => i * 2),
      );
    });

    it("CM-05: a refused call is an error in the body that made it, and the next call works", async () => {
      const recorder = new Recorder((method, params) => {
        const { key } = params as { readonly key?: string };
        if (method === "step.commit" && key === "first") throw new AppError("limit_exceeded", "too many steps");
      });
      const { said } = await act({ do: "refusedStep" }, { recorder });
      assert.deepEqual(said.output, ["limit_exceeded", 2]);
    });
  });
}
