import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { AppError } from "@holdfast/protocol";
import { begin as beginJob, carryOut as carryOutJob, type JobOptions, Recorder } from "./fixtures/recording.ts";
import type { Placement } from "./placement.ts";

/** Where the languages differ in what they say. */
export interface Dialect {
  /** In every job. */
  readonly job: JobOptions;
  readonly module: string;
  /** The stack of a body that fails, with the user's own frame. */
  readonly stack: RegExp;
  readonly unkeepable: string;
  readonly epoch: string;
  readonly notATask: RegExp;
  /** What is said of an input that does not fit, and whether the body's process checks its result too. */
  readonly badDay: RegExp;
  readonly checksResult: boolean;
}

export const typescript: Dialect = {
  job: {},
  module: "bodies.ts",
  stack: /^TypeError: this body fails\n {4}at fail \(bodies\.ts:\d+:\d+\)/,
  unkeepable: "a Map",
  epoch: "1970-01-01T00:00:00.000Z",
  notATask: /notATask of bodies\.ts is not a task/,
  badDay: /at day: /,
  checksResult: true,
};

export const python: Dialect = {
  job: { executor: "python" },
  module: "bodies.py",
  stack: /^Traceback .*:\n {2}File "bodies\.py", line \d+, in acting\n.*\n {2}File "bodies.py", line \d+, in fail\n/,
  unkeepable: "a set",
  epoch: "1970-01-01T00:00:00Z",
  notATask: /notATask of bodies\.py can be no task's body/,
  badDay: /: day has to be a text and is 7\./,
  checksResult: false,
};

