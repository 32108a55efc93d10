import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { limits, utf8Bytes } from "@holdfast/protocol";
import { LogBudget } from "./log-budget.ts";
import { LineSplitter, outputLine } from "./output.ts";

describe("what a process prints, as lines", () => {
  it("is the same however its bytes are cut", () => {
    const bytes = Buffer.from("ä€😀\r\n\nlast line");
    for (const size of [1, 2, 3, 5, bytes.length]) {
      const splitter = new LineSplitter();
      const lines: string[] = [];
      for (let i = 0; i < bytes.length; i += size) lines.push(...splitter.push(bytes.subarray(i, i + size)));
      assert.deepEqual([...lines, splitter.flush()], ["ä€😀", "", "last line"]);
      assert.equal(splitter.flush(), undefined);
    }
  });

  it("stands for bytes that are no UTF-8 with the replacement character", () => {
    const splitter = new LineSplitter();
    assert.deepEqual(splitter.push(Buffer.from([0x61, 0xff, 0x62, 0x0a])), ["a\ufffdb"]);
    splitter.push(Buffer.from([0xe2, 0x82]));
    assert.equal(splitter.flush(), "\ufffd");
  });

  it("cuts lines over the limit, at whatever length, and not those just under it", () => {
    const line = "€".repeat(Math.floor(limits.logLineBytes / 3));
    assert.deepEqual(new LineSplitter().push(Buffer.from(`${line}\n`)), [line]);
    for (const length of [line.length + 1, limits.logLineBytes + 1, 300_000]) {
      const splitter = new LineSplitter();
      const [cut, next] = splitter.push(Buffer.from(`${"€".repeat(length)}\nnext\n`));
      assert.ok(utf8Bytes(cut ?? "") <= limits.logLineBytes);
      assert.match((cut ?? "").slice(-40), new RegExp(`… \\(cut: ${length} characters\\)$`));
      assert.equal(next, "next");
    }
  });

  it("keeps the fields of a JSON object and finds its level and message by their usual names", () => {
    const cases: readonly [string, object][] = [
      ['{"level":"warning","message":"m","n":1}', { level: "warn", text: "m", fields: { n: 1 } }],
      ['{"level":50,"msg":"pino"}', { level: "error", text: "pino", fields: {} }],
      ['{"severity":"DEBUG","message":"gcp"}', { level: "debug", text: "gcp", fields: {} }],
      ['{"a":1}', { level: "info", text: '{"a":1}', fields: { a: 1 } }],
      ["{not json}", { level: "info", text: "{not json}" }],
      ['{"msg":"nul \\u0000"}', { level: "info", text: '{"msg":"nul \\u0000"}' }],
      ["nul \u0000", { level: "info", text: "nul \ufffd" }],
    ];
    for (const [text, expected] of cases)
      assert.deepEqual(outputLine("stdout", text), { stream: "stdout", ...expected });
    assert.equal(outputLine("stderr", "x").level, "warn");
  });
});

describe("the log budget of an activation", () => {
  const open = { lines: 1_000, bytes: 1_000, burstLines: 1_000, linesPerSecond: 1 };

  it("admits a burst, then lines at a rate", () => {
    let now = 0;
    const budget = new LogBudget({ ...open, burstLines: 2, linesPerSecond: 10 }, () => now);
    assert.deepEqual(
      [1, 2, 3].map(() => budget.admit(1)),
      [true, true, false],
    );
    now = 99;
    assert.equal(budget.admit(1), false);
    now = 200;
    assert.equal(budget.admit(1), true);
    assert.match(budget.dropped() ?? "", /^2 log lines \(2 bytes\) were dropped/);
    assert.equal(budget.dropped(), undefined);
  });

  it("ends at a number of lines and at a number of bytes", () => {
    const lines = new LogBudget({ ...open, lines: 2 }, () => 0);
    assert.deepEqual(
      [1, 2, 3].map(() => lines.admit(1)),
      [true, true, false],
    );
    const bytes = new LogBudget({ ...open, bytes: 10 }, () => 0);
    assert.deepEqual(
      [6, 6, 4].map((size) => bytes.admit(size)),
      [true, false, true],
    );
  });
});
