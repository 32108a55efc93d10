import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { AppError, type Json, limits } from "@holdfast/protocol";
import { begin, bodiesRoot, carryOut, Recorder } from "../fixtures/recording.ts";
import { ProcessPlacement } from "./process-placement.ts";

const rawChild = fileURLToPath(new URL("./fixtures/raw-child.ts", import.meta.url));

function open(manner = "plain", helloMs = 30_000): ProcessPlacement {
  return new ProcessPlacement({
    projectRoot: bodiesRoot,
    concurrency: 1,
    spareChildren: 0,
    helloMs,
    command: { command: process.execPath, args: [rawChild, manner] },
  });
}

interface Answer {
  readonly id: number | null;
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly data: { readonly code: string } };
}

/** What a raw child is answered when it says this: calls are answered in order, so that one more marks the end. */
async function converse(say: readonly Json[], recorder = new Recorder(), manner = "plain"): Promise<Answer[]> {
  const placement = open(manner);
  const last = { jsonrpc: "2.0", id: 9_998, method: "none", params: {}, nonce: "NONCE" };
  const { ended } = begin(placement, { say: [...say, last] }, { recorder });
  await recorder.hears((heard) => "stream" in heard && heard.stream === "stdout" && answerOf(heard).id === 9_998);
  const answers = recorder.lines.map((line) => answerOf(line)).filter((answer) => answer.id !== 9_998);
  await placement.close();
  assert.equal((await ended).how, "aborted");
  return answers;
}

function answerOf(line: { readonly text: string; readonly fields?: unknown }): Answer {
  return (line.fields ?? JSON.parse(line.text)) as Answer;
}

const call = (id: number, method: string, params: Json, nonce = "NONCE"): Json => {
  return { jsonrpc: "2.0", id, method, params, nonce };
};

