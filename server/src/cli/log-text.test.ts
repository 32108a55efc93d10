// Faults to catch: what a JSON line says is shown twice; fields beside a message are lost;
// a stack loses what its indentation says.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogLineView } from "@holdfast/protocol";
import { outputLine } from "../placements/process/output.ts";
import { logText } from "./log-text.ts";
import { openTerminal, withoutCodes } from "./terminal.ts";

function shown(text: string): string {
  const line: LogLineView = {
    runId: "r",
    epoch: 1,
    seq: 1,
    at: "1970-01-01T00:00:00.000Z",
    ...outputLine("stdout", text),
  };
  return withoutCodes(logText(openTerminal({ json: false }), line, undefined)).replace(/^\S+ /, "");
}

test("a JSON line is shown once: as it is without a message, else as its message and the rest", () => {
  assert.equal(shown('{"files": 3, "day": "2026-01-31"}'), '{"files": 3, "day": "2026-01-31"}');
  assert.equal(shown('{"msg":"exported","files":3}'), 'exported {"files":3}');
  assert.equal(shown('{"level":"warn","files":3}'), '{"level":"warn","files":3}');
  assert.equal(shown("plain {text}"), "plain {text}");
});

test("the lines of a stack keep their indentation", () => {
  const line: LogLineView = {
    runId: "r",
    epoch: 1,
    seq: 1,
    at: "1970-01-01T00:00:00.000Z",
    stream: "log",
    level: "info",
    text: "Traceback:\n  File 1\n\traise",
  };
  const text = withoutCodes(logText(openTerminal({ json: false }), line, undefined)).replace(/^\S+ /, "");
  assert.equal(text, "Traceback:\n      File 1\n      raise");
});