/** What every placement does with a body. `open` makes one on the bodies of the fixtures, with two slots. */
export function placementContract(name: string, open: () => Placement, dialect: Dialect = typescript): void {
  const begin: typeof beginJob = (placement, input, options) =>
    beginJob(placement, input, { ...dialect.job, ...options });
  const carryOut: typeof carryOutJob = (placement, input, options) =>
    carryOutJob(placement, input, { ...dialect.job, ...options });
  describe(`the ${name} placement`, { timeout: 60_000 }, () => {
    let placement: Placement;
    before(() => {
      placement = open();
    });
    after(() => placement.close());

    it("says what the body returned with run.succeed, and settles when that is acknowledged", async () => {
      const { end, recorder } = await carryOut(placement, { do: "ok", value: { deep: [1, "zwei", null] } });
      assert.equal(end.how, "settled");
      assert.deepEqual(recorder.heard, [{ method: "run.succeed", params: { output: { deep: [1, "zwei", null] } } }]);
    });

    it("fails with the class, message and the user's own lines of what was thrown", async () => {
      const { last, said } = await carryOut(placement, { do: "fail" });
      const { error, fatal } = said;
      assert.equal(last?.method, "run.fail");
      assert.equal(fatal, undefined);
      assert.equal(error.message, "this body fails");
      assert.equal(error.name, "TypeError");
      assert.match(error.stack ?? "", dialect.stack);
      assert.doesNotMatch(error.stack ?? "", /sdk\/src|node:|holdfast_sdk/);
    });

    it("fails for good by FatalError, asks for a later attempt by RetryAfter, skips by ctx.skip", async () => {
      const fatal = await carryOut(placement, { do: "fatal" });
      assert.equal(fatal.said.fatal, true);
      const retry = await carryOut(placement, { do: "retry" });
      assert.equal(retry.last?.method, "run.retry");
      assert.equal(retry.said.afterMs, 3_000);
      const skip = await carryOut(placement, { do: "skip" });
      assert.deepEqual(skip.last, { method: "run.skip", params: { reason: "nothing to do" } });
    });

    it("ends a body that waits once its suspension is acknowledged, and the body does not see it", async () => {
      const suspended = { suspended: true, records: [], refused: [] };
      const recorder = new Recorder((method) => (method === "run.suspend" ? suspended : undefined));
      const { end, last } = await carryOut(placement, { do: "sleep" }, { recorder });
      assert.equal(end.how, "settled");
      const waits = [{ kind: "sleep", key: "nap", ms: 3_600_000 }];
      assert.deepEqual(last, { method: "run.suspend", params: { waits, settles: [], groups: [["nap"]] } });
      const { pid } = recorder.loggedFields;
      while (pid !== process.pid && existsSync(`/proc/${pid}`)) await pause(5);
      assert.ok(!recorder.lines.some(({ text }) => /caught|finally/.test(text)));
    });

    it("says at once that a body has failed beside a wait of its own", async () => {
      const suspended = { suspended: true, records: [], refused: [] };
      for (const definition of ["acting", ...(dialect.job.executor === "python" ? ["asynchronous"] : [])]) {
        const recorder = new Recorder((method) => (method === "run.suspend" ? suspended : undefined));
        const { said } = await carryOut(placement, { do: "failBeside" }, { recorder, definition });
        assert.equal(said.error?.message, "beside a wait");
        assert.ok(!recorder.calls.some(({ method }) => method === "run.suspend"));
      }
    });

    it("goes on with a body whose wait is over already, in the same process", async () => {
      const value = { "holdfast.wait": "sleep", end: "done", hash: "h", attempt: 1 };
      const goesOn = { suspended: false, records: [{ key: "nap", value }], refused: [] };
      const recorder = new Recorder((method) => (method === "run.suspend" ? goesOn : undefined));
      const { end, last } = await carryOut(placement, { do: "sleep" }, { recorder });
      assert.deepEqual([end.how, last?.method], ["settled", "run.succeed"]);
      assert.deepEqual(last?.params, { output: recorder.loggedFields.pid });
    });

    it("refuses a result that JSON cannot keep, naming the path", async () => {
      const { said } = await carryOut(placement, { do: "map" });
      const { error } = said;
      assert.equal(error.code, "result_invalid");
      assert.ok(error.message?.includes(`It.files[0] is ${dialect.unkeepable}, which JSON cannot keep`), error.message);
    });

    it("refuses a result over the limit, and takes one just under it", async () => {
      const over = await carryOut(placement, { do: "large", value: 1024 * 1024 - 1 });
      assert.equal(over.said.error.code, "result_invalid");
      const under = await carryOut(placement, { do: "large", value: 1024 * 1024 - 2 });
      assert.equal(under.last?.method, "run.succeed");
    });

    it("checks the input, and the output where it can, by what the task says of them", async () => {
      const bad = await carryOut(placement, { day: 7 }, { definition: "checked" });
      const { error, fatal } = bad.said;
      assert.deepEqual([error.code, fatal], ["invalid_input", true]);
      assert.match(error.message ?? "", dialect.badDay);
      const wrong = await carryOut(placement, { day: "monday" }, { definition: "checked" });
      if (dialect.checksResult) assert.match(JSON.stringify(wrong.last?.params), /result_invalid.*at length: /);
      const good = await carryOut(placement, { day: "tuesday" }, { definition: "checked" });
      assert.deepEqual(good.last?.params, { output: { length: 7 } });
    });

    it("names what is missing when the module or the export is gone; it may be back at the next attempt", async () => {
      const noModule = await carryOut(placement, {}, { module: `gone-${dialect.module}` });
      const said = JSON.stringify(noModule.last?.params);
      assert.match(said, /definition_missing.*gone-bodies\.\w+ is not there/);
      assert.doesNotMatch(said, /"fatal":true/);
      const noExport = await carryOut(placement, {}, { export: "actin" });
      assert.match(JSON.stringify(noExport.last?.params), /has no (export|function) actin\. Did you mean acting\?/);
      const noTask = await carryOut(placement, {}, { export: "notATask" });
      assert.match(JSON.stringify(noTask.last?.params), dialect.notATask);
    });

    it("records a step's JSON before it goes on, and lets a record answer in place of the function", async () => {
      const fresh = await carryOut(placement, { do: "steps" });
      const said = ({ recorder }: typeof fresh) => recorder.calls.map(({ method }) => method);
      const besideLog = (carried: typeof fresh) => said(carried).filter((method) => method !== "log.write");
      assert.deepEqual(besideLog(fresh), ["step.commit", "step.commit", "run.succeed"]);
      assert.equal(said(fresh).length, 4, "a key that is used twice is told in the log");
      const { output } = fresh.said;
      assert.deepEqual(output.first, { at: dialect.epoch });
      assert.equal(output.second, null);
      assert.deepEqual(output.again, output.first);
      const again = await carryOut(placement, { do: "steps" }, { steps: [{ key: "first", value: "recorded" }] });
      const later = again.said.output;
      assert.equal(later.first, "recorded");
      assert.deepEqual(besideLog(again), ["step.commit", "run.succeed"]);
      assert.match(String(later.token), /^[0-9a-f]{64}$/);
      assert.equal(later.token, output.token);
    });

    it("answers with the record of another activation when a step turns out to be recorded already", async () => {
      const recorder = new Recorder((method) => (method === "step.commit" ? { recorded: false, value: 7 } : undefined));
      const { said } = await carryOut(placement, { do: "steps" }, { recorder });
      assert.equal(said.output.first, 7);
    });

    it("fails when a step's key is used twice at once, and when JSON cannot keep its value", async () => {
      const twice = await carryOut(placement, { do: "stepTwice" });
      assert.match(JSON.stringify(twice.last), /run\.fail.*Step \\"same\\" is under way already/);
      const map = await carryOut(placement, { do: "stepMap" });
      assert.match(JSON.stringify(map.last), /run\.fail.*The result of step \\"bad\\"\.a\[1\] is a (Map|set)/);
    });

    it("waits for a step that the body did not await before it succeeds", async () => {
      const { recorder } = await carryOut(placement, { do: "stepUnawaited" });
      assert.deepEqual(
        recorder.calls.map((call) => call.method),
        ["step.commit", "run.succeed"],
      );
    });

    it("hands over log and progress before the success", async () => {
      const { recorder } = await carryOut(placement, { do: "report" });
      assert.deepEqual(recorder.calls.at(-1), { method: "run.succeed", params: { output: null } });
      assert.deepEqual(
        recorder.calls.slice(0, -1).toSorted((a, b) => a.method.localeCompare(b.method)),
        [
          { method: "log.write", params: { lines: [{ level: "warn", text: "careful", fields: { n: 1 } }] } },
          { method: "progress.report", params: { done: 1, total: 2, text: "half" } },
        ],
      );
    });

    it("carries out one call at a time, in order", async () => {
      let open = 0;
      let most = 0;
      const recorder = new Recorder(async () => {
        most = Math.max(most, ++open);
        await new Promise((resolve) => setImmediate(resolve));
        open--;
      });
      const { end } = await carryOut(placement, { do: "report" }, { recorder });
      assert.deepEqual([end.how, most], ["settled", 1]);
    });

    it("says the result again while the store is away", async () => {
      let away = 3;
      const recorder = new Recorder(() => {
        if (away-- > 0) throw new AppError("store_unavailable", "the store is away");
      });
      const { end } = await carryOut(placement, { do: "ok" }, { recorder });
      assert.deepEqual([end.how, recorder.calls.length], ["settled", 4]);
    });

    it("turns a result that cannot be stored into a failure that says so", async () => {
      const recorder = new Recorder((method) => {
        if (method === "run.succeed") throw new AppError("invalid_output", "the output does not fit its schema");
      });
      const { end, last } = await carryOut(placement, { do: "ok" }, { recorder });
      assert.equal(end.how, "settled");
      assert.match(JSON.stringify(last), /run\.fail.*"the output does not fit its schema"/);
    });

    it("ends refused when the control plane answers that the epoch is stale", async () => {
      for (const code of ["stale_epoch", "run_ended"] as const) {
        const recorder = new Recorder(() => {
          throw new AppError(code, "no");
        });
        const { end } = await carryOut(placement, { do: "ok" }, { recorder });
        assert.equal(end.how, "refused");
      }
    });

    it("fires the body's abortSignal first and hears what it says to that", async () => {
      const { running, recorder, ended } = begin(placement, { do: "obedient" });
      await recorder.hearsText("waiting");
      running.abort("told to");
      assert.equal((await ended).how, "settled");
      assert.match(JSON.stringify(recorder.calls.at(-1)), /run\.fail.*told to/);
    });

    it("ends an activation whose time is over, and counts its running time", async () => {
      const { recorder, ended } = begin(placement, { do: "hang" }, { remainingMs: 100 });
      const end = await ended;
      assert.equal(end.how, "timed_out");
      assert.ok(end.ranMs >= 100, `ran ${end.ranMs} ms`);
      assert.deepEqual(
        recorder.calls.map((call) => call.method).filter((method) => method !== "log.write"),
        [],
      );
    });

    it("counts no running time while frozen", async () => {
      const { running, recorder, ended } = begin(placement, { do: "hang" }, { remainingMs: 60_000 });
      await recorder.hearsText("hanging");
      running.freeze();
      const before = running.ranMs;
      await carryOut(placement, { do: "ok" });
      assert.equal(running.ranMs, before);
      running.thaw();
      running.kill();
      assert.deepEqual((await ended).how, "aborted");
    });

    it("has a slot again once an activation has ended, and refuses more than it has", async () => {
      assert.equal(placement.free, 2);
      const first = begin(placement, { do: "hang" });
      const second = begin(placement, { do: "hang" });
      assert.equal(placement.free, 0);
      assert.throws(() => begin(placement, { do: "ok" }), /no free slot/);
      first.running.kill();
      second.running.kill();
      await Promise.all([first.ended, second.ended]);
      assert.equal(placement.free, 2);
    });

    it("kills what runs when it is closed, and takes nothing more", async () => {
      const own = open();
      const { ended } = begin(own, { do: "hang" });
      await own.close();
      assert.equal((await ended).how, "aborted");
      assert.equal(own.free, 0);
    });
  });
}