describe("the supervisor's end of the channel", { timeout: 60_000 }, () => {
  it("understands frames that are split byte by byte, and several in one read", async () => {
    const say = [1, 2, 3].map((id) => call(id, "step.commit", { key: `k${id}`, value: "ä€😀" }));
    for (const manner of ["plain", "byte by byte"]) {
      const answers = await converse(say, new Recorder(), manner);
      assert.deepEqual(
        answers.map((answer) => answer.id),
        [1, 2, 3],
      );
      assert.deepEqual(answers[2]?.result, { recorded: true, value: "ä€😀" });
    }
  });

  it("answers every request by its id: unknown, invalid, denied and failing ones typed", async () => {
    const recorder = new Recorder((method) => {
      if (method === "progress.report") throw new AppError("method_denied", "not granted");
      if (method === "step.commit") throw new TypeError("a fault of the control plane");
      return undefined;
    });
    const answers = await converse(
      [
        call(1, "state.unheard", {}),
        call(2, "constructor", {}),
        call(3, "log.write", { lines: [] }),
        call(4, "log.write", { lines: [{ level: "info", text: "x", colour: 1 }] }),
        call(5, "progress.report", { done: 1 }),
        call(6, "step.commit", { key: "k", value: 1 }),
        call(7, "log.write", { lines: [{ level: "info", text: "heard" }] }),
      ],
      recorder,
    );
    assert.deepEqual(
      answers.map(({ id, error }) => [id, error?.code, error?.data.code]),
      [
        [1, -32_601, "unknown_method"],
        [2, -32_601, "unknown_method"],
        [3, -32_602, "invalid_request"],
        [4, -32_602, "invalid_request"],
        [5, -32_000, "method_denied"],
        [6, -32_000, "internal"],
        [7, undefined, undefined],
      ],
    );
    assert.deepEqual(recorder.logged, ["heard"]);
  });

  it("refuses a call with another activation's nonce and carries nothing of it out", async () => {
    const recorder = new Recorder();
    const answers = await converse([call(1, "step.commit", { key: "k", value: 1 }, "of-another-activation")], recorder);
    assert.equal(answers[0]?.error?.data.code, "stale_epoch");
    assert.deepEqual(recorder.calls, []);
  });

  it("answers a request of the wrong shape by its id, and goes on", async () => {
    const answers = await converse([
      { jsonrpc: "2.0", id: 4, method: "log.write" },
      { jsonrpc: "1.0", id: 5, method: "x", params: {}, nonce: "NONCE" },
      { ...(call(6, "log.write", {}) as object), extra: true },
    ]);
    assert.deepEqual(
      answers.map(({ id, error }) => [id, error?.code]),
      [
        [4, -32_600],
        [5, -32_600],
        [6, -32_600],
      ],
    );
  });

  it("refuses everything after the call that ended the run", async () => {
    const placement = open();
    const recorder = new Recorder();
    const say = [call(1, "run.succeed", { output: 1 }), call(2, "step.commit", { key: "late", value: 1 })];
    const { end } = await carryOut(placement, { say }, { recorder });
    await placement.close();
    assert.equal(end.how, "settled");
    assert.deepEqual(
      recorder.calls.map((heard) => heard.method),
      ["run.succeed"],
    );
  });

  it("answers what is no frame with an error and ends the process", async () => {
    const frames = { "no JSON": "6e6f204a534f4e0a", "invalid UTF-8": "22ff220a", "half a surrogate": "22eda080220a" };
    for (const [what, hex] of Object.entries(frames)) {
      const placement = open();
      const { end } = await carryOut(placement, { say: [], hex });
      await placement.close();
      assert.ok(end.how === "exited" && !end.lost, what);
      assert.match(end.message, /ended for what it said on the channel.*not JSON in UTF-8/);
    }
  });

  it("ends a process whose frame is over the limit", async () => {
    const placement = open();
    const { end } = await carryOut(placement, { say: [], bytes: limits.frameBytes + 2 * 1_048_576 });
    await placement.close();
    assert.ok(end.how === "exited" && !end.lost);
    assert.match(end.message, /over the limit of 33554432 bytes/);
  });

  it("ends a process that says something with neither id nor known meaning", async () => {
    const placement = open();
    const { end } = await carryOut(placement, { say: [{ jsonrpc: "2.0", method: "surprise", params: {} }] });
    await placement.close();
    assert.match(JSON.stringify(end), /no request and has no id/);
  });

  it("gives an activation only to a process that said hello first, in time, in a version it knows", async () => {
    const ends: Record<string, RegExp> = {
      rude: /"lost":false.*did not say hello first/,
      old: /"lost":false.*speaks the channel's versions 0 to 0; this node speaks 1/,
      silent: /"lost":true.*did not say hello within 300 ms/,
      dead: /"code":3,"signal":null,"lost":false.*exit code 3 before it could run anything/,
    };
    for (const [manner, words] of Object.entries(ends)) {
      const placement = open(manner, manner === "silent" ? 300 : 30_000);
      const { end, recorder } = await carryOut(placement, { say: [] });
      await placement.close();
      assert.match(JSON.stringify(end), words);
      assert.deepEqual(recorder.calls, []);
    }
  });

  it("CM-10: speaks with a peer of several versions in the one that both know", async () => {
    const answers = await converse([call(1, "step.commit", { key: "k", value: 1 })], new Recorder(), "newer");
    assert.deepEqual(answers[0]?.result, { recorded: true, value: 1 });
  });

  it("says that a process could not be started, which uses up no attempt", async () => {
    // A NUL makes spawn throw, as it does when there is no memory for a process.
    const odd = new ProcessPlacement({
      projectRoot: bodiesRoot,
      concurrency: 1,
      command: { command: "a\0", args: [] },
    });
    assert.match(JSON.stringify((await carryOut(odd, {})).end), /"lost":true.*No process could be started/);
    await odd.close();
    const placement = new ProcessPlacement({
      projectRoot: bodiesRoot,
      concurrency: 1,
      spareChildren: 0,
      command: { command: "/nowhere/at/all", args: [] },
    });
    const { end } = await carryOut(placement, {});
    await placement.close();
    assert.match(JSON.stringify(end), /"lost":true.*could not be started.*ENOENT/);
  });
});
