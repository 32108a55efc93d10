import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { runInNewContext } from "node:vm";
import { AppError, limits, utf8Bytes } from "@holdfast/protocol";
import { runError } from "./failure.ts";

function withStack(error: Error, frames: readonly string[]): Error {
  error.stack = [`${error.name}: ${error.message}`, ...frames.map((frame) => `    at ${frame}`)].join("\n");
  return error;
}

describe("the error of a run", () => {
  it("shows the user's own frames, relative to the project, and none of Node's and Holdfast's", () => {
    const own = new URL("./body.ts", import.meta.url).href;
    const error = withStack(new TypeError("no"), [
      "clean (file:///project/tasks/clean.ts:3:9)",
      "async /project/tasks/other.ts:1:1",
      "new Promise (<anonymous>)",
      "process.processTicksAndRejections (node:internal/process/task_queues:104:5)",
      `Context.step (${own}:40:5)`,
      "x (/project/node_modules/@holdfast/sdk/dist/body.js:1:1)",
      "query (/project/node_modules/pg/lib/client.js:5:5)",
      `runBody (${own}:41:5)`,
      "#bodyOutcome (/opt/holdfast/server/src/placements/inline/inline-placement.ts:151:12)",
    ]);
    assert.equal(
      runError(error, "/project").stack,
      [
        "TypeError: no",
        "    at clean (tasks/clean.ts:3:9)",
        "    at async tasks/other.ts:1:1",
        "    at query (node_modules/pg/lib/client.js:5:5)",
      ].join("\n"),
    );
  });

  it("names files whole where there is no project's folder to shorten them by", () => {
    const error = withStack(new Error("no"), ["clean (file:///tmp/clean.ts:3:9)"]);
    assert.match(runError(error, "/").stack ?? "", /at clean \(\/tmp\/clean\.ts:3:9\)/);
  });

  it("tells the causes", () => {
    const root = withStack(new RangeError("deep"), ["f (file:///project/a.ts:1:1)"]);
    const error = withStack(new Error("outer", { cause: root }), ["g (file:///project/b.ts:2:2)"]);
    assert.match(
      runError(error, "/project").stack ?? "",
      /^Error: outer\n.*b\.ts:2:2\)\nCaused by: RangeError: deep\n.*a\.ts:1:1\)$/,
    );
    const circle = new Error("circle");
    circle.cause = circle;
    assert.match(runError(circle, "/").stack ?? "", /Caused by/);
  });

  it("keeps the code and hint of an AppError", () => {
    const { code, hint } = runError(new AppError("too_large", "much", { hint: "less" }), "/");
    assert.deepEqual([code, hint], ["too_large", "less"]);
  });

  it("says what was thrown when that is no error, and knows errors of other realms", () => {
    assert.equal(runError({ odd: 1 }, "/").message, "The body threw { odd: 1 }");
    assert.equal(runError(undefined, "/").message, "The body threw undefined");
    const { message, name } = runError(runInNewContext('new SyntaxError("there")'), "/");
    assert.deepEqual([message, name], ["there", "SyntaxError"]);
  });

  it("cuts what is too long, and keeps nothing that a store cannot", () => {
    const error = runError(withStack(new Error(`\u0000${"ä€".repeat(100_000)}\ud800`), []), "/");
    assert.ok(utf8Bytes(JSON.stringify(error)) <= limits.errorTextBytes);
    assert.match(error.message, /… \(cut: 200002 characters\)$/);
    assert.ok(!error.message.includes("\u0000"));
  });

  it("survives a stack that throws", () => {
    const error = new Error("odd");
    Object.defineProperty(error, "stack", {
      get() {
        throw new Error("again");
      },
    });
    assert.equal(runError(error, "/").stack, "Error: odd");
  });
});
